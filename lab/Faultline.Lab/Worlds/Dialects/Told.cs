using System.Text.Json;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

internal sealed record ToldEvent(string Name, long UnixNanos, List<KeyValuePair<string, object>> Attributes);

/// <summary>One span as its dialect tells it. Values are string, bool, long, double or string[].</summary>
internal sealed class Told(string name)
{
    public const int Internal = 1;
    public const int Server = 2;
    public const int Client = 3;

    public string Name { get; set; } = name;

    public int Kind { get; set; } = Internal;

    public List<KeyValuePair<string, object>> Attributes { get; } = [];

    public List<ToldEvent> Events { get; } = [];

    /// <summary>Null is left out.</summary>
    public Told Set(string key, object? value)
    {
        if (value is int number)
        {
            value = (long)number;
        }

        if (value is not null)
        {
            Attributes.Add(new(key, value));
        }

        return this;
    }

    public void Tell(string name, long unixNanos, params KeyValuePair<string, object>[] attributes) => Events.Add(new ToldEvent(name, unixNanos, [.. attributes]));

    /// <summary>Messages in the form of v1.37 and later.</summary>
    public static string Parts(IEnumerable<Message> messages) =>
        JsonSerializer.Serialize(messages.Select(message => new { role = message.Role, parts = new[] { new { type = "text", content = message.Text } } }));

    public static string OutputParts(ModelCall call) => call.ToolName is { } tool
        ? JsonSerializer.Serialize(new[] { new { role = "assistant", parts = new[] { new { type = "tool_call", id = "call_1", name = tool, arguments = call.ToolArguments } }, finish_reason = "tool_call" } })
        : JsonSerializer.Serialize(new[] { new { role = "assistant", parts = new[] { new { type = "text", content = call.Output } }, finish_reason = call.Finish } });

    /// <summary>Roles and plain texts, system first.</summary>
    public static IEnumerable<Message> Whole(ModelCall call) => call.System is null ? call.Input : call.Input.Prepend(new Message("system", call.System));

    public static string UpdatedAt(Span span, Passage passage) =>
        DateTimeOffset.UnixEpoch.AddTicks(span.Start / 100).AddDays(-passage.AgeDays).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Documents as a JSON array; with their texts where content is captured.</summary>
    public static string Documents(Span span, IEnumerable<Passage> passages, bool texts) => JsonSerializer.Serialize(passages.Select(passage => texts
        ? (object)new { id = passage.Document.Id, score = passage.Score, content = passage.Text, metadata = new { updated_at = UpdatedAt(span, passage) } }
        : new { id = passage.Document.Id, score = passage.Score, metadata = new { updated_at = UpdatedAt(span, passage) } }));
}

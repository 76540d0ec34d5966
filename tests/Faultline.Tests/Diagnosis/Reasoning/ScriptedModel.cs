using System.Collections.Concurrent;
using System.Text.Json;
using Faultline.Diagnosis.Reasoning.Chat;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Faultline.Tests.Diagnosis.Reasoning;

/// <summary>One request as the endpoint got it.</summary>
internal sealed record ScriptedRequest(int Number, JsonElement Body, IReadOnlyDictionary<string, string> Headers)
{
    public IReadOnlyList<JsonElement> Messages => [.. Body.GetProperty("messages").EnumerateArray()];

    /// <summary>The model is to answer: it has no tools.</summary>
    public bool IsFinal => !Body.TryGetProperty("tools", out _);

    /// <summary>What the tools answered since the model last spoke, without the fence.</summary>
    public IReadOnlyList<JsonElement> ToolAnswers =>
        [.. Messages.Reverse().TakeWhile(message => Role(message) is "tool").Reverse().Select(message => Data(message.GetProperty("content").GetString()!))];

    /// <summary>The case as the model was told it.</summary>
    public JsonElement Case => Data(Messages[1].GetProperty("content").GetString()!);

    public static string Role(JsonElement message) => message.GetProperty("role").GetString()!;

    private static JsonElement Data(string fenced)
    {
        var from = fenced.IndexOf('{', StringComparison.Ordinal);
        return JsonDocument.Parse(fenced[from..(fenced.LastIndexOf('}') + 1)]).RootElement.Clone();
    }
}

/// <summary>What the endpoint answers.</summary>
internal sealed record ScriptedReply(int Status, string Body)
{
    public int? RetryAfter { get; init; }

    /// <summary>Never answers; waits until the client goes away.</summary>
    public bool Hangs { get; init; }

    public static ScriptedReply Say(string text, string finish = "stop") => Message(new { role = "assistant", content = text, refusal = (string?)null }, finish);

    public static ScriptedReply Json(object answer) => Say(JsonSerializer.Serialize(answer));

    public static ScriptedReply Refuse() => Message(new { role = "assistant", content = (string?)null, refusal = "I can't help with that." }, "stop");

    public static ScriptedReply Call(params (string Name, string Arguments)[] calls) => Message(
        new
        {
            role = "assistant",
            content = (string?)null,
            tool_calls = calls.Select((call, i) => new { id = $"call_abc{i}", type = "function", function = new { name = call.Name, arguments = call.Arguments } }),
        },
        "tool_calls");

    public static ScriptedReply Error(int status, string message, string? param = null) => new(status, JsonSerializer.Serialize(new { error = new { message, type = "invalid_request_error", param, code = (string?)null } }));

    private static ScriptedReply Message(object message, string finish) => new(200, JsonSerializer.Serialize(new
    {
        id = "chatcmpl-1",
        @object = "chat.completion",
        created = 1_741_569_952,
        model = "scripted-1-2026",
        choices = new[] { new { index = 0, message, logprobs = (object?)null, finish_reason = finish } },
        usage = new { prompt_tokens = 1_000, completion_tokens = 50, total_tokens = 1_050 },
    }));
}

/// <summary>An OpenAI-compatible endpoint on loopback that answers from a script and checks that requests have the published shape.</summary>
internal sealed class ScriptedModel : IAsyncDisposable
{
    public const string Name = "scripted-1";
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<ScriptedRequest> _requests = new();
    private readonly ConcurrentQueue<string> _problems = new();
    private int _count;

    private ScriptedModel(WebApplication app) => _app = app;

    public IReadOnlyList<ScriptedRequest> Requests => [.. _requests];

    /// <summary>What was wrong with requests.</summary>
    public IReadOnlyList<string> Problems => [.. _problems];

    public LlmFigures Figures { get; } = new();

    public LlmOptions Options => new() { Endpoint = _app.Urls.First() + "/v1", Model = Name, CallTimeout = TimeSpan.FromSeconds(30), RetryDelay = TimeSpan.Zero };

    public ChatEndpoint Endpoint(LlmOptions? options = null) => new(options ?? Options, Figures, TimeProvider.System);

    public static async Task<ScriptedModel> StartAsync(Func<ScriptedRequest, ScriptedReply> script)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var model = new ScriptedModel(app);
        app.Run(http => model.AnswerAsync(http, script));
        await app.StartAsync();
        return model;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _app.DisposeAsync();
        _stop.Dispose();
    }

    private async Task AnswerAsync(HttpContext http, Func<ScriptedRequest, ScriptedReply> script)
    {
        using var document = await JsonDocument.ParseAsync(http.Request.Body);
        var request = new ScriptedRequest(Interlocked.Increment(ref _count), document.RootElement.Clone(), http.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase));
        _requests.Enqueue(request);
        foreach (var problem in PublishedShape.Problems(http.Request, request.Body))
        {
            _problems.Enqueue($"request {request.Number}: {problem}");
        }

        var reply = script(request);
        if (reply.Hangs)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, _stop.Token);
            await Task.Delay(Timeout.InfiniteTimeSpan, either.Token).ContinueWith(_ => { }, TaskScheduler.Default);
            return;
        }

        http.Response.StatusCode = reply.Status;
        http.Response.ContentType = "application/json";
        if (reply.RetryAfter is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await http.Response.WriteAsync(reply.Body);
    }
}

/// <summary>What the published API asks of a request.</summary>
/// <remarks>Source: OpenAI API reference, "Create chat completion": request body, messages, tools, and "Structured model outputs" for strict schemas.</remarks>
internal static class PublishedShape
{
    private static readonly HashSet<string> Members = new(StringComparer.Ordinal)
    {
        "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stream", "seed", "stop", "n", "user",
    };

    public static IEnumerable<string> Problems(HttpRequest http, JsonElement body)
    {
        if (http.Method != "POST" || http.Path != "/v1/chat/completions" || http.ContentType != "application/json")
        {
            yield return $"{http.Method} {http.Path} {http.ContentType}";
        }

        foreach (var member in body.EnumerateObject().Where(member => !Members.Contains(member.Name)))
        {
            yield return $"unknown member {member.Name}";
        }

        if (body.GetProperty("model").GetString() is not { Length: > 0 } || (body.TryGetProperty("stream", out var stream) && stream.GetBoolean()))
        {
            yield return "no model, or a stream";
        }

        if (body.TryGetProperty("max_tokens", out _) == body.TryGetProperty("max_completion_tokens", out _))
        {
            yield return "one limit of tokens is wanted";
        }

        foreach (var problem in Messages([.. body.GetProperty("messages").EnumerateArray()]).Concat(Tools(body)).Concat(Format(body)))
        {
            yield return problem;
        }
    }

    private static IEnumerable<string> Messages(List<JsonElement> messages)
    {
        HashSet<string> open = [];
        foreach (var message in messages)
        {
            var role = ScriptedRequest.Role(message);
            if (role != "tool" && open.Count > 0)
            {
                yield return $"tool calls {string.Join(',', open)} are not answered before a message of {role}";
                open.Clear();
            }

            var hasText = message.GetProperty("content").ValueKind == JsonValueKind.String;
            switch (role)
            {
                case "system" or "user" when hasText:
                    break;
                case "tool" when hasText && open.Remove(message.GetProperty("tool_call_id").GetString()!):
                    break;
                case "assistant" when message.TryGetProperty("tool_calls", out var calls):
                    foreach (var call in calls.EnumerateArray())
                    {
                        if (call.GetProperty("type").GetString() != "function" || call.GetProperty("function").GetProperty("arguments").ValueKind != JsonValueKind.String || call.GetProperty("function").GetProperty("name").ValueKind != JsonValueKind.String)
                        {
                            yield return "a tool call of the wrong form";
                        }

                        open.Add(call.GetProperty("id").GetString()!);
                    }

                    break;
                case "assistant" when hasText:
                    break;
                default:
                    yield return $"a message of {role} of the wrong form";
                    break;
            }
        }
    }

    private static IEnumerable<string> Tools(JsonElement body)
    {
        if (!body.TryGetProperty("tools", out var tools))
        {
            if (body.TryGetProperty("tool_choice", out _))
            {
                yield return "tool_choice without tools";
            }

            yield break;
        }

        foreach (var tool in tools.EnumerateArray())
        {
            var function = tool.GetProperty("function");
            if (tool.GetProperty("type").GetString() != "function" || !System.Text.RegularExpressions.Regex.IsMatch(function.GetProperty("name").GetString()!, "^[a-zA-Z0-9_-]{1,64}$", default, TimeSpan.FromSeconds(1))
                || function.GetProperty("parameters").GetProperty("type").GetString() != "object")
            {
                yield return $"tool {function.GetProperty("name")} of the wrong form";
            }
        }
    }

    private static IEnumerable<string> Format(JsonElement body)
    {
        if (!body.TryGetProperty("response_format", out var format) || format.GetProperty("type").GetString() == "json_object")
        {
            yield break;
        }

        var named = format.GetProperty("json_schema");
        if (format.GetProperty("type").GetString() != "json_schema" || named.GetProperty("name").GetString() is not { Length: > 0 and <= 64 } || !named.GetProperty("strict").GetBoolean())
        {
            yield return "response_format of the wrong form";
        }

        foreach (var problem in Strict(named.GetProperty("schema")))
        {
            yield return problem;
        }
    }

    // Every property of every object required, none else allowed.
    private static IEnumerable<string> Strict(JsonElement schema)
    {
        if (schema.TryGetProperty("properties", out var properties))
        {
            var required = schema.GetProperty("required").EnumerateArray().Select(name => name.GetString()!).ToHashSet(StringComparer.Ordinal);
            if (schema.GetProperty("additionalProperties").GetBoolean() || !required.SetEquals(properties.EnumerateObject().Select(one => one.Name)))
            {
                yield return "an object that is not strict";
            }

            foreach (var problem in properties.EnumerateObject().SelectMany(one => Strict(one.Value)))
            {
                yield return problem;
            }
        }

        if (schema.TryGetProperty("items", out var items))
        {
            foreach (var problem in Strict(items))
            {
                yield return problem;
            }
        }
    }
}

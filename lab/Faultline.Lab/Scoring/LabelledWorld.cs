using System.Text.Json;

namespace Faultline.Lab.Scoring;

/// <summary>A fault as labels tell it. Times are Unix nanoseconds.</summary>
/// <param name="Classes">Accepted; none: the class is not judged.</param>
/// <param name="Kind">What it is grouped by; the cause when labels say no more.</param>
public sealed record LabelledFault(string World, long Start, long End, IReadOnlyList<string> Classes, string Cause, IReadOnlyList<string> Targets, IReadOnlyList<string> Services, string Kind, string Onset, string Share, string Topology, string Style, string Change)
{
    public bool IsUnknown => Cause == "unknown";
}

/// <summary>What was wrong with one world.</summary>
public sealed record LabelledWorld(string Name, double ServiceDaysHealthy, IReadOnlyList<LabelledFault> Faults)
{
    /// <summary>All label files of a folder, by name.</summary>
    /// <exception cref="JsonException">A file is no JSON.</exception>
    /// <exception cref="KeyNotFoundException">A file lacks what a label has.</exception>
    public static IReadOnlyList<LabelledWorld> ReadAll(string folder) =>
        [.. Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(path => Read(File.ReadAllText(path)))];

    public static LabelledWorld Read(string text)
    {
        using var document = JsonDocument.Parse(text);
        var root = document.RootElement;
        var name = root.GetProperty("world").GetString()!;
        var days = root.TryGetProperty("service_days_healthy", out var given) && given.ValueKind == JsonValueKind.Number ? given.GetDouble() : 0;
        return new LabelledWorld(name, days, root.TryGetProperty("faults", out var faults) ? [.. faults.EnumerateArray().Select(fault => ReadFault(name, fault))] : []);
    }

    private static LabelledFault ReadFault(string world, JsonElement fault)
    {
        string Text(string name, string otherwise) => fault.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : otherwise;
        IReadOnlyList<string> Texts(string name) => fault.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(item => item.ToString())] : [];
        bool Is(string name) => fault.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;
        var cause = Text("cause", "unknown").ToLowerInvariant();
        var targets = Texts("targets_accepted");
        return new LabelledFault(
            world,
            fault.GetProperty("start").GetInt64(),
            fault.GetProperty("end").GetInt64(),
            Texts("class"),
            cause,
            targets.Count > 0 ? targets : [Text("target", "")],
            Texts("services"),
            Text("kind", cause),
            Text("onset", "?"),
            Text("share", "all") == "all" ? "all" : Text("share", "all").Split(' ')[0],
            Text("topology", "?"),
            Text("style", "?"),
            Is("change_recorded") ? "recorded" : Is("change_exists") ? "made, not recorded" : "none made");
    }
}

using System.CommandLine;

namespace Faultline.Cli;

/// <summary>What to delete or to hold, as flags.</summary>
internal sealed class ScopeOptions
{
    private readonly Option<string[]> _traces = new("--trace") { Description = "A trace's id; may repeat.", AllowMultipleArgumentsPerToken = true };
    private readonly Option<string?> _user = new("--user") { Description = "All traces of a user, by the id that was sent." };
    private readonly Option<string?> _session = new("--session") { Description = "All traces of a session." };
    private readonly Option<string?> _project = new("--project") { Description = "Whose (default: default; with --before: every project). Alone: all of the project." };
    private readonly Option<string?> _before = new("--before") { Description = "All telemetry received before a moment, e.g. 2026-11-01T00:00:00Z." };

    public void AddTo(Command command)
    {
        command.Options.Add(_traces);
        command.Options.Add(_user);
        command.Options.Add(_session);
        command.Options.Add(_project);
        command.Options.Add(_before);
    }

    /// <summary>Fields of the request's body; the server says what does not go together.</summary>
    public Dictionary<string, object> Body(ParseResult parsed)
    {
        var body = new Dictionary<string, object>(StringComparer.Ordinal);
        if (parsed.GetValue(_traces) is { Length: > 0 } traces)
        {
            body["traces"] = traces;
        }

        foreach (var (name, option) in new[] { ("user", _user), ("session", _session), ("project", _project), ("before", _before) })
        {
            if (parsed.GetValue(option) is { } text)
            {
                body[name] = text;
            }
        }

        return body;
    }
}

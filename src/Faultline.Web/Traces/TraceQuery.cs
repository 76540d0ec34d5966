using System.Globalization;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Faultline.Web.Shell;

namespace Faultline.Web.Traces;

/// <summary>The filter of the trace list, as its address holds it.</summary>
/// <param name="Filter">What the store is asked.</param>
/// <param name="Problems">What could not be read, by key; those parts match everything.</param>
public sealed record TraceQuery(TraceFilter Filter, IReadOnlyDictionary<string, string> Problems)
{
    public const int PageSize = 100;

    /// <summary>Deepest page; further back is a matter of a narrower range.</summary>
    public const int PageMax = 100;

    public static TraceQuery Parse(Address address, TimeRange range)
    {
        var problems = new Dictionary<string, string>(StringComparer.Ordinal);
        var attributes = new List<KeyValuePair<string, string>>();
        foreach (var text in address.All("attr"))
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                attributes.Add(new(text[..equals].Trim(), text[(equals + 1)..].Trim()));
            }
            else
            {
                problems["attr"] = $"“{text}” is not key=value.";
            }
        }

        SpanStatus? status = address["status"] switch
        {
            "error" => SpanStatus.Error,
            "ok" => SpanStatus.Ok,
            "unset" => SpanStatus.Unset,
            _ => null,
        };
        return new TraceQuery(
            new TraceFilter
            {
                FromUnixNanos = range.FromUnixNanos,
                ToUnixNanos = range.ToUnixNanos,
                Service = address["service"],
                Environment = address["env"],
                Name = address["name"],
                Operation = address["op"],
                Model = address["model"],
                Status = status,
                DurationNanosMin = Duration(address["min"], "min", problems),
                DurationNanosMax = Duration(address["max"], "max", problems),
                Attributes = attributes,
                Text = address["q"],
                Session = address["session"],
                User = address["user"],
                Limit = PageSize,
                Offset = PageOf(address) * PageSize,
            },
            problems);
    }

    /// <summary>From 0.</summary>
    public static int PageOf(Address address) =>
        int.TryParse(address["page"], NumberStyles.None, CultureInfo.InvariantCulture, out var page) ? Math.Clamp(page - 1, 0, PageMax - 1) : 0;

    /// <summary>Reads <c>500ms</c>, <c>2s</c>, <c>1.5 s</c>, <c>3m</c>; a bare number is seconds.</summary>
    internal static long? Duration(string? text, string key, Dictionary<string, string> problems)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        var trimmed = text.AsSpan().Trim();
        (double Nanos, int Letters) unit = trimmed switch
        {
            [.., 'n', 's'] => (1, 2),
            [.., 'u', 's'] or [.., 'µ', 's'] => (1e3, 2),
            [.., 'm', 's'] => (1e6, 2),
            [.., 's'] => (1e9, 1),
            [.., 'm'] => (60e9, 1),
            [.., 'h'] => (3600e9, 1),
            _ => (1e9, 0),
        };
        if (double.TryParse(trimmed[..^unit.Letters].Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value * unit.Nanos < long.MaxValue / 2.0)
        {
            return (long)(value * unit.Nanos);
        }

        problems[key] = $"“{text}” is not a duration: write 500ms, 2s or 1m.";
        return null;
    }
}

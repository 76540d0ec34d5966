using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Spans;

namespace Faultline.Ingest.Forwarding;

/// <summary>What of the telemetry goes to a backend. Every condition that is given must hold; of a list one entry is enough.</summary>
public sealed record ForwardFilter
{
    /// <summary>OTLP's <c>SEVERITY_NUMBER_ERROR</c>; errors and what is worse.</summary>
    private const int ErrorSeverityMin = 17;

    public IReadOnlyList<NamePattern> Projects { get; init; } = [];

    public IReadOnlyList<NamePattern> Services { get; init; } = [];

    /// <summary>Attributes of the item or of its resource; of a metric, of its resource only.</summary>
    public IReadOnlyList<AttributeMatch> Attributes { get; init; } = [];

    /// <summary>Only spans with the status error, and log records of severity ERROR and worse. Metrics have no errors: they are not held back.</summary>
    public bool OnlyErrors { get; init; }

    public bool Takes(string project) => IsAny(Projects, project);

    /// <summary>Which spans of a batch; null: all.</summary>
    public Func<int, bool>? Of(SpanBatch spans)
    {
        if (!OnlyErrors && Services.Count == 0 && Attributes.Count == 0)
        {
            return null;
        }

        var resources = ByResource(spans.Resources);
        return row => (!OnlyErrors || spans.Status[row] == SpanStatus.Error)
            && resources[spans.Resource[row]] is var resource && resource.IsService
            && (resource.HasAttribute || Has(spans.Attributes, row) || Has(spans.Bodies, row));
    }

    /// <summary>Which log records of a batch; null: all.</summary>
    public Func<int, bool>? Of(LogBatch logs)
    {
        if (!OnlyErrors && Services.Count == 0 && Attributes.Count == 0)
        {
            return null;
        }

        var resources = ByResource(logs.Resources);
        return row => (!OnlyErrors || logs.SeverityNumber[row] >= ErrorSeverityMin)
            && resources[logs.Resource[row]] is var resource && resource.IsService
            && (resource.HasAttribute || Has(logs.Attributes, row));
    }

    /// <summary>Which resources' metrics; null: all.</summary>
    public Func<ResourceColumns, int, bool>? OfMetrics() => Services.Count == 0 && Attributes.Count == 0
        ? null
        : (resources, row) => IsAny(Services, resources.ServiceName(row)) && (Attributes.Count == 0 || Has(resources.Attributes, row));

    private (bool IsService, bool HasAttribute)[] ByResource(ResourceColumns resources) =>
        [.. Enumerable.Range(0, resources.Count).Select(row => (IsAny(Services, resources.ServiceName(row)), Attributes.Count == 0 || Has(resources.Attributes, row)))];

    private bool Has(AttributeColumn attributes, int row)
    {
        foreach (var match in Attributes)
        {
            if (match.IsIn(attributes, row))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsAny(IReadOnlyList<NamePattern> patterns, string name) => patterns.Count == 0 || patterns.Any(pattern => pattern.Matches(name));
}

/// <summary>A name; <c>*</c> in front or at the end stands for anything.</summary>
public sealed class NamePattern
{
    private readonly string _part;
    private readonly bool _isOpenInFront;
    private readonly bool _isOpenAtEnd;

    /// <exception cref="FormatException">A <c>*</c> elsewhere.</exception>
    public NamePattern(string text)
    {
        (_isOpenInFront, _isOpenAtEnd) = (text.StartsWith('*'), text.Length > 1 && text.EndsWith('*'));
        _part = text[(_isOpenInFront ? 1 : 0)..(text.Length - (_isOpenAtEnd ? 1 : 0))];
        if (text.Length == 0 || _part.Contains('*', StringComparison.Ordinal))
        {
            throw new FormatException($"'{text}' is not a name; a * may stand only in front or at the end");
        }
    }

    public bool Matches(string name) => (_isOpenInFront, _isOpenAtEnd) switch
    {
        (true, true) => name.Contains(_part, StringComparison.Ordinal),
        (true, false) => name.EndsWith(_part, StringComparison.Ordinal),
        (false, true) => name.StartsWith(_part, StringComparison.Ordinal),
        _ => name.Equals(_part, StringComparison.Ordinal),
    };
}

/// <summary>An attribute that is there, or one with such a value.</summary>
public sealed class AttributeMatch
{
    private readonly byte[] _key;
    private readonly NamePattern? _value;

    /// <param name="text"><c>KEY</c> or <c>KEY=VALUE</c>; the value is compared as text and may have a <c>*</c>.</param>
    /// <exception cref="FormatException">It is neither.</exception>
    public AttributeMatch(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var key = equals < 0 ? text : text[..equals];
        _key = key.Length > 0 ? Encoding.UTF8.GetBytes(key) : throw new FormatException($"'{text}' is not KEY or KEY=VALUE");
        _value = equals < 0 ? null : new NamePattern(text[(equals + 1)..]);
    }

    public bool IsIn(AttributeColumn attributes, int row) =>
        attributes.Find(row, _key) is >= 0 and var entry && (_value is null || _value.Matches(attributes.Values.Text(entry)));
}

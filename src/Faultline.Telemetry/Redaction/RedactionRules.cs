using System.Text;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;

namespace Faultline.Telemetry.Redaction;

/// <summary>Rules by name: exact first, then the longest that ends or begins so.</summary>
internal sealed class RedactionRules
{
    private readonly Utf8Table<RedactionRule>? _exact;
    private readonly Utf8Table<RedactionRule>? _lastParts;
    private readonly (byte[] Part, bool IsPrefix, RedactionRule Rule)[] _partial;

    /// <param name="asLabels">The names are those of Prometheus labels.</param>
    public RedactionRules(IReadOnlyList<RedactionRule> rules, bool asLabels = false)
    {
        byte[] Name(string text) => Encoding.UTF8.GetBytes(asLabels ? PrometheusName.Label(text) : text);
        IsEmpty = rules.Count == 0;
        _exact = Table([.. rules.Where(rule => !rule.Name.Contains('*', StringComparison.Ordinal)).DistinctBy(rule => rule.Name, StringComparer.Ordinal).Select(rule => KeyValuePair.Create(Name(rule.Name), rule))]);

        // "*.cookie", the usual form, is a look at the last part of the name.
        var (lastParts, partial) = (new List<RedactionRule>(), new List<RedactionRule>());
        foreach (var rule in rules.Where(rule => rule.Name.Contains('*', StringComparison.Ordinal)))
        {
            var isLastPart = !asLabels && rule.Name.StartsWith("*.", StringComparison.Ordinal) && !rule.Name.AsSpan(2).ContainsAny('.', '*');
            (isLastPart ? lastParts : partial).Add(rule);
        }

        _lastParts = Table([.. lastParts.DistinctBy(rule => rule.Name, StringComparer.Ordinal).Select(rule => KeyValuePair.Create(Name(rule.Name[2..]), rule))]);
        _partial = [.. partial.Select(rule => (Part: Encoding.UTF8.GetBytes(asLabels ? rule.Name.Trim('*').Replace('.', '_').Replace('-', '_') : rule.Name.Trim('*')), rule.Name.EndsWith('*'), rule)).OrderByDescending(entry => entry.Part.Length)];
    }

    public bool IsEmpty { get; }

    private static Utf8Table<RedactionRule>? Table(KeyValuePair<byte[], RedactionRule>[] rules) => rules.Length == 0 ? null : new(rules);

    public RedactionRule? Find(ReadOnlySpan<byte> name)
    {
        if (IsEmpty)
        {
            return null;
        }

        if ((_exact?.Find(name) ?? _lastParts?.Find(name[(name.LastIndexOf((byte)'.') + 1)..])) is { } rule)
        {
            return rule;
        }

        foreach (var (part, isPrefix, partial) in _partial)
        {
            if (isPrefix ? name.StartsWith(part) : name.EndsWith(part))
            {
                return partial;
            }
        }

        return null;
    }
}

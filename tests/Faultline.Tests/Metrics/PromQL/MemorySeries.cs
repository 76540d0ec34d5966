using System.Text.RegularExpressions;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Metrics.PromQL;

/// <summary>Series in memory, selected as the store selects them.</summary>
internal sealed class MemorySeries
{
    private readonly Dictionary<Labels, SortedDictionary<long, double>> _series = [];
    private readonly Dictionary<string, Regex> _patterns = [];

    public IEnumerable<Labels> All => _series.Keys;

    public int Selections { get; private set; }

    public void Clear() => _series.Clear();

    public void Add(Labels labels, long unixMillis, double value)
    {
        if (!_series.TryGetValue(labels, out var samples))
        {
            _series.Add(labels, samples = []);
        }

        samples[unixMillis] = value;
    }

    public Task<IReadOnlyList<SeriesData>> SelectAsync(string project, IReadOnlyList<LabelMatcher> matchers, long from, long to, CancellationToken cancel)
    {
        Selections++;
        var found = new List<SeriesData>();
        foreach (var (labels, samples) in _series)
        {
            if (!Matches(labels, matchers))
            {
                continue;
            }

            var inside = samples.Where(sample => sample.Key >= from && sample.Key <= to).ToArray();
            if (inside.Length > 0)
            {
                found.Add(new SeriesData(labels, [.. inside.Select(sample => sample.Key)], [.. inside.Select(sample => sample.Value)]));
            }
        }

        return Task.FromResult<IReadOnlyList<SeriesData>>(found);
    }

    public bool Matches(Labels labels, IReadOnlyList<LabelMatcher> matchers)
    {
        foreach (var matcher in matchers)
        {
            var value = labels[matcher.Name];
            var matches = matcher.Kind switch
            {
                MatchKind.Equal => string.Equals(value, matcher.Value, StringComparison.Ordinal),
                MatchKind.NotEqual => !string.Equals(value, matcher.Value, StringComparison.Ordinal),
                MatchKind.Regex => Pattern(matcher.Value).IsMatch(value),
                _ => !Pattern(matcher.Value).IsMatch(value),
            };
            if (!matches)
            {
                return false;
            }
        }

        return true;
    }

    private Regex Pattern(string pattern)
    {
        if (!_patterns.TryGetValue(pattern, out var regex))
        {
            Assert.True(GoRegex.TryCompile(pattern, out regex, out var error), error);
            _patterns.Add(pattern, regex!);
        }

        return regex!;
    }
}

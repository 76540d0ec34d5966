using System.Text.RegularExpressions;
using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Tests.Diagnosis;

/// <summary>A sample store in memory, with the contract of the real one: one sample a time, the one written last.</summary>
internal sealed class MemorySamples
{
    private readonly Dictionary<Labels, SortedDictionary<long, double>> _series = [];

    public Task WriteAsync(string project, SampleBatch batch, CancellationToken cancel)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            var labels = batch.Series[batch.SeriesIndex[i]];
            if (!_series.TryGetValue(labels, out var samples))
            {
                _series.Add(labels, samples = []);
            }

            samples[batch.UnixMillis[i]] = batch.Value[i];
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<SeriesData>> SelectAsync(string project, IReadOnlyList<LabelMatcher> matchers, long from, long to, CancellationToken cancel)
    {
        List<SeriesData> found = [];
        foreach (var (labels, samples) in _series)
        {
            if (matchers.All(matcher => Matches(matcher, labels[matcher.Name])))
            {
                var inRange = samples.Where(sample => sample.Key >= from && sample.Key <= to).ToList();
                if (inRange.Count > 0)
                {
                    found.Add(new SeriesData(labels, [.. inRange.Select(sample => sample.Key)], [.. inRange.Select(sample => sample.Value)]));
                }
            }
        }

        return Task.FromResult<IReadOnlyList<SeriesData>>(found);
    }

    public SelectSeries Select => SelectAsync;

    /// <summary>All samples of one feature of one service, by their stamp.</summary>
    public IReadOnlyDictionary<long, double> Feature(string service, string feature, string metric = "faultline_feature") =>
        _series.Where(series => string.Equals(series.Key.Name, metric, StringComparison.Ordinal) && string.Equals(series.Key["service_name"], service, StringComparison.Ordinal) && string.Equals(series.Key["feature"], feature, StringComparison.Ordinal))
            .Select(series => series.Value).FirstOrDefault() ?? [];

    private static bool Matches(LabelMatcher matcher, string value) => matcher.Kind switch
    {
        MatchKind.Equal => string.Equals(value, matcher.Value, StringComparison.Ordinal),
        MatchKind.NotEqual => !string.Equals(value, matcher.Value, StringComparison.Ordinal),
        MatchKind.Regex => IsWhole(matcher.Value, value),
        MatchKind.NotRegex => !IsWhole(matcher.Value, value),
        _ => throw new ArgumentOutOfRangeException(nameof(matcher)),
    };

    private static bool IsWhole(string pattern, string value) => Regex.IsMatch(value, $"^(?:{pattern})$", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
}

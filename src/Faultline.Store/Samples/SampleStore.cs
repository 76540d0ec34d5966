using Faultline.Telemetry.Samples;

namespace Faultline.Store.Samples;

public enum MatchKind
{
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

/// <summary>A label matcher. Regular expressions are anchored at both ends, as in Prometheus; a missing label is empty text.</summary>
public sealed record LabelMatcher(string Name, MatchKind Kind, string Value);

/// <summary>One series with its samples in a range, times rising, one sample a time (the one written last wins).</summary>
public sealed record SeriesData(Labels Labels, long[] UnixMillis, double[] Values);

/// <summary>Prometheus series and samples. The project is part of a series' identity.</summary>
public sealed class SampleStore
{
    private SampleStore()
    {
    }

    /// <summary>Writes samples; returns when they are durable. For scrapes and features, which do not come by a receiver.</summary>
    public Task WriteAsync(string project, SampleBatch batch, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Series that match, with every sample from <paramref name="fromUnixMillis"/> to <paramref name="toUnixMillis"/>, both included.</summary>
    public Task<IReadOnlyList<SeriesData>> SelectAsync(string project, IReadOnlyList<LabelMatcher> matchers, long fromUnixMillis, long toUnixMillis, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Label sets that match and have a sample in the range. No matcher lists at all: everything.</summary>
    public Task<IReadOnlyList<Labels>> SeriesAsync(string project, IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, long fromUnixMillis, long toUnixMillis, int limit, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<IReadOnlyList<string>> LabelNamesAsync(string project, IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, long fromUnixMillis, long toUnixMillis, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<IReadOnlyList<string>> LabelValuesAsync(string project, string label, IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, long fromUnixMillis, long toUnixMillis, CancellationToken cancel = default) => throw new NotImplementedException();

    public Task<IReadOnlyList<MetricMetadata>> MetadataAsync(string project, string? metric, int limit, CancellationToken cancel = default) => throw new NotImplementedException();
}

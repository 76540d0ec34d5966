using Faultline.Telemetry.Columns;

namespace Faultline.Telemetry.Samples;

/// <summary>What a metric is; Prometheus' words: counter, gauge, histogram, summary, unknown.</summary>
public sealed record MetricMetadata(string Name, string Type, string Unit, string Help);

/// <summary>Samples of Prometheus series. OTLP metrics and scrapes both become this.</summary>
public sealed class SampleBatch
{
    /// <summary>The batch's distinct series; samples point at them by index.</summary>
    public List<Labels> Series { get; } = [];

    public List<MetricMetadata> Metadata { get; } = [];

    /// <summary>Index in <see cref="Series"/>.</summary>
    public FixedColumn<int> SeriesIndex { get; } = new();

    /// <summary>Milliseconds since the Unix epoch, as everywhere in Prometheus.</summary>
    public FixedColumn<long> UnixMillis { get; } = new();

    /// <summary>Staleness is the NaN <see cref="StaleNaN"/>; its bits must survive.</summary>
    public FixedColumn<double> Value { get; } = new();

    /// <summary>The NaN that Prometheus writes when a series ends.</summary>
    public static readonly double StaleNaN = BitConverter.UInt64BitsToDouble(0x7ff0000000000002);

    public int Count => Value.Count;

    public static bool IsStale(double value) => BitConverter.DoubleToUInt64Bits(value) == 0x7ff0000000000002;

    /// <summary>Adds one sample, and its series when it is a new one. For hot loops keep the index instead.</summary>
    public void Add(Labels series, long unixMillis, double value)
    {
        if (!_indexes.TryGetValue(series, out var index))
        {
            index = Series.Count;
            Series.Add(series);
            _indexes.Add(series, index);
        }

        SeriesIndex.Add(index);
        UnixMillis.Add(unixMillis);
        Value.Add(value);
    }

    /// <summary>Adds all samples of another batch behind these.</summary>
    public void AddAll(SampleBatch other)
    {
        for (var i = 0; i < other.Count; i++)
        {
            Add(other.Series[other.SeriesIndex[i]], other.UnixMillis[i], other.Value[i]);
        }
    }

    private readonly Dictionary<Labels, int> _indexes = [];
}

using System.Diagnostics.CodeAnalysis;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.Derived;

/// <summary>One series' count and, for a histogram, its buckets.</summary>
internal sealed class SeriesState(string project, Labels labels, int buckets)
{
    private MetricSample[]? _shape;

    public string Project { get; } = project;

    public Labels Labels { get; } = labels;

    public double Count { get; set; }

    public double Sum { get; set; }

    /// <summary>Observations a bucket, not cumulative; the last is beyond every bound.</summary>
    public long[] Buckets { get; } = new long[buckets];

    /// <summary>The latest observation of each bucket.</summary>
    public Exemplar?[] Exemplars { get; } = new Exemplar?[buckets];

    /// <summary>The series' lines with nothing in them yet; made once, since labels do not change.</summary>
    public ReadOnlySpan<MetricSample> Shape(IReadOnlyList<double> bounds)
    {
        if (_shape is null)
        {
            var lines = new List<MetricSample>();
            if (Buckets.Length > 0)
            {
                lines.AddRange(bounds.Select(bound => new MetricSample("_bucket", Labels.With("le", TextFormat.Number(bound)), 0)));
                lines.Add(new MetricSample("_bucket", Labels.With("le", "+Inf"), 0));
            }

            lines.Add(new MetricSample("_sum", Labels, 0));
            lines.Add(new MetricSample("_count", Labels, 0));
            _shape = [.. lines];
        }

        return _shape;
    }
}

/// <summary>The series of one metric, found by a key of bytes without making a string.</summary>
internal sealed class SeriesTable(int seriesMax, int buckets)
{
    private readonly Dictionary<byte[], SeriesState> _series = new(ByteKeys.Instance);
    private readonly Dictionary<string, SeriesState> _overflow = new(StringComparer.Ordinal);

    public IEnumerable<SeriesState> All => _series.Values.Concat(_overflow.Values);

    /// <summary>Series that would have been one too many, each time one was asked for.</summary>
    public long Overflowed { get; private set; }

    /// <param name="labelsOf">Called only for a new series.</param>
    /// <param name="isNew">True when the series was made by this call.</param>
    public SeriesState Get(ReadOnlySpan<byte> key, string project, Func<Labels> labelsOf, out bool isNew)
    {
        isNew = false;
        var lookup = _series.GetAlternateLookup<ReadOnlySpan<byte>>();
        if (lookup.TryGetValue(key, out var found))
        {
            return found;
        }

        if (_series.Count >= seriesMax)
        {
            Overflowed++;
            if (!_overflow.TryGetValue(project, out var overflow))
            {
                overflow = new SeriesState(project, Labels.Of(("otel_metric_overflow", "true")), buckets);
                _overflow.Add(project, overflow);
                isNew = true;
            }

            return overflow;
        }

        var made = new SeriesState(project, labelsOf(), buckets);
        _series.Add(key.ToArray(), made);
        isNew = true;
        return made;
    }

    /// <summary>Compares byte keys by content, and looks them up by span.</summary>
    private sealed class ByteKeys : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly ByteKeys Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode([DisallowNull] byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = default(HashCode);
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}

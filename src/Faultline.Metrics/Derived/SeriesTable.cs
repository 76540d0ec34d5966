using System.Diagnostics.CodeAnalysis;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Metrics.Derived;

/// <summary>One series' count and, for a histogram, its buckets.</summary>
internal sealed class SeriesState(string project, Labels labels, int buckets)
{
    private MetricSample[]? _shape;
    private MetricSample[]? _shapeWithProject;
    private Labels? _labelsWithProject;

    public string Project { get; } = project;

    public Labels Labels { get; } = labels;

    public double Count { get; set; }

    public double Sum { get; set; }

    /// <summary>Observations a bucket, not cumulative; the last is beyond every bound.</summary>
    public long[] Buckets { get; } = new long[buckets];

    /// <summary>The latest observation of each bucket.</summary>
    public Exemplar?[] Exemplars { get; } = new Exemplar?[buckets];

    /// <summary>When the last batch that it was counted from arrived, Unix nanoseconds.</summary>
    public long SeenUnixNanos { get; set; }

    /// <param name="value">In the unit of <paramref name="bounds"/>.</param>
    public void Observe(double value, ReadOnlySpan<double> bounds, SpanBatch spans, int row, bool exemplar = true)
    {
        var bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
        {
            bucket++;
        }

        Count++;
        Sum += value;
        Buckets[bucket]++;
        var end = spans.EndUnixNanos[row] / 1e9;

        // The newest trace of each bucket stands for it, renewed at most once a second: an exemplar is two strings.
        if (exemplar && (Exemplars[bucket] is not { } old || Math.Abs(end - old.UnixSeconds) >= 1))
        {
            Exemplars[bucket] = new Exemplar(spans.TraceId[row].ToString(), spans.SpanId[row].ToString(), value, end);
        }
    }

    /// <summary>The labels; where several projects stand side by side, with the project's name unless it is <c>default</c>.</summary>
    public Labels Identity(bool withProject) =>
        withProject && Project is not "default" ? _labelsWithProject ??= Labels.With("project", Project) : Labels;

    /// <summary>The series' lines with nothing in them yet; made once, since labels do not change.</summary>
    public ReadOnlySpan<MetricSample> Shape(IReadOnlyList<double> bounds, bool withProject)
    {
        ref var shape = ref _shape;
        if (withProject && Project is not "default")
        {
            shape = ref _shapeWithProject;
        }

        return shape ??= MakeShape(bounds, Identity(withProject));
    }

    private MetricSample[] MakeShape(IReadOnlyList<double> bounds, Labels labels)
    {
        var lines = new List<MetricSample>(bounds.Count + 3);
        if (Buckets.Length > 0)
        {
            lines.AddRange(bounds.Select(bound => new MetricSample("_bucket", labels.With("le", TextFormat.Number(bound)), 0)));
            lines.Add(new MetricSample("_bucket", labels.With("le", "+Inf"), 0));
        }

        lines.Add(new MetricSample("_sum", labels, 0));
        lines.Add(new MetricSample("_count", labels, 0));
        return [.. lines];
    }
}

/// <summary>The series of one metric, found by a key of bytes without making a string.</summary>
internal sealed class SeriesTable(string metric, int seriesMax, int buckets)
{
    private readonly Dictionary<byte[], SeriesState> _series = new(ByteKeys.Instance);
    private readonly Dictionary<string, SeriesState> _overflow = new(StringComparer.Ordinal);

    /// <summary>Name in the guard's own metrics.</summary>
    public string Metric => metric;

    public IEnumerable<SeriesState> All => _series.Values.Concat(_overflow.Values);

    public int Count => _series.Count + _overflow.Count;

    public bool IsFull => _series.Count >= seriesMax;

    /// <summary>Observations that went into an overflow series.</summary>
    public long Overflowed { get; private set; }

    public SeriesState? Find(ReadOnlySpan<byte> key) =>
        _series.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(key, out var found) ? found : null;

    /// <summary>Adds a series that <see cref="Find"/> did not find, while the table is not full.</summary>
    public SeriesState Add(ReadOnlySpan<byte> key, string project, Labels labels)
    {
        var made = new SeriesState(project, labels, buckets);
        _series.Add(key.ToArray(), made);
        return made;
    }

    /// <summary>The series that takes what would be one too many.</summary>
    /// <param name="isNew">True when the series was made by this call.</param>
    public SeriesState Overflow(string project, out bool isNew)
    {
        Overflowed++;
        isNew = !_overflow.TryGetValue(project, out var overflow);
        if (overflow is null)
        {
            overflow = new SeriesState(project, Labels.Of(("otel_metric_overflow", "true")), buckets);
            _overflow.Add(project, overflow);
        }

        return overflow;
    }

    /// <summary>Forgets series; those that come again begin at zero.</summary>
    public void Remove(Predicate<SeriesState> gone)
    {
        foreach (var (key, _) in _series.Where(one => gone(one.Value)).ToList())
        {
            _series.Remove(key);
        }

        foreach (var (key, _) in _overflow.Where(one => gone(one.Value)).ToList())
        {
            _overflow.Remove(key);
        }
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

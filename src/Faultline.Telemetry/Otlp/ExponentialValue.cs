namespace Faultline.Telemetry.Otlp;

/// <summary>Counts of consecutive exponential buckets.</summary>
/// <param name="Offset">Index of the first: bucket <c>i</c> holds what is above <c>base^i</c> and at most <c>base^(i+1)</c>.</param>
internal sealed record ExponentialBuckets(int Offset, ulong[] Counts)
{
    public static readonly ExponentialBuckets Empty = new(0, []);

    /// <summary>The same with every <c>2^by</c> buckets made one.</summary>
    public ExponentialBuckets Coarser(int by)
    {
        if (by == 0 || Counts.Length == 0)
        {
            return this;
        }

        var first = Offset >> by;
        var counts = new ulong[(int)((((long)Offset + Counts.Length - 1) >> by) - first + 1)];
        for (var i = 0; i < Counts.Length; i++)
        {
            counts[(int)((((long)Offset + i) >> by) - first)] += Counts[i];
        }

        return new ExponentialBuckets(first, counts);
    }

    /// <summary>Without empty buckets at either end.</summary>
    public ExponentialBuckets Trimmed()
    {
        var first = Counts.AsSpan().IndexOfAnyExcept(0UL);
        return first < 0 ? Empty : new ExponentialBuckets(Offset + first, Counts[first..(Counts.AsSpan().LastIndexOfAnyExcept(0UL) + 1)]);
    }

    /// <summary>Buckets from the first of both to the last of both.</summary>
    public long WidthWith(ExponentialBuckets other) => Counts.Length == 0 ? other.Counts.Length : other.Counts.Length == 0 ? Counts.Length
        : Math.Max((long)Offset + Counts.Length, (long)other.Offset + other.Counts.Length) - Math.Min(Offset, other.Offset);

    public ExponentialBuckets Plus(ExponentialBuckets other)
    {
        if (Counts.Length == 0 || other.Counts.Length == 0)
        {
            return Counts.Length == 0 ? other : this;
        }

        var first = Math.Min(Offset, other.Offset);
        var counts = new ulong[WidthWith(other)];
        foreach (var part in (ReadOnlySpan<ExponentialBuckets>)[this, other])
        {
            for (var i = 0; i < part.Counts.Length; i++)
            {
                counts[part.Offset - first + i] += part.Counts[i];
            }
        }

        return new ExponentialBuckets(first, counts);
    }
}

/// <summary>What an exponential histogram counted; a bucket's upper bound is <c>2^(2^-Scale)</c> times its lower one.</summary>
/// <remarks>Source: opentelemetry.io/docs/specs/otel/metrics/data-model, "ExponentialHistogram".</remarks>
internal sealed record ExponentialValue(int Scale, ulong Count, double? Sum, ulong ZeroCount, double ZeroThreshold, ExponentialBuckets Positive, ExponentialBuckets Negative)
{
    /// <param name="scale">At most <see cref="Scale"/>.</param>
    public ExponentialValue AtScale(int scale) =>
        this with { Scale = scale, Positive = Positive.Trimmed().Coarser(Scale - scale), Negative = Negative.Trimmed().Coarser(Scale - scale) };

    /// <summary>Both together, as coarse as the coarser one and as <paramref name="bucketsMax"/> demands.</summary>
    public ExponentialValue Plus(ExponentialValue other, int bucketsMax)
    {
        var scale = Math.Min(Scale, other.Scale);
        var (a, b) = (AtScale(scale), other.AtScale(scale));
        while (a.Positive.WidthWith(b.Positive) > bucketsMax || a.Negative.WidthWith(b.Negative) > bucketsMax)
        {
            (a, b) = (a.AtScale(a.Scale - 1), b.AtScale(b.Scale - 1));
        }

        return new ExponentialValue(
            a.Scale, unchecked(Count + other.Count), Sum + other.Sum, unchecked(ZeroCount + other.ZeroCount), Math.Max(ZeroThreshold, other.ZeroThreshold), a.Positive.Plus(b.Positive), a.Negative.Plus(b.Negative));
    }

    /// <summary>
    /// Upper bounds, rising, each with the count up to it; what is above the last is left to +Inf. The lowest bucket of either sign has its
    /// lower bound before it: a quantile in it would else be taken from between its upper bound and zero.
    /// </summary>
    public IEnumerable<(double Bound, ulong Count)> Cumulative()
    {
        ulong running = 0;
        var last = double.NegativeInfinity;
        if (Negative.Counts.Length > 0 && -Power((long)Negative.Offset + Negative.Counts.Length) is var lowest && double.IsFinite(lowest) && lowest < 0)
        {
            yield return (last = lowest, 0);
        }

        for (var i = Negative.Counts.Length - 1; i >= 0; i--)
        {
            running += Negative.Counts[i];
            if (-Power((long)Negative.Offset + i) is var bound && bound > last && bound < 0)
            {
                yield return (last = bound, running);
            }
        }

        running += ZeroCount;
        if (ZeroCount > 0 || Negative.Counts.Length > 0)
        {
            yield return (last = ZeroThreshold, running);
        }

        if (Positive.Counts.Length > 0 && Power(Positive.Offset) is var edge && edge > last && edge > 0 && double.IsFinite(edge))
        {
            yield return (last = edge, running);
        }

        for (var i = 0; i < Positive.Counts.Length; i++)
        {
            running += Positive.Counts[i];
            if (Power((long)Positive.Offset + i + 1) is var bound && bound > last && bound > 0 && double.IsFinite(bound))
            {
                yield return (last = bound, running);
            }
        }
    }

    /// <summary><c>base^index</c>; 0 and infinity where a double ends.</summary>
    private double Power(long index) => Math.Pow(2, Math.ScaleB(index, -Scale));
}

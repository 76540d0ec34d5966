using Faultline.Diagnosis.Detectors;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>An observation of a request whose segment is not known yet.</summary>
internal readonly record struct WaitingObservation(ServiceFeatures Service, FeatureSeries Series, long UnixNanos, double Value);

/// <summary>One segment's requests to one service: what is followed of them.</summary>
internal sealed class ServiceSegment(Segment segment)
{
    public Segment Segment { get; } = segment;

    /// <summary>Observations, with those of the segment whose place it took.</summary>
    public long Count { get; set; }

    /// <summary>Observations of the segment whose place it took.</summary>
    public long Inherited { get; init; }

    public bool Followed { get; set; }

    /// <summary>By the index of the service's own series.</summary>
    public FeatureSeries?[] Series { get; set; } = [];
}

/// <summary>The segments of one service that are seen most.</summary>
/// <remarks>Counted as by Metwally, Agrawal and El Abbadi 2005, "Efficient Computation of Frequent and Top-k Elements in Data Streams".</remarks>
internal sealed class ServiceSegments
{
    /// <summary>Segments of one service that are judged.</summary>
    internal const int FollowedMax = 16;

    /// <summary>Segments that are counted, to know which are seen most.</summary>
    internal const int CountedMax = 64;

    /// <summary>Observations of its own from which on a segment that took another's place may be followed.</summary>
    private const int ObservationsMin = 128;

    /// <summary>Observations after which it is asked again which are followed.</summary>
    private const int RankEvery = 4096;

    /// <summary>Accumulators kept for the next windows.</summary>
    private const int SpareSlotsMax = 4096;

    /// <summary>Part of the thresholds that is asked for besides, for each natural logarithm of the number of segments.</summary>
    private const double Evidence = 0.2;

    private readonly Dictionary<Segment, ServiceSegment> _byName = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<Dictionary<FeatureSeries, Accumulator>> _spareWindows = new();
    private readonly Stack<Accumulator> _spareSlots = new();
    private ServiceSegment? _last;
    private int _untilRank = RankEvery;

    /// <summary>Segments that are judged.</summary>
    public int Followed { get; private set; }

    /// <summary>Notes an observation of a segment's request in a window that is open.</summary>
    public void Observe(Segment segment, FeatureSeries whole, Window window, double value, TraceId trace)
    {
        if (SeriesOf(segment, whole) is not { } series)
        {
            return;
        }

        if (!ReferenceEquals(series.SlotOf, window))
        {
            window.Segments ??= _spareWindows.TryPop(out var spare) ? spare : [];
            if (!window.Segments.TryGetValue(series, out var slot))
            {
                window.Segments.Add(series, slot = NewSlot(series.Feature));
            }

            (series.SlotOf, series.Slot) = (window, slot);
        }

        series.Slot!.Add(value, trace);
    }

    /// <summary>Judges what segments did in a window that is over.</summary>
    /// <param name="learn">Whether it may be learnt as usual.</param>
    /// <param name="changed">Whether something of the service was changed shortly before.</param>
    public void Close(ServiceFeatures service, Window window, bool learn, bool changed, IWindowSink sink)
    {
        if (window.Segments is not { } slots)
        {
            return;
        }

        window.Segments = null;
        var evidence = 1 + (Evidence * Math.Log(Math.Max(1, Followed)));
        foreach (var (series, slot) in slots)
        {
            if (ReferenceEquals(series.SlotOf, window))
            {
                (series.SlotOf, series.Slot) = (null, null);
            }

            var value = slot.Value;
            series.Remember(window.Index, value, slot);
            var turn = series.Detector.Step(window.Index, value, slot.Count, learn, changed, evidence * series.Evidence);
            series.Relative!.Note(FeatureWindows.EndSeconds(window.Index), series.Feature.ToScale(value), slot.Count);
            if (turn == Turn.Raised)
            {
                series.Store(window.Index, sink);
            }
            else if (window.Index <= series.StoredUntil)
            {
                sink.Store(series, window.Index, value, slot.Count);
            }

            if (turn != Turn.None)
            {
                sink.Turned(service, series, turn, window.Index);
            }

            if (_spareSlots.Count < SpareSlotsMax)
            {
                _spareSlots.Push(slot);
            }
        }

        slots.Clear();
        _spareWindows.Push(slots);
    }

    private Accumulator NewSlot(Feature feature)
    {
        if (!_spareSlots.TryPop(out var slot))
        {
            return new Accumulator(feature);
        }

        slot.Reset(feature);
        return slot;
    }

    /// <summary>The segment's series, noting that it was seen; null when it is not followed.</summary>
    internal FeatureSeries? SeriesOf(Segment segment, FeatureSeries whole)
    {
        if (_last is not { } seen || !ReferenceEquals(seen.Segment, segment))
        {
            _last = seen = Find(segment);
        }

        seen.Count++;
        if (--_untilRank <= 0)
        {
            Rank();
        }

        if (!seen.Followed)
        {
            return null;
        }

        if (whole.Index >= seen.Series.Length)
        {
            var series = seen.Series;
            Array.Resize(ref series, Math.Max(whole.Index + 1, series.Length * 2));
            seen.Series = series;
        }

        return seen.Series[whole.Index] ??= new FeatureSeries(whole, segment);
    }

    private ServiceSegment Find(Segment segment)
    {
        if (_byName.TryGetValue(segment, out var known))
        {
            return known;
        }

        var inherited = 0L;
        if (_byName.Count >= CountedMax)
        {
            var rarest = _byName.Values.MinBy(static one => one.Count)!;
            inherited = rarest.Count;
            Followed -= rarest.Followed ? 1 : 0;
            _byName.Remove(rarest.Segment);
        }

        // The first ones are followed at once; who comes later must be seen often.
        known = new ServiceSegment(segment) { Count = inherited, Inherited = inherited, Followed = inherited == 0 && Followed < FollowedMax };
        Followed += known.Followed ? 1 : 0;
        _byName.Add(segment, known);
        return known;
    }

    private void Rank()
    {
        _untilRank = RankEvery;
        Followed = 0;
        foreach (var one in _byName.Values.OrderByDescending(static one => one.Count))
        {
            one.Followed = Followed < FollowedMax && (one.Inherited == 0 || one.Count - one.Inherited >= ObservationsMin);
            Followed += one.Followed ? 1 : 0;
            if (!one.Followed)
            {
                one.Series = [];
            }
        }
    }
}

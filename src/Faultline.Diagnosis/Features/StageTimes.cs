using Faultline.Diagnosis.Watchers;

namespace Faultline.Diagnosis.Features;

/// <summary>When a span of a stage was open, unix nanoseconds.</summary>
internal readonly record struct StageInterval(TraceStages Stage, long StartUnixNanos, long EndUnixNanos);

/// <summary>What the time of a request says of a stage that left no span in it.</summary>
internal enum Absence
{
    /// <summary>Its time is too short, or varies too much, to be missed; or too little is known of it.</summary>
    Unclear,

    /// <summary>The request has no room for it, or waited for it many times as long as it takes.</summary>
    Skipped,

    /// <summary>The request took the time that the stage takes, and no span says what for: it ran, and its telemetry did not come.</summary>
    Untold,
}

/// <summary>
/// How long the stages of a service's requests take and how long none is open, learnt request by request. A stage that was not run leaves a shorter
/// request behind, one whose spans were lost leaves a hole.
/// </summary>
internal sealed class StageTimes
{
    /// <summary>Spans of stages remembered of one request; of more, holes say little.</summary>
    internal const int IntervalsMax = 16;

    private readonly Usual?[] _usual = new Usual?[Stages.Length];

    public static readonly TraceStages[] Stages =
        [TraceStages.Retrieval, TraceStages.Rerank, TraceStages.Embedding, TraceStages.Model, TraceStages.Tool, TraceStages.Guardrail];

    /// <summary>Takes in a request that is over.</summary>
    /// <param name="intervals">Its spans of stages, in any order; sorted by this.</param>
    /// <param name="absences">What is said of each of <see cref="Stages"/> that is not among them.</param>
    public void Note(Span<StageInterval> intervals, long startUnixNanos, long endUnixNanos, Span<Absence> absences)
    {
        intervals.Sort(static (a, b) => a.StartUnixNanos.CompareTo(b.StartUnixNanos));
        var covered = Covered(intervals, TraceStages.None, startUnixNanos, endUnixNanos);
        var hole = (endUnixNanos - startUnixNanos - covered) / 1e9;
        var told = TraceStages.None;
        foreach (var interval in intervals)
        {
            told |= interval.Stage;
        }

        var missing = 0.0;
        for (var i = 0; i < Stages.Length; i++)
        {
            absences[i] = Absence.Unclear;
            if (told.HasFlag(Stages[i]))
            {
                // What only this stage covers: of one within another nothing would be missed.
                var own = (covered - Covered(intervals, Stages[i], startUnixNanos, endUnixNanos)) / 1e9;
                (_usual[i] ??= new Usual()).Learn(own, hole);
            }
            else if (_usual[i] is { IsKnown: true } usual)
            {
                missing += usual.Own;
            }
        }

        for (var i = 0; i < Stages.Length; i++)
        {
            if (!told.HasFlag(Stages[i]) && _usual[i] is { IsKnown: true, IsMissed: true } usual)
            {
                var more = hole - usual.Hole;
                absences[i] = more < usual.Own * RoomMin || more > WaitedTimes * missing ? Absence.Skipped : Absence.Untold;
            }
        }
    }

    /// <summary>Part of its time that there must be room for: one call in a hundred of a usual stage is as short.</summary>
    private const double RoomMin = 1 / 3.0;

    /// <summary>Times what is missing that a hole may be long: a longer one is a wait for something that did not come.</summary>
    private const double WaitedTimes = 4;

    /// <summary>Nanoseconds in which at least one span is open, but for those of one stage.</summary>
    private static long Covered(ReadOnlySpan<StageInterval> sorted, TraceStages without, long start, long end)
    {
        long covered = 0;
        var until = start;
        foreach (var interval in sorted)
        {
            var from = Math.Max(interval.StartUnixNanos, until);
            var to = Math.Min(interval.EndUnixNanos, end);
            if (interval.Stage != without && to > from)
            {
                covered += to - from;
                until = to;
            }
        }

        return covered;
    }

    /// <summary>Of requests that have the stage: the time that is its own and the time that no stage tells of, seconds.</summary>
    private sealed class Usual
    {
        private const int Memory = 200;
        private const int RequestsMin = 30;

        /// <summary>Mean deviations of the hole that the stage's own time must be, at least.</summary>
        private const double Stands = 6;

        private int _seen;
        private double _ownDeviation;
        private double _holeDeviation;

        public double Own { get; private set; }

        public double Hole { get; private set; }

        public bool IsKnown => _seen >= RequestsMin;

        /// <summary>What its time may vary, as a mean deviation beside the mean: an agent's calls of tools are one or five.</summary>
        private const double Varies = 0.3;

        /// <summary>Whether requests without it are plainly shorter.</summary>
        public bool IsMissed => Own > Stands * _holeDeviation && _ownDeviation < Varies * Own;

        public void Learn(double own, double hole)
        {
            var memory = Math.Min(++_seen, Memory);
            if (IsKnown)
            {
                // One request that waited for something else moves neither by more than usual ones do.
                own = Math.Clamp(own, Own - (Wild * _ownDeviation), Own + (Wild * _ownDeviation));
                hole = Math.Clamp(hole, Hole - (Wild * _holeDeviation), Hole + (Wild * _holeDeviation));
            }

            _ownDeviation += (Math.Abs(own - Own) - _ownDeviation) / memory;
            _holeDeviation += (Math.Abs(hole - Hole) - _holeDeviation) / memory;
            Own += (own - Own) / memory;
            Hole += (hole - Hole) / memory;
        }

        private const double Wild = 5;
    }
}

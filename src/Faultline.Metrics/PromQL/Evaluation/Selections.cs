using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>Constants of one query that expressions may ask for.</summary>
internal sealed record QueryTimes(long StartUnixMillis, long EndUnixMillis, long StepMillis, long LookbackMillis, long SubqueryStepMillis)
{
    public double StepSeconds => StepMillis / 1000.0;

    public double RangeSeconds => (EndUnixMillis - StartUnixMillis) / 1000.0;

    public long OffsetMillis(TimedExpr timed) => timed.Offset is null ? 0 : DurationMath.Resolve(timed.Offset, StepSeconds, RangeSeconds, mayBeNegative: true);

    public long Positive(DurationNode duration) => DurationMath.Resolve(duration, StepSeconds, RangeSeconds, mayBeNegative: false);

    /// <summary>The fixed time of <c>@</c>, or null.</summary>
    public long? At(TimedExpr timed) => timed.Anchor switch
    {
        AtAnchor.Start => StartUnixMillis,
        AtAnchor.End => EndUnixMillis,
        _ => timed.AtUnixMillis,
    };

    /// <summary>The times at which a subquery evaluates its expression when it is itself wanted at every time of <paramref name="outer"/>.</summary>
    public Grid SubqueryGrid(SubqueryExpr subquery, Grid outer)
    {
        var (first, last) = At(subquery) is { } at ? (at, at) : (outer.Start, outer.At(outer.Count - 1));
        var offset = OffsetMillis(subquery);
        var range = Positive(subquery.Range);
        var interval = subquery.Step is null ? SubqueryStepMillis : Positive(subquery.Step);
        var open = first - offset - range;
        var start = interval * (open / interval);
        return new Grid(start <= open ? start + interval : start, last - offset, interval);
    }
}

/// <summary>The stored samples of every selector of a query, each read once for the whole of the query's range.</summary>
internal sealed class Selections
{
    private readonly Dictionary<VectorSelector, IReadOnlyList<SeriesData>> _data = [];

    private Selections()
    {
    }

    public IReadOnlyList<SeriesData> this[VectorSelector selector] => _data[selector];

    /// <summary>Reads what the expression needs. Selectors with equal matchers and touching ranges share one read.</summary>
    /// <exception cref="PromQlException">More than <paramref name="samplesMax"/> samples.</exception>
    public static async Task<Selections> ReadAsync(Expr expr, QueryTimes times, SelectSeries select, string project, long samplesMax, CancellationToken cancel)
    {
        var wanted = new List<(string Key, VectorSelector Selector, long From, long To)>();
        Collect(expr, times.StartUnixMillis, times.EndUnixMillis, times, wanted);
        wanted.Sort((x, y) => string.CompareOrdinal(x.Key, y.Key) is not 0 and var order ? order : x.From.CompareTo(y.From));

        var selections = new Selections();
        long samples = 0;
        for (var first = 0; first < wanted.Count;)
        {
            var (key, selector, from, to) = wanted[first];
            var next = first + 1;
            while (next < wanted.Count && string.Equals(wanted[next].Key, key, StringComparison.Ordinal) && wanted[next].From <= to)
            {
                to = Math.Max(to, wanted[next].To);
                next++;
            }

            var series = (await select(project, selector.Matchers, from, to, cancel).ConfigureAwait(false)).ToArray();
            Array.Sort(series, (x, y) => LabelSets.Compare(x.Labels, y.Labels));
            foreach (var one in series)
            {
                samples += one.Values.Length;
            }

            if (samples > samplesMax)
            {
                throw Evaluator.TooManySamples();
            }

            for (; first < next; first++)
            {
                selections._data[wanted[first].Selector] = series;
            }
        }

        return selections;
    }

    private static void Collect(Expr expr, long from, long to, QueryTimes times, List<(string Key, VectorSelector Selector, long From, long To)> wanted)
    {
        switch (expr)
        {
            case VectorSelector selector:
                Add(selector, times.LookbackMillis, selector.IsSmoothed ? times.LookbackMillis : 0);
                break;
            case RangeSelector range:
                var extended = range.Selector.IsAnchored || range.Selector.IsSmoothed;
                Add(range.Selector, times.Positive(range.Range) + (extended ? times.LookbackMillis : 0), range.Selector.IsSmoothed ? times.LookbackMillis : 0);
                break;
            case SubqueryExpr subquery:
                var (first, last) = times.At(subquery) is { } at ? (at, at) : (from, to);
                var offset = times.OffsetMillis(subquery);
                Collect(subquery.Inner, first - offset - times.Positive(subquery.Range), last - offset, times, wanted);
                break;
            default:
                foreach (var child in expr.Children)
                {
                    Collect(child, from, to, times, wanted);
                }

                break;
        }

        void Add(VectorSelector selector, long before, long after)
        {
            var (first, last) = times.At(selector) is { } at ? (at, at) : (from, to);
            var offset = times.OffsetMillis(selector);
            var key = string.Join('\n', selector.Matchers.Select(Printer.Matcher));
            wanted.Add((key, selector, first - offset - before + 1, last - offset + after));
        }
    }
}

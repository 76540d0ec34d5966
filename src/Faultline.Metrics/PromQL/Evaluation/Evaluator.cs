using System.Diagnostics;
using Faultline.Metrics.PromQL.Functions;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>
/// Evaluates an expression at every time of a grid at once: each node gives whole series, and range functions slide a window over
/// samples that were read once. What does not depend on the time is evaluated once.
/// </summary>
internal sealed partial class Evaluator(QueryTimes times, Selections selections, Annotations annotations, long samplesMax, CancellationToken cancel)
{
    private readonly Dictionary<Expr, bool> _invariant = [];
    private long _places;

    public QueryTimes Times { get; } = times;

    public Annotations Annotations { get; } = annotations;

    public static PromQlException TooManySamples() => new("execution", "query processing would load too many samples into memory in query execution");

    public static PromQlException Fault(string message) => new("execution", message);

    public static PromQlException SameLabels() => Fault("vector cannot contain metrics with the same labelset");

    public static Expr WithoutParens(Expr expr)
    {
        while (expr is ParenExpr paren)
        {
            expr = paren.Inner;
        }

        return expr;
    }

    /// <summary>Counts values that are about to be held in memory.</summary>
    public void Reserve(long places)
    {
        cancel.ThrowIfCancellationRequested();
        _places += places;
        if (_places > samplesMax)
        {
            throw TooManySamples();
        }
    }

    /// <summary>A scalar expression's value at each time.</summary>
    public double[] Scalar(Expr expr, Grid grid)
    {
        cancel.ThrowIfCancellationRequested();
        if (grid.Count > 1 && expr is not NumberLiteral && IsInvariant(expr))
        {
            var once = Scalar(expr, grid with { End = grid.Start })[0];
            return Filled(once);
        }

        switch (expr)
        {
            case NumberLiteral number:
                return Filled(number.Value);
            case ParenExpr paren:
                return Scalar(paren.Inner, grid);
            case UnaryExpr unary:
                var operand = Scalar(unary.Operand, grid);
                if (unary.IsMinus)
                {
                    for (var i = 0; i < operand.Length; i++)
                    {
                        operand[i] = -operand[i];
                    }
                }

                return operand;
            case BinaryExpr binary:
                var left = Scalar(binary.Left, grid);
                var right = Scalar(binary.Right, grid);
                for (var i = 0; i < left.Length; i++)
                {
                    left[i] = BinaryOperations.OfScalars(binary.Op, left[i], right[i]);
                }

                return left;
            case CallExpr call:
                return call.Function.Body switch
                {
                    FunctionBody.ToScalar body => body.Run(new Call(this, call, grid)),
                    _ => throw NotSupported(call),
                };
            default:
                throw new UnreachableException(expr.GetType().Name);
        }

        double[] Filled(double value)
        {
            Reserve(grid.Count);
            var values = new double[grid.Count];
            Array.Fill(values, value);
            return values;
        }
    }

    /// <summary>An instant vector's series over the grid. A series without any sample is left out. The caller may change the values.</summary>
    public List<StepSeries> Vector(Expr expr, Grid grid)
    {
        cancel.ThrowIfCancellationRequested();
        if (grid.Count > 1 && expr is not NumberLiteral && IsInvariant(expr))
        {
            var once = Vector(expr, grid with { End = grid.Start });
            Reserve((long)once.Count * grid.Count);
            return once.ConvertAll(series =>
            {
                var values = new double[grid.Count];
                Array.Fill(values, series.Values[0]);
                return new StepSeries(series.Labels, values, series.DropName);
            });
        }

        switch (expr)
        {
            case VectorSelector selector:
                return Select(selector, grid, ofTimes: false);
            case ParenExpr paren:
                return Vector(paren.Inner, grid);
            case UnaryExpr unary:
                var operand = Vector(unary.Operand, grid);
                return unary.IsMinus ? Each(operand, value => -value) : operand;
            case BinaryExpr binary:
                return new BinaryOperations(this, binary, grid).Run();
            case AggregateExpr aggregate:
                return new Aggregation(this, aggregate, grid).Run();
            case CallExpr call:
                return call.Function.Body switch
                {
                    FunctionBody.Elementwise body => Each(Vector(call.Arguments[0], grid), body.Run),
                    FunctionBody.ToVector body => body.Run(new Call(this, call, grid)),
                    FunctionBody.OverRange body => OverRange(call, body, grid),
                    _ => throw NotSupported(call),
                };
            default:
                throw new UnreachableException(expr.GetType().Name);
        }
    }

    /// <summary>The samples of a range vector at one time, for a query that returns it as it is.</summary>
    public IEnumerable<RawSeries> Range(Expr expr, Grid instant)
    {
        var (series, windows) = Windows(WithoutParens(expr), instant);
        var (from, to) = windows.At(0);
        foreach (var one in series)
        {
            var lower = FirstAfter(one.UnixMillis, from);
            var upper = FirstAfter(one.UnixMillis, to);
            if (upper > lower)
            {
                yield return one with { UnixMillis = one.UnixMillis[lower..upper], Values = one.Values[lower..upper] };
            }
        }
    }

    /// <summary>1 wherever a range function's argument has a sample.</summary>
    public List<StepSeries> Present(CallExpr call, Grid grid) => OverRange(call, new FunctionBody.OverRange((_, in _) => 1), grid);

    /// <summary>Applies a function to every sample; the name goes.</summary>
    public static List<StepSeries> Each(List<StepSeries> vector, Func<double, double> function)
    {
        foreach (var series in vector)
        {
            series.DropName = true;
            var values = series.Values;
            for (var i = 0; i < values.Length; i++)
            {
                if (!StepSeries.IsAbsent(values[i]))
                {
                    values[i] = function(values[i]);
                }
            }
        }

        return vector;
    }

    /// <summary>Joins series that have come to have the same labels. Two samples at one time are an error.</summary>
    public static List<StepSeries> Merge(List<StepSeries> vector)
    {
        var seen = new Dictionary<Labels, StepSeries>(vector.Count);
        var merged = new List<StepSeries>(vector.Count);
        foreach (var series in vector)
        {
            if (seen.TryAdd(series.Labels, series))
            {
                merged.Add(series);
                continue;
            }

            var into = seen[series.Labels].Values;
            for (var i = 0; i < into.Length; i++)
            {
                if (StepSeries.IsAbsent(series.Values[i]))
                {
                    continue;
                }

                into[i] = StepSeries.IsAbsent(into[i]) ? series.Values[i] : throw SameLabels();
            }
        }

        return merged;
    }

    /// <summary>Sample values, or with <paramref name="ofTimes"/> their times in seconds: the newest sample not older than the lookback, unless it is a staleness marker.</summary>
    internal List<StepSeries> Select(VectorSelector selector, Grid grid, bool ofTimes)
    {
        var at = Times.At(selector);
        var offset = Times.OffsetMillis(selector);
        var result = new List<StepSeries>();
        foreach (var series in selections[selector])
        {
            Reserve(grid.Count);
            var values = StepSeries.AllAbsent(grid.Count);
            var next = 0;
            var any = false;
            for (var step = 0; step < values.Length; step++)
            {
                var reference = (at ?? grid.At(step)) - offset;
                while (next < series.UnixMillis.Length && series.UnixMillis[next] <= reference)
                {
                    next++;
                }

                if (selector.IsSmoothed)
                {
                    values[step] = ExtendedRange.Smooth(series.UnixMillis, series.Values, reference, Times.LookbackMillis);
                    any |= !StepSeries.IsAbsent(values[step]);
                    continue;
                }

                if (next == 0 || series.UnixMillis[next - 1] <= reference - Times.LookbackMillis || SampleBatch.IsStale(series.Values[next - 1]))
                {
                    continue;
                }

                values[step] = ofTimes ? series.UnixMillis[next - 1] / 1000.0 : series.Values[next - 1];
                any = true;
            }

            if (any)
            {
                result.Add(new StepSeries(series.Labels, values));
            }
        }

        return result;
    }

    /// <summary>Runs a range function at every step of the grid, sliding the window over each series.</summary>
    private List<StepSeries> OverRange(CallExpr call, FunctionBody.OverRange body, Grid grid)
    {
        var rangeIndex = 0;
        var scalars = new double[call.Arguments.Count][];
        for (var i = 0; i < scalars.Length; i++)
        {
            if (call.Arguments[i].Kind == ValueKind.RangeVector)
            {
                rangeIndex = i;
            }
            else
            {
                scalars[i] = Scalar(call.Arguments[i], grid);
            }
        }

        var argument = WithoutParens(call.Arguments[rangeIndex]);
        var (series, windows) = Windows(argument, grid);
        var (anchored, smoothed) = argument is RangeSelector { Selector: var selector } ? (selector.IsAnchored, selector.IsSmoothed) : (false, false);
        ExtendedRange.RequireSupport(call.Function.Name, anchored, smoothed);
        var before = anchored || smoothed ? Times.LookbackMillis : 0;
        var after = smoothed ? Times.LookbackMillis : 0;

        var context = new RangeCall(this, call, argument, scalars) { Anchored = anchored, Smoothed = smoothed, RangeSeconds = windows.Range / 1000.0 };
        var result = new List<StepSeries>();
        foreach (var one in series)
        {
            Reserve(grid.Count);
            var values = StepSeries.AllAbsent(grid.Count);
            var (lower, upper) = (0, 0);
            var any = false;
            context.Metric = one.Labels;
            for (var step = 0; step < values.Length; step++)
            {
                var (from, to) = windows.At(step);
                while (lower < one.UnixMillis.Length && one.UnixMillis[lower] <= from - before)
                {
                    lower++;
                }

                upper = Math.Max(upper, lower);
                while (upper < one.UnixMillis.Length && one.UnixMillis[upper] <= to + after)
                {
                    upper++;
                }

                if (upper == lower)
                {
                    continue;
                }

                values[step] = body.Run(context, new Window(one.UnixMillis.AsSpan(lower..upper), one.Values.AsSpan(lower..upper), from, to, step, grid.At(step)));
                any |= !StepSeries.IsAbsent(values[step]);
            }

            if (any)
            {
                result.Add(new StepSeries(one.Labels, values, !body.KeepsName || one.DropName));
                context.NotePossibleNonCounter();
            }
        }

        return result;
    }

    private (IReadOnlyList<RawSeries> Series, WindowTimes Windows) Windows(Expr expr, Grid grid)
    {
        switch (expr)
        {
            case RangeSelector range:
                return (Raw(selections[range.Selector]), new WindowTimes(grid, Times.At(range.Selector), Times.OffsetMillis(range.Selector), Times.Positive(range.Range)));
            case SubqueryExpr subquery:
                var inner = grid.Count == 0 ? grid : Times.SubqueryGrid(subquery, grid);
                var vector = Vector(subquery.Inner, inner);
                return (vector.ConvertAll(series => Raw(series, inner)), new WindowTimes(grid, Times.At(subquery), Times.OffsetMillis(subquery), Times.Positive(subquery.Range)));
            default:
                throw new UnreachableException(expr.GetType().Name);
        }
    }

    private static RawSeries[] Raw(IReadOnlyList<SeriesData> series)
    {
        var raw = new RawSeries[series.Count];
        for (var i = 0; i < raw.Length; i++)
        {
            var (times, values) = (series[i].UnixMillis, series[i].Values);
            if (values.AsSpan().ContainsAnyStale())
            {
                (times, values) = WithoutStale(times, values);
            }

            raw[i] = new RawSeries(series[i].Labels, times, values, DropName: false);
        }

        return raw;
    }

    private static (long[] Times, double[] Values) WithoutStale(long[] times, double[] values)
    {
        var keptTimes = new List<long>(times.Length);
        var keptValues = new List<double>(times.Length);
        for (var i = 0; i < times.Length; i++)
        {
            if (!SampleBatch.IsStale(values[i]))
            {
                keptTimes.Add(times[i]);
                keptValues.Add(values[i]);
            }
        }

        return ([.. keptTimes], [.. keptValues]);
    }

    private static RawSeries Raw(StepSeries series, Grid grid)
    {
        var times = new List<long>(grid.Count);
        var values = new List<double>(grid.Count);
        for (var i = 0; i < series.Values.Length; i++)
        {
            if (!StepSeries.IsAbsent(series.Values[i]))
            {
                times.Add(grid.At(i));
                values.Add(series.Values[i]);
            }
        }

        return new RawSeries(series.Labels, [.. times], [.. values], series.DropName);
    }

    /// <summary>Index of the first time after <paramref name="unixMillis"/>.</summary>
    internal static int FirstAfter(ReadOnlySpan<long> sorted, long unixMillis)
    {
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (sorted[middle] > unixMillis)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    /// <summary>True when the value is the same at every time of a grid: everything below is a constant or fixed by <c>@</c>.</summary>
    private bool IsInvariant(Expr expr)
    {
        if (!_invariant.TryGetValue(expr, out var known))
        {
            known = expr switch
            {
                NumberLiteral or TextLiteral => true,
                TimedExpr timed => timed.HasAt,
                RangeSelector range => range.Selector.HasAt,
                CallExpr { Function.DependsOnTime: true } call => call.Function.Name is "timestamp" && call.Arguments[0] is VectorSelector { HasAt: true },
                AggregateExpr aggregate => IsInvariant(aggregate.Operand) && (aggregate.Parameter is null || IsInvariant(aggregate.Parameter)),
                _ => expr.Children.All(IsInvariant),
            };
            _invariant[expr] = known;
        }

        return known;
    }

    private static PromQlException NotSupported(CallExpr call) => Fault($"not yet supported: {call.Function.Unsupported ?? call.Function.Name + "()"}");
}

/// <summary>Where the window of a range vector lies at each step: after <c>From</c>, up to and with <c>To</c>.</summary>
internal readonly record struct WindowTimes(Grid Grid, long? Fixed, long Offset, long Range)
{
    public (long From, long To) At(int step)
    {
        var to = (Fixed ?? Grid.At(step)) - Offset;
        return (to - Range, to);
    }
}

internal static class StaleScan
{
    public static bool ContainsAnyStale(this Span<double> values)
    {
        foreach (var value in values)
        {
            if (SampleBatch.IsStale(value))
            {
                return true;
            }
        }

        return false;
    }
}

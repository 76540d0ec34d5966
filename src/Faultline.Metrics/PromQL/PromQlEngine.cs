using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL;

/// <summary>Where the engine gets samples: <see cref="SampleStore.SelectAsync"/>, or a test script's own.</summary>
public delegate Task<IReadOnlyList<SeriesData>> SelectSeries(string project, IReadOnlyList<LabelMatcher> matchers, long fromUnixMillis, long toUnixMillis, CancellationToken cancel);

/// <summary>What a query may cost and how far it looks back.</summary>
public sealed record PromQlOptions
{
    /// <summary>How old the newest sample of a series may be.</summary>
    public TimeSpan Lookback { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A query that runs longer fails with <c>timeout</c>.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Samples that one query may read, and values that it may hold.</summary>
    public long SamplesMax { get; init; } = 50_000_000;

    /// <summary>The step of a subquery that names none.</summary>
    public TimeSpan SubqueryStep { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>Parses and evaluates PromQL.</summary>
public sealed class PromQlEngine(SelectSeries select, PromQlOptions? options = null, TimeProvider? time = null)
{
    /// <summary>Most points that a range query may ask for in each series.</summary>
    public const int PointsPerSeriesMax = 11_000;

    private readonly PromQlOptions _options = options ?? new PromQlOptions();
    private readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>Evaluates at one time. The result has the expression's own type.</summary>
    /// <exception cref="PromQlException">The expression is wrong or not supported; the message is Prometheus'.</exception>
    public Task<PromQlResult> InstantAsync(string project, string expression, long atUnixMillis, CancellationToken cancel = default)
    {
        var expr = Parser.Parse(expression);
        return WithinTimeoutAsync(async inner =>
        {
            var (evaluator, annotations) = await PrepareAsync(project, expr, atUnixMillis, atUnixMillis, 1, inner).ConfigureAwait(false);
            return Render(Instant(evaluator, expr, new Grid(atUnixMillis, atUnixMillis, 1)), annotations, expression);
        }, cancel);
    }

    /// <summary>Evaluates from a time to a time, both included, at every step. The result is always a matrix, in the order of its labels.</summary>
    /// <exception cref="PromQlException">The expression is wrong or not supported; the message is Prometheus'.</exception>
    public Task<PromQlResult> RangeAsync(string project, string expression, long fromUnixMillis, long toUnixMillis, long stepMillis, CancellationToken cancel = default)
    {
        if (stepMillis <= 0)
        {
            throw new PromQlException("bad_data", "zero or negative query resolution step widths are not accepted. Try a positive integer");
        }

        var expr = Parser.Parse(expression);
        if (expr.Kind is not (ValueKind.InstantVector or ValueKind.Scalar))
        {
            throw new PromQlException("bad_data", $"invalid expression type \"{expr.Kind.Documented()}\" for range query, must be Scalar or instant Vector");
        }

        return WithinTimeoutAsync(async inner =>
        {
            var (evaluator, annotations) = await PrepareAsync(project, expr, fromUnixMillis, toUnixMillis, stepMillis, inner).ConfigureAwait(false);
            var grid = new Grid(fromUnixMillis, toUnixMillis, stepMillis);
            var vector = expr.Kind == ValueKind.Scalar
                ? grid.Count == 0 ? [] : [new StepSeries(Labels.Empty, evaluator.Scalar(expr, grid))]
                : Named(evaluator.Vector(expr, grid));
            return Render(new PromQlResult.Matrix(Sorted(vector.ConvertAll(series => Data(series, grid)))), annotations, expression);
        }, cancel);
    }

    /// <summary>The expression in canonical form, long ones over several lines.</summary>
    /// <exception cref="PromQlException">The expression is wrong.</exception>
    public static string Format(string expression) => Printer.Pretty(Parser.Parse(expression));

    /// <summary>The matchers of a series selector, as <c>match[]</c> gives them.</summary>
    /// <exception cref="PromQlException">The selector is wrong.</exception>
    public static IReadOnlyList<LabelMatcher> ParseSelector(string selector) => Parser.ParseSelector(selector);

    private static PromQlResult Instant(Evaluator evaluator, Expr expr, Grid grid)
    {
        switch (expr.Kind)
        {
            case ValueKind.Scalar:
                return new PromQlResult.Scalar(grid.Start, evaluator.Scalar(expr, grid)[0]);
            case ValueKind.Text:
                return new PromQlResult.Text(grid.Start, ((TextLiteral)Evaluator.WithoutParens(expr)).Value);
            case ValueKind.RangeVector:
                var matrix = evaluator.Range(expr, grid).Select(raw => new SeriesData(raw.DropName ? LabelSets.DropName(raw.Labels) : raw.Labels, raw.UnixMillis, raw.Values)).ToList();
                return matrix.DistinctBy(series => series.Labels).Count() == matrix.Count ? new PromQlResult.Matrix(Sorted(matrix)) : throw Evaluator.SameLabels();
            default:
                var vector = Named(evaluator.Vector(expr, grid));
                return new PromQlResult.Vector(vector.ConvertAll(series => (series.Labels, grid.Start, series.Values[0])));
        }
    }

    /// <summary>Takes away the metric names that are to go. What then looks the same must not overlap.</summary>
    private static List<StepSeries> Named(List<StepSeries> vector) =>
        Evaluator.Merge(vector.ConvertAll(series => series.DropName ? new StepSeries(LabelSets.DropName(series.Labels), series.Values) : series));

    private static SeriesData Data(StepSeries series, Grid grid)
    {
        var count = 0;
        foreach (var value in series.Values)
        {
            count += StepSeries.IsAbsent(value) ? 0 : 1;
        }

        var times = new long[count];
        var values = new double[count];
        for (var (step, i) = (0, 0); step < series.Values.Length; step++)
        {
            if (!StepSeries.IsAbsent(series.Values[step]))
            {
                times[i] = grid.At(step);
                values[i++] = series.Values[step];
            }
        }

        return new SeriesData(series.Labels, times, values);
    }

    private static List<SeriesData> Sorted(List<SeriesData> series)
    {
        series.Sort((x, y) => LabelSets.Compare(x.Labels, y.Labels));
        return series;
    }

    private static PromQlResult Render(PromQlResult result, Annotations annotations, string expression)
    {
        var (warnings, infos) = annotations.Render(expression);
        return result with { Warnings = warnings, Infos = infos };
    }

    private async Task<(Evaluator Evaluator, Annotations Annotations)> PrepareAsync(string project, Expr expr, long from, long to, long step, CancellationToken cancel)
    {
        var times = new QueryTimes(from, to, step, (long)_options.Lookback.TotalMilliseconds, (long)_options.SubqueryStep.TotalMilliseconds);
        var selections = await Selections.ReadAsync(expr, times, select, project, _options.SamplesMax, cancel).ConfigureAwait(false);
        var annotations = new Annotations();
        return (new Evaluator(times, selections, annotations, _options.SamplesMax, cancel), annotations);
    }

    private async Task<PromQlResult> WithinTimeoutAsync(Func<CancellationToken, Task<PromQlResult>> query, CancellationToken cancel)
    {
        using var timeout = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        try
        {
            return await query(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            throw timeout.IsCancellationRequested && !cancel.IsCancellationRequested
                ? new PromQlException("timeout", "query timed out in expression evaluation")
                : new PromQlException("canceled", "query was canceled in expression evaluation");
        }
    }
}

/// <param name="errorType">Prometheus' word: bad_data, execution, timeout, canceled.</param>
public sealed class PromQlException(string errorType, string message) : Exception(message)
{
    public string ErrorType { get; } = errorType;
}

/// <summary>A value of the language.</summary>
public abstract record PromQlResult
{
    private PromQlResult()
    {
    }

    /// <summary>What the asker should know about the query, in Prometheus' words, with the place in the expression.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>As <see cref="Warnings"/>, but less pressing.</summary>
    public IReadOnlyList<string> Infos { get; init; } = [];

    public sealed record Scalar(long UnixMillis, double Value) : PromQlResult;

    public sealed record Text(long UnixMillis, string Value) : PromQlResult;

    /// <summary>Instant vector.</summary>
    public sealed record Vector(IReadOnlyList<(Labels Labels, long UnixMillis, double Value)> Samples) : PromQlResult;

    /// <summary>Range vector, or the answer to a range query.</summary>
    public sealed record Matrix(IReadOnlyList<SeriesData> Series) : PromQlResult;
}

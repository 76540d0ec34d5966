using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>How a function computes.</summary>
internal abstract record FunctionBody
{
    private FunctionBody()
    {
    }

    /// <summary>One sample at a time; the metric name goes.</summary>
    public sealed record Elementwise(Func<double, double> Run) : FunctionBody;

    /// <summary>One window of one series at a time.</summary>
    /// <param name="KeepsName">The metric name stays: the function only picks a sample.</param>
    public sealed record OverRange(RangeFunction Run, bool KeepsName = false) : FunctionBody;

    /// <summary>A whole instant vector over all times.</summary>
    public sealed record ToVector(Func<Call, List<StepSeries>> Run) : FunctionBody;

    public sealed record ToScalar(Func<Call, double[]> Run) : FunctionBody;
}

/// <summary>A function of the language: what the parser checks and what the evaluator runs are this one entry.</summary>
/// <param name="Variadic">How often the last argument may be repeated or left out: 0 not, −1 without bound, n: from one fewer than listed to n − 1 more.</param>
/// <param name="Body">Null: parsed, not yet evaluated; <paramref name="Unsupported"/> says what is missing.</param>
internal sealed record Function(string Name, IReadOnlyList<ValueKind> Arguments, ValueKind Returns, FunctionBody? Body, int Variadic = 0, string? Unsupported = null)
{
    /// <summary>The result may change with the time even if the arguments do not.</summary>
    public bool DependsOnTime { get; init; }

    public int ArgumentsMin => Variadic == 0 ? Arguments.Count : Arguments.Count - 1;

    public int ArgumentsMax => Variadic switch { 0 => Arguments.Count, < 0 => int.MaxValue, _ => Arguments.Count - 1 + Variadic };
}

/// <summary>A call of a function that sees whole vectors.</summary>
internal sealed class Call(Evaluator evaluator, CallExpr expr, Grid grid)
{
    public Evaluator Evaluator { get; } = evaluator;

    public CallExpr Expr { get; } = expr;

    public Grid Grid { get; } = grid;

    public int Count => Expr.Arguments.Count;

    public List<StepSeries> Vector(int argument) => Evaluator.Vector(Expr.Arguments[argument], Grid);

    public double[] Scalar(int argument) => Evaluator.Scalar(Expr.Arguments[argument], Grid);

    public string Text(int argument) => ((TextLiteral)Evaluator.WithoutParens(Expr.Arguments[argument])).Value;

    /// <summary>A new series without samples.</summary>
    public StepSeries NewSeries(Labels labels, bool dropName = false)
    {
        Evaluator.Reserve(Grid.Count);
        return new StepSeries(labels, StepSeries.AllAbsent(Grid.Count), dropName);
    }
}

/// <returns>The value, or <see cref="StepSeries.Absent"/>.</returns>
internal delegate double RangeFunction(RangeCall call, in Window window);

/// <summary>The samples of one series in one window, oldest first, at least one; no staleness markers.</summary>
/// <param name="unixMillis">Times of the samples.</param>
/// <param name="from">The window begins after this.</param>
/// <param name="to">The window ends with this.</param>
/// <param name="step">Index of the evaluation time.</param>
/// <param name="at">The evaluation time, which is not <paramref name="to"/> under <c>offset</c> or <c>@</c>.</param>
internal readonly ref struct Window(ReadOnlySpan<long> unixMillis, ReadOnlySpan<double> values, long from, long to, int step, long at)
{
    public ReadOnlySpan<long> UnixMillis { get; } = unixMillis;

    public ReadOnlySpan<double> Values { get; } = values;

    public long From { get; } = from;

    public long To { get; } = to;

    public int Step { get; } = step;

    public long At { get; } = at;
}

/// <summary>What is the same for every window of one call of a range function.</summary>
internal sealed class RangeCall(Evaluator evaluator, CallExpr expr, Expr range, double[][] scalars)
{
    private double[] _scratch = [];

    public bool Anchored { get; init; }

    public bool Smoothed { get; init; }

    public double RangeSeconds { get; init; }

    /// <summary>The series at hand.</summary>
    public Labels Metric { get; set; } = Labels.Empty;

    public Annotations Annotations => evaluator.Annotations;

    public TextRange ArgumentPosition(int argument) => expr.Arguments[argument].Position;

    /// <summary>A scalar argument at one time.</summary>
    public double Scalar(int argument, int step) => scalars[argument][step];

    /// <summary>A copy of the values that may be reordered; good until the next call.</summary>
    public Span<double> Scratch(ReadOnlySpan<double> values)
    {
        if (_scratch.Length < values.Length)
        {
            _scratch = new double[values.Length * 2];
        }

        values.CopyTo(_scratch);
        return _scratch.AsSpan(0, values.Length);
    }

    /// <summary>Prometheus' hint for <c>rate</c> and <c>increase</c> of a metric that is not named as a counter is.</summary>
    public void NotePossibleNonCounter()
    {
        var name = Metric.Name;
        if (expr.Function.Name is not ("rate" or "increase") || name.Length == 0
            || name.EndsWith("_total", StringComparison.Ordinal) || name.EndsWith("_sum", StringComparison.Ordinal)
            || name.EndsWith("_count", StringComparison.Ordinal) || name.EndsWith("_bucket", StringComparison.Ordinal))
        {
            return;
        }

        Annotations.Inform(range.Position, $"metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {GoText.Quote(name)}");
    }
}

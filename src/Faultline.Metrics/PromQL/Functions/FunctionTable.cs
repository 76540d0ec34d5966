using System.Diagnostics.CodeAnalysis;
using Faultline.Metrics.PromQL.Evaluation;
using static Faultline.Metrics.PromQL.Syntax.ValueKind;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>Every function of Prometheus 3.14. What is listed parses; what has a body runs.</summary>
internal static class FunctionTable
{
    private const string NativeHistograms = "native histograms";

    public static IReadOnlyList<Function> All { get; } =
    [
        Each("abs", Math.Abs),
        Each("ceil", Math.Ceiling),
        Each("floor", Math.Floor),
        Each("exp", Math.Exp),
        Each("sqrt", Math.Sqrt),
        Each("ln", Math.Log),
        Each("log2", Math.Log2),
        Each("log10", Math.Log10),
        Each("sin", Math.Sin),
        Each("cos", Math.Cos),
        Each("tan", Math.Tan),
        Each("asin", Math.Asin),
        Each("acos", Math.Acos),
        Each("atan", Math.Atan),
        Each("sinh", Math.Sinh),
        Each("cosh", Math.Cosh),
        Each("tanh", Math.Tanh),
        Each("asinh", Math.Asinh),
        Each("acosh", Math.Acosh),
        Each("atanh", Math.Atanh),
        Each("rad", degrees => degrees * Math.PI / 180),
        Each("deg", radians => radians * 180 / Math.PI),
        Each("sgn", value => value < 0 ? -1 : value > 0 ? 1 : value),

        Vector("clamp", [InstantVector, Scalar, Scalar], Elementary.Clamp),
        Vector("clamp_max", [InstantVector, Scalar], Elementary.ClampMax),
        Vector("clamp_min", [InstantVector, Scalar], Elementary.ClampMin),
        Vector("round", [InstantVector, Scalar], Elementary.Round, variadic: 1),
        Vector("sort", [InstantVector], Sorting.Ascending),
        Vector("sort_desc", [InstantVector], Sorting.Descending),
        Vector("sort_by_label", [InstantVector, Text], Sorting.ByLabel, variadic: -1),
        Vector("sort_by_label_desc", [InstantVector, Text], Sorting.ByLabelDescending, variadic: -1),
        Vector("absent", [InstantVector], Absence.Absent),
        Vector("absent_over_time", [RangeVector], Absence.AbsentOverTime),
        Vector("label_replace", [InstantVector, Text, Text, Text, Text], LabelFunctions.Replace),
        Vector("label_join", [InstantVector, Text, Text, Text], LabelFunctions.Join, variadic: -1),
        Vector("vector", [Scalar], Elementary.Vector),
        Vector("histogram_quantile", [Scalar, InstantVector], HistogramFunctions.Quantile),
        Vector("histogram_quantiles", [InstantVector, Text, Scalar, Scalar], HistogramFunctions.Quantiles, variadic: 9),
        Vector("histogram_fraction", [Scalar, Scalar, InstantVector], HistogramFunctions.Fraction),

        new("scalar", [InstantVector], Scalar, new FunctionBody.ToScalar(Elementary.Scalar)),
        new("pi", [], Scalar, new FunctionBody.ToScalar(call => Elementary.Constant(call, Math.PI))),
        new("max_of", [Scalar, Scalar], Scalar, new FunctionBody.ToScalar(call => Elementary.Combine(call, GoMath.Max))),
        new("min_of", [Scalar, Scalar], Scalar, new FunctionBody.ToScalar(call => Elementary.Combine(call, GoMath.Min))),
        OfQuery("start", call => call.Evaluator.Times.StartUnixMillis / 1000.0),
        OfQuery("end", call => call.Evaluator.Times.EndUnixMillis / 1000.0),
        OfQuery("range", call => call.Evaluator.Times.RangeSeconds),
        OfQuery("step", call => call.Evaluator.Times.StartUnixMillis == call.Evaluator.Times.EndUnixMillis ? 0 : call.Evaluator.Times.StepSeconds),
        new("time", [], Scalar, new FunctionBody.ToScalar(TimeFunctions.Time)) { DependsOnTime = true },

        Vector("timestamp", [InstantVector], TimeFunctions.Timestamp, dependsOnTime: true),
        Vector("start_timestamp", [InstantVector], TimeFunctions.StartTimestamp),
        Calendar("minute", TimeFunctions.Minute),
        Calendar("hour", TimeFunctions.Hour),
        Calendar("day_of_week", TimeFunctions.DayOfWeek),
        Calendar("day_of_month", TimeFunctions.DayOfMonth),
        Calendar("day_of_year", TimeFunctions.DayOfYear),
        Calendar("days_in_month", TimeFunctions.DaysInMonth),
        Calendar("month", TimeFunctions.Month),
        Calendar("year", TimeFunctions.Year),

        Range("rate", Rates.Rate),
        Range("increase", Rates.Increase),
        Range("delta", Rates.Delta),
        Range("irate", Rates.InstantRate),
        Range("idelta", Rates.InstantDelta),
        Range("changes", Rates.Changes),
        Range("resets", Rates.Resets),
        Range("deriv", Regression.Derivative),
        Range("predict_linear", [RangeVector, Scalar], Regression.PredictLinear, dependsOnTime: true),
        Range("double_exponential_smoothing", [RangeVector, Scalar, Scalar], Regression.DoubleExponentialSmoothing),

        Range("avg_over_time", OverTime.Average),
        Range("sum_over_time", OverTime.Sum),
        Range("count_over_time", (_, in window) => window.Values.Length),
        Range("present_over_time", (_, in _) => 1),
        Range("min_over_time", OverTime.Min),
        Range("max_over_time", OverTime.Max),
        Range("stddev_over_time", (_, in window) => Math.Sqrt(OverTime.Variance(window.Values))),
        Range("stdvar_over_time", (_, in window) => OverTime.Variance(window.Values)),
        Range("mad_over_time", OverTime.MedianAbsoluteDeviation),
        Range("quantile_over_time", [Scalar, RangeVector], OverTime.Quantile),
        new("first_over_time", [RangeVector], InstantVector, new FunctionBody.OverRange((_, in window) => window.Values[0], KeepsName: true)),
        new("last_over_time", [RangeVector], InstantVector, new FunctionBody.OverRange((_, in window) => window.Values[^1], KeepsName: true)),
        Range("ts_of_first_over_time", (_, in window) => window.UnixMillis[0] / 1000.0),
        Range("ts_of_last_over_time", (_, in window) => window.UnixMillis[^1] / 1000.0),
        Range("ts_of_min_over_time", OverTime.TimeOfMin),
        Range("ts_of_max_over_time", OverTime.TimeOfMax),

        Missing("histogram_avg", [InstantVector], NativeHistograms),
        Missing("histogram_count", [InstantVector], NativeHistograms),
        Missing("histogram_sum", [InstantVector], NativeHistograms),
        Missing("histogram_stddev", [InstantVector], NativeHistograms),
        Missing("histogram_stdvar", [InstantVector], NativeHistograms),
        Missing("info", [InstantVector, InstantVector], "function info()", variadic: 1),
    ];

    private static readonly Dictionary<string, Function> ByName = All.ToDictionary(function => function.Name, StringComparer.Ordinal);

    public static bool TryFind(string name, [NotNullWhen(true)] out Function? function) => ByName.TryGetValue(name, out function);

    private static Function Each(string name, Func<double, double> body) => new(name, [InstantVector], InstantVector, new FunctionBody.Elementwise(body));

    private static Function Vector(string name, IReadOnlyList<Syntax.ValueKind> arguments, Func<Call, List<StepSeries>> body, int variadic = 0, bool dependsOnTime = false) =>
        new(name, arguments, InstantVector, new FunctionBody.ToVector(body), variadic) { DependsOnTime = dependsOnTime };

    private static Function Range(string name, RangeFunction body) => Range(name, [RangeVector], body);

    private static Function Range(string name, IReadOnlyList<Syntax.ValueKind> arguments, RangeFunction body, bool dependsOnTime = false) =>
        new(name, arguments, InstantVector, new FunctionBody.OverRange(body)) { DependsOnTime = dependsOnTime };

    private static Function Calendar(string name, Func<long, double> ofUnixSeconds) =>
        Vector(name, [InstantVector], call => TimeFunctions.Calendar(call, ofUnixSeconds), variadic: 1, dependsOnTime: true);

    private static Function OfQuery(string name, Func<Call, double> body) => new(name, [], Scalar, new FunctionBody.ToScalar(call => Elementary.Constant(call, body(call))));

    private static Function Missing(string name, IReadOnlyList<Syntax.ValueKind> arguments, string what, int variadic = 0) => new(name, arguments, InstantVector, null, variadic, what);
}

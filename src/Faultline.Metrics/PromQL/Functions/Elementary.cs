using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>Functions that map samples one by one with scalars, and those between scalars and vectors.</summary>
internal static class Elementary
{
    public static List<StepSeries> Clamp(Call call) => Clamp(call, call.Scalar(1), call.Scalar(2));

    public static List<StepSeries> ClampMax(Call call) => Clamp(call, Constant(call, double.NegativeInfinity), call.Scalar(1));

    public static List<StepSeries> ClampMin(Call call) => Clamp(call, call.Scalar(1), Constant(call, double.PositiveInfinity));

    /// <summary>Ties are rounded up.</summary>
    public static List<StepSeries> Round(Call call)
    {
        var nearest = call.Count > 1 ? call.Scalar(1) : Constant(call, 1);
        return Map(call.Vector(0), (value, step) =>
        {
            var inverse = 1 / nearest[step];        // dividing by the inverse loses less than multiplying
            return Math.Floor((value * inverse) + 0.5) / inverse;
        });
    }

    public static List<StepSeries> Vector(Call call) => call.Grid.Count == 0 ? [] : [new StepSeries(Labels.Empty, call.Scalar(0))];

    /// <summary>The value of the only sample; NaN when there is none or more than one.</summary>
    public static double[] Scalar(Call call)
    {
        var values = Constant(call, double.NaN);
        var found = new bool[values.Length];
        foreach (var series in call.Vector(0))
        {
            for (var i = 0; i < values.Length; i++)
            {
                if (!StepSeries.IsAbsent(series.Values[i]))
                {
                    values[i] = found[i] ? double.NaN : series.Values[i];
                    found[i] = true;
                }
            }
        }

        return values;
    }

    public static double[] Constant(Call call, double value)
    {
        call.Evaluator.Reserve(call.Grid.Count);
        var values = new double[call.Grid.Count];
        Array.Fill(values, value);
        return values;
    }

    public static double[] Combine(Call call, Func<double, double, double> function)
    {
        var left = call.Scalar(0);
        var right = call.Scalar(1);
        for (var i = 0; i < left.Length; i++)
        {
            left[i] = function(left[i], right[i]);
        }

        return left;
    }

    /// <param name="function">Of value and step; may answer <see cref="StepSeries.Absent"/>.</param>
    public static List<StepSeries> Map(List<StepSeries> vector, Func<double, int, double> function)
    {
        foreach (var series in vector)
        {
            series.DropName = true;
            for (var i = 0; i < series.Values.Length; i++)
            {
                if (!StepSeries.IsAbsent(series.Values[i]))
                {
                    series.Values[i] = function(series.Values[i], i);
                }
            }
        }

        return vector;
    }

    private static List<StepSeries> Clamp(Call call, double[] min, double[] max)
    {
        var clamped = Map(call.Vector(0), (value, step) => max[step] < min[step] ? StepSeries.Absent : GoMath.Max(min[step], GoMath.Min(max[step], value)));
        clamped.RemoveAll(series => !series.HasAny());
        return clamped;
    }
}

/// <summary>Orders an instant query's result. A range query's result is always in the order of its labels.</summary>
internal static class Sorting
{
    public static List<StepSeries> Ascending(Call call) => ByValue(call, (x, y) => x.CompareTo(y));

    public static List<StepSeries> Descending(Call call) => ByValue(call, (x, y) => y.CompareTo(x));

    public static List<StepSeries> ByLabel(Call call) => ByLabels(call, 1);

    public static List<StepSeries> ByLabelDescending(Call call) => ByLabels(call, -1);

    private static List<StepSeries> ByValue(Call call, Comparison<double> compare)
    {
        WarnInRange(call);
        var vector = call.Vector(0);
        // NaN goes to the end either way. Stable, so that equal values keep the order of their labels.
        return call.Grid.Count != 1 ? vector : [.. vector.Order(Comparer<StepSeries>.Create((x, y) => (double.IsNaN(x.Values[0]), double.IsNaN(y.Values[0])) switch
        {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => -1,
            _ => compare(x.Values[0], y.Values[0]),
        }))];
    }

    private static List<StepSeries> ByLabels(Call call, int direction)
    {
        WarnInRange(call);
        var names = Enumerable.Range(1, call.Count - 1).Select(call.Text).ToArray();
        var vector = call.Vector(0);
        vector.Sort((x, y) => direction * Compare(x.Labels, y.Labels));
        return vector;

        int Compare(Labels x, Labels y)
        {
            foreach (var name in names)
            {
                if (NaturalOrder.Compare(x[name], y[name]) is not 0 and var order)
                {
                    return order;
                }
            }

            return LabelSets.Compare(x, y);
        }
    }

    private static void WarnInRange(Call call)
    {
        if (call.Grid.Count > 1)
        {
            call.Evaluator.Annotations.Warn(call.Expr.Position, "sort is ineffective for range queries since results are always ordered by labels");
        }
    }
}

/// <summary>Text order in which runs of digits count as numbers: <c>node2</c> before <c>node10</c>.</summary>
internal static class NaturalOrder
{
    public static int Compare(string x, string y)
    {
        var left = x.AsSpan();
        var right = y.AsSpan();
        while (!left.IsEmpty && !right.IsEmpty)
        {
            var a = Chunk(left);
            var b = Chunk(right);
            var order = char.IsAsciiDigit(a[0]) && char.IsAsciiDigit(b[0]) ? CompareNumbers(a, b) : a.CompareTo(b, StringComparison.Ordinal);
            if (order != 0)
            {
                return order;
            }

            left = left[a.Length..];
            right = right[b.Length..];
        }

        return left.Length - right.Length;
    }

    private static ReadOnlySpan<char> Chunk(ReadOnlySpan<char> text)
    {
        var digits = char.IsAsciiDigit(text[0]);
        var length = 1;
        while (length < text.Length && char.IsAsciiDigit(text[length]) == digits)
        {
            length++;
        }

        return text[..length];
    }

    private static int CompareNumbers(ReadOnlySpan<char> x, ReadOnlySpan<char> y)
    {
        var left = x.TrimStart('0');
        var right = y.TrimStart('0');
        var order = left.Length != right.Length ? left.Length - right.Length : left.CompareTo(right, StringComparison.Ordinal);
        return order != 0 ? order : x.Length - y.Length;
    }
}

/// <summary>Series made where there is none.</summary>
internal static class Absence
{
    public static List<StepSeries> Absent(Call call) => WhereNone(call, call.Vector(0));

    public static List<StepSeries> AbsentOverTime(Call call)
    {
        var present = call.Evaluator.Present(call.Expr, call.Grid);
        return WhereNone(call, present);
    }

    private static List<StepSeries> WhereNone(Call call, List<StepSeries> vector)
    {
        var result = call.NewSeries(LabelsOf(Evaluator.WithoutParens(call.Expr.Arguments[0])), dropName: call.Expr.Function.Name is "absent_over_time");
        for (var step = 0; step < result.Values.Length; step++)
        {
            var any = false;
            for (var i = 0; i < vector.Count && !any; i++)
            {
                any = !StepSeries.IsAbsent(vector[i].Values[step]);
            }

            result.Values[step] = any ? StepSeries.Absent : 1;
        }

        return result.HasAny() ? [result] : [];
    }

    /// <summary>The labels that a selector's equality matchers name once.</summary>
    private static Labels LabelsOf(Expr expr)
    {
        var selector = expr switch { VectorSelector vector => vector, RangeSelector range => range.Selector, _ => null };
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var matcher in selector?.Matchers ?? [])
        {
            if (string.Equals(matcher.Name, Labels.MetricName, StringComparison.Ordinal))
            {
                continue;
            }

            if (matcher.Kind == Store.Samples.MatchKind.Equal && seen.Add(matcher.Name))
            {
                labels[matcher.Name] = matcher.Value;
            }
            else
            {
                labels.Remove(matcher.Name);
            }
        }

        return Labels.Of(labels);
    }
}

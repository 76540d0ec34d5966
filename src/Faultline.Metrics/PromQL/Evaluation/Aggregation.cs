using System.Diagnostics;
using System.Runtime.InteropServices;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>Aggregation operators. Groups are found once for the whole grid; each group is then reduced time by time.</summary>
internal sealed class Aggregation(Evaluator evaluator, AggregateExpr expr, Grid grid)
{
    private readonly List<string> _grouping = [.. expr.Grouping.Order(StringComparer.Ordinal)];

    private sealed record Group(Labels Labels, List<StepSeries> Members);

    public List<StepSeries> Run()
    {
        if (expr.Op == TokenKind.CountValues)
        {
            return CountValues(((TextLiteral)Evaluator.WithoutParens(expr.Parameter!)).Value);
        }

        var parameters = expr.Parameter is null ? [] : evaluator.Scalar(expr.Parameter, grid);
        var vector = evaluator.Vector(expr.Operand, grid);
        if (expr.Op is TokenKind.TopK or TokenKind.BottomK or TokenKind.LimitK or TokenKind.LimitRatio)
        {
            return CheckSelection(parameters) ? Select(vector, parameters) : [];
        }

        if (expr.Op == TokenKind.Quantile)
        {
            CheckQuantile(parameters);
        }

        var result = new List<StepSeries>();
        foreach (var group in Groups(vector))
        {
            evaluator.Reserve(grid.Count);
            var reduced = new StepSeries(group.Labels, StepSeries.AllAbsent(grid.Count));
            Reduce(group.Members, parameters, reduced.Values);
            foreach (var member in group.Members)
            {
                reduced.DropName |= member.DropName;
            }

            result.Add(reduced);
        }

        return result;
    }

    private Labels GroupLabels(Labels labels, List<string> grouping) => expr.Without
        ? LabelSets.Remove(labels, [.. grouping, Labels.MetricName])
        : grouping.Count == 0 ? Labels.Empty : LabelSets.Keep(labels, grouping);

    private List<Group> Groups(List<StepSeries> vector)
    {
        var groups = new List<Group>();
        var byLabels = new Dictionary<Labels, Group>();
        foreach (var series in vector)
        {
            var labels = GroupLabels(series.Labels, _grouping);
            if (!byLabels.TryGetValue(labels, out var group))
            {
                group = new Group(labels, []);
                byLabels.Add(labels, group);
                groups.Add(group);
            }

            group.Members.Add(series);
        }

        return groups;
    }

    private void Reduce(List<StepSeries> members, double[] parameters, double[] output)
    {
        switch (expr.Op)
        {
            case TokenKind.Sum: Sum(members, output); break;
            case TokenKind.Avg: Average(members, output); break;
            case TokenKind.StdDev or TokenKind.StdVar: Variance(members, output); break;
            case TokenKind.Quantile: Quantile(members, parameters, output); break;
            default: Fold(members, output); break;
        }
    }

    private static void Sum(List<StepSeries> members, double[] output)
    {
        var compensation = new double[output.Length];
        foreach (var member in members)
        {
            var values = member.Values;
            for (var i = 0; i < output.Length; i++)
            {
                if (StepSeries.IsAbsent(values[i]))
                {
                    continue;
                }

                if (StepSeries.IsAbsent(output[i]))
                {
                    output[i] = values[i];
                }
                else
                {
                    GoMath.Add(values[i], ref output[i], ref compensation[i]);
                }
            }
        }

        for (var i = 0; i < output.Length; i++)
        {
            if (!StepSeries.IsAbsent(output[i]))
            {
                output[i] += compensation[i];
            }
        }
    }

    private static void Average(List<StepSeries> members, double[] output)
    {
        var means = new KahanMean[output.Length];
        foreach (var member in members)
        {
            var values = member.Values;
            for (var i = 0; i < output.Length; i++)
            {
                if (!StepSeries.IsAbsent(values[i]))
                {
                    means[i].Add(values[i]);
                }
            }
        }

        for (var i = 0; i < output.Length; i++)
        {
            if (means[i].Count > 0)
            {
                output[i] = means[i].Value;
            }
        }
    }

    private void Variance(List<StepSeries> members, double[] output)
    {
        var counts = new double[output.Length];
        var means = new double[output.Length];
        foreach (var member in members)
        {
            var values = member.Values;
            for (var i = 0; i < output.Length; i++)
            {
                var value = values[i];
                if (StepSeries.IsAbsent(value))
                {
                    continue;
                }

                counts[i]++;
                if (counts[i] == 1)
                {
                    means[i] = value;
                    output[i] = double.IsFinite(value) ? 0 : double.NaN;
                    continue;
                }

                var delta = value - means[i];
                means[i] += delta / counts[i];
                output[i] += delta * (value - means[i]);
            }
        }

        for (var i = 0; i < output.Length; i++)
        {
            if (counts[i] > 0)
            {
                output[i] = expr.Op == TokenKind.StdVar ? output[i] / counts[i] : Math.Sqrt(output[i] / counts[i]);
            }
        }
    }

    private static void Quantile(List<StepSeries> members, double[] parameters, double[] output)
    {
        var values = new List<double>(members.Count);
        for (var i = 0; i < output.Length; i++)
        {
            values.Clear();
            foreach (var member in members)
            {
                if (!StepSeries.IsAbsent(member.Values[i]))
                {
                    values.Add(member.Values[i]);
                }
            }

            if (values.Count > 0)
            {
                output[i] = GoMath.Quantile(parameters[i], CollectionsMarshal.AsSpan(values));
            }
        }
    }

    private void Fold(List<StepSeries> members, double[] output)
    {
        foreach (var member in members)
        {
            var values = member.Values;
            for (var i = 0; i < output.Length; i++)
            {
                var value = values[i];
                if (StepSeries.IsAbsent(value))
                {
                    continue;
                }

                var known = output[i];
                var first = StepSeries.IsAbsent(known);
                output[i] = expr.Op switch
                {
                    TokenKind.Count => first ? 1 : known + 1,
                    TokenKind.Group => 1,
                    TokenKind.Max => first || known < value || double.IsNaN(known) ? value : known,
                    TokenKind.Min => first || known > value || double.IsNaN(known) ? value : known,
                    _ => throw new UnreachableException(expr.Op.ToString()),
                };
            }
        }
    }

    private void CheckQuantile(double[] parameters)
    {
        var at = expr.Parameter!.Position;
        var (min, max, anyNaN) = Extremes(parameters);
        if (anyNaN)
        {
            evaluator.Annotations.InvalidQuantile(at, double.NaN);
        }

        if (max > 1)
        {
            evaluator.Annotations.InvalidQuantile(at, max);
        }

        if (min < 0)
        {
            evaluator.Annotations.InvalidQuantile(at, min);
        }
    }

    /// <returns>False when nothing is selected at any time.</returns>
    private bool CheckSelection(double[] parameters)
    {
        var at = expr.Parameter!.Position;
        var (min, max, anyNaN) = Extremes(parameters);
        if (expr.Op == TokenKind.LimitRatio)
        {
            if (anyNaN)
            {
                throw Evaluator.Fault("Ratio value is NaN");
            }

            if (max > 1)
            {
                evaluator.Annotations.Warn(at, $"ratio value should be between -1 and 1, got {GoText.FormatG(max)}, capping to 1");
            }

            if (min < -1)
            {
                evaluator.Annotations.Warn(at, $"ratio value should be between -1 and 1, got {GoText.FormatG(min)}, capping to -1");
            }

            return min != 0 || max != 0;
        }

        if (anyNaN)
        {
            throw Evaluator.Fault("Parameter value is NaN");
        }

        if (max < 1)
        {
            return false;
        }

        if (min <= long.MinValue)
        {
            throw Evaluator.Fault($"Scalar value {GoText.FormatG(min)} underflows int64");
        }

        return max < long.MaxValue ? true : throw Evaluator.Fault($"Scalar value {GoText.FormatG(max)} overflows int64");
    }

    private static (double Min, double Max, bool AnyNaN) Extremes(double[] values)
    {
        var (min, max, anyNaN) = (double.MaxValue, -double.MaxValue, false);
        foreach (var value in values)
        {
            anyNaN |= double.IsNaN(value);
            max = double.IsNaN(value) ? max : Math.Max(max, value);
            min = double.IsNaN(value) ? min : Math.Min(min, value);
        }

        return (min, max, anyNaN);
    }

    /// <summary>topk, bottomk, limitk, limit_ratio: some of the series, unchanged. At one instant topk and bottomk come best first.</summary>
    private List<StepSeries> Select(List<StepSeries> vector, double[] parameters)
    {
        var result = new List<StepSeries>();
        foreach (var group in Groups(vector))
        {
            var kept = group.Members.ConvertAll(member => new StepSeries(member.Labels, StepSeries.AllAbsent(grid.Count), member.DropName));
            var ranking = new List<(int Index, double Value)>(kept.Count);
            for (var step = 0; step < grid.Count; step++)
            {
                Choose(group.Members, parameters[step], step, ranking, vector.Count);
                foreach (var (index, value) in ranking)
                {
                    kept[index].Values[step] = value;
                }
            }

            result.AddRange(grid.Count == 1 ? ranking.ConvertAll(chosen => kept[chosen.Index]) : kept.FindAll(series => series.HasAny()));
        }

        return result;
    }

    private void Choose(List<StepSeries> members, double parameter, int step, List<(int Index, double Value)> chosen, int inputs)
    {
        chosen.Clear();
        if (expr.Op == TokenKind.LimitRatio)
        {
            for (var i = 0; i < members.Count; i++)
            {
                if (!StepSeries.IsAbsent(members[i].Values[step]) && SeriesHash.IsWithinRatio(members[i].Labels, Math.Clamp(parameter, -1, 1)))
                {
                    chosen.Add((i, members[i].Values[step]));
                }
            }

            return;
        }

        var k = (int)Math.Min(parameter, inputs);
        if (k < 1)
        {
            return;
        }

        var heap = new SelectionHeap(chosen, k, largest: expr.Op == TokenKind.TopK);
        for (var i = 0; i < members.Count; i++)
        {
            var value = members[i].Values[step];
            if (StepSeries.IsAbsent(value))
            {
                continue;
            }

            if (expr.Op != TokenKind.LimitK)
            {
                heap.Offer(i, value);
            }
            else if (chosen.Count < k)
            {
                chosen.Add((i, value));
            }
        }

        if (expr.Op != TokenKind.LimitK)
        {
            heap.SortBestFirst();
        }
    }

    private List<StepSeries> CountValues(string label)
    {
        if (!LabelSets.IsValidName(label))
        {
            throw Evaluator.Fault($"invalid label name {GoText.Quote(label)}");
        }

        var grouping = expr.Without ? _grouping : [.. _grouping, label];
        var results = new Dictionary<Labels, StepSeries>();
        var output = new List<StepSeries>();
        foreach (var series in evaluator.Vector(expr.Operand, grid))
        {
            var labelsOf = new Dictionary<long, StepSeries>();      // a series has few values, and equal ones are often neighbours
            for (var step = 0; step < grid.Count; step++)
            {
                var value = series.Values[step];
                if (StepSeries.IsAbsent(value))
                {
                    continue;
                }

                var bits = BitConverter.DoubleToInt64Bits(value);
                if (!labelsOf.TryGetValue(bits, out var counts))
                {
                    var labels = GroupLabels(series.Labels.With(label, GoText.FormatFloat(value)), grouping);
                    if (!results.TryGetValue(labels, out counts))
                    {
                        evaluator.Reserve(grid.Count);
                        counts = new StepSeries(labels, StepSeries.AllAbsent(grid.Count));
                        results.Add(labels, counts);
                        output.Add(counts);
                    }

                    labelsOf.Add(bits, counts);
                }

                ref var count = ref counts.Values[step];
                count = StepSeries.IsAbsent(count) ? 1 : count + 1;
            }
        }

        return output;
    }
}

/// <summary>
/// Keeps the k best of what it is offered, with the worst on top, as upstream's heap does, so that ties fall the same way.
/// NaN is worse than everything.
/// </summary>
internal readonly struct SelectionHeap(List<(int Index, double Value)> heap, int k, bool largest)
{
    public void Offer(int index, double value)
    {
        if (heap.Count < k)
        {
            heap.Add((index, value));
            Up(heap.Count - 1);
        }
        else if (IsWorse(heap[0].Value, value) && !double.IsNaN(value))
        {
            heap[0] = (index, value);
            Down(0);
        }
    }

    public void SortBestFirst()
    {
        // Insertion sort: stable, and k is small where the order of ties can be seen.
        for (var i = 1; i < heap.Count; i++)
        {
            for (var j = i; j > 0 && IsWorse(heap[j - 1].Value, heap[j].Value); j--)
            {
                (heap[j], heap[j - 1]) = (heap[j - 1], heap[j]);
            }
        }
    }

    private bool IsWorse(double x, double y) => double.IsNaN(x) || (largest ? x < y : x > y);

    private void Up(int child)
    {
        while (child > 0 && (child - 1) / 2 is var parent && IsWorse(heap[child].Value, heap[parent].Value))
        {
            (heap[child], heap[parent]) = (heap[parent], heap[child]);
            child = parent;
        }
    }

    private void Down(int parent)
    {
        while ((2 * parent) + 1 is var child && child < heap.Count)
        {
            if (child + 1 < heap.Count && IsWorse(heap[child + 1].Value, heap[child].Value))
            {
                child++;
            }

            if (!IsWorse(heap[child].Value, heap[parent].Value))
            {
                return;
            }

            (heap[child], heap[parent]) = (heap[parent], heap[child]);
            parent = child;
        }
    }
}

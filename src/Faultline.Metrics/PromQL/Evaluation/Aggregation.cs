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
            Reduction.Reduce(expr.Op, group.Members, parameters, reduced.Values);
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

using System.Diagnostics;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>Arithmetic, comparison and set operators in which at least one side is an instant vector.</summary>
internal sealed class BinaryOperations(Evaluator evaluator, BinaryExpr expr, Grid grid)
{
    private readonly Dictionary<Labels, StepSeries> _results = [];
    private readonly List<StepSeries> _output = [];

    public static double OfScalars(TokenKind op, double left, double right)
    {
        var value = Compute(op, left, right, out var keep);
        return IsComparison(op) ? (keep ? 1 : 0) : value;
    }

    public List<StepSeries> Run()
    {
        if (expr.Op is TokenKind.TrimLower or TokenKind.TrimUpper)
        {
            throw Evaluator.Fault($"not yet supported: native histograms (operator {Token.Symbol(expr.Op)})");
        }

        if (expr.Left.Kind == ValueKind.Scalar || expr.Right.Kind == ValueKind.Scalar)
        {
            return WithScalar();
        }

        var left = evaluator.Vector(expr.Left, grid);
        var right = evaluator.Vector(expr.Right, grid);
        return expr.IsSet ? Sets(left, right) : Matched(left, right);
    }

    private static bool IsComparison(TokenKind op) =>
        op is TokenKind.EqualTo or TokenKind.NotEqual or TokenKind.Less or TokenKind.LessOrEqual or TokenKind.Greater or TokenKind.GreaterOrEqual;

    /// <param name="keep">False when a comparison does not hold.</param>
    /// <returns>For a comparison the left value.</returns>
    private static double Compute(TokenKind op, double left, double right, out bool keep)
    {
        keep = true;
        switch (op)
        {
            case TokenKind.Add: return left + right;
            case TokenKind.Subtract: return left - right;
            case TokenKind.Multiply: return left * right;
            case TokenKind.Divide: return left / right;
            case TokenKind.Modulo: return left % right;
            case TokenKind.Power: return Math.Pow(left, right);
            case TokenKind.Atan2: return Math.Atan2(left, right);
            default:
                keep = op switch
                {
                    TokenKind.EqualTo => left == right,
                    TokenKind.NotEqual => left != right,
                    TokenKind.Less => left < right,
                    TokenKind.LessOrEqual => left <= right,
                    TokenKind.Greater => left > right,
                    TokenKind.GreaterOrEqual => left >= right,
                    _ => throw new UnreachableException(op.ToString()),
                };
                return left;
        }
    }

    private List<StepSeries> WithScalar()
    {
        var scalarIsLeft = expr.Left.Kind == ValueKind.Scalar;
        var scalars = evaluator.Scalar(scalarIsLeft ? expr.Left : expr.Right, grid);
        var vector = evaluator.Vector(scalarIsLeft ? expr.Right : expr.Left, grid);
        var comparison = expr.IsComparison;
        foreach (var series in vector)
        {
            var values = series.Values;
            for (var i = 0; i < values.Length; i++)
            {
                var value = values[i];
                if (StepSeries.IsAbsent(value))
                {
                    continue;
                }

                var result = scalarIsLeft ? Compute(expr.Op, scalars[i], value, out var keep) : Compute(expr.Op, value, scalars[i], out keep);
                values[i] = !comparison ? result
                    : expr.ReturnBool ? (keep ? 1 : 0)
                    : keep ? value      // a filter keeps the vector's value, whichever side it is on
                    : StepSeries.Absent;
            }

            series.DropName |= !comparison || expr.ReturnBool;
        }

        vector.RemoveAll(series => !series.HasAny());
        return vector;
    }

    private (int[] Left, int[] Right, int Count) Signatures(List<StepSeries> left, List<StepSeries> right)
    {
        var matching = expr.Matching!;
        var ordinals = new Dictionary<Labels, int>();
        return (Of(left), Of(right), ordinals.Count);

        int[] Of(List<StepSeries> side)
        {
            var result = new int[side.Count];
            for (var i = 0; i < result.Length; i++)
            {
                var labels = side[i].Labels;
                var signature = matching.On ? LabelSets.Keep(labels, matching.Labels) : LabelSets.Remove(labels, [Labels.MetricName, .. matching.Labels]);
                if (!ordinals.TryGetValue(signature, out result[i]))
                {
                    result[i] = ordinals.Count;
                    ordinals.Add(signature, result[i]);
                }
            }

            return result;
        }
    }

    private List<StepSeries> Sets(List<StepSeries> left, List<StepSeries> right)
    {
        var (leftSignatures, rightSignatures, count) = Signatures(left, right);
        var present = new bool[count];
        for (var step = 0; step < grid.Count; step++)
        {
            Array.Clear(present);
            if (expr.Op == TokenKind.Or)
            {
                Mark(left, leftSignatures, step);
                Drop(right, rightSignatures, step, whenPresent: true);
            }
            else
            {
                Mark(right, rightSignatures, step);
                Drop(left, leftSignatures, step, whenPresent: expr.Op == TokenKind.Unless);
            }
        }

        if (expr.Op == TokenKind.Or)
        {
            left.AddRange(right);
            left = grid.Count > 1 ? Evaluator.Merge(left) : left;
        }

        left.RemoveAll(series => !series.HasAny());
        return left;

        void Mark(List<StepSeries> side, int[] signatures, int step)
        {
            for (var i = 0; i < signatures.Length; i++)
            {
                present[signatures[i]] |= !StepSeries.IsAbsent(side[i].Values[step]);
            }
        }

        void Drop(List<StepSeries> side, int[] signatures, int step, bool whenPresent)
        {
            for (var i = 0; i < signatures.Length; i++)
            {
                if (present[signatures[i]] == whenPresent)
                {
                    side[i].Values[step] = StepSeries.Absent;
                }
            }
        }
    }

    /// <summary>One to one, many to one, one to many. Inside, the "one" side is always the right one.</summary>
    private List<StepSeries> Matched(List<StepSeries> left, List<StepSeries> right)
    {
        var matching = expr.Matching!;
        var (leftSignatures, rightSignatures, count) = Signatures(left, right);
        var swapped = matching.Cardinality == MatchCardinality.OneToMany;
        var (many, one, manySignatures, oneSignatures) = swapped
            ? (right, left, rightSignatures, leftSignatures)
            : (left, right, leftSignatures, rightSignatures);
        // Fill values follow their side into the swap no further than upstream's do: the right one fills the "one" side.
        var (fillOne, fillMany) = (matching.FillRight, matching.FillLeft);

        var oneAt = new int[count];
        var matched = new bool[count];
        var pairs = new Pair[many.Count];
        Array.Fill(pairs, new Pair(-2, null!));
        for (var step = 0; step < grid.Count; step++)
        {
            Array.Clear(matched);
            var (anyMany, anyOne) = (AnyAt(many, step), AnyAt(one, step));
            if ((!anyMany && !anyOne) || ((!anyMany || !anyOne) && fillOne is null && fillMany is null))
            {
                continue;
            }

            FindOnes(one, oneSignatures, step, oneAt, swapped ? "left" : "right");
            for (var i = 0; i < many.Count; i++)
            {
                var value = many[i].Values[step];
                var signature = manySignatures[i];
                var other = oneAt[signature];
                if (StepSeries.IsAbsent(value) || (other < 0 && fillOne is null))
                {
                    continue;
                }

                if (pairs[i].One != other)
                {
                    pairs[i] = new Pair(other, ResultFor(many[i].Labels, other < 0 ? MatchLabels(many[i].Labels) : one[other].Labels));
                }

                Apply(value, other < 0 ? fillOne!.Value : one[other].Values[step], signature, pairs[i].Result, step);
            }

            for (var i = 0; fillMany is not null && i < one.Count; i++)
            {
                var value = one[i].Values[step];
                if (!StepSeries.IsAbsent(value) && !matched[oneSignatures[i]])
                {
                    Apply(fillMany.Value, value, oneSignatures[i], ResultFor(MatchLabels(one[i].Labels), one[i].Labels), step);
                }
            }
        }

        _output.RemoveAll(series => !series.HasAny());
        return _output;

        void Apply(double manyValue, double oneValue, int signature, StepSeries result, int step)
        {
            if (matching.Cardinality == MatchCardinality.OneToOne && matched[signature])
            {
                throw Evaluator.Fault("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
            }

            var value = swapped ? Compute(expr.Op, oneValue, manyValue, out var keep) : Compute(expr.Op, manyValue, oneValue, out keep);
            matched[signature] = true;
            if (result.ClaimedStep == step)
            {
                throw Evaluator.Fault("multiple matches for labels: grouping labels must ensure unique matches");
            }

            result.ClaimedStep = step;
            if (keep || expr.ReturnBool)
            {
                result.Values[step] = expr.ReturnBool ? (keep ? 1 : 0) : value;
            }
        }
    }

    /// <summary>Which series of the "one" side has a value at this time, by signature; -1: none has.</summary>
    private void FindOnes(List<StepSeries> one, int[] signatures, int step, int[] oneAt, string side)
    {
        Array.Fill(oneAt, -1);
        for (var i = 0; i < one.Count; i++)
        {
            if (StepSeries.IsAbsent(one[i].Values[step]))
            {
                continue;
            }

            ref var slot = ref oneAt[signatures[i]];
            slot = slot < 0 ? i : throw Duplicate(one[i].Labels, one[slot].Labels, side);
        }
    }

    private readonly record struct Pair(int One, StepSeries Result);

    private static bool AnyAt(List<StepSeries> side, int step)
    {
        foreach (var series in side)
        {
            if (!StepSeries.IsAbsent(series.Values[step]))
            {
                return true;
            }
        }

        return false;
    }

    private Labels MatchLabels(Labels labels)
    {
        var matching = expr.Matching!;
        return matching.On ? LabelSets.Keep(labels, matching.Labels) : LabelSets.Remove(labels, [Labels.MetricName, .. matching.Labels]);
    }

    private PromQlException Duplicate(Labels one, Labels other, string side)
    {
        var (first, second) = (LabelSets.Text(one), LabelSets.Text(other));
        if (string.CompareOrdinal(first, second) > 0)
        {
            (first, second) = (second, first);
        }

        return Evaluator.Fault($"found duplicate series for the match group {LabelSets.Text(MatchLabels(one))} on the {side} hand-side of the operation: [{first}, {second}]"
            + ";many-to-many matching not allowed: matching labels must be unique on one side");
    }

    private StepSeries ResultFor(Labels many, Labels one)
    {
        var matching = expr.Matching!;
        var labels = expr.IsComparison ? many : LabelSets.DropName(many);
        if (matching.Cardinality == MatchCardinality.OneToOne)
        {
            labels = matching.On ? LabelSets.Keep(labels, matching.Labels) : LabelSets.Remove(labels, matching.Labels);
        }

        foreach (var name in matching.Include)
        {
            labels = labels.With(name, one[name]);      // an empty value takes the label away
        }

        if (!_results.TryGetValue(labels, out var result))
        {
            evaluator.Reserve(grid.Count);
            result = new StepSeries(labels, StepSeries.AllAbsent(grid.Count), expr.ReturnBool);
            _results.Add(labels, result);
            _output.Add(result);
        }

        return result;
    }
}

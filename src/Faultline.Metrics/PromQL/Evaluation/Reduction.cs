using System.Diagnostics;
using System.Runtime.InteropServices;
using Faultline.Metrics.PromQL.Syntax;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>What a group of series becomes under an aggregator, time by time. What is absent does not take part.</summary>
internal static class Reduction
{
    /// <param name="op">An aggregator that makes one series of a group: not topk and its like, nor count_values.</param>
    /// <param name="parameters">Of quantile, one a time; else empty.</param>
    /// <param name="output">One a time, all absent before.</param>
    public static void Reduce(TokenKind op, List<StepSeries> members, double[] parameters, double[] output)
    {
        switch (op)
        {
            case TokenKind.Sum: Sum(members, output); break;
            case TokenKind.Avg: Average(members, output); break;
            case TokenKind.StdDev or TokenKind.StdVar: Variance(op, members, output); break;
            case TokenKind.Quantile: Quantile(members, parameters, output); break;
            default: Fold(op, members, output); break;
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

    private static void Variance(TokenKind op, List<StepSeries> members, double[] output)
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
                output[i] = op == TokenKind.StdVar ? output[i] / counts[i] : Math.Sqrt(output[i] / counts[i]);
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

    private static void Fold(TokenKind op, List<StepSeries> members, double[] output)
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
                output[i] = op switch
                {
                    TokenKind.Count => first ? 1 : known + 1,
                    TokenKind.Group => 1,
                    TokenKind.Max => first || known < value || double.IsNaN(known) ? value : known,
                    TokenKind.Min => first || known > value || double.IsNaN(known) ? value : known,
                    _ => throw new UnreachableException(op.ToString()),
                };
            }
        }
    }
}

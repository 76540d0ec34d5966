using System.Collections.Concurrent;
using Faultline.Metrics.Exposition;

namespace Faultline.Diagnosis.Evaluators.Judge;

/// <summary>How far a judge and the local evaluator of the same thing agree, over the last calls that both scored.</summary>
public sealed class Agreement
{
    /// <summary>Pairs that are looked at, of each rubric.</summary>
    public const int PairsMax = 1_000;

    /// <summary>Fewer pairs say nothing.</summary>
    public const int PairsMin = 10;

    /// <summary>From here on a score is a pass; 3 of 5 is one.</summary>
    private const double PassFrom = 0.5;

    private readonly ConcurrentDictionary<(string Rubric, string Local), Queue<(double Judge, double Local)>> _pairs = new();

    /// <summary>For the exposition on :8888.</summary>
    public IReadOnlyList<MetricFamily> Families()
    {
        var all = _pairs.Select(one => (one.Key, Pairs: Copy(one.Value))).ToList();
        var known = all.Where(one => one.Pairs.Length >= PairsMin).ToList();
        return
        [
            MetricFamily.Gauge("faultline_judge_agreement_pairs", $"Calls that both judge and local evaluator scored, of the last {PairsMax}.", [.. all.Select(one => MetricFamily.Of(one.Pairs.Length, Labels(one.Key)))]),
            MetricFamily.Gauge("faultline_judge_agreement_kappa", "Cohen's kappa of pass and fail (0.5) between judge and local evaluator: 1 always agree, 0 as by chance.", [.. known.Select(one => (one.Key, Value: Kappa(one.Pairs))).Where(one => double.IsFinite(one.Value)).Select(one => MetricFamily.Of(one.Value, Labels(one.Key)))]),
            MetricFamily.Gauge("faultline_judge_agreement_rank", "Spearman's rank correlation of judge and local evaluator: -1 to 1.", [.. known.Select(one => (one.Key, Value: RankCorrelation(one.Pairs))).Where(one => double.IsFinite(one.Value)).Select(one => MetricFamily.Of(one.Value, Labels(one.Key)))]),
        ];

        static (string, string)[] Labels((string Rubric, string Local) key) => [("rubric", key.Rubric), ("local", key.Local)];
    }

    internal void Add(string rubric, string local, double judge, double score)
    {
        var pairs = _pairs.GetOrAdd((rubric, local), _ => new Queue<(double, double)>());
        lock (pairs)
        {
            pairs.Enqueue((judge, score));
            if (pairs.Count > PairsMax)
            {
                pairs.Dequeue();
            }
        }
    }

    /// <summary>Agreement on pass and fail beyond chance; NaN when both always say the same one thing.</summary>
    /// <remarks>Source: Cohen 1960, "A Coefficient of Agreement for Nominal Scales".</remarks>
    internal static double Kappa(IReadOnlyList<(double Judge, double Local)> pairs)
    {
        double n = pairs.Count;
        var agreed = pairs.Count(pair => pair.Judge >= PassFrom == pair.Local >= PassFrom) / n;
        var judge = pairs.Count(pair => pair.Judge >= PassFrom) / n;
        var local = pairs.Count(pair => pair.Local >= PassFrom) / n;
        var chance = (judge * local) + ((1 - judge) * (1 - local));
        return chance >= 1 ? double.NaN : (agreed - chance) / (1 - chance);
    }

    /// <summary>Pearson's correlation of the ranks, ties sharing the mean of theirs; NaN when either side is always the same.</summary>
    /// <remarks>Source: Spearman 1904, "The Proof and Measurement of Association between Two Things".</remarks>
    internal static double RankCorrelation(IReadOnlyList<(double Judge, double Local)> pairs)
    {
        var a = Ranks([.. pairs.Select(pair => pair.Judge)]);
        var b = Ranks([.. pairs.Select(pair => pair.Local)]);
        var mean = (pairs.Count + 1) / 2.0;
        double together = 0, ofA = 0, ofB = 0;
        for (var i = 0; i < a.Length; i++)
        {
            together += (a[i] - mean) * (b[i] - mean);
            ofA += (a[i] - mean) * (a[i] - mean);
            ofB += (b[i] - mean) * (b[i] - mean);
        }

        return together / Math.Sqrt(ofA * ofB);
    }

    private static double[] Ranks(double[] values)
    {
        var order = Enumerable.Range(0, values.Length).OrderBy(i => values[i]).ToArray();
        var ranks = new double[values.Length];
        for (var from = 0; from < order.Length;)
        {
            var to = from;
            while (to + 1 < order.Length && values[order[to + 1]].Equals(values[order[from]]))
            {
                to++;
            }

            for (var i = from; i <= to; i++)
            {
                ranks[order[i]] = ((from + to) / 2.0) + 1;
            }

            from = to + 1;
        }

        return ranks;
    }

    private static (double Judge, double Local)[] Copy(Queue<(double, double)> pairs)
    {
        lock (pairs)
        {
            return [.. pairs];
        }
    }
}

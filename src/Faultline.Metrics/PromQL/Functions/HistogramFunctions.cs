using System.Runtime.InteropServices;
using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>Functions over classic histograms: series that share all labels but <c>le</c>.</summary>
internal static class HistogramFunctions
{
    private const string BucketLabel = "le";

    private sealed record Histogram(Labels Labels, List<(double UpperBound, StepSeries Series)> Buckets);

    public static List<StepSeries> Quantile(Call call)
    {
        var phis = call.Scalar(0);
        CheckQuantiles(call, phis, 0);
        var result = new List<StepSeries>();
        foreach (var histogram in Histograms(call, 1))
        {
            result.Add(QuantileOf(call, histogram, phis, 1, histogram.Labels));
        }

        return result;
    }

    public static List<StepSeries> Quantiles(Call call)
    {
        var label = call.Text(1);
        var histograms = Histograms(call, 0);
        var result = new List<StepSeries>();
        for (var i = 2; i < call.Count; i++)
        {
            var phis = call.Scalar(i);
            CheckQuantiles(call, phis, i);
            foreach (var histogram in histograms)
            {
                foreach (var phi in phis.Distinct())
                {
                    var only = Array.ConvertAll(phis, other => other.Equals(phi) ? phi : StepSeries.Absent);
                    var labels = histogram.Labels.With(label, OpenMetricsNumber(phi));
                    var series = QuantileOf(call, histogram, only, 0, labels);
                    for (var step = 0; step < only.Length; step++)
                    {
                        series.Values[step] = StepSeries.IsAbsent(only[step]) ? StepSeries.Absent : series.Values[step];
                    }

                    result.Add(series);
                }
            }
        }

        result.RemoveAll(series => !series.HasAny());
        return call.Grid.Count > 1 ? Evaluator.Merge(result) : result;
    }

    public static List<StepSeries> Fraction(Call call)
    {
        var lower = call.Scalar(0);
        var upper = call.Scalar(1);
        var result = new List<StepSeries>();
        var buckets = new List<Bucket>();
        foreach (var histogram in Histograms(call, 2))
        {
            var series = call.NewSeries(histogram.Labels, dropName: true);
            for (var step = 0; step < series.Values.Length; step++)
            {
                if (Gather(histogram, step, buckets))
                {
                    series.Values[step] = ClassicHistogram.Fraction(lower[step], upper[step], CollectionsMarshal.AsSpan(buckets));
                }
            }

            result.Add(series);
        }

        return result;
    }

    private static StepSeries QuantileOf(Call call, Histogram histogram, double[] phis, int vectorArgument, Labels labels)
    {
        var series = call.NewSeries(labels, dropName: true);
        var buckets = new List<Bucket>(histogram.Buckets.Count);
        for (var step = 0; step < series.Values.Length; step++)
        {
            if (!Gather(histogram, step, buckets))
            {
                continue;
            }

            series.Values[step] = ClassicHistogram.Quantile(phis[step], CollectionsMarshal.AsSpan(buckets), out var repair);
            if (repair.Forced)
            {
                call.Evaluator.Annotations.ForcedMonotonic(call.Expr.Arguments[vectorArgument].Position, histogram.Labels.Name,
                    call.Grid.At(step), repair.BucketMin, repair.BucketMax, repair.DifferenceMax);
            }
        }

        return series;
    }

    private static bool Gather(Histogram histogram, int step, List<Bucket> buckets)
    {
        buckets.Clear();
        foreach (var (bound, series) in histogram.Buckets)
        {
            if (!StepSeries.IsAbsent(series.Values[step]))
            {
                buckets.Add(new Bucket(bound, series.Values[step]));
            }
        }

        return buckets.Count > 0;
    }

    private static List<Histogram> Histograms(Call call, int argument)
    {
        var histograms = new List<Histogram>();
        var byLabels = new Dictionary<Labels, Histogram>();
        foreach (var series in call.Vector(argument))
        {
            var bound = series.Labels[BucketLabel];
            if (!GoNumber.TryParseFloat(bound, out var upperBound))
            {
                call.Evaluator.Annotations.Warn(call.Expr.Arguments[argument].Position,
                    $"bucket label \"le\" is missing or has a malformed value of {GoText.Quote(bound)}{Annotations.ForMetric(series.Labels.Name)}");
                continue;
            }

            var labels = LabelSets.Remove(series.Labels, BucketLabel);
            if (!byLabels.TryGetValue(labels, out var histogram))
            {
                histogram = new Histogram(labels, []);
                byLabels.Add(labels, histogram);
                histograms.Add(histogram);
            }

            histogram.Buckets.Add((upperBound, series));
        }

        foreach (var histogram in histograms)
        {
            histogram.Buckets.Sort((x, y) => x.UpperBound.CompareTo(y.UpperBound));     // once, not at every step
        }

        return histograms;
    }

    private static void CheckQuantiles(Call call, double[] phis, int argument)
    {
        foreach (var phi in phis)
        {
            if (double.IsNaN(phi) || phi is < 0 or > 1)
            {
                call.Evaluator.Annotations.InvalidQuantile(call.Expr.Arguments[argument].Position, phi);
            }
        }
    }

    /// <summary>As OpenMetrics writes label values: whole numbers with <c>.0</c>.</summary>
    private static string OpenMetricsNumber(double value)
    {
        if (!double.IsFinite(value))
        {
            return GoText.FormatFloat(value);
        }

        var text = GoText.FormatG(value);
        return text.AsSpan().ContainsAny('.', 'e') ? text : text + ".0";
    }
}

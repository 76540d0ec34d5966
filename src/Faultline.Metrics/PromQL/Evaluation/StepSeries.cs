using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Evaluation;

/// <summary>The times at which an expression is evaluated.</summary>
internal sealed record Grid(long Start, long End, long Interval)
{
    public int Count => End < Start ? 0 : (int)((End - Start) / Interval) + 1;

    public long At(int step) => Start + (step * Interval);
}

/// <summary>
/// A series with one place for each time of a <see cref="Grid"/>. A place without a sample holds <see cref="Absent"/>, the bits of
/// a staleness marker: no evaluated sample can have them, because selectors never return a marker and arithmetic never makes one.
/// </summary>
internal sealed class StepSeries(Labels labels, double[] values, bool dropName = false)
{
    public static readonly double Absent = SampleBatch.StaleNaN;

    public Labels Labels { get; } = labels;

    public double[] Values { get; } = values;

    /// <summary>The metric name is to be dropped, but only from the final result, so that <c>label_replace</c> and <c>by (__name__)</c> still see it.</summary>
    public bool DropName { get; set; } = dropName;

    /// <summary>The last step at which a matched pair wrote here, even if its comparison did not hold.</summary>
    public int ClaimedStep { get; set; } = -1;

    public static bool IsAbsent(double value) => SampleBatch.IsStale(value);

    public static double[] AllAbsent(int count)
    {
        var values = new double[count];
        Array.Fill(values, Absent);
        return values;
    }

    public bool HasAny()
    {
        foreach (var value in Values)
        {
            if (!IsAbsent(value))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Samples of one series at their own times, without staleness markers.</summary>
internal sealed record RawSeries(Labels Labels, long[] UnixMillis, double[] Values, bool DropName);

internal static class LabelSets
{
    private static readonly string[] Metadata = [Telemetry.Samples.Labels.MetricName, "__type__", "__unit__"];

    /// <summary>Prometheus' order: pair by pair, name first, the shorter set first.</summary>
    public static int Compare(Labels x, Labels y)
    {
        var left = x.Pairs;
        var right = y.Pairs;
        for (var i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            var order = string.CompareOrdinal(left[i].Key, right[i].Key);
            order = order != 0 ? order : string.CompareOrdinal(left[i].Value, right[i].Value);
            if (order != 0)
            {
                return order;
            }
        }

        return left.Length - right.Length;
    }

    /// <summary>Any text that is valid Unicode and not empty. A lone surrogate stands for a byte that was none.</summary>
    public static bool IsValidName(string name)
    {
        foreach (var rune in name.EnumerateRunes())
        {
            if (rune == System.Text.Rune.ReplacementChar && !name.Contains('\uFFFD', StringComparison.Ordinal))
            {
                return false;
            }
        }

        return name.Length > 0;
    }

    /// <summary>As Prometheus' messages show a label set: <c>{__name__="up", job="x"}</c>.</summary>
    public static string Text(Labels labels) =>
        "{" + string.Join(", ", labels.Pairs.ToArray().Select(pair => $"{Syntax.Printer.LabelName(pair.Key)}={Syntax.GoText.Quote(pair.Value)}")) + "}";

    public static Labels Keep(Labels labels, IReadOnlyList<string> names) => Filter(labels, names, keep: true);

    public static Labels Remove(Labels labels, params IReadOnlyList<string> names) => Filter(labels, names, keep: false);

    /// <summary>Without the name, and the type and unit that belong to it.</summary>
    public static Labels DropName(Labels labels) => Remove(labels, Metadata);

    private static Labels Filter(Labels labels, IReadOnlyList<string> names, bool keep)
    {
        var kept = new List<KeyValuePair<string, string>>(labels.Count);
        foreach (var pair in labels.Pairs)
        {
            var listed = false;
            for (var i = 0; i < names.Count && !listed; i++)
            {
                listed = string.Equals(names[i], pair.Key, StringComparison.Ordinal);
            }

            if (listed == keep)
            {
                kept.Add(pair);
            }
        }

        return kept.Count == labels.Count ? labels : kept.Count == 0 ? Labels.Empty : Labels.Of(kept);
    }
}

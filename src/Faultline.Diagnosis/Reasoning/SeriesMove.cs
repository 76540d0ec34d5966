using Faultline.Diagnosis.Baselines;
using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>What a series did at the onset. Words are those that a claim uses.</summary>
internal enum Moved
{
    /// <summary>Too few values on one side to say.</summary>
    Unknown,
    Steady,
    Rose,
    Fell,
}

/// <summary>A series before and after the onset.</summary>
internal readonly record struct SeriesMove(Moved Moved, double Before, double After, double Z)
{
    /// <summary>As <see cref="Facts.Shift.ZMin"/>: standard deviations from which a move is no chance.</summary>
    private const double ZMin = 3.5;

    /// <summary>A scale is never smaller than this share of the level: what hardly varies need not move far to stand out, but must move.</summary>
    private const double ScaleFloor = 0.03;

    private const int ValuesMin = 3;

    /// <summary>Median after against median and scaled MAD before. NaN is no value.</summary>
    public static SeriesMove Of(SeriesData series, long onsetUnixMillis)
    {
        List<double> before = [], after = [];
        for (var i = 0; i < series.UnixMillis.Length; i++)
        {
            if (double.IsFinite(series.Values[i]))
            {
                (series.UnixMillis[i] <= onsetUnixMillis ? before : after).Add(series.Values[i]);
            }
        }

        var usual = before.Count == 0 ? double.NaN : RobustStatistics.Median(before.ToArray());
        var now = after.Count == 0 ? double.NaN : RobustStatistics.Median(after.ToArray());
        if (before.Count < ValuesMin || after.Count < ValuesMin)
        {
            return new SeriesMove(Moved.Unknown, usual, now, 0);
        }

        var scale = Math.Max(RobustStatistics.ScaledMad(before.ToArray()), Math.Max(ScaleFloor * Math.Abs(usual), 1e-9));
        var z = (now - usual) / scale;
        return new SeriesMove(z >= ZMin ? Moved.Rose : z <= -ZMin ? Moved.Fell : Moved.Steady, usual, now, z);
    }

    /// <summary>Of several series the one that moved most decides.</summary>
    public static SeriesMove Of(PromQlResult result, long onsetUnixMillis) =>
        result is PromQlResult.Matrix { Series.Count: > 0 } matrix ? matrix.Series.Select(series => Of(series, onsetUnixMillis)).MaxBy(move => move.Moved == Moved.Unknown ? -1 : Math.Abs(move.Z)) : new SeriesMove(Moved.Unknown, double.NaN, double.NaN, 0);
}

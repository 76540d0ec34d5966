using System.Globalization;
using System.Text;

namespace Faultline.Lab.Scoring;

/// <summary>Figures of worlds used while developing beside those never used, as Markdown.</summary>
public static class ScoreReport
{
    private const int ConfusionsShown = 20;

    public static string Markdown(Scoreboard dev, Scoreboard heldOut)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            | figure | dev | held out | aim |
            |---|---|---|---|
            | worlds / faults / healthy service-days | {dev.Worlds} / {dev.Faults.Count} / {dev.ServiceDaysHealthy:0} | {heldOut.Worlds} / {heldOut.Faults.Count} / {heldOut.ServiceDaysHealthy:0} | |
            | faults detected | {Percent(dev.Recall)} | {Percent(heldOut.Recall)} | ≥ 95 % |
            | median delay, minutes of signal | {Number(dev.DelayMedianMinutes)} | {Number(heldOut.DelayMedianMinutes)} | ≤ 3 |
            | false cases per healthy service-day | {Number(dev.FalsePerServiceDay)} | {Number(heldOut.FalsePerServiceDay)} | ≤ 0.1 |
            | cases per detected fault | {Number(dev.CasesPerFault)} | {Number(heldOut.CasesPerFault)} | ≤ 1.1 |
            | class right | {Percent(dev.ClassAccuracy)} | {Percent(heldOut.ClassAccuracy)} | ≥ 92 % |
            | cause and target, first / in the first three | {Percent(dev.CauseTop1)} / {Percent(dev.CauseTop3)} | {Percent(heldOut.CauseTop1)} / {Percent(heldOut.CauseTop3)} | ≥ 85 % / ≥ 95 % |
            | cause alone, first / in the first three | {Percent(dev.CauseOnlyTop1)} / {Percent(dev.CauseOnlyTop3)} | {Percent(heldOut.CauseOnlyTop1)} / {Percent(heldOut.CauseOnlyTop3)} | |
            | outside the vocabulary: "unable to determine" | {Percent(dev.UnknownAbstained)} | {Percent(heldOut.UnknownAbstained)} | |
            | "unable to determine" was right, or the first guess wrong | {Percent(dev.AbstainedPrecision)} | {Percent(heldOut.AbstainedPrecision)} | |
            | expected calibration error | {Number(dev.ExpectedCalibrationError)} | {Number(heldOut.ExpectedCalibrationError)} | ≤ 0.05 |

            """);
        Reliability(text, dev, heldOut);
        Groups(text, heldOut, "onset", fault => fault.Onset);
        Groups(text, heldOut, "share of requests", fault => fault.Share);
        Groups(text, heldOut, "change", fault => fault.Change);
        Groups(text, heldOut, "kind", fault => fault.Kind);
        Confusions(text, heldOut);
        return text.ToString();
    }

    private static void Reliability(StringBuilder text, Scoreboard dev, Scoreboard heldOut)
    {
        text.Append("\nReliability: confidence said and share right, by tenths.\n\n| from | dev n | said | right | held out n | said | right |\n|---|---|---|---|---|---|---|\n");
        foreach (var from in dev.Reliability.Concat(heldOut.Reliability).Select(bin => bin.From).Distinct().Order())
        {
            text.Append(CultureInfo.InvariantCulture, $"| {from:0.0} {Bin(dev, from)} {Bin(heldOut, from)} |\n");
        }

        static string Bin(Scoreboard board, double from) => board.Reliability.FirstOrDefault(bin => bin.From == from) is { } bin
            ? string.Create(CultureInfo.InvariantCulture, $"| {bin.Count} | {bin.Confidence:0.00} | {bin.Right:0.00}")
            : "| 0 | – | –";
    }

    private static void Groups(StringBuilder text, Scoreboard board, string name, Func<LabelledFault, string> key)
    {
        text.Append(CultureInfo.InvariantCulture, $"\n| held out, by {name} | faults | detected | delay | class | cause | in three | and target |\n|---|---|---|---|---|---|---|---|\n");
        foreach (var group in board.Faults.GroupBy(fault => key(fault.Fault), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var known = group.Where(fault => fault.Detected && !fault.Fault.IsUnknown).ToList();
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {group.Key} | {group.Count()} | {Percent(Scoreboard.Share(group, fault => fault.Detected))} | {Number(Scoreboard.Median(group.Where(fault => fault.Detected).Select(fault => fault.DelayMinutes)))} | {Percent(Scoreboard.Share(group.Where(fault => fault.ClassRight is not null), fault => fault.ClassRight == true))} | {Percent(Scoreboard.Share(known, fault => fault.CauseAmong(1)))} | {Percent(Scoreboard.Share(known, fault => fault.CauseAmong(3)))} | {Percent(Scoreboard.Share(known, fault => fault.CauseAndTargetAmong(1)))} |\n");
        }
    }

    private static void Confusions(StringBuilder text, Scoreboard board)
    {
        text.Append("\n| held out: the cause was | the first answer said | times |\n|---|---|---|\n");
        foreach (var (was, said, count) in board.Confusion.Take(ConfusionsShown))
        {
            text.Append(CultureInfo.InvariantCulture, $"| {was} | {said} | {count} |\n");
        }
    }

    private static string Percent(double? share) => share is { } value ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.0} %") : "–";

    private static string Number(double? number) => number is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value:0.###}") : "–";
}

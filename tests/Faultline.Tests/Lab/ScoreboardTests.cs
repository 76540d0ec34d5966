using System.Globalization;
using Faultline.Lab.Scoring;
using Xunit;

namespace Faultline.Tests.Lab;

/// <summary>The example by which the published scorer tests itself.</summary>
public sealed class ScoreboardTests
{
    private const long Start = 1_780_000_000_000_000_000;
    private const long Minute = 60_000_000_000;

    private static readonly string World = string.Create(CultureInfo.InvariantCulture, $$"""
        {"world":"a","service_days_healthy":2,"faults":[
          {"start":{{Start}},"end":{{Start + (60 * Minute)}},"class":["HALLUCINATION"],"cause":"index_stale","target":"docs","services":["s1"]},
          {"start":{{Start + (90 * Minute)}},"end":{{Start + (120 * Minute)}},"class":["LATENCY_REGRESS"],"cause":"unknown","target":"s1","services":["s1"]},
          {"start":{{Start}},"end":{{Start + (60 * Minute)}},"class":[],"cause":"evaluator_changed","target":"j","services":["s2","s3"]}]}
        """);

    private static readonly Scoreboard Board = new([LabelledWorld.Read(World)],
    [
        Case(4, "S1", "hallucination", ("index_stale", "Docs", 0.9)),
        Case(10, "s1", "", ("x", "", 0.1)),
        Case(100, "s1", "LATENCY_REGRESS", ("queueing", "s1", 0.3)),
        Case(5, "s9", "HALLUCINATION"),
        Case(-1, "s1", "HALLUCINATION"),
        PredictedCase.Read("""{"world":"zz"}""")!,
        PredictedCase.Read("""{"world":"a"}""")!,
        PredictedCase.Read("""{"world":"a","detected_at":"2026-02-30","remediation_suggestions":"no"}""")!,
        Case(121, "s2", "X"),
    ]);

    [Fact]
    public void Detection_counts_the_first_case_of_a_fault_and_calls_the_rest_duplicates_or_false()
    {
        Assert.Equal(3, Board.Faults.Count);
        Assert.Equal(2.0 / 3, Board.Recall!.Value, 6);
        Assert.Equal(7, Board.DelayMedianMinutes!.Value, 6);
        Assert.Equal(5, Board.False.Count);
        Assert.Equal(2.5, Board.FalsePerServiceDay!.Value, 6);
        Assert.Equal(1.5, Board.CasesPerFault!.Value, 6);
    }

    [Fact]
    public void Classes_and_causes_are_judged_on_the_first_case()
    {
        Assert.Equal(1, Board.ClassAccuracy);
        Assert.Equal(1, Board.CauseTop1);
        Assert.Equal(1, Board.UnknownAbstained);
        Assert.Equal(1, Board.AbstainedPrecision);
        Assert.Equal(0.2, Board.ExpectedCalibrationError!.Value, 6);
        Assert.Empty(Board.Confusion);
    }

    [Fact]
    public void A_line_that_is_no_object_is_no_case()
    {
        Assert.Null(PredictedCase.Read("[1]"));
        Assert.Null(PredictedCase.Read("{\"world\":"));
    }

    [Fact]
    public void The_report_has_both_splits_side_by_side() =>
        Assert.Contains("| faults detected | 66.7 % | 66.7 % |", ScoreReport.Markdown(Board, Board), StringComparison.Ordinal);

    private static PredictedCase Case(int minute, string service, string failureClass, params (string Cause, string Target, double Confidence)[] causes) => PredictedCase.Read(
        string.Create(CultureInfo.InvariantCulture, $$"""{"world":"a","service":"{{service}}","failure_class":"{{failureClass}}","detected_at":{{Start + (minute * Minute)}},"remediation_suggestions":[""")
        + string.Join(',', causes.Select(cause => string.Create(CultureInfo.InvariantCulture, $$"""{"cause":"{{cause.Cause}}","target":"{{cause.Target}}","confidence":{{cause.Confidence}}}""")))
        + "]}")!;
}

using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Scores;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;
using Faultline.Web.Shell;

namespace Faultline.Tests.Web;

/// <summary>Records to render: what the store and the case book would answer.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Now = new(2026, 11, 21, 14, 10, 0, TimeSpan.Zero);
    public static readonly TraceId Trace = new(((UInt128)0x4bf92f3577b34da6UL << 64) | 0xa3ce929d0e0e4736UL);

    public static readonly GenAiFields NoGenAi = new("", "", "", "", "", [], null, null, null, null, null, "", false, null, "", "", "", "", "", "", "", "", null, null, null, "", "", "");

    public static StoredSpan Span(ulong id, ulong parent, string name, double startMillis, double millis, GenAiFields? genAi = null, SpanStatus status = SpanStatus.Unset, string service = "support-bot", IReadOnlyList<StoredAttribute>? attributes = null, IReadOnlyList<StoredAttribute>? bodies = null, IReadOnlyList<StoredScore>? scores = null)
    {
        var start = TimeRange.UnixNanos(Now) + (long)(startMillis * 1e6);
        var length = (long)(millis * 1e6);
        return new StoredSpan(
            new SpanSummary(Trace, new SpanId(id), new SpanId(parent), service, "", "1.0", name, SpanKind.Internal, start, length, status, "", genAi ?? NoGenAi, attributes ?? []),
            "", 0, start + length, start + length, bodies ?? [], [], [], [new StoredAttribute("service.name", service, AttributeType.String)], "", 0, "scope", "1", [], 0, "", 0, 0, 0, scores ?? []);
    }

    public static StoredAttribute Text(string key, string value) => new(key, value, AttributeType.String);

    public static CaseView Case(CaseState state = CaseState.REMEDIATION_SUGGESTED, Verdict? verdict = null) => new()
    {
        Id = new CaseId(3),
        Project = "default",
        Environment = "demo",
        Service = "support-bot",
        Title = "Relevance of support-bot fell from 0.87 to 0.41",
        CreatedAt = Now.AddMinutes(-13),
        OnsetAt = Now.AddMinutes(-14),
        Trigger = "baseline",
        FindingId = "finding",
        State = state,
        FailureClass = FailureClass.RETRIEVAL_DRIFT,
        OpenedAs = FailureClass.RETRIEVAL_DRIFT,
        Symptoms = [new Symptom("score:relevance", "relevance fell", "avg(faultline_feature{feature=\"score:relevance\"})", 0.87, 0.79, 0.94, 0.41, "1")],
        Snapshot = new ContextSnapshot([], [new SnapshotItem("x", "the kept prompt")], [], [], [], []),
        RecentChanges = [new CaseChange("chg-1", "deploy", "checkout", "checkout 2.3.1", Now.AddMinutes(-20))],
        Verdict = verdict ?? Verdict(),
        BadTraces = [Trace.ToString()],
        GoodTraces = [],
        VerificationQuery = "avg(x) > 0.79",
        Timeline = [new CaseEventLine(41, Now.AddMinutes(-13), "case.opened", "faultline", "Opened.")],
        Version = 41,
    };

    public static Verdict Verdict(string? unable = null) => new(
        FailureClass.RETRIEVAL_DRIFT,
        [
            new Hypothesis(
                "index_stale", "help-centre", "The index help-centre is stale.", 0.82, "Re-index help-centre.", "30 min", "Low", "CASE-1",
                [
                    new Evidence("series", "avg(x{a=\"b@c\"})@2026-11-21T13:00:00Z..2026-11-21T14:00:00Z", "The best score fell."),
                    new Evidence("span", Trace + "/0000000000000003", "The best document scored 0.52."),
                    new Evidence("change", "chg-1", "A deploy just before."),
                    new Evidence("case", "CASE-1", "The same signature."),
                ],
                [], "Compare ages."),
        ],
        [new StageReading("retrieve", true, "First.", []), new StageReading("prompt", false, "As usual.", []), new StageReading("model", false, "", []), new StageReading("tools", false, "", []), new StageReading("output", true, "", [])],
        [new Distinction("document.indexed_at", "2026-08-15", 0.97, 0.02)], unable, []);
}

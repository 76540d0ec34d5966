using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Web.Shell;

namespace Faultline.Web.Cases;

/// <summary>Stored names in words, and evidence as addresses.</summary>
public static class Words
{
    public static readonly IReadOnlyList<CaseState> States = Enum.GetValues<CaseState>();

    public static string Of(CaseState state) => state switch
    {
        CaseState.DETECTED => "Detected",
        CaseState.TRIAGED => "Triaged",
        CaseState.INVESTIGATING => "Investigating",
        CaseState.REMEDIATION_SUGGESTED => "Fix suggested",
        CaseState.FIX_APPLIED => "Fix applied",
        CaseState.VERIFYING => "Verifying",
        CaseState.RESOLVED => "Resolved",
        _ => state.ToString(),
    };

    public static string Tone(CaseState state) => state switch
    {
        CaseState.RESOLVED => "good",
        CaseState.FIX_APPLIED or CaseState.VERIFYING => "warn",
        _ => "bad",
    };

    public static string Of(FailureClass failure) => failure switch
    {
        FailureClass.HALLUCINATION => "Hallucination",
        FailureClass.RETRIEVAL_DRIFT => "Retrieval drift",
        FailureClass.COHERENCE_DEGRADATION => "Coherence degradation",
        FailureClass.AGENT_LOOP => "Agent loop",
        FailureClass.LATENCY_REGRESS => "Latency regression",
        FailureClass.CONTEXT_OVERFLOW => "Context overflow",
        FailureClass.PROMPT_REGRESSION => "Prompt regression",
        FailureClass.TOKEN_EXPLOSION => "Token explosion",
        _ => failure.ToString(),
    };

    /// <summary>A feature's name: <c>score:relevance</c> is "score: relevance".</summary>
    public static string Feature(string name) => name.Replace('_', ' ').Replace("score:", "score: ", StringComparison.Ordinal);

    /// <summary>How sure the first hypothesis is, or null before there is one.</summary>
    public static double? Confidence(this CaseView view) => view.Verdict is { Hypotheses: [var first, ..] } ? first.Confidence : null;

    /// <summary>From the onset to the resolution, or to now.</summary>
    public static TimeSpan Lasting(this CaseView view, DateTimeOffset now) => (view.Resolution?.VerifiedAt ?? now) - view.OnsetAt is { Ticks: > 0 } span ? span : TimeSpan.Zero;

    /// <summary>From a little before the onset until now or a little after the end: the range of every chart of the case.</summary>
    public static TimeRange ChartRange(this CaseView view, DateTimeOffset now)
    {
        var end = view.Resolution is { } resolution ? resolution.VerifiedAt.AddMinutes(5) : now;
        end = end > now || end <= view.OnsetAt ? now : end;
        var before = TimeSpan.FromTicks(Math.Clamp((end - view.OnsetAt).Ticks / 2, TimeSpan.FromMinutes(15).Ticks, TimeSpan.FromHours(12).Ticks));
        var start = view.OnsetAt - before;
        return new TimeRange(Text(start), Text(end), start, end);
    }

    /// <summary>Where a piece of evidence can be looked at, or null when it is only words.</summary>
    public static string? Link(Evidence evidence) => evidence.Kind switch
    {
        "span" => evidence.Ref.Split('/') switch
        {
            [var trace, var span] => $"/traces/{Uri.EscapeDataString(trace)}?span={Uri.EscapeDataString(span)}",
            [var trace] => $"/traces/{Uri.EscapeDataString(trace)}",
            _ => null,
        },
        "series" => Series(evidence.Ref),
        "change" => "/changes/" + Uri.EscapeDataString(evidence.Ref),
        "case" => CaseId.TryParse(evidence.Ref, out _) ? "/cases/" + Uri.EscapeDataString(evidence.Ref) : null,
        _ => null,
    };

    /// <summary>A PromQL query over a range, on the metrics page.</summary>
    public static string Metrics(string query, TimeRange range) => Address.To("/metrics").With("query", query).With("from", range.FromText).With("to", range.ToText).ToString();

    public static string Icon(string kind) => kind switch
    {
        "span" => "list-tree",
        "series" => "chart-line",
        "change" => "git-commit-horizontal",
        "case" => "siren",
        "log" => "scroll-text",
        _ => "link",
    };

    public static string ChangeIcon(string type) => type switch
    {
        "deploy" => "rocket",
        "prompt" => "message-square-text",
        "model" => "cpu",
        "config" => "settings-2",
        "data" => "database",
        "index" => "library",
        _ => "git-commit-horizontal",
    };

    private static string? Series(string reference)
    {
        var at = reference.LastIndexOf('@');
        var dots = reference.LastIndexOf("..", StringComparison.Ordinal);
        return at > 0 && dots > at
            ? Address.To("/metrics").With("query", reference[..at]).With("from", reference[(at + 1)..dots]).With("to", reference[(dots + 2)..]).ToString()
            : Address.To("/metrics").With("query", reference).ToString();
    }

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
}

using System.Net;
using System.Text.RegularExpressions;
using Faultline.Cases.Projections;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Reasoning;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Scores;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Faultline.Web.Cases;
using Faultline.Web.Overview;
using Faultline.Web.Shell;
using Faultline.Web.Traces;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Faultline.Tests.Web.Samples;

namespace Faultline.Tests.Web;

/// <summary>Pages rendered as the server does it, from records.</summary>
public sealed partial class PagesTests
{
    private static readonly TimeRange Hour = TimeRange.Parse(null, null, Now);

    [Fact]
    public async Task The_trace_list_says_how_many_it_does_not_show()
    {
        var row = new TraceSummary(Trace, "support-bot", "POST /chat", Now.ToUnixTimeMilliseconds() * 1_000_000, 1_340_000_000, 5, 1, ["support-bot"], "gpt-4o-mini", 1400, 90, "Can I <b>return</b> it?", "No.", 0.38, "relevance", false);
        var html = await RenderAsync<TraceListPage>(Address.To("/traces"), new()
        {
            [nameof(TraceListPage.List)] = new TraceList([row], 43_210),
            [nameof(TraceListPage.Histogram)] = new List<TraceBucket>(),
            [nameof(TraceListPage.Completions)] = new Dictionary<string, IReadOnlyList<string>> { ["service"] = ["support-bot"] },
            [nameof(TraceListPage.Query)] = TraceQuery.Parse(Address.To("/traces"), Hour),
            [nameof(TraceListPage.Range)] = Hour,
        });
        Assert.Contains("of 43,210 traces", html, StringComparison.Ordinal);
        Assert.Contains($"href=\"/traces/{Trace}\"", html, StringComparison.Ordinal);
        Assert.Contains("1.34 s", html, StringComparison.Ordinal);
        Assert.Contains("Can I &lt;b&gt;return&lt;/b&gt; it?", html, StringComparison.Ordinal);
        Assert.Contains("<option value=\"support-bot\">", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trace_shows_its_conversation_documents_and_scores()
    {
        var chat = NoGenAi with { Operation = "chat", ModelResponded = "gpt-4o-mini", InputTokens = 1423, OutputTokens = 96, Counted = true, OutputPreview = "No." };
        StoredSpan[] spans =
        [
            Span(1, 0, "POST /chat", 0, 100),
            Span(2, 1, "retrieval help-centre", 1, 20, NoGenAi with { Operation = "retrieval" }, bodies: [Text("gen_ai.retrieval.documents", """[{"id":"returns-policy","score":0.52,"content":"Sale items are final."}]""")]),
            Span(3, 1, "chat gpt-4o-mini", 30, 60, chat, attributes: [Text("server.address", "api.example")],
                bodies: [Text("gen_ai.input.messages", """[{"role":"user","parts":[{"type":"text","content":"<script>alert(1)</script>"},{"type":"tool_call","id":"1","name":"lookup","arguments":{"order":7}}]}]"""), Text("gen_ai.output.messages", """[{"role":"assistant","parts":[{"type":"text","content":"No."}],"finish_reason":"stop"}]""")],
                scores: [new StoredScore("support-bot", Trace, new SpanId(3), "", "relevance", 0.38, "fail", "It contradicts the policy.", "app", 0)]),
        ];
        var html = await TraceAsync(spans, new SpanId(3));
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.Contains("calls <b>lookup</b>", html, StringComparison.Ordinal);
        Assert.Contains("It contradicts the policy.", html, StringComparison.Ordinal);
        Assert.Contains("attr=server.address%3Dapi.example", html, StringComparison.Ordinal);
        Assert.Contains("1,423 → 96", html, StringComparison.Ordinal);
        // Without scripts the spans are a table of links.
        Assert.Contains("?span=0000000000000002", html, StringComparison.Ordinal);

        var retrieval = await TraceAsync(spans, new SpanId(2));
        Assert.Contains("returns-policy", retrieval, StringComparison.Ordinal);
        Assert.Contains("0.520", retrieval, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trace_says_what_is_missing()
    {
        var html = await TraceAsync([Span(2, 77, "orphan", 0, 10)], default);
        Assert.Contains("1 parent missing", html, StringComparison.Ordinal);
        Assert.Contains("still arriving", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_that_is_no_JSON_is_shown_as_it_came()
    {
        var html = await TraceAsync([Span(1, 0, "chat", 0, 10, NoGenAi with { Operation = "chat" }, bodies: [Text("gen_ai.input.messages", "[{\"role\":\"user\",\"parts\":[{\"type\":\"te")])], default);
        Assert.Contains("&quot;role&quot;:&quot;user&quot;", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_case_leads_from_every_piece_of_evidence_to_its_place()
    {
        var html = await CaseAsync(Case());
        Assert.Contains("Relevance of support-bot fell from 0.87 to 0.41", html, StringComparison.Ordinal);
        Assert.Contains("82 %", html, StringComparison.Ordinal);
        Assert.Contains("query=avg%28x%7Ba%3D%22b%40c%22%7D%29&amp;from=2026-11-21T13:00:00Z&amp;to=2026-11-21T14:00:00Z", html, StringComparison.Ordinal);
        Assert.Contains($"/traces/{Trace}?span=0000000000000003", html, StringComparison.Ordinal);
        Assert.Contains("/changes/chg-1", html, StringComparison.Ordinal);
        Assert.Contains("href=\"/cases/CASE-1\"", html, StringComparison.Ordinal);
        Assert.Contains("first to change", html, StringComparison.Ordinal);
        Assert.Contains("#41", html, StringComparison.Ordinal);
        Assert.Contains("Mark fix applied", html, StringComparison.Ordinal);
        // Razor drops white space beside a code block, so what joins the links has to be a sign.
        var words = WordsOf(html);
        Assert.StartsWith("Compare ages. · the symptom's series · a bad trace", words[words.IndexOf("Compare ages.", StringComparison.Ordinal)..], StringComparison.Ordinal);
        // Its telemetry is gone: what was kept with it is shown.
        Assert.Contains("the kept prompt", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_case_without_a_sure_cause_says_so_and_a_resolved_one_offers_to_reopen()
    {
        Assert.Contains("Unable to determine the root cause. No retrieval spans were sent.", await CaseAsync(Case(verdict: Verdict("No retrieval spans were sent."))), StringComparison.Ordinal);
        var resolved = await CaseAsync(Case(CaseState.RESOLVED) with { Resolution = new CaseResolution("index_stale", "Re-indexed", Now, "q", TimeSpan.FromMinutes(39)) });
        Assert.Contains("39 min", resolved, StringComparison.Ordinal);
        Assert.Contains("Reopen", resolved, StringComparison.Ordinal);
        Assert.DoesNotContain("Mark fix applied", resolved, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_language_model_adds_stands_apart_with_what_was_dropped_its_cost_and_conversation()
    {
        var added = new Contribution(
            ContributionOutcome.Held, "The language model holds index_stale of help-centre most likely.", "llama3.1", "127.0.0.1:11434", "index_stale of help-centre",
            [new CheckedHypothesis("index_stale", "help-centre", 0.55, 0.99, 0, [new CheckedClaim(true, "It <b>fell</b>.", new Evidence("change", "chg-1", "Deploy change of checkout, 6 min before the onset."))])],
            [new DroppedClaim("model_replaced", "gpt-9 was rolled out", "it cites something that it was never shown")], "ages of documents", new ContributionCost(4, 3, 1, 12_345, 678, true, 9_000, 21.5));

        var html = await RenderAsync<CasePage>(Address.To("/cases/CASE-3"), new()
        {
            [nameof(CasePage.Case)] = Case() with { Contribution = added, ContributionCount = 1 },
            [nameof(CasePage.Transcript)] = new List<TranscriptLine> { new("tool", "read_trace", "BEGIN DATA 1\n<script>alert(1)</script>") },
        });

        Assert.Contains("What the language model adds", html, StringComparison.Ordinal);
        Assert.Contains("The model itself said 99", html, StringComparison.Ordinal);
        Assert.Contains("href=\"/changes/chg-1\"", html, StringComparison.Ordinal);
        Assert.Contains("It &lt;b&gt;fell&lt;/b&gt;.", html, StringComparison.Ordinal);
        Assert.Contains("1 claim did not hold and was dropped", html, StringComparison.Ordinal);
        Assert.Contains("12,345 → 678", html, StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("It was asked when the analysis said", html, StringComparison.Ordinal);

        // The answer at the top, and what is to be done, are the analysis'.
        Assert.Contains("Most likely: <b>The index help-centre is stale.</b>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("What the language model adds", await CaseAsync(Case()), StringComparison.Ordinal);
        Assert.Contains("It was asked when the analysis said index_stale of other.", await CaseAsync(Case() with { Contribution = added with { Over = "index_stale of other" } }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_overview_begins_with_a_sentence_on_the_state()
    {
        var service = new ServiceSummary("support-bot", 500, 100, 3, 1, 1.7, 0.3, 5000, 900, ["gpt-4o-mini"], 0);
        var calm = new OverviewView([service], new Dictionary<string, ServiceLines>(), [], [], [], Hour, true);
        Assert.Contains("No open case. 1 service is sending; 3 % of requests failed.", await OverviewAsync(calm), StringComparison.Ordinal);
        Assert.Contains("no scores from this service", await OverviewAsync(calm), StringComparison.Ordinal);
        var troubled = await OverviewAsync(calm with { Open = [Case()] });
        Assert.Contains("1 open case: <a href=\"/cases/CASE-3\">Relevance of support-bot fell from 0.87 to 0.41</a>.", troubled, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trace_page_says_where_a_run_seems_to_have_gone_wrong_and_a_case_page_which_service_and_agent()
    {
        var fault = new RunFault(Trace, new SpanId(3), ["search"], 9, new RunCritique("researcher", 3, 0.4, [], ["it goes on after an error without trying again"]));
        var html = await RenderAsync<TracePage>(Address.To("/traces/" + Trace), new()
        {
            [nameof(TracePage.Layout)] = Waterfall.Of([Span(1, 0, "POST /chat", 0, 100)], Now),
            [nameof(TracePage.Spans)] = (StoredSpan[])[Span(1, 0, "POST /chat", 0, 100)],
            [nameof(TracePage.Logs)] = new List<Faultline.Store.Logs.StoredLog>(),
            [nameof(TracePage.Fault)] = fault,
        });
        Assert.Contains("look first at researcher, message 4 of 9: it goes on after an error without trying again.", WordsOf(html), StringComparison.Ordinal);
        Assert.Contains($"/traces/{Trace}?span=0000000000000003", html, StringComparison.Ordinal);
        Assert.DoesNotContain("run-fault", await TraceAsync([Span(1, 0, "POST /chat", 0, 100)], default), StringComparison.Ordinal);

        var verdict = Samples.Verdict() with { Where = [new Evidence("span", Trace + "/0000000000000003", "prices: 94 % of the additional time of shop is spent here.")] };
        Assert.Contains("94 % of the additional time of shop", await CaseAsync(Samples.Case(verdict: verdict)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_page_names_the_real_address_and_key()
    {
        var html = await RenderAsync<FirstMinute>(Address.To("/"), new() { [nameof(FirstMinute.Connection)] = new Faultline.Web.ConnectionWords("http://127.0.0.1:14318", "http://127.0.0.1:14317", null, null, "my-key", "/data") });
        Assert.Contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318", html, StringComparison.Ordinal);
        Assert.Contains("OTEL_EXPORTER_OTLP_HEADERS=x-api-key=my-key", html, StringComparison.Ordinal);
        Assert.Contains("Waiting for the first span", html, StringComparison.Ordinal);
    }

    private static Task<string> OverviewAsync(OverviewView view) => RenderAsync<OverviewPage>(Address.To("/"), new() { [nameof(OverviewPage.View)] = view });

    private static Task<string> CaseAsync(CaseView view) => RenderAsync<CasePage>(Address.To("/cases/" + view.Id), new() { [nameof(CasePage.Case)] = view });

    private static Task<string> TraceAsync(IReadOnlyList<StoredSpan> spans, SpanId selected) => RenderAsync<TracePage>(Address.To("/traces/" + Trace), new()
    {
        [nameof(TracePage.Layout)] = Waterfall.Of(spans, Now),
        [nameof(TracePage.Spans)] = spans,
        [nameof(TracePage.Logs)] = new List<Faultline.Store.Logs.StoredLog>(),
        [nameof(TracePage.Selected)] = selected,
    });

    private static async Task<string> RenderAsync<TPage>(Address address, Dictionary<string, object?> parameters)
        where TPage : IComponent
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        await using var renderer = new HtmlRenderer(services, NullLoggerFactory.Instance);
        var view = new ShellView(new Viewer("light", TimeZoneInfo.Utc, true, Now), address, "Test", "overview", Hour, "default", 1);
        return await renderer.Dispatcher.InvokeAsync(async () =>
        {
            var root = await renderer.RenderComponentAsync<Document>(ParameterView.FromDictionary(new Dictionary<string, object?> { [nameof(Document.View)] = view, [nameof(Document.Content)] = Page.Content<TPage>(parameters) }));
            var html = root.ToHtmlString();
            // The content security policy forbids inline styles and scripts: a page with one would be broken, silently.
            Assert.DoesNotContain(" style=\"", html, StringComparison.Ordinal);
            Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
            Assert.DoesNotContain("http://", html.Replace("http://127.0.0.1", "", StringComparison.Ordinal).Replace("http://www.w3.org", "", StringComparison.Ordinal), StringComparison.Ordinal);
            return html.Replace("&#xA;", "\n", StringComparison.Ordinal).Replace("&#x2192;", "→", StringComparison.Ordinal).Replace("&#x2013;", "–", StringComparison.Ordinal);
        });
    }

    /// <summary>A page's text as a browser shows it.</summary>
    private static string WordsOf(string html) =>
        string.Join(' ', WebUtility.HtmlDecode(Tag().Replace(html, "")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    [GeneratedRegex("<[^>]*>", RegexOptions.ExplicitCapture)]
    private static partial Regex Tag();
}

using System.Text.Json;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Store;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>Which service and which agent a verdict points at, from spans on the real store.</summary>
public sealed class WhereTests : StoreTest
{
    private const int Each = 40;
    private static readonly DateTimeOffset Onset = new(2026, 3, 10, 14, 0, 0, TimeSpan.Zero);
    private ulong _ids;

    [Fact]
    public async Task The_service_that_the_time_is_lost_in_is_told_and_its_release_is_blamed()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Shop(Onset.AddMinutes(-20), slow: false), Shop(Onset, slow: true));
        var change = new ChangeEvent("chg-1", "default", "deploy", "prices", "prices 1.1.0", Onset.AddSeconds(-10), new Dictionary<string, string>(StringComparer.Ordinal));
        var verdict = await DiagnoseAsync(store, "shop", FailureClass.LATENCY_REGRESS, new Symptom("latency_p50", "median latency rose", "x", 0.1, 0.08, 0.13, 0.5, "s"), [], change);

        var where = Assert.Single(verdict.Where);
        Assert.StartsWith("prices: 100 % of the additional time of shop", where.Text, StringComparison.Ordinal);
        Assert.Equal("prices", (await SpanAsync(store, where.Ref)).Service);
        Assert.Equal(("deploy_regressed", "prices"), (verdict.Hypotheses[0].Cause, verdict.Hypotheses[0].Target));
        Assert.Contains(where, verdict.Hypotheses[0].For);
    }

    [Fact]
    public async Task The_agent_that_most_failed_runs_go_wrong_with_is_told_and_the_message_is_cited()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Runs(Onset.AddMinutes(-20), fails: false), Runs(Onset, fails: true));
        var symptom = new Symptom("tool_error_rate", "error rate of the tool rose", "x", 0, 0, 0.05, 1, "1");
        var verdict = await DiagnoseAsync(store, "desk", FailureClass.HALLUCINATION, symptom, []);
        var where = Assert.Single(verdict.Where);
        Assert.Equal("In 8 of 8 failed runs that were read, clerk seems to go wrong first; here in message 4 of 4: it goes on after an error without trying again.", where.Text);
        Assert.Equal("clerk says", (await SpanAsync(store, where.Ref)).Name);

        // Slower runs have not failed: of those in which no error was met nobody is named.
        Assert.Empty((await DiagnoseAsync(store, "desk", FailureClass.TOKEN_EXPLOSION, symptom, [], to: Onset)).Where);
    }

    [Fact]
    public async Task The_requests_that_it_meets_are_told_by_all_that_they_have_in_common_and_by_nothing_more()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Mixed(Onset.AddMinutes(-20), fails: false), Mixed(Onset, fails: true));
        var verdict = await DiagnoseAsync(store, "shop", FailureClass.LATENCY_REGRESS, new Symptom("error_rate", "error rate rose", "x", 0, 0, 0.05, 0.2, "1"), []);
        var where = Assert.Single(verdict.Where);
        Assert.Equal("100 % of the requests that show it, beyond what is usual, have app.region eu-1 and plan free; so have 25 % of all.", where.Text);
        Assert.Equal(SpanStatus.Error, (await SpanAsync(store, where.Ref)).Status);
    }

    /// <summary>Two regions and two plans; the free plan fails in one of the regions.</summary>
    private BatchBuilder Mixed(DateTimeOffset from, bool fails)
    {
        var batch = new BatchBuilder(from.AddMinutes(10));
        for (var i = 0; i < 3 * Each; i++)
        {
            var at = Nanos(from.AddSeconds(i));
            var (region, plan) = (i % 2 == 0 ? "eu-1" : "us-2", i / 2 % 2 == 0 ? "free" : "paid");
            batch.Add(
                new TestSpan(new TraceId(++_ids), new SpanId(++_ids), default, "GET /", at, at + 20_000_000)
                {
                    Kind = SpanKind.Server,
                    Status = fails && region == "eu-1" && plan == "free" ? SpanStatus.Error : SpanStatus.Unset,
                    Attributes = [("app.region", region), ("plan", plan), ("request.id", $"r-{_ids}")],
                },
                "shop");
        }

        return batch;
    }

    /// <summary>shop → prices; the new release of prices takes 0.4 s longer.</summary>
    private BatchBuilder Shop(DateTimeOffset from, bool slow)
    {
        var batch = new BatchBuilder(from.AddMinutes(10));
        for (var i = 0; i < Each; i++)
        {
            var (trace, root) = (new TraceId(++_ids), new SpanId(++_ids));
            var at = Nanos(from.AddSeconds(i * 3));
            var own = 20_000_000L + (i % 5 * 1_000_000);
            var prices = own + (slow ? 400_000_000 : 0);
            batch.Add(new TestSpan(trace, root, default, "GET /", at, at + own + prices) { Kind = SpanKind.Server }, "shop");
            batch.Add(new TestSpan(trace, new SpanId(++_ids), root, "GET /prices", at + 1_000_000, at + 1_000_000 + prices) { Kind = SpanKind.Server }, "prices", release: slow ? "1.1.0" : "1.0.0");
        }

        return batch;
    }

    /// <summary>A clerk that looks something up and answers; after a failed look-up it answers all the same.</summary>
    private BatchBuilder Runs(DateTimeOffset from, bool fails)
    {
        var batch = new BatchBuilder(from.AddMinutes(10));
        for (var i = 0; i < Each; i++)
        {
            var (trace, root) = (new TraceId(++_ids), new SpanId(++_ids));
            var at = Nanos(from.AddSeconds(i * 3));
            string question = Json(Text("user", $"Where is parcel {i}?")), call = Json(new { role = "assistant", parts = new[] { new { type = "tool_call", id = "c", name = "find_parcel", arguments = new { x = i } } } });
            batch.Add(new TestSpan(trace, root, default, "clerk", at, at + 4_000_000_000) { Operation = "agent", Agent = "clerk" }, "desk");
            batch.Add(Step(1, "clerk asks") with { Operation = "chat", Bodies = [("gen_ai.input.messages", question), ("gen_ai.output.messages", call)] }, "desk");
            batch.Add(Step(2, "find_parcel") with { Operation = "tool", Tool = "find_parcel", Status = fails ? SpanStatus.Error : SpanStatus.Unset, StatusMessage = fails ? "database is down" : "", Bodies = [("gen_ai.tool.call.result", fails ? "" : "parcel: Ghent")] }, "desk");
            batch.Add(Step(3, "clerk says") with { Operation = "chat", Bodies = [("gen_ai.input.messages", question), ("gen_ai.output.messages", Json(Text("assistant", "Your parcel is in Ghent and will be with you tomorrow morning.")))] }, "desk");

            TestSpan Step(int place, string name) => new(trace, new SpanId(++_ids), root, name, at + (place * 1_000_000_000L), at + (place * 1_000_000_000L) + 500_000_000);
        }

        return batch;

        static object Text(string role, string text) => new { role, parts = new[] { new { type = "text", content = text } } };
        static string Json(object message) => JsonSerializer.Serialize(new[] { message });
    }

    private static async Task WriteAsync(TelemetryStore store, params BatchBuilder[] batches)
    {
        foreach (var batch in batches)
        {
            await WriteAsync(store, batch.Build());
        }
    }

    private static Task<Verdict> DiagnoseAsync(TelemetryStore store, string service, FailureClass failureClass, Symptom symptom, IReadOnlyList<TraceId> bad, ChangeEvent? change = null, DateTimeOffset? to = null)
    {
        var finding = new Finding
        {
            Id = "f-1",
            Project = "default",
            Environment = "production",
            Service = service,
            Trigger = "baseline",
            Title = "Something moved",
            FailureClass = failureClass,
            OnsetAt = to?.AddMinutes(-22) ?? Onset,
            DetectedAt = to?.AddMinutes(-19) ?? Onset.AddMinutes(1),
            Symptoms = [symptom],
            BadTraces = bad,
            GoodTraces = [],
            VerificationQuery = "",
        };
        return new Diagnostician(store, new TestClock(Onset.AddMinutes(10))).DiagnoseAsync(finding, change is null ? [] : [change], []);
    }

    private static async Task<Faultline.Store.Traces.SpanSummary> SpanAsync(TelemetryStore store, string reference)
    {
        Assert.True(TraceId.TryParse(reference.Split('/')[0], out var trace));
        return (await store.Traces.SpansOfAsync("default", trace)).Single(span => span.Summary.SpanId.ToString() == reference.Split('/')[1]).Summary;
    }

    private static long Nanos(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1_000_000;
}

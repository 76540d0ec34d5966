using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>
/// A researcher with a search tool whose runs are exported when they are over, so that half a minute of a looping run comes at
/// once and late. With its eighth template most runs search fifty times for the same.
/// </summary>
internal sealed class SimulatedAgents(int seed)
{
    public const string Service = "report-agents";
    private readonly Random _random = new(seed);
    private readonly PriorityQueue<(DateTimeOffset Start, bool Loops, string Version), DateTimeOffset> _running = new();
    private DateTimeOffset? _next;
    private ulong _ids;

    /// <summary>Starts what is due and exports what is over by <paramref name="now"/>.</summary>
    public BatchBuilder Advance(DateTimeOffset now, string version, double loopShare)
    {
        var batch = new BatchBuilder(now);
        _next ??= now;
        while (_next <= now)
        {
            var loops = _random.NextDouble() < loopShare;
            _running.Enqueue((_next.Value, loops, version), _next.Value.AddSeconds(loops ? 30 : 5));
            _next += TimeSpan.FromSeconds(3 + (3 * _random.NextDouble()));
        }

        while (_running.TryPeek(out var run, out var due) && due <= now)
        {
            _running.Dequeue();
            Export(batch, run.Start, run.Loops, run.Version);
        }

        return batch;
    }

    public void Export(BatchBuilder batch, DateTimeOffset start, bool loops, string version)
    {
        var trace = new TraceId(new UInt128((ulong)seed, ++_ids));
        var root = new SpanId(++_ids);
        var at = start.ToUnixTimeMilliseconds() * 1_000_000;
        var begin = at;
        var searches = loops ? 50 : 2 + _random.Next(3);
        for (var i = 0; i < searches; i++)
        {
            var thought = (long)(0.43e9 * (0.8 + (0.4 * _random.NextDouble())));
            batch.Add(
                new TestSpan(trace, new SpanId(++_ids), root, "chat gpt-4o", at, at += thought)
                {
                    Operation = "chat",
                    Provider = "openai",
                    Model = "gpt-4o",
                    ModelResponded = "gpt-4o-2024-08-06",
                    Prompt = "report-researcher",
                    PromptVersion = version,
                    Finish = "tool_call",
                    InputTokens = 90 + _random.Next(20),
                    OutputTokens = 30 + _random.Next(8),
                },
                Service);
            var took = (long)(0.12e9 * (0.7 + (0.6 * _random.NextDouble())));
            batch.Add(
                new TestSpan(trace, new SpanId(++_ids), root, "execute_tool search", at, at += took)
                {
                    Operation = "tool",
                    Tool = "search",
                    Agent = "researcher",
                    ArgumentsHash = loops ? "00000000000000aa" : (_ids * 31).ToString("x16", null),
                },
                Service);
        }

        at += (long)(2e9 * (0.8 + (0.4 * _random.NextDouble())));
        batch.Score(Service, trace, root, "completeness", 0.82 + (0.06 * (_random.NextDouble() - 0.5)), at);
        batch.Add(new TestSpan(trace, root, default, "POST /reports", begin, at) { Kind = SpanKind.Server }, Service);
    }
}

public sealed class AgentSystemTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Runs_that_loop_after_a_prompt_change_are_one_finding_with_the_right_cause(int seed)
    {
        var rig = new Rig(Start) { KeepsTelemetry = true };
        var agents = new SimulatedAgents(seed);
        var random = new Random(seed);
        for (var at = Start.AddDays(-7); at < Start.AddMinutes(-20); at += TimeSpan.FromMinutes(20))
        {
            var batch = new BatchBuilder(rig.Clock.Now);
            agents.Export(batch, at.AddMinutes(18 * random.NextDouble()), loops: false, "7");
            agents.Export(batch, at.AddMinutes(18 * random.NextDouble()), loops: false, "7");
            await rig.FoldAsync(batch);
        }

        await rig.AdvanceAsync();
        await LiveAsync(rig, agents, TimeSpan.FromSeconds(60), "7", 0);
        Assert.Empty(rig.News);

        var faultAt = rig.Clock.Now;
        var change = new ChangeEvent("chg-1", "default", "prompt", SimulatedAgents.Service, "Prompt report-researcher changed from version 7 to 8", faultAt, new Dictionary<string, string>(StringComparer.Ordinal));
        await LiveAsync(rig, agents, TimeSpan.FromSeconds(190), "8", 0.75);

        var first = rig.Raised.First();
        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
        Assert.Equal("agent_loop", first.Trigger);
        Assert.Equal("Researcher repeats search with the same arguments", first.Title);
        Assert.InRange((first.DetectedAt - faultAt).TotalSeconds, 0, 60);
        Assert.Empty(rig.News.OfType<FindingNews.Cleared>());

        foreach (var finding in (Finding[])[first, rig.Raised.Last()])
        {
            var verdict = await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, [change], []);
            Assert.Equal("loop_same_call", verdict.Hypotheses[0].Cause);
            Assert.Equal("search", verdict.Hypotheses[0].Target);
            Assert.Contains(verdict.Hypotheses[0].For, evidence => evidence is { Kind: "change", Ref: "chg-1" });
            Assert.Contains(verdict.Hypotheses[0].For, evidence => evidence.Kind is "span");
            Assert.Equal("prompt_template_regressed", verdict.Hypotheses[1].Cause);
        }

        await LiveAsync(rig, agents, TimeSpan.FromSeconds(180), "7", 0);
        Assert.Equal(first.Id, Assert.Single(rig.News.OfType<FindingNews.Cleared>()).FindingId);
        Assert.Single(rig.Raised.Select(finding => finding.Id).Distinct(StringComparer.Ordinal));
    }

    private static async Task LiveAsync(Rig rig, SimulatedAgents agents, TimeSpan length, string version, double loopShare)
    {
        var end = rig.Clock.Now + length;
        while (rig.Clock.Now < end)
        {
            rig.Clock.Now += TimeSpan.FromSeconds(1);
            await rig.CommitAsync(agents.Advance(rig.Clock.Now, version, loopShare));
        }
    }
}

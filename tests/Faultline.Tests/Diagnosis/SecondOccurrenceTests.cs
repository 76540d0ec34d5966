using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Knowledge;
using Faultline.Telemetry.Changes;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>The same fault twice within minutes, lived through: fault, fix, healthy minutes, fault.</summary>
public sealed class SecondOccurrenceTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 14, 3, 0, TimeSpan.Zero);

    public static TheoryData<string, int> Twice => new()
    {
        { "stale index, data change", 31 },
        { "stale index, data change", 32 },
        { "stale index, nothing recorded", 33 },
        { "loop after a prompt change", 34 },
        { "slow provider", 35 },
        { "empty retrievals", 36 },
        { "worse prompt", 37 },
        { "tool down", 38 },
    };

    [Theory]
    [MemberData(nameof(Twice))]
    public async Task The_next_occurrence_within_minutes_cites_the_first_case(string name, int seed)
    {
        var scenario = DiagnosticianTests.Scenarios[name];
        var rig = new Rig(Start) { KeepsTelemetry = true };
        var bot = new SimulatedBot(seed);
        await rig.HistoryAsync(bot, TimeSpan.FromDays(2), TimeSpan.FromMinutes(20));
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(90), new Behaviour());
        var (finding, first) = await FaultAsync(rig, bot, scenario, []);
        Assert.Equal(scenario.Cause, first.Hypotheses[0].Cause);

        var told = rig.News.Count;
        await rig.LiveAsync(bot, TimeSpan.FromMinutes(4), new Behaviour());
        Assert.Contains(rig.News.Skip(told), news => news is FindingNews.Cleared cleared && string.Equals(cleared.FindingId, finding.Id, StringComparison.Ordinal));
        var past = new PastCase("CASE-1", bot.Service, first.FailureClass, first.Hypotheses[0].Cause, first.Hypotheses[0].Target, "repaired", first.Signature, 0, rig.Clock.Now);

        var (_, second) = await FaultAsync(rig, bot, scenario, [past]);
        Assert.Equal(scenario.Cause, second.Hypotheses[0].Cause);
        Assert.True(
            second.Hypotheses[0].SimilarCase is "CASE-1",
            $"similarity {Signature.Cosine(first.Signature, second.Signature):0.00}\n{Text(first.Signature)}\n{Text(second.Signature)}");
    }

    [Fact]
    public async Task Occurrences_of_one_fault_are_more_alike_than_look_alikes()
    {
        var stale = await SignatureAsync("stale index, data change", 41);
        var again = await SignatureAsync("stale index, nothing recorded", 42);
        var embedding = await SignatureAsync("other embedding model, nothing recorded", 43);
        var slow = await SignatureAsync("slow provider", 44);
        Assert.True(Signature.Cosine(stale, again) > 0.98);
        Assert.True(Signature.Cosine(stale, embedding) < Signature.Cosine(stale, again) - 0.04);
        Assert.True(Signature.Cosine(stale, slow) < PastCases.SimilarMin);
    }

    private static async Task<IReadOnlyList<double>> SignatureAsync(string name, int seed)
    {
        var (rig, finding, changes) = await DiagnosticianTests.PlayAsync(DiagnosticianTests.Scenarios[name], seed);
        return (await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, [])).Signature;
    }

    /// <summary>The fault until it is raised and half a minute more, when the worker thinks again.</summary>
    private static async Task<(Finding Finding, Verdict Verdict)> FaultAsync(Rig rig, SimulatedBot bot, DiagnosticianTests.Scenario scenario, IReadOnlyList<PastCase> past)
    {
        var told = rig.News.Count;
        IReadOnlyList<ChangeEvent> changes = scenario.Change is { } change
            ? [new ChangeEvent($"chg-{told:x16}", "default", change.Type, bot.Service, change.Detail, rig.Clock.Now, new Dictionary<string, string>(StringComparer.Ordinal))]
            : [];
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(180), scenario.Behaviour, untilRaised: true);
        await rig.LiveAsync(bot, TimeSpan.FromSeconds(30), scenario.Behaviour);
        var finding = rig.News.Skip(told).OfType<FindingNews.Raised>().Last().Finding;
        return (finding, await new Diagnostician(rig.Telemetry.Source, rig.Clock).DiagnoseAsync(finding, changes, past));
    }

    private static string Text(IReadOnlyList<double> signature) =>
        string.Join(' ', signature.Select(value => value.ToString("0.00", System.Globalization.CultureInfo.InvariantCulture)));
}

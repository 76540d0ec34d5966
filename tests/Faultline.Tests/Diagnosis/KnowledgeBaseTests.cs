using System.Globalization;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Knowledge;
using Faultline.Store;
using Faultline.Tests.Store;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Diagnosis;

/// <summary>Signatures in the real engine.</summary>
public sealed class KnowledgeBaseTests(ITestOutputHelper output) : StoreTest
{
    private static readonly DateTimeOffset Now = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Alike_cases_are_found_among_thousands_and_as_an_exact_comparison_finds_them()
    {
        var store = await OpenAsync(Engine, Soon);
        var knowledge = new KnowledgeBase(store.Signatures, new KnowledgeOptions());
        const int seed = 17;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var past = Enumerable.Range(1, 3000).Select(i => Case($"CASE-{i}", Random(random))).ToList();
        var asked = Near(past[1234].Signature, random);

        var recalled = await knowledge.RecallAsync("default", past, Now, asked);

        var exact = past.Where(one => Signature.Cosine(asked, one.Signature) >= PastCases.SimilarMin).OrderByDescending(one => Signature.Cosine(asked, one.Signature)).Select(one => one.CaseId).ToList();
        Assert.Equal("CASE-1235", recalled[0].CaseId);
        Assert.Equal(exact.Take(5), recalled.Select(one => one.CaseId).Take(5));
    }

    /// <summary>Says which of the two it is: docs/knowledge.md rests on it.</summary>
    [Fact]
    public async Task The_engine_answers_from_its_vector_index()
    {
        var store = await OpenAsync(Engine, Soon);
        var random = new Random(18);
        await new KnowledgeBase(store.Signatures, new KnowledgeOptions()).RecallAsync("default", [.. Enumerable.Range(1, 2000).Select(i => Case($"CASE-{i}", Random(random)))], Now, Random(random));

        var plan = await store.Signatures.ExplainAsync("default", Random(random));

        output.WriteLine(plan);
        Assert.Contains("by_signature", plan, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_case_that_was_reopened_or_diagnosed_anew_is_remembered_as_it_is_now()
    {
        var store = await OpenAsync(Engine, Soon);
        var knowledge = new KnowledgeBase(store.Signatures, new KnowledgeOptions());
        var random = new Random(19);
        var (one, other) = (Random(random), Random(random));
        Assert.Single(await knowledge.RecallAsync("default", [Case("CASE-1", one), Case("CASE-2", one) with { Cause = "tool_slow" }], Now, one), past => past.CaseId == "CASE-1");

        Assert.Empty(await knowledge.RecallAsync("default", [Case("CASE-1", other)], Now, one));
        Assert.Equal("CASE-1", Assert.Single(await knowledge.RecallAsync("default", [Case("CASE-1", other)], Now, other)).CaseId);
        Assert.Equal(["CASE-1"], (await store.Signatures.DigestsAsync("default")).Keys);
    }

    [Fact]
    public async Task A_restart_writes_nothing_twice_and_projects_are_apart()
    {
        var store = await OpenAsync(Engine, Soon);
        var vector = Random(new Random(20));
        await new KnowledgeBase(store.Signatures, new KnowledgeOptions()).RecallAsync("default", [Case("CASE-1", vector)], Now, vector);
        await new KnowledgeBase(store.Signatures, new KnowledgeOptions()).RecallAsync("default", [Case("CASE-1", vector)], Now, vector);
        await new KnowledgeBase(store.Signatures, new KnowledgeOptions()).RecallAsync("other", [Case("CASE-9", vector)], Now, vector);

        Assert.Equal(2, await CountAsync("failure_signatures"));
        Assert.Equal(["CASE-9"], await store.Signatures.NearestAsync("other", vector, 10));
    }

    [Fact]
    public async Task A_memory_counts_half_after_its_half_life_and_is_forgotten_in_the_end()
    {
        var store = await OpenAsync(Engine, Soon);
        var knowledge = new KnowledgeBase(store.Signatures, new KnowledgeOptions { HalfLife = TimeSpan.FromDays(30) });
        var vector = Random(new Random(21));
        var past = new[] { Case("CASE-1", vector) };

        Assert.Equal(0.5, Assert.Single(await knowledge.RecallAsync("default", past, Now.AddDays(30), vector)).Weight, 3);
        Assert.Equal(1, Assert.Single(await knowledge.RecallAsync("default", past, Now.AddDays(-3), vector)).Weight);
        Assert.Empty(await knowledge.RecallAsync("default", past, Now.AddDays(300), vector));
    }

    [Fact]
    public async Task Without_its_table_knowledge_is_searched_in_the_ledgers_cases()
    {
        var store = await OpenAsync(Engine, Soon);
        await Engine.ExecuteAsync("DROP TABLE failure_signatures");
        var vector = Random(new Random(22));

        Assert.Single(await new KnowledgeBase(store.Signatures, new KnowledgeOptions()).RecallAsync("default", [Case("CASE-1", vector)], Now, vector));
    }

    [Fact]
    public void What_is_exported_can_be_imported_and_names_where_it_came_from()
    {
        var one = Case("CASE-7", Random(new Random(23))) with { FixApplied = "re-indexed \"help\"\nagain", Helpful = 2 };

        var (cases, problems) = KnowledgeLines.Read([KnowledgeLines.Write(one), ""], "berlin");

        Assert.Empty(problems);
        var read = Assert.Single(cases);
        Assert.Equal(one.Signature, read.Signature);
        Assert.Equal(one with { CaseId = "berlin/CASE-7", Signature = read.Signature }, read);
    }

    [Theory]
    [InlineData("not json", "line 1: this is not a case as JSON")]
    [InlineData("null", "line 1: format is")]
    [InlineData("""{"format":"faultline-signature/9"}""", "line 1: format is “faultline-signature/9”")]
    [InlineData("""{"format":"faultline-signature/1","id":"CASE-1","service":"a","failure_class":"AGENT_LOOP","cause":"gremlins","target":"a","signature":[1]}""", "cause “gremlins” is none")]
    [InlineData("""{"format":"faultline-signature/1","id":"CASE-1","service":"a","failure_class":"AGENT_LOOP","cause":"tool_slow","target":"a","signature":[]}""", "signature must be")]
    [InlineData("", "there is no line in it")]
    public void Lines_that_are_no_cases_are_refused_in_words(string line, string problem)
    {
        var (cases, problems) = KnowledgeLines.Read([line], "berlin");

        Assert.Empty(cases);
        Assert.Contains(problem, Assert.Single(problems), StringComparison.Ordinal);
    }

    private static PastCase Case(string id, IReadOnlyList<double> signature) =>
        new(id, "support-bot", FailureClass.RETRIEVAL_DRIFT, "index_stale", "help-centre", "re-indexed", signature, 0, Now);

    private static double[] Random(Random random) => [.. Enumerable.Range(0, 38).Select(_ => (random.NextDouble() * 2) - 1)];

    private static double[] Near(IReadOnlyList<double> vector, Random random) => [.. vector.Select(value => Math.Clamp(value + ((random.NextDouble() - 0.5) * 0.1), -1, 1))];
}

using System.Diagnostics;
using System.Text.Json;
using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>The README's main story, as a user lives it: faults, cases, causes, fix, verification, proof.</summary>
public sealed class DemoTests(BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    /// <summary>For the README's pictures: a symptom that has lasted a while, after history and a healthy minute.</summary>
    private static readonly TimeSpan FirstFaults = TimeSpan.FromSeconds(170);

    [SkippableFact]
    public async Task Two_faults_become_one_case_each_and_resolve_after_the_fix()
    {
        var chromium = browser.Browser;
        await Axe.RequireAsync();
        await using var server = await FaultlineProcess.StartAsync();
        await using var visit = await Visit.StartAsync(chromium, server);
        var page = visit.Page;

        // The page is open before anything happens; what follows must appear in it without a reload.
        await visit.GotoAsync("/cases");
        await PlayFaultsAsync(server, FirstFaults, found => found.Count == 2 && found.Any(one => Best(one) is { } best && best.GetProperty("cause").GetString() == "index_stale"));
        var cases = await CasesAsync(server);
        Assert.True(cases.Select(item => item.GetProperty("service").GetString()).Order(StringComparer.Ordinal).SequenceEqual(["report-agents", "support-bot"]), Told(cases));
        var stale = cases.Single(item => item.GetProperty("service").GetString() == "support-bot");
        var loop = cases.Single(item => item.GetProperty("service").GetString() == "report-agents");
        Assert.Equal("RETRIEVAL_DRIFT", stale.GetProperty("failure_class").GetString());
        Assert.Equal("AGENT_LOOP", loop.GetProperty("failure_class").GetString());
        Assert.Equal("index_stale", Best(stale)!.Value.GetProperty("cause").GetString());
        Assert.Contains(Best(loop)!.Value.GetProperty("cause").GetString(), (string[])["loop_same_call", "prompt_template_regressed"]);
        await Assertions.Expect(page.GetByText("CASE-1", new PageGetByTextOptions { Exact = false }).First).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByText("CASE-2", new PageGetByTextOptions { Exact = false }).First).ToBeVisibleAsync();

        var staleCase = "/cases/" + Id(stale);
        await ScreenshotsAsync(visit, staleCase);
        foreach (var path in (string[])[staleCase, "/cases/" + Id(loop), "/cases", "/changes", "/audit", "/"])
        {
            await visit.GotoAsync(path);
            await Visit.ChartsAsync(page);
            await Axe.AssertNothingAsync(page, path);
        }

        await AssertEvidenceLeadsSomewhereAsync(visit, staleCase);

        // The fix, once from the page and once from the command line.
        await page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = ColorScheme.Light });
        await visit.GotoAsync(staleCase);
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { NameRegex = new System.Text.RegularExpressions.Regex("fix applied", System.Text.RegularExpressions.RegexOptions.IgnoreCase) }).First.ClickAsync();
        var applied = await server.CommandAsync("cases", "fix-applied", Id(loop), "--json", "--server", server.Door("ui").ToString());
        Assert.True(applied.ExitCode == 0, applied.Errors);
        var heal = await server.CommandAsync("demo", "--heal", "--server", server.Door("ui").ToString());
        Assert.True(heal.ExitCode == 0, heal.Errors);

        await Eventually.TrueAsync(async () => (await CasesAsync(server)).All(item => item.GetProperty("state").GetString() == "RESOLVED"), "both cases are resolved", TimeSpan.FromSeconds(90));
        Assert.All(await CasesAsync(server), item => Assert.NotEqual(JsonValueKind.Null, item.GetProperty("resolution").GetProperty("time_to_remediate").ValueKind));

        // The case's own page followed it to the end.
        await Assertions.Expect(page.GetByText("Time to remediate")).ToBeVisibleAsync(new LocatorAssertionsToBeVisibleOptions { Timeout = 15_000 });
        // It happens again: two more cases, and each cites the first of its kind.
        await PlayFaultsAsync(server, TimeSpan.Zero, found => found.Count == 4 && found.All(one => one.GetProperty("state").GetString() == "RESOLVED" || Best(one) is { } best && best.GetProperty("similar_case").ValueKind == JsonValueKind.String));
        cases = await CasesAsync(server);
        Assert.True(cases.Count == 4, Told(cases));
        foreach (var first in (JsonElement[])[stale, loop])
        {
            var second = cases.Single(item => item.GetProperty("service").GetString() == first.GetProperty("service").GetString() && Id(item) != Id(first));
            Assert.Equal(Id(first), Best(second)!.Value.GetProperty("similar_case").GetString());
            await visit.GotoAsync("/cases/" + Id(second));
            await Assertions.Expect(page.Locator(".hypothesis.first .seen")).ToContainTextAsync($"Seen before: {Id(first)}, resolved by");
        }

        // By now more than five minutes of talk were counted.
        await visit.GotoAsync("/topics?from=now-1h");
        await Assertions.Expect(page.GetByText("Asked of").First).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("table tbody tr").First).ToBeVisibleAsync();
        await Axe.AssertNothingAsync(page, "/topics");
        visit.AssertClean();

        // The proof, and what happens to it when one byte changes.
        Assert.Equal(0, await server.StopAsync());
        var sound = await server.CommandAsync("audit", "verify", "--data", server.DataDirectory);
        Assert.True(sound.ExitCode == 0, sound.Output + sound.Errors);
        var segment = Directory.EnumerateFiles(Path.Combine(server.DataDirectory, "ledger"), "*.seg").Order(StringComparer.Ordinal).First();
        var bytes = await File.ReadAllBytesAsync(segment);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(segment, bytes);
        var broken = await server.CommandAsync("audit", "verify", "--data", server.DataDirectory, "--json");
        Assert.Equal(1, broken.ExitCode);
        using var verdict = JsonDocument.Parse(broken.Output);
        Assert.InRange(verdict.RootElement.GetProperty("first_broken_event").GetInt64(), 0, 10_000);
    }

    /// <summary>The demo with its faults, until what is waited for is there and so much time has passed; at the latest until the demo has told all.</summary>
    private static async Task PlayFaultsAsync(FaultlineProcess server, TimeSpan atLeast, Func<IReadOnlyList<JsonElement>, bool> isFound)
    {
        using var enough = new CancellationTokenSource();
        var demo = server.CommandAsync(enough.Token, "demo", "--live-seconds", "220", "--server", server.Door("ui").ToString());
        var watch = Stopwatch.StartNew();
        while (!demo.IsCompleted && (watch.Elapsed < atLeast || !isFound(await CasesAsync(server))))
        {
            await Task.WhenAny(demo, Task.Delay(TimeSpan.FromSeconds(5)));
        }

        if (demo.IsCompleted)
        {
            Assert.True((await demo).ExitCode == 0, (await demo).Errors);
        }

        await enough.CancelAsync();
        await demo;
    }

    /// <summary>The cases as a reader of a failed test wants them: what was found that should not have been, and when.</summary>
    private static string Told(IReadOnlyList<JsonElement> cases) => string.Join('\n', cases.Select(item =>
        $"{Id(item)} {item.GetProperty("service")} {item.GetProperty("state")}, since {item.GetProperty("onset_at")}, opened {item.GetProperty("created_at")}, by {item.GetProperty("trigger")}: {item.GetProperty("title")}"));

    private static string Id(JsonElement item) => item.GetProperty("case_id").GetString()!;

    /// <summary>The first cause; none while it is being looked for.</summary>
    private static JsonElement? Best(JsonElement item) => item.GetProperty("remediation_suggestions").EnumerateArray().Select(JsonElement? (one) => one).FirstOrDefault();

    internal static async Task<IReadOnlyList<JsonElement>> CasesAsync(FaultlineProcess server)
    {
        var (exitCode, output, errors) = await server.CommandAsync("cases", "--json", "--server", server.Door("ui").ToString());
        Assert.True(exitCode == 0, errors);
        using var json = JsonDocument.Parse(output);
        return [.. json.RootElement.Clone().EnumerateArray()];
    }

    /// <summary>Evidence is a click away: a span opens in its trace, a series is drawn, a change is pointed at on the timeline.</summary>
    private static async Task AssertEvidenceLeadsSomewhereAsync(Visit visit, string casePath)
    {
        foreach (var (kind, shows) in ((string, string)[])[("span", "#span-panel h2"), ("series", "time-series[drawn] canvas"), ("change", "#change h1")])
        {
            await visit.GotoAsync(casePath);
            await visit.Page.Locator($".hypothesis.first .evidence a[data-kind={kind}]").First.ClickAsync();
            await Assertions.Expect(visit.Page.Locator(shows)).ToBeVisibleAsync();
        }
    }

    /// <summary>The README's pictures.</summary>
    private static async Task ScreenshotsAsync(Visit visit, string casePath)
    {
        var images = Path.Combine(FaultlineProcess.RepositoryRoot, "docs", "images");
        Directory.CreateDirectory(images);
        foreach (var (name, path) in ((string, string)[])[("case", casePath), ("overview", "/?from=now-15m"), ("traces", "/traces?from=now-15m"), ("cases", "/cases")])
        {
            await visit.GotoAsync(path);
            await Visit.ChartsAsync(visit.Page);
            await visit.Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(images, name + ".png") });
        }
    }
}

/// <summary>Beside the story with the faults, on a server of its own: a class is what runs at the same time as others.</summary>
public sealed class HealthyDemoTests
{
    [Fact]
    public async Task A_healthy_demo_opens_no_case()
    {
        await using var server = await FaultlineProcess.StartAsync();

        var demo = await server.CommandAsync("demo", "--healthy", "--live-seconds", "120", "--server", server.Door("ui").ToString());
        Assert.True(demo.ExitCode == 0, demo.Errors);

        Assert.Empty(await DemoTests.CasesAsync(server));
    }
}

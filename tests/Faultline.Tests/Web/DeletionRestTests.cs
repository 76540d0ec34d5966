using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Faultline.Store.Tiers;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store;
using Faultline.Web.Api;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Web;

public sealed class DeletionRestTests : IAsyncLifetime
{
    private WebServer _server = null!;

    public async Task InitializeAsync() => _server = await WebServer.StartAsync();

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task A_dry_run_counts_and_the_deletion_answers_with_its_proof()
    {
        await StoreTest.WriteAsync(_server.Web.Store, Batch(new SpanSpec(Trace(1), Span(1)) { User = "ann" }, new SpanSpec(Trace(2), Span(1))));

        using var counted = await JsonAsync(await PostAsync("/api/v1/deletions", new { user = "ann", dry_run = true }), HttpStatusCode.OK);
        Assert.Equal(("counted", 1), (counted.RootElement.GetProperty("state").GetString(), counted.RootElement.GetProperty("rows").GetProperty("spans").GetInt32()));

        var asked = PostAsync("/api/v1/deletions", new { user = "ann" });
        while (!asked.IsCompleted)
        {
            await _server.Web.Deletions.StepAsync();
            await Task.Delay(5);
        }

        using var done = await JsonAsync(await asked, HttpStatusCode.OK);
        Assert.Equal("completed", done.RootElement.GetProperty("state").GetString());
        Assert.Equal((1, 0), (done.RootElement.GetProperty("rows").GetProperty("spans").GetInt32(), done.RootElement.GetProperty("left").GetProperty("spans").GetInt32()));
        using var gone = await _server.Client.GetAsync($"/api/v1/traces/{Trace(1)}");
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        using var there = await _server.Client.GetAsync($"/api/v1/traces/{Trace(2)}");
        Assert.Equal(HttpStatusCode.OK, there.StatusCode);

        // Whoever knows the id finds what was deleted of it; the list itself does not say it.
        using var found = JsonDocument.Parse(await _server.Client.GetStringAsync("/api/v1/deletions?user=ann"));
        Assert.Equal(1, found.RootElement.GetProperty("deletions").GetArrayLength());
        using var none = JsonDocument.Parse(await _server.Client.GetStringAsync("/api/v1/deletions?user=bob"));
        Assert.Equal(0, none.RootElement.GetProperty("deletions").GetArrayLength());
        Assert.DoesNotContain("\"ann\"", await _server.Client.GetStringAsync("/api/v1/deletions"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_lists_deletions_and_holds_with_their_proof_and_never_an_id_of_anybody()
    {
        Assert.Contains("None was ever asked for", await _server.Client.GetStringAsync("/audit/deletions"), StringComparison.Ordinal);
        await StoreTest.WriteAsync(_server.Web.Store, Batch(new SpanSpec(Trace(1), Span(1)) { User = "mallory" }, new SpanSpec(Trace(2), Span(1))));
        using var placed = await JsonAsync(await PostAsync("/api/v1/holds", new { traces = new[] { Trace(2).ToString() }, reason = "case <4711>" }), HttpStatusCode.Created);
        var hold = placed.RootElement.GetProperty("hold_id").GetString()!;
        var asked = PostAsync("/api/v1/deletions", new { user = "mallory" });
        while (!asked.IsCompleted)
        {
            await _server.Web.Deletions.StepAsync();
            await Task.Delay(5);
        }

        using var done = await JsonAsync(await asked, HttpStatusCode.OK);
        var deletion = done.RootElement.GetProperty("deletion_id").GetString()!;

        var page = await _server.Client.GetStringAsync("/audit/deletions");
        Assert.All(
            (string[])["1 hold is in force, 1 deletion is completed, none waits", hold, $"faultline hold lift {hold}", "case &lt;4711&gt;", deletion, done.RootElement.GetProperty("subject").GetString()!, "spans 1"],
            words => Assert.Contains(words, page, StringComparison.Ordinal));
        Assert.DoesNotContain("mallory", page, StringComparison.Ordinal);
        var link = System.Text.RegularExpressions.Regex.Match(page, $"/audit\\?q={deletion}[^\"]*").Value.Replace("&amp;", "&", StringComparison.Ordinal);
        var events = await _server.Client.GetStringAsync(link);
        Assert.Contains($"{deletion} asked for", events, StringComparison.Ordinal);
        Assert.Contains($"{deletion} completed", events, StringComparison.Ordinal);
        Assert.DoesNotContain(hold, events, StringComparison.Ordinal);
        using var stranger = _server.Browser();
        using var refused = await stranger.GetAsync("/audit/deletions");
        Assert.Equal(HttpStatusCode.Found, refused.StatusCode);
    }

    [Theory]
    [InlineData("{}", "traces")]
    [InlineData("""{"traces":[]}""", "traces")]
    [InlineData("""{"traces":["zz"]}""", "traces")]
    [InlineData("""{"user":"ann","session":"s"}""", "traces")]
    [InlineData("""{"user":""}""", "user")]
    [InlineData("""{"before":"yesterday"}""", "before")]
    [InlineData("""{"before":"2199-01-01T00:00:00Z"}""", "before")]
    public async Task What_is_not_clear_is_refused_and_deletes_nothing(string body, string field)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var answer = await JsonAsync(await _server.Client.PostAsync("/api/v1/deletions", content), HttpStatusCode.BadRequest);
        Assert.True(answer.RootElement.GetProperty("errors").TryGetProperty(field, out _), answer.RootElement.GetRawText());
        Assert.Empty(_server.Web.Deletions.Deletions);
    }

    [Fact]
    public async Task Without_the_admin_token_nothing_is_deleted_whatever_key_is_given()
    {
        using var stranger = _server.Browser();
        stranger.DefaultRequestHeaders.Add("X-API-Key", "placeholder_api_key");
        foreach (var path in (string[])["/api/v1/deletions", "/api/v1/holds", "/api/v1/holds/hold-1/lift"])
        {
            using var answer = await stranger.PostAsJsonAsync(path, new { project = "default", reason = "because" });
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        Assert.Empty(_server.Web.Deletions.Deletions);
    }

    [Fact]
    public async Task What_is_under_hold_answers_with_a_conflict_that_names_the_hold()
    {
        await StoreTest.WriteAsync(_server.Web.Store, Batch(new SpanSpec(Trace(1), Span(1)) { Session = "s-1" }));
        using var placed = await JsonAsync(await PostAsync("/api/v1/holds", new { session = "s-1", reason = "at court" }), HttpStatusCode.Created);
        var hold = placed.RootElement.GetProperty("hold_id").GetString()!;

        using var refused = await JsonAsync(await PostAsync("/api/v1/deletions", new { traces = new[] { Trace(1).ToString() } }), HttpStatusCode.Conflict);
        Assert.Contains(hold, refused.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);

        using var lifted = await JsonAsync(await PostAsync($"/api/v1/holds/{hold}/lift", new { }), HttpStatusCode.OK);
        Assert.NotEqual(JsonValueKind.Null, lifted.RootElement.GetProperty("lifted_at").ValueKind);
        using var missing = await PostAsync("/api/v1/holds/hold-none/lift", new { });
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task A_traces_retention_is_told_in_words_and_fields()
    {
        await StoreTest.WriteAsync(_server.Web.Store, Batch(new SpanSpec(Trace(1), Span(1))));
        using var kept = await JsonAsync(await _server.Client.GetAsync($"/api/v1/traces/{Trace(1)}/retention"), HttpStatusCode.OK);
        Assert.Equal("Kept without limit.", kept.RootElement.GetProperty("words").GetString());
        using var missing = await _server.Client.GetAsync($"/api/v1/traces/{Trace(9)}/retention");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);

        var until = new DateOnly(2026, 12, 1);
        Assert.Equal("Kept by the rule “errors” until 2026-12-01.", TraceRetention.Say(new TraceKeep("errors", until, IsDecided: true)));
        Assert.Equal("In the hot window; the rule “errors” will keep it until 2026-12-01.", TraceRetention.Say(new TraceKeep("errors", until, IsDecided: false)));
        Assert.Equal("No rule keeps it: it goes on 2026-12-01.", TraceRetention.Say(new TraceKeep(null, until, IsDecided: false)));
    }

    private Task<HttpResponseMessage> PostAsync(string path, object body) => _server.Client.PostAsJsonAsync(path, body);

    private static async Task<JsonDocument> JsonAsync(HttpResponseMessage answer, HttpStatusCode expected)
    {
        using (answer)
        {
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.StatusCode == expected, $"{answer.StatusCode}: {text}");
            return JsonDocument.Parse(text);
        }
    }
}

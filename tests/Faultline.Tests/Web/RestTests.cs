using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Faultline.Diagnosis.Topics;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store;
using Faultline.Web.Shell;
using Xunit;

namespace Faultline.Tests.Web;

public sealed class RestTests : IAsyncLifetime
{
    private static readonly TraceId Trace = new(new UInt128(7, 9));
    private readonly long _now = TimeRange.UnixNanos(DateTimeOffset.UtcNow.AddMinutes(-1));
    private WebServer _server = null!;

    public async Task InitializeAsync() => _server = await WebServer.StartAsync();

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Theory]
    [InlineData("/api/v1/traces")]
    [InlineData("/api/v1/cases")]
    [InlineData("/api/v1/whoami")]
    [InlineData("/live")]
    public async Task Without_credentials_a_program_gets_a_problem(string path)
    {
        using var stranger = _server.Browser();
        using var answer = await stranger.GetAsync(path);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().Scheme);
        stranger.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "the-admin-tokem");
        using var wrong = await stranger.GetAsync(path);
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
    }

    [Fact]
    public async Task The_login_link_is_exchanged_for_a_cookie_that_opens_the_page_that_was_asked_for()
    {
        using var browser = _server.Browser();
        using var asked = await browser.GetAsync("/traces?from=now-1h");
        Assert.Equal(HttpStatusCode.Redirect, asked.StatusCode);
        Assert.Equal("/login?to=%2Ftraces%3Ffrom%3Dnow-1h", asked.Headers.Location!.PathAndQuery());
        using var page = await browser.GetAsync(asked.Headers.Location);
        Assert.Contains("Open the link from the terminal", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        using var wrong = await browser.GetAsync("/login?token=0000");
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);

        using var login = await browser.GetAsync(_server.Web.Login.Link(_server.Address.ToString()) + "&to=%2Ftraces");
        Assert.Equal("/traces", login.Headers.Location!.OriginalString);
        var cookie = Assert.Single(login.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        using var opened = await browser.GetAsync("/traces");
        Assert.Equal(HttpStatusCode.OK, opened.StatusCode);
        Assert.StartsWith("default-src 'self'", opened.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("https://evil.example")]
    [InlineData("/\\evil.example")]
    public async Task A_login_never_leads_elsewhere(string to)
    {
        using var browser = _server.Browser();
        using var login = await browser.GetAsync(_server.Web.Login.Link("") + "&to=" + Uri.EscapeDataString(to));
        Assert.Equal("/", login.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task A_change_by_cookie_must_come_from_our_own_pages()
    {
        using var browser = _server.Browser();
        (await browser.GetAsync(_server.Web.Login.Link(""))).Dispose();
        var change = new { type = "deploy", service = "support-bot", detail = "1.4.2" };
        using var bare = await browser.PostAsJsonAsync("/api/v1/changes", change);
        Assert.Equal(HttpStatusCode.Forbidden, bare.StatusCode);
        browser.DefaultRequestHeaders.Add("Sec-Fetch-Site", "cross-site");
        using var foreign = await browser.PostAsJsonAsync("/api/v1/changes", change);
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
        browser.DefaultRequestHeaders.Remove("Sec-Fetch-Site");
        browser.DefaultRequestHeaders.Add("Sec-Fetch-Site", "same-origin");
        using var ours = await browser.PostAsJsonAsync("/api/v1/changes", change);
        Assert.Equal(HttpStatusCode.Created, ours.StatusCode);
    }

    [Fact]
    public async Task A_link_followed_from_a_chat_is_asked_again_from_here_so_that_the_strict_cookie_comes_along()
    {
        using var browser = _server.Browser();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/cases");
        request.Headers.Add("Sec-Fetch-Site", "cross-site");
        using var answer = await browser.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("http-equiv=\"refresh\"", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stored_trace_comes_back_as_OTLP_JSON_with_its_types()
    {
        await WriteTraceAsync();
        var json = await _server.Client.GetFromJsonAsync<JsonElement>($"/api/v1/traces/{Trace}");
        var resource = json.GetProperty("resourceSpans")[0];
        var span = resource.GetProperty("scopeSpans")[0].GetProperty("spans")[1];
        Assert.Equal(Trace.ToString(), span.GetProperty("traceId").GetString());
        Assert.Equal("0000000000000001", span.GetProperty("parentSpanId").GetString());
        Assert.Equal(_now.ToString(CultureInfo.InvariantCulture), span.GetProperty("startTimeUnixNano").GetString());
        var attributes = span.GetProperty("attributes").EnumerateArray().ToDictionary(one => one.GetProperty("key").GetString()!, one => one.GetProperty("value"));
        Assert.Equal("443", attributes["server.port"].GetProperty("intValue").GetString());
        Assert.True(attributes["stream"].GetProperty("boolValue").GetBoolean());
        Assert.Equal("stop", attributes["reasons"].GetProperty("arrayValue").GetProperty("values")[0].GetProperty("stringValue").GetString());
    }

    [Fact]
    public async Task A_search_finds_it_and_the_page_and_the_waterfall_show_it()
    {
        await WriteTraceAsync();
        var found = await _server.Client.GetFromJsonAsync<JsonElement>("/api/v1/traces?service=support-bot&from=now-15m");
        Assert.Equal(1, found.GetProperty("total").GetInt64());
        Assert.Equal(Trace.ToString(), found.GetProperty("traces")[0].GetProperty("trace_id").GetString());

        var waterfall = await _server.Client.GetFromJsonAsync<JsonElement>($"/api/v1/traces/{Trace}/waterfall");
        Assert.Equal(["root", "call"], waterfall.GetProperty("spans").EnumerateArray().Select(span => span.GetProperty("name").GetString()));
        Assert.Equal(1, waterfall.GetProperty("spans")[1].GetProperty("depth").GetInt32());

        foreach (var path in new[] { "/", "/traces", $"/traces/{Trace}", $"/traces/{Trace}?span=0000000000000002" })
        {
            Assert.Contains("support-bot", await _server.Client.GetStringAsync(path), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/api/v1/traces/xyz", HttpStatusCode.BadRequest)]
    [InlineData("/api/v1/traces/00000000000000000000000000000abc", HttpStatusCode.NotFound)]
    [InlineData("/api/v1/traces?from=yesterday", HttpStatusCode.BadRequest)]
    [InlineData("/api/v1/traces?from=now-1h&to=now-2h", HttpStatusCode.BadRequest)]
    [InlineData("/api/v1/traces?limit=0", HttpStatusCode.BadRequest)]
    [InlineData("/api/v1/traces?min=soon", HttpStatusCode.BadRequest)]
    [InlineData("/api/v1/cases/CASE-99", HttpStatusCode.NotFound)]
    [InlineData("/api/v1/nothing", HttpStatusCode.NotFound)]
    public async Task What_cannot_be_answered_is_a_problem_in_words(string path, HttpStatusCode status)
    {
        using var answer = await _server.Client.GetAsync(path);
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task A_change_is_recorded_and_listed()
    {
        using var created = await _server.Client.PostAsJsonAsync("/api/v1/changes", new { type = "prompt", service = "report-writers", detail = "researcher 7 to 8", at = "2026-11-21T10:00:00+01:00", attributes = new { version = "8" } });
        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        var id = (await created.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("change_id").GetString();
        var listed = await _server.Client.GetFromJsonAsync<JsonElement>("/api/v1/changes?from=2026-11-21T00:00:00Z&to=2026-11-22T00:00:00Z");
        var change = Assert.Single(listed.GetProperty("changes").EnumerateArray());
        Assert.Equal(id, change.GetProperty("change_id").GetString());
        Assert.Equal(new DateTimeOffset(2026, 11, 21, 9, 0, 0, TimeSpan.Zero), change.GetProperty("at").GetDateTimeOffset());
        Assert.Equal("8", change.GetProperty("attributes").GetProperty("version").GetString());
    }

    [Theory]
    [InlineData("""{"type":"party","service":"a","detail":"b"}""", "type")]
    [InlineData("""{"type":"deploy","service":" ","detail":"b"}""", "service")]
    [InlineData("""{"type":"deploy","service":"a"}""", "detail")]
    [InlineData("""{"type":"deploy","service":"a","detail":"b","at":"noonish"}""", "at")]
    public async Task A_change_that_says_too_little_is_refused_by_field(string body, string field)
    {
        using var content = new StringContent(body, MediaTypeHeaderValue.Parse("application/json"));
        using var answer = await _server.Client.PostAsync("/api/v1/changes", content);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.True((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errors").TryGetProperty(field, out _));
    }

    [Theory]
    [InlineData("not json", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("null", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("a=b", "application/x-www-form-urlencoded", HttpStatusCode.UnsupportedMediaType)]
    public async Task A_body_that_is_not_the_JSON_that_is_expected_is_refused(string body, string type, HttpStatusCode status)
    {
        using var content = new StringContent(body, MediaTypeHeaderValue.Parse(type));
        using var answer = await _server.Client.PostAsync("/api/v1/changes", content);
        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task What_is_known_goes_out_and_in_as_json_lines()
    {
        const string line = """{"format":"faultline-signature/1","id":"CASE-3","service":"bot","failure_class":"AGENT_LOOP","cause":"tool_slow","target":"search","fix_applied":"more workers","helpful":1,"resolved_at":"2026-11-01T12:00:00+00:00","signature":[1,0.5]}""";
        Task<HttpResponseMessage> PostAsync(string query, string lines) => _server.Client.PostAsync("/api/v1/knowledge" + query, new StringContent(lines, System.Text.Encoding.UTF8, "application/x-ndjson"));

        using var unnamed = await PostAsync("", line);
        using var wrong = await PostAsync("?from=berlin", line + "\nnonsense");
        using var taken = await PostAsync("?from=berlin", line + "\n");

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest, HttpStatusCode.OK), (unnamed.StatusCode, wrong.StatusCode, taken.StatusCode));
        Assert.Contains("line 2", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var exported = await _server.Client.GetStringAsync("/api/v1/knowledge");
        Assert.Equal(line.Replace("CASE-3", "berlin/CASE-3", StringComparison.Ordinal), exported.TrimEnd());
    }

    [Fact]
    public async Task Topics_are_told_with_their_shares_over_time_their_words_and_the_newest_look_for_drift()
    {
        var store = _server.Web.Store;
        var now = DateTimeOffset.UtcNow.AddMinutes(-2).ToUnixTimeMilliseconds();
        var samples = new SampleBatch();
        void Add(string metric, string? topic, long at, double value)
        {
            var labels = Labels.Of((Labels.MetricName, metric), ("service_name", "bot"), ("environment", "production"), ("side", "prompt"));
            samples.Add(topic is null ? labels : labels.With("topic", topic), at, value);
        }

        Add(TopicSeries.CallsMetric, "gift card balance", now, 6);
        Add(TopicSeries.FailedMetric, "gift card balance", now, 3);
        Add(TopicSeries.CallsMetric, TopicSeries.Other, now, 2);
        Add(TopicSeries.CallsMetric, TopicSeries.Other, now - 7_200_000, 8);
        Add(TopicSeries.DistanceMetric, null, now, 0.25);
        Add(TopicSeries.PValueMetric, null, now, 0.001);
        Add(TopicSeries.UnitsMetric, null, now, 61);
        await store.Samples.WriteAsync("default", samples);
        var topic = new TopicSummary("gift card balance", ["gift", "card", "balance", "pay"], DateTimeOffset.UtcNow, DateTimeOffset.UtcNow, 60, 33, true, [Trace.ToString()], [Trace.ToString()]);
        await store.Topics.WriteAsync("default", [new("bot", "production", "prompt", now, JsonSerializer.Serialize(new SideSummary(900, true, null, 0.02, [topic])), "")]);

        var answer = await _server.Client.GetFromJsonAsync<JsonElement>("/api/v1/topics?service=bot&side=prompt&from=now-4h");

        var side = Assert.Single(answer.GetProperty("sides").EnumerateArray());
        Assert.Equal(("prompt", 16), (side.GetProperty("side").GetString(), side.GetProperty("calls").GetInt32()));
        Assert.Equal((0.25, 0.001, 0.02), (side.GetProperty("drift").GetProperty("distance").GetDouble(), side.GetProperty("drift").GetProperty("p_value").GetDouble(), side.GetProperty("drift").GetProperty("limit").GetDouble()));
        var topics = side.GetProperty("topics").EnumerateArray().ToList();
        Assert.Equal([TopicSeries.Other, "gift card balance"], topics.Select(one => one.GetProperty("topic").GetString()));
        Assert.Equal((0.375, 0.5), (topics[1].GetProperty("share").GetDouble(), topics[1].GetProperty("failed_share").GetDouble()));
        Assert.Equal("pay", topics[1].GetProperty("words")[3].GetString());
        Assert.Equal([0.0, 0.75], topics[1].GetProperty("shares").EnumerateArray().Where(part => part.ValueKind == JsonValueKind.Number).Select(part => part.GetDouble()));
        Assert.Equal(answer.GetProperty("times").GetArrayLength(), topics[1].GetProperty("shares").GetArrayLength());

        var page = await _server.Client.GetStringAsync("/topics?from=now-4h");
        Assert.Contains("gift card balance", page, StringComparison.Ordinal);
        Assert.Contains("new and failing", page, StringComparison.Ordinal);
        Assert.Contains("0.250", page, StringComparison.Ordinal);

        Assert.Empty((await _server.Client.GetFromJsonAsync<JsonElement>("/api/v1/topics?service=other")).GetProperty("sides").EnumerateArray());
        using var wrong = await _server.Client.GetAsync("/api/v1/topics?side=both");
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    [Theory]
    [InlineData(87, 30, "87 requests were seen so far", "after 200 requests and an hour", "and 113 more requests")]
    [InlineData(240, 30, "240 requests were seen so far", "so not before", "where 20 or more are alike")]
    [InlineData(240, -30, "240 requests were seen so far", "as soon as 20 requests are alike", "count as (other)")]
    public async Task While_no_topic_has_a_name_its_page_says_what_that_waits_for(int calls, int minutesToCome, params string[] words)
    {
        var store = _server.Web.Store;
        var now = DateTimeOffset.UtcNow;
        var samples = new SampleBatch();
        samples.Add(Labels.Of((Labels.MetricName, TopicSeries.CallsMetric), ("service_name", "bot"), ("environment", ""), ("side", "prompt"), ("topic", TopicSeries.Other)), now.AddMinutes(-2).ToUnixTimeMilliseconds(), calls);
        await store.Samples.WriteAsync("default", samples);
        var naming = new TopicNaming(calls, 200, 20, now.AddMinutes(minutesToCome));
        await store.Topics.WriteAsync("default", [new("bot", "", "prompt", now.ToUnixTimeMilliseconds(), JsonSerializer.Serialize(new SideSummary(calls, false, null, null, [], naming)), "")]);

        var page = System.Text.RegularExpressions.Regex.Replace(await _server.Client.GetStringAsync("/topics"), "\\s+", " ");
        Assert.All(words, word => Assert.Contains(word, page, StringComparison.Ordinal));
        var answer = await _server.Client.GetFromJsonAsync<JsonElement>("/api/v1/topics");
        Assert.Equal(calls, answer.GetProperty("sides")[0].GetProperty("naming").GetProperty("calls").GetInt32());
    }

    [Fact]
    public async Task OpenAPI_describes_every_address_in_snake_case()
    {
        using var anybody = _server.Browser();
        var document = await anybody.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var paths = document.GetProperty("paths").EnumerateObject().Select(path => path.Name).ToList();
        Assert.All(new[] { "/api/v1/traces", "/api/v1/traces/{trace_id}", "/api/v1/services", "/api/v1/changes", "/api/v1/cases", "/api/v1/cases/{case_id}/fix-applied", "/api/v1/scores", "/api/v1/topics" }, path => Assert.Contains(path, paths));
        Assert.True(document.GetProperty("components").GetProperty("schemas").GetProperty("TraceSummary").GetProperty("properties").TryGetProperty("root_name", out _));
        Assert.True(document.GetProperty("components").GetProperty("securitySchemes").TryGetProperty("bearer", out _));
    }

    [Fact]
    public async Task An_open_page_hears_of_new_spans()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using var stream = await _server.Client.GetStreamAsync("/live", patience.Token);
        using var reader = new StreamReader(stream);
        Assert.Equal("event: hello", await reader.ReadLineAsync(patience.Token));
        await WriteTraceAsync();
        string? line;
        do
        {
            line = await reader.ReadLineAsync(patience.Token);
        }
        while (line is not null && !line.Contains("support-bot", StringComparison.Ordinal));

        Assert.Contains("\"spans\":2", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_page_teaches_and_turns_into_the_overview_with_the_first_span()
    {
        Assert.Contains("Waiting for the first span", await _server.Client.GetStringAsync("/"), StringComparison.Ordinal);
        await WriteTraceAsync();
        Assert.Contains("1 service is sending", await _server.Client.GetStringAsync("/"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_run_of_agents_that_failed_its_page_says_where_and_of_one_that_went_well_it_names_nobody()
    {
        var well = new TraceId(new UInt128(7, 7));
        foreach (var (trace, status) in ((TraceId, SpanStatus)[])[(Trace, SpanStatus.Error), (well, SpanStatus.Unset)])
        {
            static StoredAttribute Said(string key, string part) => SpanSpecs.Text(key, $$"""[{"role":"assistant","parts":[{{part}}]}]""");
            await StoreTest.WriteAsync(_server.Web.Store, SpanSpecs.Batch(
                new SpanSpec(trace, new SpanId(1)) { Name = "root", Service = "support-bot", Kind = SpanKind.Server, Start = _now, DurationNanos = 9_000, Status = status },
                new SpanSpec(trace, new SpanId(2)) { Parent = new SpanId(1), Name = "ask", Service = "support-bot", Start = _now + 1_000, Operation = "chat", Bodies = [Said("gen_ai.output.messages", """{"type":"tool_call","id":"c","name":"tool","arguments":{"x":1}}""")] },
                new SpanSpec(trace, new SpanId(3)) { Parent = new SpanId(1), Name = "tool", Service = "support-bot", Start = _now + 2_000, Operation = "tool", Status = SpanStatus.Error, StatusMessage = "down" },
                new SpanSpec(trace, new SpanId(4)) { Parent = new SpanId(1), Name = "say", Service = "support-bot", Start = _now + 3_000, Operation = "chat", Bodies = [Said("gen_ai.output.messages", """{"type":"text","content":"Your parcel will be with you tomorrow morning, between nine and ten."}""")] }));
        }

        var html = await _server.Client.GetStringAsync($"/traces/{Trace}");
        Assert.Contains("run-fault", html, StringComparison.Ordinal);
        Assert.Contains("it goes on after an error without trying again", html, StringComparison.Ordinal);
        Assert.Contains($"/traces/{Trace}?span=0000000000000004", html, StringComparison.Ordinal);
        Assert.DoesNotContain("run-fault", await _server.Client.GetStringAsync($"/traces/{well}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_query_that_is_wrong_is_explained_on_the_metrics_page() =>
        Assert.Contains("parse error", await _server.Client.GetStringAsync("/metrics?query=sum("), StringComparison.Ordinal);

    private async Task WriteTraceAsync() => await StoreTest.WriteAsync(_server.Web.Store, SpanSpecs.Batch(
        new SpanSpec(Trace, new SpanId(1)) { Name = "root", Service = "support-bot", Kind = SpanKind.Server, Start = _now, DurationNanos = 1_000_000_000 },
        new SpanSpec(Trace, new SpanId(2))
        {
            Parent = new SpanId(1),
            Name = "call",
            Service = "support-bot",
            Start = _now,
            DurationNanos = 500_000_000,
            Attributes = [new StoredAttribute("server.port", "443", AttributeType.Int), new StoredAttribute("stream", "true", AttributeType.Bool), new StoredAttribute("reasons", """{"values":[{"stringValue":"stop"}]}""", AttributeType.Array)],
        }));
}

internal static class Uris
{
    public static string PathAndQuery(this Uri uri) => uri.IsAbsoluteUri ? uri.PathAndQuery : uri.OriginalString;
}

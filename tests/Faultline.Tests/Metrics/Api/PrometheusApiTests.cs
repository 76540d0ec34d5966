using System.IO.Compression;
using System.Text.Json;
using Faultline.Metrics.Api;
using Faultline.Telemetry.Samples;
using Faultline.Tests.Metrics.PromQL;
using Xunit;

namespace Faultline.Tests.Metrics.Api;

public sealed class PrometheusApiTests : IAsyncLifetime
{
    private readonly MemorySeries _series = new();
    private PrometheusHost _host = null!;

    public async Task InitializeAsync()
    {
        for (var i = 0; i <= 100; i++)
        {
            _series.Add(Labels.Of(("__name__", "requests_total"), ("code", "200"), ("job", "bot")), i * 10_000, i * 5);
            _series.Add(Labels.Of(("__name__", "requests_total"), ("code", "500"), ("job", "bot")), i * 10_000, i);
        }

        _series.Add(Labels.Of(("__name__", "tiny"), ("text", "<\"é\n>")), 999_500, 1.5e-7);
        _host = await PrometheusHost.StartAsync(_series);
    }

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task An_instant_query_answers_as_Prometheus_does()
    {
        var text = await _host.Client.GetStringAsync(new Uri("/api/v1/query?query=requests_total&time=990.5", UriKind.Relative));

        Assert.Equal(
            """{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"requests_total","code":"200","job":"bot"},"value":[990.500,"495"]},{"metric":{"__name__":"requests_total","code":"500","job":"bot"},"value":[990.500,"99"]}]}}""",
            text);
    }

    [Theory]
    [InlineData("1%2F0", "scalar", """[1000,"+Inf"]""")]
    [InlineData("%22a%20text%22", "string", """[1000,"a text"]""")]
    [InlineData("tiny", "vector", """[{"metric":{"__name__":"tiny","text":"<\"é\n>"},"value":[1000,"1.5e-07"]}]""")]
    [InlineData("nothing", "vector", "[]")]
    [InlineData("tiny%5B5m%5D", "matrix", """[{"metric":{"__name__":"tiny","text":"<\"é\n>"},"values":[[999.500,"1.5e-07"]]}]""")]
    public async Task Every_type_of_value_has_its_form(string query, string type, string result)
    {
        var data = (await _host.GetAsync($"/api/v1/query?query={query}")).GetProperty("data");

        Assert.Equal(type, data.GetProperty("resultType").GetString());
        Assert.Equal(result, data.GetProperty("result").GetRawText());
    }

    [Fact]
    public async Task A_range_query_answers_a_matrix()
    {
        var data = (await _host.GetAsync("/api/v1/query_range?query=sum(rate(requests_total[1m]))&start=1970-01-01T00:10:00Z&end=620&step=10s")).GetProperty("data");

        Assert.Equal("""{"resultType":"matrix","result":[{"metric":{},"values":[[600,"0.6"],[610,"0.6"],[620,"0.6"]]}]}""", data.GetRawText());
    }

    [Fact]
    public async Task A_query_may_come_as_a_form()
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>(StringComparer.Ordinal) { ["query"] = "count(requests_total)", ["time"] = "500" });
        using var response = await _host.Client.PostAsync(new Uri("/api/v1/query", UriKind.Relative), form);

        Assert.Contains("""[500,"2"]""", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/v1/query?query=sum(", 400, "bad_data", "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis")]
    [InlineData("/api/v1/query?query=up&time=abc", 400, "bad_data", "invalid parameter \"time\": invalid time value for 'time': cannot parse \"abc\" to a valid timestamp")]
    [InlineData("/api/v1/query?query=up&limit=-1", 400, "bad_data", "invalid parameter \"limit\": limit must be non-negative")]
    [InlineData("/api/v1/query_range?query=up&start=0&end=20&step=0", 400, "bad_data", "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer")]
    [InlineData("/api/v1/query_range?query=up&start=20&end=0&step=1", 400, "bad_data", "invalid parameter \"end\": end timestamp must not be before start time")]
    [InlineData("/api/v1/query_range?query=up&start=0&end=20000&step=1", 400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")]
    [InlineData("/api/v1/query_range?query=up%5B5m%5D&start=0&end=20&step=1", 400, "bad_data", "invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector")]
    [InlineData("/api/v1/query?query=histogram_sum(up)", 422, "execution", "not yet supported: native histograms")]
    [InlineData("/api/v1/query?query=requests_total%2Bon()requests_total", 422, "execution", "found duplicate series for the match group {} on the right hand-side of the operation: [{__name__=\"requests_total\", code=\"200\", job=\"bot\"}, {__name__=\"requests_total\", code=\"500\", job=\"bot\"}];many-to-many matching not allowed: matching labels must be unique on one side")]
    [InlineData("/api/v1/series", 400, "bad_data", "no match[] parameter provided")]
    [InlineData("/api/v1/labels?match[]={a=\"\"}", 400, "bad_data", "match[] must contain at least one non-empty matcher")]
    public async Task What_is_wrong_is_told_as_Prometheus_tells_it(string path, int status, string type, string message)
    {
        var answer = await _host.GetAsync(path, status);

        Assert.Equal(("error", type, message), (answer.GetProperty("status").GetString(), answer.GetProperty("errorType").GetString(), answer.GetProperty("error").GetString()));
    }

    [Fact]
    public async Task Labels_values_and_series_are_listed()
    {
        Assert.Equal("""["__name__","code","job","text"]""", (await _host.GetAsync("/api/v1/labels")).GetProperty("data").GetRawText());
        Assert.Equal("""["200","500"]""", (await _host.GetAsync("/api/v1/label/code/values?match[]=requests_total")).GetProperty("data").GetRawText());
        Assert.Equal("""["requests_total","tiny"]""", (await _host.GetAsync("/api/v1/label/__name__/values")).GetProperty("data").GetRawText());
        Assert.Equal("""[{"__name__":"requests_total","code":"500","job":"bot"}]""", (await _host.GetAsync("/api/v1/series?match[]={code=~\"5..\"}")).GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task A_limit_cuts_and_says_so()
    {
        var values = await _host.GetAsync("/api/v1/label/code/values?limit=1");
        Assert.Equal("""["200"]""", values.GetProperty("data").GetRawText());
        Assert.Equal("results truncated due to limit", values.GetProperty("warnings")[0].GetString());

        var vector = await _host.GetAsync("/api/v1/query?query=requests_total&limit=1");
        Assert.Equal(1, vector.GetProperty("data").GetProperty("result").GetArrayLength());
        Assert.Equal("results truncated due to limit", vector.GetProperty("warnings")[0].GetString());
    }

    [Fact]
    public async Task Metadata_has_type_help_and_unit() =>
        Assert.Equal("""{"requests_total":[{"type":"counter","help":"Requests \"served\".","unit":""}]}""", (await _host.GetAsync("/api/v1/metadata?metric=requests_total")).GetProperty("data").GetRawText());

    [Fact]
    public async Task Targets_have_the_form_of_Prometheus()
    {
        var labels = Labels.Of(("instance", "127.0.0.1:8889"), ("job", "otel-collector"));
        var target = new ActiveTarget("otel-collector", "http://127.0.0.1:8889/metrics", labels, labels, "up", "", DateTimeOffset.UnixEpoch, TimeSpan.FromSeconds(0.25), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5));
        await using var host = await PrometheusHost.StartAsync(_series, api => api with { Targets = () => [target] });

        Assert.Equal(
            """{"activeTargets":[{"discoveredLabels":{"instance":"127.0.0.1:8889","job":"otel-collector"},"labels":{"instance":"127.0.0.1:8889","job":"otel-collector"},"scrapePool":"otel-collector","scrapeUrl":"http://127.0.0.1:8889/metrics","globalUrl":"http://127.0.0.1:8889/metrics","lastError":"","lastScrape":"1970-01-01T00:00:00Z","lastScrapeDuration":0.25,"health":"up","scrapeInterval":"10s","scrapeTimeout":"5s"}],"droppedTargets":[],"droppedTargetCounts":{}}""",
            (await host.GetAsync("/api/v1/targets?state=active")).GetProperty("data").GetRawText());
        Assert.Equal(0, (await host.GetAsync("/api/v1/targets?scrapePool=other")).GetProperty("data").GetProperty("activeTargets").GetArrayLength());
        Assert.Contains("otel-collector", await host.Client.GetStringAsync(new Uri("/targets", UriKind.Relative)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/v1/rules", """{"groups":[]}""")]
    [InlineData("/api/v1/alerts", """{"alerts":[]}""")]
    [InlineData("/api/v1/query_exemplars?query=requests_total", "[]")]
    [InlineData("/api/v1/format_query?query=sum%20by(job)(up)", "\"sum by (job) (up)\"")]
    [InlineData("/api/v1/status/config", """{"yaml":""}""")]
    public async Task Smaller_endpoints_answer(string path, string data) => Assert.Equal(data, (await _host.GetAsync(path)).GetProperty("data").GetRawText());

    [Fact]
    public async Task Exemplars_come_from_the_given_source()
    {
        await using var host = await PrometheusHost.StartAsync(_series, api => api with
        {
            Exemplars = (query, _) => Task.FromResult<IReadOnlyList<SeriesExemplars>>(
                [new SeriesExemplars(Labels.Of(("__name__", query.AnyOf[0][0].Value)), [new Exemplar(Labels.Of(("trace_id", "abc")), 0.5, 1500)])]),
        });

        Assert.Equal(
            """[{"seriesLabels":{"__name__":"latency_bucket"},"exemplars":[{"labels":{"trace_id":"abc"},"value":"0.5","timestamp":1.500}]}]""",
            (await host.GetAsync("/api/v1/query_exemplars?query=histogram_quantile(0.9,rate(latency_bucket%5B5m%5D))&start=0&end=10")).GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task The_status_of_the_store_counts_its_series()
    {
        var data = (await _host.GetAsync("/api/v1/status/tsdb")).GetProperty("data");

        Assert.Equal(3, data.GetProperty("headStats").GetProperty("numSeries").GetInt32());
        Assert.Equal("""[{"name":"requests_total","value":2},{"name":"tiny","value":1}]""", data.GetProperty("seriesCountByMetricName").GetRawText());
    }

    [Fact]
    public async Task The_version_lets_clients_choose_their_requests() =>
        Assert.Matches(@"^\d+\.\d+\.\d+$", (await _host.GetAsync("/api/v1/status/buildinfo")).GetProperty("data").GetProperty("version").GetString());

    [Fact]
    public async Task VictoriaMetrics_paths_answer_too()
    {
        Assert.Equal("OK", await _host.Client.GetStringAsync(new Uri("/health", UriKind.Relative)));
        Assert.Equal("scalar", (await _host.GetAsync("/prometheus/api/v1/query?query=1")).GetProperty("data").GetProperty("resultType").GetString());
    }

    [Fact]
    public async Task Health_and_readiness_are_told()
    {
        await using var starting = await PrometheusHost.StartAsync(_series, api => api with { IsReady = () => false });
        using var healthy = await starting.Client.GetAsync(new Uri("/-/healthy", UriKind.Relative));
        using var ready = await starting.Client.GetAsync(new Uri("/-/ready", UriKind.Relative));

        Assert.Equal((200, 503), ((int)healthy.StatusCode, (int)ready.StatusCode));
    }

    [Fact]
    public async Task Federation_gives_the_newest_samples_as_text() =>
        Assert.Equal(
            "# TYPE requests_total untyped\nrequests_total{code=\"200\",job=\"bot\"} 500 1000000\nrequests_total{code=\"500\",job=\"bot\"} 100 1000000\n# TYPE tiny untyped\ntiny{text=\"<\\\"é\\n>\"} 1.5e-07 999500\n",
            await _host.Client.GetStringAsync(new Uri("/federate?match[]=requests_total&match[]={text!=\"\"}", UriKind.Relative)));

    [Fact]
    public async Task An_answer_is_zipped_for_who_accepts_it()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/query?query=vector(7)");
        request.Headers.AcceptEncoding.ParseAdd("gzip");
        using var response = await _host.Client.SendAsync(request);

        Assert.Equal("gzip", Assert.Single(response.Content.Headers.ContentEncoding));
        await using var body = new GZipStream(await response.Content.ReadAsStreamAsync(), CompressionMode.Decompress);
        using var document = await JsonDocument.ParseAsync(body);
        Assert.Equal("success", document.RootElement.GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_browser_can_query_without_a_script()
    {
        var page = await _host.Client.GetStringAsync(new Uri("/graph?query=tiny", UriKind.Relative));
        Assert.Contains("1.5e-07", page, StringComparison.Ordinal);
        Assert.DoesNotContain("text=\"<", page, StringComparison.Ordinal);      // what telemetry says is text, never markup

        var wrong = await _host.Client.GetStringAsync(new Uri("/?query=sum(", UriKind.Relative));
        Assert.Contains("unclosed left parenthesis", wrong, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_browser_is_led_to_the_metrics_page_when_there_is_one()
    {
        await using var host = await PrometheusHost.StartAsync(_series, api => api with { MetricsPage = new Uri("http://localhost:4300/metrics") });
        using var response = await host.Client.GetAsync(new Uri("/graph?g0.expr=up%7Ba%3D%22b%22%7D", UriKind.Relative));

        Assert.Equal("http://localhost:4300/metrics?query=up%7Ba%3D%22b%22%7D", response.Headers.Location?.OriginalString);
    }
}

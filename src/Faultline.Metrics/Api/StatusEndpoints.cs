using System.Globalization;
using System.Text;
using System.Text.Json;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;
using Microsoft.AspNetCore.Http;

namespace Faultline.Metrics.Api;

/// <summary><c>targets</c>, <c>rules</c>, <c>alerts</c> and <c>status/…</c>.</summary>
internal sealed class StatusEndpoints(PrometheusApi api)
{
    /// <summary>The release whose API and language are spoken; clients such as Grafana choose their requests by it.</summary>
    private const string SpokenVersion = "3.14.0";

    /// <summary>Series that the statistics look at.</summary>
    private const int SeriesMax = 100_000;

    private readonly DateTimeOffset _started = api.Time.GetUtcNow();

    // Rules are not evaluated yet, so there are none; Grafana asks all the same.
    public static Task<Answer> Rules(ApiRequest request, HttpContext context) => Answer.Now(json => WriteEmptyList(json, "groups"));

    public static Task<Answer> Alerts(ApiRequest request, HttpContext context) => Answer.Now(json => WriteEmptyList(json, "alerts"));

    public Task<Answer> Targets(ApiRequest request, HttpContext context)
    {
        var state = request.Text("state");
        var pool = request.Text("scrapePool");
        var active = state is "dropped" ? [] : api.Targets().Where(target => pool.Length == 0 || string.Equals(target.Job, pool, StringComparison.Ordinal)).ToList();
        return Answer.Now(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("activeTargets"u8);
            foreach (var target in active)
            {
                json.WriteStartObject();
                json.WritePropertyName("discoveredLabels"u8);
                ApiJson.WriteLabels(json, target.DiscoveredLabels);
                json.WritePropertyName("labels"u8);
                ApiJson.WriteLabels(json, target.Labels);
                json.WriteString("scrapePool"u8, target.Job);
                json.WriteString("scrapeUrl"u8, target.ScrapeUrl);
                json.WriteString("globalUrl"u8, target.ScrapeUrl);
                json.WriteString("lastError"u8, target.LastError);
                json.WriteString("lastScrape"u8, Rfc3339(target.LastScrape));
                json.WriteNumber("lastScrapeDuration"u8, target.LastScrapeDuration.TotalSeconds);
                json.WriteString("health"u8, target.Health);
                json.WriteString("scrapeInterval"u8, GoText.FormatDuration((long)target.Interval.TotalMilliseconds));
                json.WriteString("scrapeTimeout"u8, GoText.FormatDuration((long)target.Timeout.TotalMilliseconds));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("droppedTargets"u8);
            json.WriteEndArray();
            json.WriteStartObject("droppedTargetCounts"u8);
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    public Task<Answer> BuildInfo(ApiRequest request, HttpContext context) => Answer.Now(json =>
    {
        json.WriteStartObject();
        json.WriteString("version"u8, SpokenVersion);
        json.WriteString("revision"u8, api.ProductVersion);
        json.WriteString("branch"u8, "faultline"u8);
        json.WriteString("buildUser"u8, ""u8);
        json.WriteString("buildDate"u8, ""u8);
        json.WriteString("goVersion"u8, ""u8);
        json.WriteEndObject();
    });

    public Task<Answer> RuntimeInfo(ApiRequest request, HttpContext context) => Answer.Now(json =>
    {
        json.WriteStartObject();
        json.WriteString("startTime"u8, Rfc3339(_started));
        json.WriteString("serverTime"u8, Rfc3339(api.Time.GetUtcNow()));
        json.WriteBoolean("reloadConfigSuccess"u8, value: true);
        json.WriteString("lastConfigTime"u8, Rfc3339(_started));
        json.WriteNumber("corruptionCount"u8, 0);
        json.WriteNumber("goroutineCount"u8, ThreadPool.ThreadCount);
        json.WriteNumber("GOMAXPROCS"u8, Environment.ProcessorCount);
        json.WriteString("storageRetention"u8, api.Retention);
        json.WriteEndObject();
    });

    public Task<Answer> Configuration(ApiRequest request, HttpContext context) => Answer.Now(json =>
    {
        json.WriteStartObject();
        json.WriteString("yaml"u8, api.ConfigurationYaml());
        json.WriteEndObject();
    });

    /// <summary>Prometheus' flags are not ours: what is set here is in <c>status/config</c>.</summary>
    public Task<Answer> Flags(ApiRequest request, HttpContext context) => Answer.Now(json =>
    {
        json.WriteStartObject();
        json.WriteString("storage.tsdb.retention.time"u8, api.Retention);
        json.WriteEndObject();
    });

    /// <summary>Which metrics and labels make the most series, counted over the last hour.</summary>
    public async Task<Answer> Tsdb(ApiRequest request, HttpContext context)
    {
        var top = request.Limit() is > 0 and var limit ? limit : 10;
        var to = api.Time.GetUtcNow().ToUnixTimeMilliseconds();
        var from = to - (long)TimeSpan.FromHours(1).TotalMilliseconds;
        var series = await api.Catalog.Series(new SeriesQuery(request.Project, [], from, to), SeriesMax, context.RequestAborted).ConfigureAwait(false);

        var byName = new Dictionary<string, long>(StringComparer.Ordinal);
        var byPair = new Dictionary<string, long>(StringComparer.Ordinal);
        var values = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var labels in series)
        {
            Increment(byName, labels.Name);
            foreach (var (name, value) in labels.Pairs)
            {
                Increment(byPair, $"{name}={value}");
                if (!values.TryGetValue(name, out var known))
                {
                    values.Add(name, known = new HashSet<string>(StringComparer.Ordinal));
                }

                known.Add(value);
            }
        }

        return Answer.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("headStats"u8);
            json.WriteNumber("numSeries"u8, series.Count);
            json.WriteNumber("numLabelPairs"u8, byPair.Count);
            json.WriteNumber("chunkCount"u8, 0);
            json.WriteNumber("minTime"u8, from);
            json.WriteNumber("maxTime"u8, to);
            json.WriteEndObject();
            WriteTop(json, "seriesCountByMetricName", byName, top);
            WriteTop(json, "labelValueCountByLabelName", values.ToDictionary(pair => pair.Key, pair => (long)pair.Value.Count, StringComparer.Ordinal), top);
            WriteTop(json, "memoryInBytesByLabelName", values.ToDictionary(pair => pair.Key, pair => pair.Value.Sum(value => (long)Encoding.UTF8.GetByteCount(value)), StringComparer.Ordinal), top);
            WriteTop(json, "seriesCountByLabelValuePair", byPair, top);
            json.WriteEndObject();
        });
    }

    private static void Increment(Dictionary<string, long> counts, string key) => counts[key] = counts.GetValueOrDefault(key) + 1;

    private static void WriteTop(Utf8JsonWriter json, string property, Dictionary<string, long> counts, int top)
    {
        json.WriteStartArray(property);
        foreach (var (name, value) in counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(top))
        {
            json.WriteStartObject();
            json.WriteString("name"u8, name);
            json.WriteNumber("value"u8, value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteEmptyList(Utf8JsonWriter json, string property)
    {
        json.WriteStartObject();
        json.WriteStartArray(property);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Rfc3339(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
}

using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Faultline.Interop;

namespace Faultline.Bench;

/// <summary>
/// A million values of one dimension through the real server: memory stays bounded, one overflow series takes what is too many, exactly, a
/// warning names the label, and a series that was there before stays exact.
/// </summary>
internal static class CardinalityBench
{
    private const int SpansPerRequest = 2_000;
    private const int SeriesMax = 20_000;
    private const int Connections = 4;

    public static async Task<int> RunAsync(string[] args)
    {
        var values = Number(args, "--values", 1_000_000);
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_METRICS_DERIVED_DIMENSIONS"] = "user.id" };
        await using var server = await FaultlineProcess.StartAsync(settings);

        // The series that must stay exact, and the server's own warming up.
        await SendAsync(server, Body(0, 0, steady: 100));
        await Task.Delay(TimeSpan.FromSeconds(10));
        Say("before", await FiguresAsync(server));

        var (sent, steady) = (0, 100L);
        var watch = Stopwatch.StartNew();
        foreach (var part in (double[])[0.1, 0.5, 1])
        {
            var until = (int)(values * part);
            await Parallel.ForEachAsync(
                Enumerable.Range(sent, until - sent).Where(first => first % SpansPerRequest == 0), new ParallelOptions { MaxDegreeOfParallelism = Connections },
                async (first, _) =>
                {
                    await SendAsync(server, Body(first, Math.Min(SpansPerRequest, until - first), steady: 1));
                    Interlocked.Increment(ref steady);
                });
            sent = until;
            while (await server.InternalAsync("faultline_reader_waiting_batches") > 0)
            {
                await Task.Delay(100);
            }

            Say($"{sent:N0} values", await FiguresAsync(server));
        }

        Say("sent", $"{watch.Elapsed.TotalSeconds:F0} s, {sent / watch.Elapsed.TotalSeconds:N0} spans/s");
        return await VerifyAsync(server, values, steady) ? 0 : 1;
    }

    private static async Task<bool> VerifyAsync(FaultlineProcess server, int values, long steady)
    {
        var text = await server.Http.GetStringAsync(new Uri(server.Door("derived"), "/metrics"));
        var calls = text.Split('\n').Where(line => line.StartsWith("llm_traces_span_metrics_calls_total{", StringComparison.Ordinal)).ToList();
        double ValueOf(string label) => calls.Where(line => line.Contains(label, StringComparison.Ordinal)).Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

        var users = calls.Where(line => line.Contains("user_id=", StringComparison.Ordinal)).ToList();
        var overflow = ValueOf("otel_metric_overflow");
        var warning = server.Output.Split('\n').FirstOrDefault(line => line.Contains("now go into one overflow series", StringComparison.Ordinal)) ?? "";
        var warned = warning.Length > 0;
        Say("calls series", $"{calls.Count:N0}, {users.Count:N0} of them of a user, each exactly 1: {users.TrueForAll(line => line.EndsWith(" 1", StringComparison.Ordinal))}");
        Say("overflow", $"{overflow:N0}, expected {Math.Max(0, values - (SeriesMax - 1)):N0}");
        Say("steady", $"{ValueOf("service_name=\"steady\""):N0}, expected {steady:N0}");
        Say("warning", warning);
        return users.Count == Math.Min(values, SeriesMax - 1) && overflow == Math.Max(0, values - (SeriesMax - 1)) && ValueOf("service_name=\"steady\"") == steady && warned == values >= SeriesMax
            && users.TrueForAll(line => line.EndsWith(" 1", StringComparison.Ordinal)) && (!warned || warning.Contains("user_id", StringComparison.Ordinal));
    }

    private static async Task<string> FiguresAsync(FaultlineProcess server)
    {
        var heap = await server.InternalAsync("otelcol_process_runtime_heap_alloc_bytes");
        var scrape = await server.QueryAsync("scrape_duration_seconds{job=\"otel-collector\"}");
        var took = scrape.GetArrayLength() > 0 ? scrape[0].GetProperty("value")[1].GetString() : "-";
        return $"RSS {server.ResidentBytes() >> 20} MiB (peak {server.PeakResidentBytes() >> 20}), managed heap {(long)heap >> 20} MiB, series {await server.InternalAsync("faultline_derived_series{metric=\"span_metrics\"")}, last scrape {took} s";
    }

    private static async Task SendAsync(FaultlineProcess server, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Door("otlp_http"), "/v1/traces")) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("X-API-Key", FaultlineProcess.ApiKey);
        using var response = await server.Http.SendAsync(request);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Spans of one user each, and some of the steady series.</summary>
    private static byte[] Body(int first, int count, int steady)
    {
        var nanos = ((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);
        var body = new StringBuilder("""{"resourceSpans":[""");
        Append(body, "steady", nanos, Enumerable.Range(first, steady).Select(id => (0x5EAD_0000_0000L + id, "")));
        body.Append(',');
        Append(body, "flood", nanos, Enumerable.Range(first, count).Select(id => (1L + id, $$$"""{"key":"user.id","value":{"stringValue":"user-{{{id}}}"}}""")));
        return Encoding.UTF8.GetBytes(body.Append("]}").ToString());
    }

    private static void Append(StringBuilder body, string service, string nanos, IEnumerable<(long Id, string Attributes)> spans)
    {
        body.Append(CultureInfo.InvariantCulture, $$$"""{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"{{{service}}}"}}]},"scopeSpans":[{"spans":[""");
        body.AppendJoin(',', spans.Select(span =>
            $$"""{"traceId":"{{span.Id:x32}}","spanId":"{{span.Id:x16}}","name":"work","kind":2,"startTimeUnixNano":"{{nanos}}","endTimeUnixNano":"{{nanos}}","attributes":[{{span.Attributes}}]}"""));
        body.Append("]}]}");
    }

    private static int Number(string[] args, string option, int otherwise) =>
        args.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault() is { } text ? int.Parse(text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) : otherwise;

    private static void Say(string what, string figure) => Console.WriteLine($"{what,-20} {figure}");
}

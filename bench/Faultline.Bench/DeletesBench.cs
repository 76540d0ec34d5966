using System.Diagnostics;
using System.Globalization;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Interop;
using Faultline.Load;
using Faultline.Store;
using Faultline.Store.Deletions;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;

namespace Faultline.Bench;

/// <summary>A thousand deletions on ten million spans while spans are being written; afterwards exactly what was named is gone.</summary>
internal static class DeletesBench
{
    private const int SpansPerTrace = 10;
    private const int TracesPerUser = 5;
    private const int RowsPerInsert = 250_000;
    private const int SpansPerBatch = 500;
    private const int Waves = 20;
    private const string Soak = "soak";

    public static async Task<int> RunAsync(string[] args)
    {
        var (spans, deletes) = (Number(args, "--spans", 10_000_000), Number(args, "--deletes", 1_000));
        var data = Directory.CreateTempSubdirectory("faultline-deletes-").FullName;
        try
        {
            var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
            await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "clickhouse")));
            var writing = new WriterOptions(TimeSpan.FromMilliseconds(5)) { JournalDirectory = Path.Combine(data, "journal"), InsertDelay = TimeSpan.FromMilliseconds(250) };
            var store = await TelemetryStore.OpenAsync(engine, writing, TimeProvider.System);
            var watch = Stopwatch.StartNew();
            for (var from = 0; from < spans; from += RowsPerInsert)
            {
                await engine.ExecuteAsync(Fill, new SqlParameters().Add("from", from).Add("rows", Math.Min(RowsPerInsert, spans - from)));
            }

            Say($"{spans:N0} spans written in {watch.Elapsed.TotalSeconds:F0} s");

            using var stop = new CancellationTokenSource();
            var ingest = Task.Run(() => IngestAsync(store, stop.Token));
            var (waves, named) = await DeleteAsync(store, spans, deletes);
            watch.Restart();
            await store.Deletions.EraseAsync();
            var erase = watch.Elapsed;
            await stop.CancelAsync();
            var (acknowledged, slowest) = await ingest;
            await store.Writer.StopAsync();

            waves.Sort();
            Say($"{deletes} deletions of {named:N0} traces in {waves.Count} waves: {waves.Sum():F0} s, a wave {waves[waves.Count / 2]:F1} s in the median, {waves[^1]:F1} s at most; parts written anew in {erase.TotalSeconds:F0} s");
            Say($"ingest meanwhile: {acknowledged:N0} spans acknowledged, slowest batch {slowest.TotalSeconds:F1} s");
            return await VerifyAsync(engine, spans, named, acknowledged);
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    /// <returns>Seconds of each wave, and how many traces were named.</returns>
    private static async Task<(List<double> Waves, long Traces)> DeleteAsync(TelemetryStore store, long spans, int deletes)
    {
        // Every tenth is of a user, whose traces lie beside each other; the others are of one trace. None overlap.
        var (waves, named, traces, wave) = (new List<double>(), 0L, spans / SpansPerTrace, new List<(string, DeletionScope)>());
        var stride = traces / deletes / TracesPerUser * TracesPerUser;
        for (var i = 0; i < deletes; i++)
        {
            var trace = i * stride;
            wave.Add(($"del-{i}", i % 10 == 0
                ? DeletionScope.OfUser(Soak, $"user-{trace / TracesPerUser}")
                : DeletionScope.OfTraces(Soak, await IdOfAsync(store.Engine, trace))));
            named += i % 10 == 0 ? TracesPerUser : 1;
            if (wave.Count == Math.Max(1, deletes / Waves) || i == deletes - 1)
            {
                var watch = Stopwatch.StartNew();
                var done = await store.Deletions.DeleteAsync(wave);
                waves.Add(watch.Elapsed.TotalSeconds);
                if (done.Values.FirstOrDefault(one => !one.IsProven || one.Found["spans"] % SpansPerTrace != 0 || one.Found["spans"] == 0) is { } wrong)
                {
                    throw new InvalidOperationException($"A deletion found {wrong.Found["spans"]} spans and left {wrong.Left["spans"]}.");
                }

                wave.Clear();
            }
        }

        return (waves, named);
    }

    private static async Task<(long Spans, TimeSpan Slowest)> IngestAsync(TelemetryStore store, CancellationToken stop)
    {
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), TimeProvider.System);
        var request = new SpanRequest(SpansPerBatch, genAi: false, "load");
        var body = new byte[request.Length];
        var (sent, slowest) = (0L, TimeSpan.Zero);
        for (ulong sequence = 0; !stop.IsCancellationRequested; sequence++)
        {
            request.Fill(body, 1, sequence, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100);
            var (batch, _) = pipeline.Prepare(new GatewayIdentity(GatewayAuth.DefaultProject), Signal.Traces, body, json: false);
            var watch = Stopwatch.StartNew();
            if (await store.Writer.WriteAsync(batch, CancellationToken.None) is WriteOutcome.Durable)
            {
                sent += SpansPerBatch;
            }

            slowest = watch.Elapsed > slowest ? watch.Elapsed : slowest;
        }

        return (sent, slowest);
    }

    private static async Task<int> VerifyAsync(EmbeddedClickHouse engine, long spans, long named, long acknowledged)
    {
        var row = (await engine.QueryAsync(
            $$"""
            SELECT countIf(project = 'soak') AS soak, countIf(project != 'soak') AS others,
              (SELECT countIf(n != {{SpansPerTrace}}) FROM (SELECT count() AS n FROM spans WHERE project = 'soak' GROUP BY trace_id)) AS broken
            FROM spans
            """)).Rows.First();
        var expected = spans - (named * SpansPerTrace);
        var exact = row.Int64("soak") == expected && row.Int64("others") == acknowledged && row.Int64("broken") == 0;
        Say($"left: {row.Int64("soak"):N0} of {expected:N0} expected, {row.Int64("others"):N0} of {acknowledged:N0} ingested meanwhile, {row.Int64("broken")} traces in part: {(exact ? "exactly the named rows are gone" : "WRONG")}");
        return exact ? 0 : 1;
    }

    private static async Task<TraceId> IdOfAsync(IClickHouse engine, long trace) =>
        TraceId.FromBytes((await engine.QueryAsync("SELECT sipHash128({trace:UInt64}) AS id", new SqlParameters().Add("trace", trace))).Rows.First().Bytes("id"));

    private const string Fill = """
        INSERT INTO spans (project, user, received_unix_nanos, received_date, trace_id, span_id, name, start_unix_nanos, end_unix_nanos, service_name, attributes, attribute_types, genai_input_preview)
        SELECT 'soak', concat('user-', toString(intDiv(trace, 5))), toUnixTimestamp64Nano(now64(9)), today(), sipHash128(toUInt64(trace)), toFixedString(reinterpretAsString(number + 1), 8), 'chat',
          toUnixTimestamp64Nano(now64(9)) AS start, start + 1000000, concat('service-', toString(trace % 20)), map('http.route', '/ask', 'request.id', toString(sipHash64(number))), 'ss',
          concat('What about number ', toString(number), ' of ', toString(sipHash64(trace)), '?')
        FROM (SELECT number, intDiv(number, 10) AS trace FROM numbers({from:UInt64}, {rows:UInt64}))
        """;

    private static int Number(string[] args, string name, int otherwise) =>
        args.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault() is { } text ? int.Parse(text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) : otherwise;

    private static void Say(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}

using System.Diagnostics;
using System.Globalization;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Interop;
using Faultline.Load;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;

namespace Faultline.Bench;

/// <summary>
/// What merging costs: groups of spans inserted at a fixed rate, as under load, and how often a row was merged meanwhile. Trace ids are random, as
/// real ones are: the rows of two parts interleave.
/// </summary>
internal static class MergesBench
{
    private const int SpansPerRequest = 1000;
    private const int Groups = 8;

    /// <param name="rate">Rows a second.</param>
    /// <param name="perGroup">Rows an insert.</param>
    /// <param name="alter">Statements before the first insert, e.g. settings of the table to be tried.</param>
    public static async Task<int> RunAsync(int seconds, int rate, int perGroup, bool genAi, string? alter)
    {
        var data = Directory.CreateTempSubdirectory("faultline-merges-").FullName;
        try
        {
            var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
            await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "clickhouse")));
            var store = await TelemetryStore.OpenAsync(engine, new WriterOptions(TimeSpan.FromMilliseconds(20)), TimeProvider.System);
            foreach (var statement in (alter ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                await engine.ExecuteAsync(statement);
            }

            var blocks = await BlocksAsync(store, perGroup, genAi);
            var before = await EventsAsync(engine);
            var cpu = Process.GetCurrentProcess().TotalProcessorTime;
            var watch = Stopwatch.StartNew();
            var inserts = new List<double>();
            var parts = new List<long>();
            for (var i = 0; watch.Elapsed.TotalSeconds < seconds; i++)
            {
                var due = TimeSpan.FromSeconds((double)i * perGroup / rate);
                if (due > watch.Elapsed)
                {
                    await Task.Delay(due - watch.Elapsed);
                }

                var begun = Stopwatch.GetTimestamp();
                await engine.InsertAsync("spans", [blocks[i % Groups]]);
                inserts.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                if (i % 10 == 0)
                {
                    parts.Add((await engine.QueryAsync("SELECT count() AS parts FROM system.parts WHERE table = 'spans' AND active")).Rows.First().Int64("parts"));
                }
            }

            var used = Process.GetCurrentProcess().TotalProcessorTime - cpu;
            var after = await EventsAsync(engine);
            var rows = (double)inserts.Count * perGroup;
            inserts.Sort();
            var size = (await engine.QueryAsync("SELECT sum(bytes_on_disk) / sum(rows) AS bytes FROM system.parts WHERE table = 'spans' AND active")).Rows.First().Float64("bytes");
            var searches = new List<double>();
            for (var i = 0; i < 7; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                await engine.QueryAsync("SELECT countIf(attributes['http.request.method'] = 'GET') AS found FROM spans");
                searches.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }

            searches.Sort();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{rows / watch.Elapsed.TotalSeconds,8:0} rows/s {used.TotalMicroseconds / rows,6:0.00} µs CPU a row; a row merged {(after.MergedRows - before.MergedRows) / rows:0.00} times, {(after.Merges - before.Merges)} merges, {(after.MergeMillis - before.MergeMillis) * 1000.0 / Math.Max(1, after.MergedRows - before.MergedRows):0.00} µs a merged row; insert p50 {inserts[inserts.Count / 2]:0} p99 {inserts[(int)(inserts.Count * 0.99)]:0} ms; parts median {parts.Order().ElementAt(parts.Count / 2)} most {parts.Max()}; {size:0} B a row on disk; one attribute of all rows read in {searches[3] * 1e6 / rows:0} ns a row"));
            return 0;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static async Task<List<NativeBlock>> BlocksAsync(TelemetryStore store, int perGroup, bool genAi)
    {
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), TimeProvider.System);
        var request = new SpanRequest(SpansPerRequest, genAi, "load");
        var body = new byte[request.Length];
        var day = (ushort)(DateTime.UtcNow - DateTime.UnixEpoch).TotalDays;
        var random = new Random(1);
        var blocks = new List<NativeBlock>();
        ulong sequence = 0;
        for (var group = 0; group < Groups; group++)
        {
            var rows = new SpanRows();
            for (var spans = 0; spans < perGroup; spans += SpansPerRequest)
            {
                request.Fill(body, 1, sequence++, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100);
                var batch = pipeline.Prepare(new GatewayIdentity("default"), Signal.Traces, body, json: false).Batch;
                for (var row = 0; row < batch.Spans.Count; row++)
                {
                    batch.Spans.TraceId[row] = row % 10 == 0 ? new TraceId(new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64())) : batch.Spans.TraceId[row - 1];
                }

                rows.Append(batch);
            }

            blocks.Add(rows.Blocks(day).Single().Block);
        }

        return blocks;
    }

    private static async Task<(long MergedRows, long Merges, long MergeMillis)> EventsAsync(EmbeddedClickHouse engine)
    {
        var answer = await engine.QueryAsync("SELECT sumIf(value, event = 'MergedRows') AS rows, sumIf(value, event = 'Merge') AS merges, sumIf(value, event IN ('MergeExecuteMilliseconds')) AS millis FROM system.events");
        var row = answer.Rows.First();
        return (row.Int64("rows"), row.Int64("merges"), row.Int64("millis"));
    }
}

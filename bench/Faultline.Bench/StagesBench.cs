using System.Diagnostics;
using System.Globalization;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Faultline.Diagnosis;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Interop;
using Faultline.Load;
using Faultline.Metrics.Derived;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Redaction;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Bench;

/// <summary>Where the time of a span goes: every stage of ingest alone, one after the other, in this process.</summary>
internal static class StagesBench
{
    private const int SpansPerRequest = 1000;
    private const int Rounds = 5;

    public static async Task<int> RunAsync(bool genAi)
    {
        var data = Directory.CreateTempSubdirectory("faultline-stages-").FullName;
        try
        {
            var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
            await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "clickhouse")));
            var store = await TelemetryStore.OpenAsync(engine, new WriterOptions(TimeSpan.FromMilliseconds(20)), TimeProvider.System);
            IngestPipeline Pipeline(RedactionOptions redaction) => new(store.Writer, new IngestOptions(TimeSpan.FromDays(365)) { Redaction = redaction }, new IngestFigures(), TimeProvider.System);
            var pipeline = Pipeline(new RedactionOptions());
            var request = new SpanRequest(SpansPerRequest, genAi, "load");
            var body = new byte[request.Length];
            ulong sequence = 0;
            TelemetryBatch Next(IngestPipeline? by = null)
            {
                request.Fill(body, 1, sequence++, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100);
                return (by ?? pipeline).Prepare(new GatewayIdentity("default"), Signal.Traces, body, json: false).Batch;
            }

            var batches = Enumerable.Range(0, 50).Select(_ => Next()).ToArray();
            foreach (var (what, redaction) in (ReadOnlySpan<(string, RedactionOptions)>)
            [
                ("decode and normalise", new RedactionOptions { Enabled = false }),
                ("and redact (defaults)", new RedactionOptions()),
                ("and redact (all classes)", new RedactionOptions { Kinds = Enum.GetValues<SensitiveKind>().ToDictionary(kind => kind, _ => RedactionMode.Mask) }),
            ])
            {
                var by = Pipeline(redaction);
                Measure(what, SpansPerRequest * 50, () =>
                {
                    for (var i = 0; i < 50; i++)
                    {
                        Next(by);
                    }
                });
            }

            var derived = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance);
            Measure("derived metrics", SpansPerRequest * 50, () => Array.ForEach(batches, derived.Committed));
            var detection = new Detection((_, _, _) => Task.CompletedTask, (_, _, _, _, _) => Task.FromResult<IReadOnlyList<Store.Samples.SeriesData>>([]), TimeProvider.System);
            Measure("features", SpansPerRequest * 50, () => Array.ForEach(batches, detection.Committed));
            foreach (var requests in (int[])[1, 4, 16, 50])
            {
                var rows = new SpanRows();
                NativeBlock? last = null;
                var day = (ushort)(DateTime.UtcNow - DateTime.UnixEpoch).TotalDays;
                var some = batches[..requests];
                Measure($"block of {requests * SpansPerRequest}", SpansPerRequest * requests, () =>
                {
                    Array.ForEach(some, rows.Append);
                    last = rows.Blocks(day).Single().Block;
                    rows.Clear();
                });
                Console.WriteLine($"  {last!.Bytes.Length / (SpansPerRequest * requests)} bytes a span, {last.ColumnCount} columns");
                Measure($"insert of {requests * SpansPerRequest}", SpansPerRequest * requests, () => engine.InsertAsync("spans", [last!]).Wait());
            }

            return 0;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    /// <summary>Best of some rounds: microseconds of wall time and of all threads' CPU a span.</summary>
    private static void Measure(string what, int spans, Action work)
    {
        work();
        var (wall, cpu, bytes) = (double.MaxValue, double.MaxValue, 0L);
        for (var round = 0; round < Rounds; round++)
        {
            var allocated = GC.GetTotalAllocatedBytes();
            var before = Process.GetCurrentProcess().TotalProcessorTime;
            var watch = Stopwatch.StartNew();
            work();
            wall = Math.Min(wall, watch.Elapsed.TotalMicroseconds);
            cpu = Math.Min(cpu, (Process.GetCurrentProcess().TotalProcessorTime - before).TotalMicroseconds);
            bytes = GC.GetTotalAllocatedBytes() - allocated;
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-24} {wall / spans,8:F2} µs wall {cpu / spans,8:F2} µs CPU {bytes / spans,8} B a span {wall / 1000,9:F1} ms in all"));
    }
}

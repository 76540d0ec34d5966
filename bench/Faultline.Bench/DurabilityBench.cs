using System.Diagnostics;
using System.Globalization;
using Faultline.ClickHouse.Embedded;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Interop;
using Faultline.Load;
using Faultline.Store;
using Faultline.Store.Schema;
using Faultline.Store.Writes;

namespace Faultline.Bench;

/// <summary>What <c>store.durability: power</c> costs a commit: the same requests with and without, in turn, in this process.</summary>
internal static class DurabilityBench
{
    private const int Rounds = 15;

    public static async Task<int> RunAsync()
    {
        var data = Directory.CreateTempSubdirectory("faultline-durability-").FullName;
        try
        {
            var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
            await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "clickhouse")));
            ulong sequence = 0;
            foreach (var spans in (int[])[100, 1_000, 10_000])
            {
                var request = new SpanRequest(spans, genAi: false, "load");
                var millis = new Dictionary<Durability, List<double>> { [Durability.Process] = [], [Durability.Power] = [] };
                for (var round = 0; round <= Rounds; round++)
                {
                    foreach (var (durability, took) in millis)
                    {
                        var one = await CommitAsync(engine, Path.Combine(data, "journal"), request, durability, sequence++);
                        if (round > 0)
                        {
                            took.Add(one.TotalMilliseconds);
                        }
                    }
                }

                var (process, power) = (Median(millis[Durability.Process]), Median(millis[Durability.Power]));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"commit of {spans,6} spans: process {process:F1} ms, power {power:F1} ms, {power / process:F2} times (medians of {Rounds})"));
            }

            return 0;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static async Task<TimeSpan> CommitAsync(EmbeddedClickHouse engine, string journal, SpanRequest request, Durability durability, ulong sequence)
    {
        var store = await TelemetryStore.OpenAsync(engine, new WriterOptions(TimeSpan.Zero, Durability: durability) { JournalDirectory = journal }, TimeProvider.System);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), TimeProvider.System);
        var body = new byte[request.Length];
        request.Fill(body, 1, sequence, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100);
        var (batch, _) = pipeline.Prepare(new GatewayIdentity(GatewayAuth.DefaultProject), Signal.Traces, body, json: false);
        var watch = Stopwatch.StartNew();
        if (await store.Writer.WriteAsync(batch) is not WriteOutcome.Durable)
        {
            throw new InvalidOperationException("A commit failed.");
        }

        var took = watch.Elapsed;
        await store.Writer.StopAsync();
        return took;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }
}

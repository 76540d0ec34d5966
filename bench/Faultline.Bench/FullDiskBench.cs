using System.Diagnostics;
using System.Globalization;
using Faultline.ClickHouse.Embedded;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Interop;
using Faultline.Interop.Crash;
using Faultline.Load;
using Faultline.Store;
using Faultline.Store.Writes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Bench;

/// <summary>
/// Somebody else fills the disk around each request, at a random microsecond between its arrival and the end of its insert, and makes room again: what was
/// acknowledged is there when the store is opened the next time, once, and nothing else is.
/// </summary>
internal static class FullDiskBench
{
    private const int DiskMebibytes = 256;
    private const int SpansPerRequest = 30;
    private const long Room = 34L << 20;

    /// <summary>Both delays and an insert, on a machine that is not busy.</summary>
    private const int FullWithinMicros = 45_000;

    public static async Task<int> RunAsync(int inserts, int seed)
    {
        using var disk = SmallDisk.TryMount(DiskMebibytes, out var reason);
        if (disk is null)
        {
            Console.Error.WriteLine(reason);
            return 1;
        }

        var options = new EmbeddedOptions(await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { }), Path.Combine(disk.Path, "clickhouse"));
        var expected = new Dictionary<string, bool>(StringComparer.Ordinal);
        long damaged;
        await using (var engine = await EmbeddedClickHouse.OpenAsync(options))
        {
            damaged = await InsertAsync(engine, disk.Path, inserts, new Random(seed), expected);
        }

        await using var again = await EmbeddedClickHouse.OpenAsync(options);
        var store = await TelemetryStore.OpenAsync(again, Writing(disk.Path), TimeProvider.System, NullLogger.Instance);
        await store.Writer.StopAsync();
        var stored = (await again.QueryAsync("SELECT lower(hex(request_hash)) AS request, count() AS rows FROM spans GROUP BY request")).Rows
            .ToDictionary(row => row.Text("request"), row => row.Int64("rows"), StringComparer.Ordinal);
        var wrong = expected.Count(one => stored.GetValueOrDefault(one.Key) != (one.Value ? SpansPerRequest : 0));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{inserts} requests, seed {seed}: {expected.Count(one => one.Value)} acknowledged, the others told to try later; {damaged} parts damaged and laid aside; {wrong} requests not as their senders were told"));
        return wrong == 0 ? 0 : 1;
    }

    private static async Task<long> InsertAsync(EmbeddedClickHouse engine, string directory, int inserts, Random random, Dictionary<string, bool> expected)
    {
        using var stop = new CancellationTokenSource();
        var store = await TelemetryStore.OpenAsync(engine, Writing(directory), TimeProvider.System, NullLogger.Instance);
        var watching = store.Disk.RunAsync(stop.Token);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), TimeProvider.System);
        var request = new SpanRequest(SpansPerRequest, genAi: true, "full-disk");
        var body = new byte[request.Length];
        using var ballast = new FileStream(Path.Combine(directory, "ballast"), new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose, BufferSize = 0 });
        var drive = new DriveInfo(directory);
        for (var i = 0; i < inserts; i++)
        {
            request.Fill(body, 1, (ulong)i, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100);
            var batch = pipeline.Prepare(new GatewayIdentity("default"), Signal.Traces, body, json: false).Batch;
            LeaveRoom(ballast, drive);
            var micros = random.Next(FullWithinMicros);
            var full = Task.Run(() => Fill(ballast, micros));
            expected[batch.RequestHash.ToString("x32", CultureInfo.InvariantCulture)] = await store.Writer.WriteAsync(batch) is WriteOutcome.Durable;
            await full;
        }

        LeaveRoom(ballast, drive);
        await stop.CancelAsync();
        await watching;
        await store.Writer.StopAsync();
        return store.Disk.Damaged;
    }

    private static WriterOptions Writing(string directory) =>
        new(TimeSpan.FromMilliseconds(5)) { JournalDirectory = Path.Combine(directory, "journal"), InsertDelay = TimeSpan.FromMilliseconds(15) };

    private static void LeaveRoom(FileStream ballast, DriveInfo drive)
    {
        for (var tries = 0; tries < 20 && Math.Abs(drive.AvailableFreeSpace - Room) > 1 << 16; tries++)
        {
            ballast.SetLength(Math.Max(0, ballast.Length + Math.Min(0, drive.AvailableFreeSpace - Room)));
            ballast.Seek(0, SeekOrigin.End);
            Write(ballast, Math.Max(0, drive.AvailableFreeSpace - Room));
        }
    }

    private static void Fill(FileStream ballast, int afterMicros)
    {
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed.TotalMicroseconds < afterMicros)
        {
            Thread.SpinWait(20);
        }

        ballast.Seek(0, SeekOrigin.End);
        for (var size = 1 << 20; size >= 1 << 12; size /= 4)
        {
            while (Write(ballast, size))
            {
                // Until no more of this size fits.
            }
        }
    }

    private static bool Write(FileStream ballast, long bytes)
    {
        try
        {
            ballast.Write(new byte[bytes]);
            return true;
        }
        catch (IOException)
        {
            return false;       // The disk is full, which is what it is for.
        }
    }
}

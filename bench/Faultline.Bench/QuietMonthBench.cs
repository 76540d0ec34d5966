using System.Globalization;
using Faultline.ClickHouse.Embedded;
using Faultline.Interop;
using Faultline.Tests.Composition;

namespace Faultline.Bench;

/// <summary>Five idle weeks by a clock that is moved, on an engine and files of their own: a line a week. Then half an hour as dense as real ones are.</summary>
internal static class QuietMonthBench
{
    private const int RoundsADay = 8;
    private const int DenseRounds = 180;

    public static async Task<int> RunAsync()
    {
        var data = Directory.CreateTempSubdirectory("faultline-quiet-").FullName;
        try
        {
            var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
            await using var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(data, "store")));
            await using var month = await QuietMonth.BeginAsync(engine, data);
            var before = await month.LookAsync();
            for (var day = 1; day <= 35; day++)
            {
                await month.DayAsync(RoundsADay);
                if (day % 7 == 0)
                {
                    var now = await month.LookAsync();
                    Say(before, now);
                    before = now;
                }
            }

            Console.WriteLine($"retention: {month.Retention.Days} days replaced, {month.Retention.RowsDropped} rows and {month.Retention.SamplesDropped} samples dropped, {month.Retention.Failures} failures");
            for (var round = 0; round < DenseRounds; round++)
            {
                await month.RoundAsync(TimeSpan.FromSeconds(10));
            }

            var dense = await month.LookAsync();
            var samples = dense.Rows["metric_samples"] - before.Rows["metric_samples"];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"half an hour of scrapes, canaries and sweeps every 10 s: {samples} samples, {(dense.StoreBytes - before.StoreBytes) >> 10} KiB, {(dense.Cpu - before.Cpu).TotalSeconds:F1} s of CPU"));
            return 0;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static void Say(IdleFigures before, IdleFigures now) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"day {now.Day}: spans {now.Rows.GetValueOrDefault("spans")}, samples {now.Rows.GetValueOrDefault("metric_samples")}, series {now.Rows.GetValueOrDefault("metric_series")}, parts {now.Parts}, store {now.StoreBytes >> 10} KiB, engine's logs {now.EngineLogRows} rows, ledger and blobs {now.OtherBytes} B, heap {now.HeapBytes >> 20} MiB, CPU of the week {(now.Cpu - before.Cpu).TotalSeconds:F1} s"));
}

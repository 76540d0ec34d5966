using Faultline.Tests.Store;
using Xunit;

namespace Faultline.Tests.Composition;

/// <summary>Five weeks in which nobody sends anything. Alone, because the heap that it watches is that of the process.</summary>
[Collection(nameof(QuietMonthTests))]
[CollectionDefinition(nameof(QuietMonthTests), DisableParallelization = true)]
public sealed class QuietMonthTests : StoreTest
{
    private const int RoundsADay = 3;

    [Fact]
    public async Task After_the_first_windows_neither_disk_nor_memory_nor_the_engine_s_logs_grow()
    {
        var folder = Directory.CreateTempSubdirectory("faultline-quiet-").FullName;
        await using (var month = await QuietMonth.BeginAsync(Engine, folder))
        {
            List<IdleFigures> weeks = [];
            for (var day = 1; day <= 35; day++)
            {
                await month.DayAsync(RoundsADay);
                if (day % 7 == 0)
                {
                    weeks.Add(await month.LookAsync());
                }
            }

            // Three days and one that is leaving, of canaries; seven and one of our own metrics.
            Assert.All(weeks, week => Assert.InRange(week.Rows["spans"], 3 * RoundsADay, 5 * RoundsADay));
            var (second, last) = (weeks[1], weeks[^1]);
            Assert.InRange(last.Rows["metric_samples"], 1, second.Rows["metric_samples"]);
            Assert.InRange(last.Rows["metric_series"], 1, second.Rows["metric_series"] * 2);
            Assert.Equal(second.Rows.Keys.Order(StringComparer.Ordinal), last.Rows.Keys.Order(StringComparer.Ordinal));
            Assert.InRange(last.StoreBytes, 1, second.StoreBytes * 2);
            Assert.InRange(last.HeapBytes, 1, second.HeapBytes + (16 << 20));
            Assert.All(weeks, week => Assert.Equal(0, week.EngineLogRows));
            Assert.All(weeks, week => Assert.Equal(weeks[0].OtherBytes, week.OtherBytes));

            Assert.Equal(35 - 3, month.Retention.Days);
            Assert.True(month.Retention.SamplesDropped > 0);
            Assert.Equal(0, month.Retention.Failures);
        }

        Directory.Delete(folder, recursive: true);
    }
}

using Faultline.ClickHouse;
using Faultline.Store;
using Faultline.Store.Disk;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store.Disk;

/// <summary>
/// What a disk that runs full leaves behind, made by hand: an insert or a merge that succeeded, and an empty file in its part.
/// <c>FullDiskRun</c> does it with a disk.
/// </summary>
public sealed class DiskGuardTests : StoreTest
{
    [Fact]
    public async Task Without_room_senders_are_told_to_try_later_and_with_room_it_goes_on()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        engine.Room = DiskGuard.FreeBytesMin - 1;
        var later = Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(Request(1)));
        Assert.True(later.StoreFailed);
        Assert.Contains("31 MiB free; rows are written when it has 32 MiB", later.Reason, StringComparison.Ordinal);
        Assert.Equal(0, engine.Inserts);

        engine.Room = DiskGuard.FreeBytesMin;
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request(1)));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Theory]
    [InlineData("data.cmrk")]
    [InlineData("columns.txt")]
    [InlineData("data.bin")]
    [InlineData("primary.cidx")]
    public async Task An_insert_whose_part_is_damaged_is_not_acknowledged_and_its_rows_are_there_once_in_the_end(string file)
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request(1)));

        engine.Room = DiskGuard.FreeBytesMin;
        engine.AfterInsert = (_, _) => EmptyAsync(file).GetAwaiter().GetResult();
        Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(Request(2)));

        engine.AfterInsert = (_, _) => { };
        Assert.Equal(1, await CountAsync("spans"));
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request(2)));
        Assert.Equal(2, await CountAsync("spans"));
        Assert.Equal(2, await CountAsync("spans", "uniqExact(trace_id)"));
        Assert.InRange(store.Disk.Damaged, 1, 2);
    }

    [Fact]
    public async Task Of_a_damaged_merge_the_parts_it_was_made_from_are_taken_up_again()
    {
        var engine = new FaultyEngine(Engine) { Room = DiskGuard.FreeBytesMin };
        var store = await OpenAsync(engine, Soon);
        for (var i = 1; i <= 5; i++)
        {
            Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request(i)));
        }

        await Engine.ExecuteAsync("OPTIMIZE TABLE spans FINAL");
        await EmptyAsync("data.cmrk");
        await store.Disk.CheckAllAsync(default);

        Assert.Equal(5, await CountAsync("spans", "uniqExact(trace_id)"));
        Assert.Equal(1, store.Disk.Damaged);
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request(6)));
        Assert.Equal(6, await CountAsync("spans", "uniqExact(trace_id)"));

        // The merge is made again, under the same name, and read again.
        await Engine.ExecuteAsync("OPTIMIZE TABLE spans FINAL");
        await store.Disk.CheckAllAsync(default);
        Assert.Equal(6, await CountAsync("spans", "uniqExact(trace_id)"));
        Assert.Equal(1, store.Disk.Damaged);
    }

    [Fact]
    public async Task With_room_parts_are_not_read_again()
    {
        var engine = new FaultyEngine(Engine) { Room = DiskGuard.FreeBytesCareful };
        var store = await OpenAsync(engine, Soon);
        var questions = 0;
        engine.BeforeQuery = _ =>
        {
            questions++;
            return Task.CompletedTask;
        };
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request(1)));
        Assert.Equal(0, questions);
    }

    private static TelemetryBatch Request(int number) => Batch(new SpanSpec(Trace((UInt128)number), Span(1)));

    /// <summary>Empties a file of the newest part of <c>spans</c>.</summary>
    private async Task EmptyAsync(string file)
    {
        var newest = await Engine.QueryAsync("SELECT path FROM system.parts WHERE database = currentDatabase() AND table = 'spans' AND active ORDER BY max_block_number DESC, level DESC LIMIT 1");
        var path = Directory.EnumerateFiles(newest.Rows.First().Text("path"), file + "*").Single();
        await File.WriteAllBytesAsync(path, []);
    }
}

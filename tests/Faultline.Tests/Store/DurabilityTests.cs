using Faultline.Store.Schema;
using Xunit;

namespace Faultline.Tests.Store;

public sealed class DurabilityTests : StoreTest
{
    [Fact]
    public async Task Power_syncs_inserts_and_merges_of_every_table_and_process_ends_that_again()
    {
        await OpenAsync(Engine, Soon);
        Assert.Equal(0, await SyncedTablesAsync());

        var store = await OpenAsync(Engine, Soon with { Durability = Durability.Power });
        var tables = await CountAsync("system.tables WHERE database = currentDatabase()");
        Assert.Equal(tables, await SyncedTablesAsync());
        var before = await SyncsAsync();
        await WriteAsync(store, SpanSpecs.Batch(new SpanSpec(SpanSpecs.Trace(1), SpanSpecs.Span(1))));
        Assert.True(await SyncsAsync() > before);

        await OpenAsync(Engine, Soon);
        Assert.Equal(0, await SyncedTablesAsync());
        Assert.Equal(1, await CountAsync("spans"));
    }

    private Task<long> SyncedTablesAsync() => CountAsync(
        "system.tables WHERE database = currentDatabase() AND engine_full LIKE '%fsync_after_insert = 1%' AND engine_full LIKE '%fsync_part_directory = 1%' AND engine_full LIKE '%min_rows_to_fsync_after_merge = 1%'");

    private Task<long> SyncsAsync() => CountAsync("system.events WHERE event = 'FileSync'", "sum(value)");
}

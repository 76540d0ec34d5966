using Faultline.ClickHouse;

namespace Faultline.Store.Schema;

/// <summary>What an acknowledgement outlives.</summary>
public enum Durability
{
    /// <summary>The death of the process, however it dies. What the system has not written yet is lost when the machine stops.</summary>
    Process,

    /// <summary>A power cut as well: every insert is synced to the disk, file by file, before it is acknowledged.</summary>
    Power,
}

/// <summary>Gives all our tables the wanted durability; where they have it already nothing is done.</summary>
/// <remarks>Source: ClickHouse's MergeTree settings. Merges are synced too, as the parts they replace are deleted minutes later.</remarks>
internal static class TableDurability
{
    private const string Sync = "fsync_after_insert = 1";
    private const string Switch = Sync + ", fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1";
    private const string Names = "fsync_after_insert, fsync_part_directory, min_rows_to_fsync_after_merge";

    public static async Task ApplyAsync(IClickHouse engine, Durability durability, CancellationToken cancel)
    {
        var tables = await engine.QueryAsync(
            """
            SELECT name, position(engine_full, {sync:String}) > 0 AS is_synced FROM system.tables
            WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name
            """,
            new SqlParameters().Add("sync", Sync),
            cancel: cancel);
        foreach (var table in tables.Rows.Where(table => table.Int64("is_synced") != 0 != (durability == Durability.Power)))
        {
            var change = durability == Durability.Power ? "MODIFY SETTING " + Switch : "RESET SETTING " + Names;
            await engine.ExecuteAsync($"ALTER TABLE `{table.Text("name")}` {change}", cancel: cancel);
        }
    }
}

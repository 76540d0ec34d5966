using Faultline.ClickHouse;
using Faultline.Store.Disk;

namespace Faultline.Store;

/// <summary>Statements that change rows which are stored.</summary>
/// <remarks>
/// ClickHouse notes each in a file before it begins. A file that a full disk cut off keeps the whole table from being opened at the next start, so nothing is
/// begun without room.
/// </remarks>
internal static class Mutation
{
    /// <exception cref="ClickHouseException">There is no room, or the engine could not; may be tried again.</exception>
    public static async Task ExecuteAsync(IClickHouse engine, string sql, SqlParameters? parameters = null, CancellationToken cancel = default)
    {
        DiskGuard.RequireRoom(engine, "rows are deleted");
        await engine.ExecuteAsync(sql, parameters, cancel);
    }
}

using System.Globalization;
using Faultline.ClickHouse;

namespace Faultline.Store;

/// <summary>Statements that change rows which are stored.</summary>
/// <remarks>
/// ClickHouse notes each in a file before it begins. A file that a full disk cut off keeps the whole table from being opened at the next start, so nothing is
/// begun without room.
/// </remarks>
internal static class Mutation
{
    /// <summary>Room on the disk without which rows stay as they are.</summary>
    public const long FreeBytesMin = 32L << 20;

    private const int NotEnoughSpace = 243;

    /// <exception cref="ClickHouseException">There is no room, or the engine could not; may be tried again.</exception>
    public static async Task ExecuteAsync(IClickHouse engine, string sql, SqlParameters? parameters = null, CancellationToken cancel = default)
    {
        var disks = await engine.QueryAsync("SELECT toInt64(min(free_space)) AS free FROM system.disks", cancel: cancel);
        if (disks.Rows.First().Int64("free") is var free && free < FreeBytesMin)
        {
            throw new ClickHouseException(
                NotEnoughSpace, string.Create(CultureInfo.InvariantCulture, $"the disk has {free >> 20} MiB free; rows are deleted when it has {FreeBytesMin >> 20}. Make room on it; nothing else is to be done."), sql);
        }

        await engine.ExecuteAsync(sql, parameters, cancel);
    }
}

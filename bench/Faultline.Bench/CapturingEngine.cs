using Faultline.ClickHouse;

namespace Faultline.Bench;

/// <summary>Keeps the block of the last insert and stores nothing.</summary>
internal sealed class CapturingEngine : IClickHouse
{
    public NativeBlock? Last { get; private set; }

    public long FreeBytes => long.MaxValue;

    public Task ExecuteAsync(string sql, SqlParameters? parameters = null, CancellationToken cancel = default) => throw new NotSupportedException();

    public Task<QueryResult> QueryAsync(string sql, SqlParameters? parameters = null, QueryLimits? limits = null, CancellationToken cancel = default) => throw new NotSupportedException();

    public Task InsertAsync(string table, IReadOnlyList<NativeBlock> blocks, CancellationToken cancel = default)
    {
        Last = blocks[0];
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

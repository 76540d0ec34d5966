using Faultline.ClickHouse;

namespace Faultline.Tests.Store;

/// <summary>The real engine, with inserts that fail when a test says so, before or after the rows got in, and questions that do.</summary>
public sealed class FaultyEngine(IClickHouse engine) : IClickHouse
{
    private int _inserts;

    /// <summary>Called before each insert with the table and its number, from 1; an exception fails it.</summary>
    public Action<string, int> BeforeInsert { get; set; } = (_, _) => { };

    /// <summary>Called after each insert that got in: an exception here is an answer that was lost.</summary>
    public Action<string, int> AfterInsert { get; set; } = (_, _) => { };

    /// <summary>Called before each question; an exception fails it, a task that takes long makes it slow.</summary>
    public Func<CancellationToken, Task> BeforeQuery { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called before each statement that answers nothing; an exception fails it.</summary>
    public Action<string> BeforeExecute { get; set; } = _ => { };

    public Func<Task> Gate { get; set; } = () => Task.CompletedTask;

    /// <summary>What the disk is said to have free; null: what it has.</summary>
    public long? Room { get; set; }

    public long FreeBytes => Room ?? engine.FreeBytes;

    public int Inserts => Volatile.Read(ref _inserts);

    public static ClickHouseException OutOfMemory() => new(241, "memory limit exceeded", "INSERT");

    public async Task ExecuteAsync(string sql, SqlParameters? parameters = null, CancellationToken cancel = default)
    {
        BeforeExecute(sql);
        await engine.ExecuteAsync(sql, parameters, cancel);
    }

    public async Task<QueryResult> QueryAsync(string sql, SqlParameters? parameters = null, QueryLimits? limits = null, CancellationToken cancel = default)
    {
        await BeforeQuery(cancel);
        return await engine.QueryAsync(sql, parameters, limits, cancel);
    }

    public async Task InsertAsync(string table, IReadOnlyList<NativeBlock> blocks, CancellationToken cancel = default)
    {
        var number = Interlocked.Increment(ref _inserts);
        await Gate();
        BeforeInsert(table, number);
        await engine.InsertAsync(table, blocks, cancel);
        AfterInsert(table, number);
    }

    public ValueTask DisposeAsync() => engine.DisposeAsync();
}

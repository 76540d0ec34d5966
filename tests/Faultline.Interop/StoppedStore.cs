using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;

namespace Faultline.Interop;

/// <summary>
/// The store of a server that has stopped, opened in this process. A process has one engine and tests run beside
/// each other, so a second store waits until the first is closed.
/// </summary>
internal sealed class StoppedStore : IAsyncDisposable
{
    private static readonly SemaphoreSlim s_engine = new(1, 1);
    private readonly EmbeddedClickHouse _database;

    private StoppedStore(EmbeddedClickHouse database) => _database = database;

    public static async Task<StoppedStore> OpenAsync(string dataDirectory)
    {
        var library = await EngineLibrary.EnsureAsync(FaultlineProcess.Built("src/Faultline", "native"), _ => { });
        await s_engine.WaitAsync();
        try
        {
            return new StoppedStore(await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(dataDirectory, "clickhouse"), Readers: 1)));
        }
        catch
        {
            s_engine.Release();
            throw;
        }
    }

    public Task<QueryResult> QueryAsync(string sql, QueryLimits? limits = null) => _database.QueryAsync(sql, limits: limits);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _database.DisposeAsync();
        }
        finally
        {
            s_engine.Release();
        }
    }
}

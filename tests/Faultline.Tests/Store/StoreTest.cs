using Faultline.ClickHouse;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Xunit;

namespace Faultline.Tests.Store;

/// <summary>A test against the real engine, in a database of its own.</summary>
public abstract class StoreTest : IAsyncLifetime
{
    /// <summary>Commits soon after the first batch.</summary>
    protected static readonly WriterOptions Soon = new(TimeSpan.FromMilliseconds(1));

    private readonly List<TelemetryStore> _stores = [];

    protected IClickHouse Engine { get; private set; } = null!;

    public async Task InitializeAsync() => Engine = await EngineFixture.OpenDatabaseAsync();

    public async Task DisposeAsync()
    {
        foreach (var store in _stores)
        {
            await store.Writer.StopAsync();
        }

        if (Engine is not null)
        {
            await Engine.DisposeAsync();
        }
    }

    protected async Task<TelemetryStore> OpenAsync(IClickHouse engine, WriterOptions options, TimeProvider? time = null)
    {
        var store = await TelemetryStore.OpenAsync(engine, options, time ?? TimeProvider.System);
        _stores.Add(store);
        return store;
    }

    internal static async Task WriteAsync(TelemetryStore store, TelemetryBatch batch) =>
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(batch));

    protected async Task<long> CountAsync(string table, string what = "count()") =>
        (await Engine.QueryAsync($"SELECT toInt64({what}) AS n FROM {table}")).Rows.First().Int64("n");
}

/// <summary>Waits for a condition, never for a time.</summary>
internal static class Eventually
{
    /// <summary>A machine that stands still for a minute says nothing about the condition, so it is looked at as often as that too.</summary>
    private const int LooksMin = 1000;

    /// <exception cref="TimeoutException">It is not true after 30 seconds and as many looks.</exception>
    public static async Task TrueAsync(Func<bool> condition, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (var looks = 0; !condition(); looks++)
        {
            if (looks >= LooksMin && watch.Elapsed > TimeSpan.FromSeconds(30))
            {
                throw new TimeoutException($"{what} is not true after {looks} looks in {watch.Elapsed.TotalSeconds:0} s.");
            }

            await Task.Delay(5);
        }
    }
}

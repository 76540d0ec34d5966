using Faultline.ClickHouse;
using Faultline.Ingest.Receivers;
using Faultline.Settings;

namespace Faultline.Composition;

/// <summary>How <c>memory.bytes_max</c> is shared out. Limits of the parts are never more than their share of it.</summary>
internal sealed record MemoryLimits(long ProcessBytesMax, long EngineBytesMax, long QueueBytesMax, long ReadingBytesMax)
{
    private const long ReadingBytesMaxDefault = 512L << 20;

    public static MemoryLimits Of(FaultlineSettings settings) => new(
        settings.MemoryBytesMax,
        Math.Min(settings.EngineMemoryBytesMax, settings.MemoryBytesMax / 2),
        Math.Min(settings.QueueBytesMax, settings.MemoryBytesMax / 8),
        Math.Min(ReadingBytesMaxDefault, settings.MemoryBytesMax / 8));

    public MemoryCeiling Ceiling(IClickHouse engine, ILogger log, TimeProvider time) => new(ProcessBytesMax, () => Environment.WorkingSet, () => RelieveAsync(engine, log), time);

    /// <summary>Collects, and gives what the collector and the engine's allocator keep for later back to the system.</summary>
    private async Task RelieveAsync(IClickHouse engine, ILogger log)
    {
        var before = Environment.WorkingSet;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        try
        {
            await engine.ExecuteAsync("SYSTEM JEMALLOC PURGE");
        }
        catch (ClickHouseException exception)
        {
            log.EngineKeepsMemory(exception);
        }

        log.MemoryRelieved(before >> 20, Environment.WorkingSet >> 20, ProcessBytesMax >> 20);
    }
}

using System.Diagnostics;
using Faultline.Cases;
using Faultline.Cases.Deletions;
using Faultline.ClickHouse;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Ledger;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Internals;
using Faultline.Metrics.Scrape;
using Faultline.Store;
using Faultline.Store.Tiers;
using Faultline.Store.Writes;
using Faultline.Tests.Diagnosis;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Tests.Composition;

/// <summary>What an idle installation takes at one moment.</summary>
/// <param name="Rows">By table, of ours.</param>
/// <param name="StoreBytes">Of active parts; what was dropped leaves the disk eight real minutes later.</param>
/// <param name="EngineLogRows">Of all <c>system.*_log</c> tables.</param>
/// <param name="OtherBytes">Ledger, blobs and the engine's own text files.</param>
internal sealed record IdleFigures(int Day, IReadOnlyDictionary<string, long> Rows, long Parts, long StoreBytes, long EngineLogRows, long OtherBytes, long HeapBytes, TimeSpan Cpu);

/// <summary>
/// An installation that nobody sends anything to, over simulated days: its periodic work as the server wires it (scrape of our own metrics, canary,
/// deletions' sweep, retention), on the real engine and files, by a clock that is moved.
/// </summary>
/// <remarks>
/// Simulated: the clock, and how often each round comes (rounds a day, not every 10 or 30 seconds). Not simulated: what a round does. Left out: detection, topics and evaluators, which
/// have nothing to do where no batch comes, and doors.
/// </remarks>
internal sealed class QuietMonth : IAsyncDisposable
{
    private static readonly RetentionOptions Kept = new(TimeSpan.FromDays(3), Metrics: TimeSpan.FromDays(7));

    private readonly TestClock _clock;
    private readonly string _folder;
    private readonly TelemetryStore _store;
    private readonly LedgerFile _ledger;
    private readonly SelfScrape _scrape;
    private readonly Canary _canary;
    private readonly DeletionDesk _deletions;
    private readonly RetentionWorker _retention;
    private int _day;

    private QuietMonth(TestClock clock, string folder, TelemetryStore store, LedgerFile ledger, CaseBook cases)
    {
        (_clock, _folder, _store, _ledger) = (clock, folder, store, ledger);
        var derived = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance, clock);
        var figures = new IngestFigures();
        var auth = new GatewayAuth(new GatewayOptions(false, ["key"], []));
        var process = new ProcessMetrics(store.Writer, store.Disk, 1 << 20, clock);
        store.Writer.Readers.Add(derived);
        _canary = new Canary(new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), clock), store.Traces, new CanaryOptions(), clock, NullLogger<Canary>.Instance);
        _deletions = new DeletionDesk(cases, store.Deletions, new byte[32], clock, NullLogger<DeletionDesk>.Instance);
        _retention = new RetentionWorker(store.Retention, Kept, () => new Pins([], []), clock, NullLogger<RetentionWorker>.Instance);
        _scrape = new SelfScrape(
            derived,
            () => [.. process.Families(), .. IngestMetrics.Families(figures, auth), .. derived.Internals(), .. _canary.Figures.Families(), .. DeletionMetrics.Families(_deletions), .. RetentionMetrics.Families(_retention.Figures)],
            store.Samples, TimeSpan.FromSeconds(10), clock, NullLogger.Instance);
    }

    public RetentionFigures Retention => _retention.Figures;

    /// <param name="folder">For the ledger and blobs; empty.</param>
    public static async Task<QuietMonth> BeginAsync(IClickHouse engine, string folder)
    {
        var clock = new TestClock(new DateTimeOffset(2026, 10, 18, 0, 0, 0, TimeSpan.Zero));
        var store = await TelemetryStore.OpenAsync(engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), clock);
        var ledger = await LedgerFile.OpenAsync(Path.Combine(folder, "ledger"), clock);
        return new QuietMonth(clock, folder, store, ledger, await CaseBook.OpenAsync(ledger, Path.Combine(folder, "blobs"), clock));
    }

    /// <summary>One day, with so many rounds of each kind of periodic work.</summary>
    public async Task DayAsync(int rounds)
    {
        for (var round = 0; round < rounds; round++)
        {
            await RoundAsync(TimeSpan.FromDays(1) / rounds);
        }

        await _retention.StepAsync();
        _day++;
    }

    /// <summary>A scrape, a canary and a sweep, and the time until the next.</summary>
    public async Task RoundAsync(TimeSpan until)
    {
        await _scrape.StepAsync();
        await _canary.FlyAsync();
        await _deletions.StepAsync();
        _clock.Now += until;
    }

    public async Task<IdleFigures> LookAsync()
    {
        var tables = await _store.StorageAsync();
        var logs = await _store.Engine.QueryAsync("SELECT sum(total_rows) AS n FROM system.tables WHERE database = 'system' AND name LIKE '%_log'");
        return new IdleFigures(
            _day, tables.ToDictionary(table => table.Table, table => table.Rows, StringComparer.Ordinal), tables.Sum(table => table.Parts), tables.Sum(table => table.DiskBytes),
            logs.Rows.First().NullableInt64("n") ?? 0,
            Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Where(file => !file.Contains("/store/", StringComparison.Ordinal)).Sum(file => new FileInfo(file).Length),
            GC.GetTotalMemory(forceFullCollection: true),
            Process.GetCurrentProcess().TotalProcessorTime);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.Writer.StopAsync();
        await _ledger.DisposeAsync();
    }
}

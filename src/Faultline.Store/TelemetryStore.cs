using Faultline.ClickHouse;
using Faultline.Store.Disk;
using Faultline.Store.Schema;
using Faultline.Store.Writes;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Store;

/// <summary>Our tables in a ClickHouse. Opened once; the parts below share its engine.</summary>
public sealed class TelemetryStore
{
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(2);
    private static readonly QueryLimits PingLimits = new(Time: TimeSpan.FromSeconds(5));

    private TelemetryStore(IClickHouse engine, DiskGuard disk, BatchWriter writer, TimeProvider time)
    {
        Engine = engine;
        Disk = disk;
        Writer = writer;
        Samples = new Samples.SampleStore(engine, writer, time);
        Scores = new Scores.ScoreStore(engine);
        Logs = new Logs.LogStore(engine);
        Signatures = new Signatures.SignatureStore(engine, time);
        Topics = new Topics.TopicStore(engine, time);
        // What is being copied must not be deleted meanwhile.
        var turn = new Turn();
        Retention = new Tiers.RetentionStore(engine, turn, time, writer.Aside);
        Deletions = new Deletions.DeletionStore(engine, turn, time, writer.Aside, writer.FlushAsync, () =>
        {
            writer.ForgetWrittenSeries();
            Samples.ForgetLabels();
        });
        Traces = new Traces.TraceStore(engine, Scores, Logs);
    }

    public IClickHouse Engine { get; }

    public Traces.TraceStore Traces { get; }

    public Samples.SampleStore Samples { get; }

    public Scores.ScoreStore Scores { get; }

    public Logs.LogStore Logs { get; }

    public Signatures.SignatureStore Signatures { get; }

    public Topics.TopicStore Topics { get; }

    public Tiers.RetentionStore Retention { get; }

    public Deletions.DeletionStore Deletions { get; }

    public BatchWriter Writer { get; }

    public DiskGuard Disk { get; }

    /// <summary>Brings the schema up to date (additive, idempotent, resumable) and starts the writer.</summary>
    /// <exception cref="SchemaException">The database is newer than this program.</exception>
    public static Task<TelemetryStore> OpenAsync(IClickHouse engine, WriterOptions options, TimeProvider time, CancellationToken cancel = default) =>
        OpenAsync(engine, options, time, NullLogger.Instance, cancel);

    /// <inheritdoc cref="OpenAsync(IClickHouse, WriterOptions, TimeProvider, CancellationToken)"/>
    public static async Task<TelemetryStore> OpenAsync(IClickHouse engine, WriterOptions options, TimeProvider time, ILogger log, CancellationToken cancel = default)
    {
        await Migrations.RunAsync(engine, Migration.OfThisProgram(), time, cancel);
        await Tiers.RetentionStore.CleanAsync(engine, cancel);
        await TableDurability.ApplyAsync(engine, options.Durability, cancel);
        await SayWhatLiesAsideAsync(engine, log, cancel);
        var disk = new DiskGuard(engine, time, log);
        return new TelemetryStore(engine, disk, await BatchWriter.StartAsync(engine, disk, options, time, log, cancel), time);
    }

    private static async Task SayWhatLiesAsideAsync(IClickHouse engine, ILogger log, CancellationToken cancel)
    {
        var aside = await engine.QueryAsync(
            "SELECT count() AS parts, any(table || '/' || name) AS example FROM system.detached_parts WHERE database = currentDatabase() AND startsWith(reason, 'broken')", cancel: cancel);
        if (aside.Rows.First() is var row && row.Int64("parts") is var parts and > 0)
        {
            log.PartsLieAside(parts, row.Text("example"));
        }
    }

    /// <summary>All spans of a trace, also of one that was acknowledged a moment ago: who has just sent it may ask for it at once.</summary>
    public async Task<IReadOnlyList<Traces.StoredSpan>> SpansOfSentAsync(string project, TraceId trace, CancellationToken cancel = default)
    {
        if (await Traces.SpansOfAsync(project, trace, cancel) is { Count: > 0 } spans)
        {
            return spans;
        }

        try
        {
            await Writer.FlushAsync(cancel).WaitAsync(FlushPatience, cancel);
        }
        catch (TimeoutException)
        {
            // The store cannot write at the moment, which its log and metrics say; what is in the tables can be told all the same.
        }

        return await Traces.SpansOfAsync(project, trace, cancel);
    }

    /// <summary>Asks the store itself whether it answers: reads a row of a table of ours, within five seconds.</summary>
    /// <exception cref="ClickHouseException">It does not.</exception>
    public async Task PingAsync(CancellationToken cancel = default)
    {
        var answer = await Engine.QueryAsync("SELECT max(version) AS version FROM schema_migrations", limits: PingLimits, cancel: cancel);
        if (answer.RowCount != 1 || answer.Rows.First().Int64("version") == 0)
        {
            throw new SchemaException("The store answers, but its table schema_migrations is empty: somebody has removed our tables. Restart Faultline to make them anew.");
        }
    }

    /// <summary>What our tables take on disk, one row a table, largest first.</summary>
    public async Task<IReadOnlyList<StorageFigures>> StorageAsync(CancellationToken cancel = default)
    {
        var answer = await Engine.QueryAsync(
            """
            SELECT table, sum(rows) AS row_count, sum(bytes_on_disk) AS disk_bytes, sum(data_uncompressed_bytes) AS raw_bytes, count() AS part_count
            FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table ORDER BY disk_bytes DESC, table
            """,
            cancel: cancel);
        return [.. answer.Rows.Select(row => new StorageFigures(
            row.Text("table"), row.Int64("row_count"), row.Int64("disk_bytes"), row.Int64("raw_bytes"), row.Int64("part_count")))];
    }
}

/// <summary>What one table takes.</summary>
/// <param name="DiskBytes">Compressed, with indexes.</param>
/// <param name="RawBytes">Before compression.</param>
/// <param name="Parts">Active parts; many and rising means that merges do not keep up.</param>
public sealed record StorageFigures(string Table, long Rows, long DiskBytes, long RawBytes, long Parts);

using Faultline.ClickHouse;

namespace Faultline.Store;

/// <summary>Our tables in a ClickHouse. Opened once; the parts below share its engine.</summary>
public sealed class TelemetryStore
{
    private TelemetryStore(IClickHouse engine) => Engine = engine;

    public IClickHouse Engine { get; }

    public Traces.TraceStore Traces => throw new NotImplementedException();

    public Samples.SampleStore Samples => throw new NotImplementedException();

    public Scores.ScoreStore Scores => throw new NotImplementedException();

    public Logs.LogStore Logs => throw new NotImplementedException();

    public Writes.BatchWriter Writer => throw new NotImplementedException();

    /// <summary>Brings the schema up to date (additive, idempotent, resumable) and starts the writer.</summary>
    public static Task<TelemetryStore> OpenAsync(IClickHouse engine, Writes.WriterOptions options, TimeProvider time, CancellationToken cancel = default) => throw new NotImplementedException();
}

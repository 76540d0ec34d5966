using System.Threading.Channels;
using Faultline.Diagnosis.Findings;
using Faultline.Store;
using Faultline.Telemetry;

namespace Faultline.Diagnosis;

/// <summary>
/// Folds committed batches into features by event time, keeps baselines, runs detectors and watchers, and says what it
/// found. Event time throughout: a day replayed in a minute gives the findings of the day lived.
/// </summary>
public sealed class Detection(TelemetryStore store, TimeProvider time) : IBatchReader
{
    private readonly TelemetryStore _store = store;
    private readonly TimeProvider _time = time;

    /// <summary>Findings as they are raised and cleared; one reader.</summary>
    public ChannelReader<FindingNews> News => throw new NotImplementedException();

    public void Committed(TelemetryBatch batch) => throw new NotImplementedException();

    /// <summary>Loads baselines from the store, then works until cancelled.</summary>
    public Task RunAsync(CancellationToken cancel) => throw new NotImplementedException();
}

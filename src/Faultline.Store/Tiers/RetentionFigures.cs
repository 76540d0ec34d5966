namespace Faultline.Store.Tiers;

/// <summary>What retention has done since the process began; read by any thread.</summary>
public sealed class RetentionFigures
{
    private long _days;
    private long _rows;
    private long _samples;
    private long _failures;
    private RetentionRun? _lastRun;

    /// <summary>Days that were taken out of the hot window, or gone through again.</summary>
    public long Days => Interlocked.Read(ref _days);

    public long RowsDropped => Interlocked.Read(ref _rows);

    /// <summary>Samples of metrics.</summary>
    public long SamplesDropped => Interlocked.Read(ref _samples);

    /// <summary>Runs that the engine did not let end.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>The last run that came to its end; null before the first.</summary>
    public RetentionRun? LastRun => Volatile.Read(ref _lastRun);

    internal void DayDone(long rows)
    {
        Interlocked.Increment(ref _days);
        Interlocked.Add(ref _rows, rows);
    }

    internal void SamplesGone(long samples) => Interlocked.Add(ref _samples, samples);

    internal void Failed() => Interlocked.Increment(ref _failures);

    internal void Ran(RetentionRun run) => Volatile.Write(ref _lastRun, run);
}

/// <summary>One run, from the look at what is due to the last of its days.</summary>
/// <param name="Kept">Traces that outlive the hot window, by the rule that keeps them.</param>
public sealed record RetentionRun(DateTimeOffset EndedAt, TimeSpan Took, IReadOnlyDictionary<string, long> Kept);

namespace Faultline.Telemetry.GenAi;

/// <summary>What the normaliser could not use. The originals are stored all the same.</summary>
public sealed class NormaliserFigures
{
    private long _numbersRejected;
    private long _jsonCut;

    /// <summary>Token counts and durations that are no number, negative or out of range: they count as not sent.</summary>
    public long NumbersRejected => Interlocked.Read(ref _numbersRejected);

    /// <summary>Contents that are cut-off or broken JSON, or larger or deeper than is parsed: read as far as they go.</summary>
    public long JsonCut => Interlocked.Read(ref _jsonCut);

    internal void RejectNumber() => Interlocked.Increment(ref _numbersRejected);

    internal void CutJson() => Interlocked.Increment(ref _jsonCut);
}

using Faultline.Telemetry.Samples;

namespace Faultline.Diagnosis.Features;

/// <summary>Samples that wait for the store. Not thread-safe.</summary>
internal sealed class WaitingSamples
{
    /// <summary>More than this, and what could not be written is given up and counted.</summary>
    internal const int Max = 2_000_000;

    /// <summary>Where new samples go.</summary>
    public SampleBatch Batch { get; private set; } = new();

    /// <summary>Samples given up because the store took none for too long.</summary>
    public long Dropped { get; private set; }

    /// <summary>What waits, to be written; null when nothing does.</summary>
    public SampleBatch? Take()
    {
        if (Batch.Count == 0)
        {
            return null;
        }

        var taken = Batch;
        Batch = new SampleBatch();
        return taken;
    }

    /// <summary>Puts samples back that could not be written, before what came since: the store keeps what is written last.</summary>
    /// <returns>How many were given up instead.</returns>
    public int PutBack(SampleBatch unwritten)
    {
        if (unwritten.Count + Batch.Count > Max)
        {
            Dropped += unwritten.Count;
            return unwritten.Count;
        }

        unwritten.AddAll(Batch);
        Batch = unwritten;
        return 0;
    }
}

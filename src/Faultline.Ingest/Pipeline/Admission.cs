namespace Faultline.Ingest.Pipeline;

/// <summary>What a request carries.</summary>
public enum Signal
{
    Traces,
    Metrics,
    Logs,
}

/// <summary>What became of a request that a receiver handed to the pipeline.</summary>
public abstract record Admission
{
    private Admission()
    {
    }

    /// <summary>What was accepted is on the disk.</summary>
    /// <param name="Reason">Why some items were rejected; null when none was.</param>
    public sealed record Durable(int Accepted, int Rejected, string? Reason) : Admission;

    /// <summary>Too much waits already. The sender should send the same again after the delay.</summary>
    public sealed record TryLater(TimeSpan Delay, string Reason) : Admission;

    /// <summary>The store cannot write at the moment. The sender should send the same again after the delay.</summary>
    public sealed record Unavailable(TimeSpan Delay, string Reason) : Admission;

    /// <summary>Nothing was stored and nothing of it ever will be: it is more than the store takes at once.</summary>
    public sealed record TooLarge(string Reason) : Admission;

    /// <summary>Nothing was stored and nothing of it ever will be.</summary>
    public sealed record Malformed(string Reason) : Admission;
}

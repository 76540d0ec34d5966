namespace Faultline.Ingest;

/// <summary>A line of the log that is written no more than once in ten seconds: what fails, fails for every request.</summary>
internal sealed class SparseLine(TimeProvider time)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private long? _last;
    private long _unsaid;

    /// <param name="unsaid">How many were not written since the last that was.</param>
    public bool MayBeWritten(out long unsaid)
    {
        lock (_gate)
        {
            unsaid = 0;
            if (_last is { } last && time.GetElapsedTime(last) < Quiet)
            {
                _unsaid++;
                return false;
            }

            _last = time.GetTimestamp();
            (unsaid, _unsaid) = (_unsaid, 0);
            return true;
        }
    }
}

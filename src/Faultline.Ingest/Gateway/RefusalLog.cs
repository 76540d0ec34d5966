using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Gateway;

/// <summary>Writes refusals to the log, but no more than one in ten seconds: a sender with an old key tries for days, many times a second.</summary>
internal sealed class RefusalLog(ILogger log, TimeProvider time)
{
    private readonly SparseLine _line = new(time);

    public void Add(string peer, int port, string reason)
    {
        if (_line.MayBeWritten(out var unsaid))
        {
            log.Refused(peer, port, reason, unsaid);
        }
    }
}

internal static partial class Log
{
    [LoggerMessage(2101, LogLevel.Warning, "Refused {Peer} on port {Port}: {Reason} ({Unsaid} more since the last such line)")]
    public static partial void Refused(this ILogger log, string peer, int port, string reason, long unsaid);
}

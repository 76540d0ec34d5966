using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Gateway;

internal static partial class Log
{
    [LoggerMessage(2101, LogLevel.Warning, "Refused {Peer} on port {Port}: {Reason}")]
    public static partial void Refused(this ILogger log, string peer, int port, string reason);
}

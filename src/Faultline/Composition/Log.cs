namespace Faultline.Composition;

/// <summary>What a start has to say.</summary>
internal static partial class Log
{
    [LoggerMessage(9001, LogLevel.Warning, "The last process ended without closing the store (killed, crashed or out of power) while this statement ran: {Statement}. There is nothing to do; should it be running at such an end once more, it is refused for an hour, and is worth reporting as a bug.")]
    public static partial void RunningAtLastCrash(this ILogger log, string statement);

    [LoggerMessage(9002, LogLevel.Warning, "{What} There is nothing to do; `faultline audit verify` checks the rest.")]
    public static partial void LedgerTailSetAside(this ILogger log, string what);

    [LoggerMessage(9003, LogLevel.Information, "{What}")]
    public static partial void Fetching(this ILogger log, string what);

    [LoggerMessage(9004, LogLevel.Information, "A language model is asked as well: {Model} at {Host}. Prompts, answers and documents of the telemetry are sent there; see docs/reasoning.md.")]
    public static partial void ModelOn(this ILogger log, string model, string host);

    [LoggerMessage(9005, LogLevel.Warning, "{What} There is nothing to do; the file may be deleted.")]
    public static partial void EngineFileSetAside(this ILogger log, string what);

    [LoggerMessage(9011, LogLevel.Information, "Read {Path} again: {Subject}, good until {Expires:u}. New connections use it.")]
    public static partial void TlsRead(this ILogger log, string path, string subject, DateTime expires);

    [LoggerMessage(9012, LogLevel.Warning, "{Path}, its key or the clients' authorities changed and cannot be used ({Why}); the old ones stay in use.")]
    public static partial void TlsUnusable(this ILogger log, string path, string why);

    [LoggerMessage(9013, LogLevel.Warning, "{Path} expired at {Expires:u}: most clients will refuse it.")]
    public static partial void TlsExpired(this ILogger log, string path, DateTime expires);

    [LoggerMessage(9014, LogLevel.Information, "Read the settings again: the gateway's keys and exporters' headers are those of the files now. Other changed settings need a restart.")]
    public static partial void SettingsRead(this ILogger log);

    [LoggerMessage(9015, LogLevel.Warning, "The settings changed and cannot be used; the old keys stay in use. {Why}")]
    public static partial void SettingsUnusable(this ILogger log, string why);

    [LoggerMessage(9021, LogLevel.Information, "The process held {Before} MiB, near memory.bytes_max ({Max} MiB). What nobody needs was given back: now it holds {After} MiB.")]
    public static partial void MemoryRelieved(this ILogger log, long before, long after, long max);

    [LoggerMessage(9022, LogLevel.Warning, "The engine could not be asked to give free memory back. There is nothing to do; it is asked again.")]
    public static partial void EngineKeepsMemory(this ILogger log, Exception exception);
}

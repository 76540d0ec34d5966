using Faultline.Ingest.Pipeline;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Receivers;

/// <summary>Where a receiver's exceptions end: each becomes an answer in the receiver's own form, and one failed request harms no other.</summary>
internal static class ReceiverBoundary
{
    /// <param name="receive">Reads, admits, answers.</param>
    /// <param name="refuse">Answers with an HTTP status, in the form of this receiver.</param>
    public static async Task RunAsync(HttpContext http, IngestFigures figures, Signal signal, string transport, Func<Task> receive, Func<int, string, Task> refuse)
    {
        try
        {
            await receive();
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            http.Abort();      // nobody is left to answer
        }
        catch (BadHttpRequestException broken)
        {
            // The body ended early or came too slowly.
            figures.Refused(signal, transport, broken.StatusCode == StatusCodes.Status408RequestTimeout ? RefusalReason.TooSlow : RefusalReason.Malformed);
            await AnswerAsync(http, () => refuse(broken.StatusCode, broken.Message));
        }
        catch (IOException)
        {
            http.Abort();      // the connection broke while the body was on its way
        }
        catch (Exception failed)
        {
            figures.Refused(signal, transport, RefusalReason.Failed);
            http.RequestServices.GetService<ILoggerFactory>()?.CreateLogger(typeof(ReceiverBoundary)).ReceiverFailed(failed, http.Request.Path);
            await AnswerAsync(http, () => refuse(StatusCodes.Status500InternalServerError, "Faultline failed on this request; its log says how."));
        }
    }

    private static async Task AnswerAsync(HttpContext http, Func<Task> answer)
    {
        if (http.Response.HasStarted)
        {
            http.Abort();      // half an answer must not look like a whole one
            return;
        }

        http.Response.Clear();
        await answer();
    }
}

internal static partial class Log
{
    [LoggerMessage(2201, LogLevel.Error, "The request to {Path} failed")]
    public static partial void ReceiverFailed(this ILogger log, Exception failed, string path);
}

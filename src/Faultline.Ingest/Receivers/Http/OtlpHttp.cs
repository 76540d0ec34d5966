using System.Diagnostics;
using System.Globalization;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Ingest.Receivers.Http;

/// <summary>OTLP over HTTP: <c>POST /v1/traces</c>, <c>/v1/metrics</c>, <c>/v1/logs</c>; protobuf or JSON, plain, gzip or zstd.</summary>
/// <remarks>Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP".</remarks>
public static class OtlpHttp
{
    private const string Protobuf = "application/x-protobuf";
    private const string Json = "application/json";

    private const string Transport = "http";
    private static readonly TimeSpan BusyDelay = TimeSpan.FromSeconds(1);

    public static void MapOtlpHttp(this IEndpointRouteBuilder routes, IngestPipeline pipeline, int messageBytesMax, TimeSpan readMax)
    {
        Map("/v1/traces", Signal.Traces);
        Map("/v1/metrics", Signal.Metrics);
        Map("/v1/logs", Signal.Logs);

        void Map(string path, Signal signal) => routes.MapPost(path, http => ReceiverBoundary.RunAsync(
            http,
            pipeline.Figures,
            signal,
            Transport,
            () => ReceiveAsync(http, pipeline, signal, messageBytesMax, readMax),
            (status, message) => RefuseAsync(http, IsJson(MediaType(http)), status, status == StatusCodes.Status500InternalServerError ? RpcCode.Internal : RpcCode.InvalidArgument, message)));
    }

    private static async Task ReceiveAsync(HttpContext http, IngestPipeline pipeline, Signal signal, int messageBytesMax, TimeSpan readMax)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            // Counted here instead, so that the answer is OTLP's own.
            limit.MaxRequestBodySize = null;
        }

        var mediaType = MediaType(http);
        var json = IsJson(mediaType);
        if (!json && !mediaType.Equals(Protobuf, StringComparison.OrdinalIgnoreCase))
        {
            pipeline.Figures.Refused(signal, Transport, RefusalReason.UnsupportedType);
            await RefuseAsync(http, json: false, StatusCodes.Status415UnsupportedMediaType, RpcCode.InvalidArgument, $"Content-Type '{http.Request.ContentType}' is not taken here; send {Protobuf} or {Json}.");
            return;
        }

        var encoding = http.Request.Headers.ContentEncoding.ToString();
        if (!PackingWords.TryParse(encoding, out var packing))
        {
            pipeline.Figures.Refused(signal, Transport, RefusalReason.UnsupportedType);
            http.Response.Headers.AcceptEncoding = PackingWords.Taken;
            await RefuseAsync(http, json, StatusCodes.Status415UnsupportedMediaType, RpcCode.InvalidArgument, $"Content-Encoding '{encoding}' is not taken here; send one of {PackingWords.Taken}, or none.");
            return;
        }

        using var raw = new RequestBody(pipeline.Reading);
        using var plain = new RequestBody(pipeline.Reading);
        var fault = await raw.ReadAsync(http.Request.BodyReader, _ => http.Request.ContentLength, messageBytesMax, readMax, http.RequestAborted);
        if (fault == BodyFault.None && packing != Packing.None)
        {
            fault = plain.Unpack(packing, raw.Bytes, messageBytesMax);
        }

        if (fault != BodyFault.None)
        {
            await RefuseAsync(http, json, pipeline, signal, fault, messageBytesMax);
            return;
        }

        var admission = await pipeline.AcceptAsync(http.Identity(), signal, packing != Packing.None ? plain.Bytes : raw.Bytes, json, Transport, http.RequestAborted);
        await AnswerAsync(http, json, signal, admission);
    }

    private static async Task RefuseAsync(HttpContext http, bool json, IngestPipeline pipeline, Signal signal, BodyFault fault, int messageBytesMax)
    {
        switch (fault)
        {
            case BodyFault.TooLarge:
                // The rest of the body may still be on its way; the connection is not worth reading it for.
                http.Response.Headers.Connection = "close";
                pipeline.Figures.Refused(signal, Transport, RefusalReason.TooLarge);
                await RefuseAsync(http, json, StatusCodes.Status413PayloadTooLarge, RpcCode.InvalidArgument, string.Create(CultureInfo.InvariantCulture, $"The request is larger than {messageBytesMax:N0} bytes (ingest.message_bytes_max), or compressed too well to be telemetry. Send smaller batches."));
                break;
            case BodyFault.NotPacked:
                pipeline.Figures.Refused(signal, Transport, RefusalReason.Malformed);
                await RefuseAsync(http, json, StatusCodes.Status400BadRequest, RpcCode.InvalidArgument, $"Content-Encoding says {http.Request.Headers.ContentEncoding}, but the body is not, or not all of it.");
                break;
            case BodyFault.TooSlow:
                http.Response.Headers.Connection = "close";
                pipeline.Figures.Refused(signal, Transport, RefusalReason.TooSlow);
                await RefuseAsync(http, json, StatusCodes.Status408RequestTimeout, RpcCode.DeadlineExceeded, Replies.TooSlow);
                break;
            case BodyFault.NoMemory:
                pipeline.Figures.Refused(signal, Transport, RefusalReason.Overloaded);
                await TryLaterAsync(http, json, StatusCodes.Status429TooManyRequests, RpcCode.ResourceExhausted, Replies.Busy(pipeline.Reading), BusyDelay);
                break;
            default:
                throw new UnreachableException(fault.ToString());
        }
    }

    private static async Task AnswerAsync(HttpContext http, bool json, Signal signal, Admission admission)
    {
        switch (admission)
        {
            case Admission.Durable durable:
                await AnswerAsync(http, json, StatusCodes.Status200OK, json ? Replies.ExportJson(RejectedName(signal), durable.Rejected, durable.Reason) : Replies.Export(durable.Rejected, durable.Reason));
                break;
            case Admission.TryLater later:
                await TryLaterAsync(http, json, StatusCodes.Status429TooManyRequests, RpcCode.ResourceExhausted, later.Reason, later.Delay);
                break;
            case Admission.Unavailable down:
                await TryLaterAsync(http, json, StatusCodes.Status503ServiceUnavailable, RpcCode.Unavailable, down.Reason, down.Delay);
                break;
            case Admission.TooLarge large:
                await RefuseAsync(http, json, StatusCodes.Status413PayloadTooLarge, RpcCode.InvalidArgument, large.Reason);
                break;
            case Admission.Malformed malformed:
                await RefuseAsync(http, json, StatusCodes.Status400BadRequest, RpcCode.InvalidArgument, malformed.Reason);
                break;
            default:
                throw new UnreachableException(admission.GetType().Name);
        }
    }

    private static string MediaType(HttpContext http) => (http.Request.ContentType ?? "").Split(';')[0].Trim();

    private static bool IsJson(string mediaType) => mediaType.Equals(Json, StringComparison.OrdinalIgnoreCase);

    private static Task TryLaterAsync(HttpContext http, bool json, int status, RpcCode code, string reason, TimeSpan delay)
    {
        http.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(delay.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return RefuseAsync(http, json, status, code, reason, delay);
    }

    private static string RejectedName(Signal signal) => signal switch
    {
        Signal.Traces => "rejectedSpans",
        Signal.Metrics => "rejectedDataPoints",
        Signal.Logs => "rejectedLogRecords",
        _ => throw new UnreachableException(signal.ToString()),
    };

    /// <summary>Whether a request says that its body is OTLP, so that a refusal is to be OTLP's too.</summary>
    internal static bool IsOtlp(HttpContext http) => MediaType(http) is var type && (IsJson(type) || type.Equals(Protobuf, StringComparison.OrdinalIgnoreCase));

    /// <summary>Answers with a <c>google.rpc.Status</c> in the type of the request.</summary>
    internal static Task RefuseAsync(HttpContext http, int status, RpcCode code, string message) => RefuseAsync(http, IsJson(MediaType(http)), status, code, message);

    private static Task RefuseAsync(HttpContext http, bool json, int status, RpcCode code, string message, TimeSpan? retryAfter = null) =>
        AnswerAsync(http, json, status, json ? Replies.StatusJson(code, message) : Replies.Status(code, message, retryAfter));

    private static async Task AnswerAsync(HttpContext http, bool json, int status, byte[] body)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = json ? Json : Protobuf;
        http.Response.ContentLength = body.Length;
        await http.Response.BodyWriter.WriteAsync(body, http.RequestAborted);
    }
}

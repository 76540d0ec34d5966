using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Ingest.Receivers.Grpc;

/// <summary>
/// OTLP over gRPC, served straight over Kestrel's HTTP/2: OTLP has unary calls only, and this way the decoder reads the frame
/// where it lies.
/// </summary>
/// <remarks>Source: opentelemetry.io/docs/specs/otlp, "OTLP/gRPC"; grpc/doc/PROTOCOL-HTTP2.md.</remarks>
public static class OtlpGrpc
{
    private const int PrefixBytes = 5;
    private const string Transport = "grpc";
    private static readonly TimeSpan BusyDelay = TimeSpan.FromSeconds(1);

    public static void MapOtlpGrpc(this IEndpointRouteBuilder routes, IngestPipeline pipeline, int messageBytesMax, TimeSpan readMax)
    {
        Map("trace.v1.TraceService", Signal.Traces);
        Map("metrics.v1.MetricsService", Signal.Metrics);
        Map("logs.v1.LogsService", Signal.Logs);
        routes.MapFallback(http =>
        {
            GrpcReply.Refuse(http, RpcCode.Unimplemented, $"{http.Request.Path} is not served here; this port takes OTLP's Export calls.");
            return Task.CompletedTask;
        });

        void Map(string service, Signal signal) => routes.MapPost(
            $"/opentelemetry.proto.collector.{service}/Export",
            http => ReceiverBoundary.RunAsync(
                http,
                pipeline.Figures,
                signal,
                Transport,
                () => ReceiveAsync(http, pipeline, signal, messageBytesMax, readMax),
                (status, message) =>
                {
                    GrpcReply.Refuse(http, status == StatusCodes.Status500InternalServerError ? RpcCode.Internal : RpcCode.InvalidArgument, message);
                    return Task.CompletedTask;
                }));
    }

    private static async Task ReceiveAsync(HttpContext http, IngestPipeline pipeline, Signal signal, int messageBytesMax, TimeSpan readMax)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null;
        }

        if (!IsGrpc(http.Request.ContentType))
        {
            pipeline.Figures.Refused(signal, Transport, RefusalReason.UnsupportedType);
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        http.Response.Headers["grpc-accept-encoding"] = "identity, " + PackingWords.Taken;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        if (GrpcTimeout.TryParse(http.Request.Headers["grpc-timeout"], out var timeout))
        {
            deadline.CancelAfter(timeout);
        }

        try
        {
            await AdmitAsync(http, pipeline, signal, messageBytesMax, readMax, deadline.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted)
        {
            // It may have been stored all the same: the sender sends it again and is told so.
            pipeline.Figures.Refused(signal, Transport, RefusalReason.Overloaded);
            GrpcReply.Refuse(http, RpcCode.DeadlineExceeded, "The call's deadline passed before its items were durable.");
        }
    }

    private static async Task AdmitAsync(HttpContext http, IngestPipeline pipeline, Signal signal, int messageBytesMax, TimeSpan readMax, CancellationToken cancel)
    {
        using var raw = new RequestBody(pipeline.Reading);
        using var plain = new RequestBody(pipeline.Reading);
        var fault = await raw.ReadAsync(http.Request.BodyReader, FrameLength, messageBytesMax + PrefixBytes, readMax, cancel);
        if (fault != BodyFault.None)
        {
            Refuse(http, pipeline, signal, fault, messageBytesMax);
            return;
        }

        if (!TryReadFrame(raw.Bytes, out var compressed, out var message))
        {
            pipeline.Figures.Refused(signal, Transport, RefusalReason.Malformed);
            GrpcReply.Refuse(http, RpcCode.InvalidArgument, "The call must carry exactly one message, framed as gRPC frames it.");
            return;
        }

        if (compressed)
        {
            var encoding = http.Request.Headers["grpc-encoding"].ToString();
            if (!PackingWords.TryParse(encoding, out var packing) || packing == Packing.None)
            {
                pipeline.Figures.Refused(signal, Transport, RefusalReason.UnsupportedType);
                GrpcReply.Refuse(http, RpcCode.Unimplemented, $"grpc-encoding '{encoding}' is not taken here; send one of {PackingWords.Taken}, or identity.");
                return;
            }

            fault = plain.Unpack(packing, message, messageBytesMax);
            if (fault != BodyFault.None)
            {
                Refuse(http, pipeline, signal, fault, messageBytesMax);
                return;
            }

            message = plain.Bytes;
        }

        var admission = await pipeline.AcceptAsync(http.Identity(), signal, message, json: false, Transport, cancel);
        switch (admission)
        {
            case Admission.Durable durable:
                await GrpcReply.AnswerAsync(http, Replies.Export(durable.Rejected, durable.Reason));
                break;
            case Admission.TryLater later:
                TryLater(http, RpcCode.ResourceExhausted, later.Reason, later.Delay);
                break;
            case Admission.Unavailable down:
                TryLater(http, RpcCode.Unavailable, down.Reason, down.Delay);
                break;
            case Admission.TooLarge large:
                // Without RetryInfo RESOURCE_EXHAUSTED tells the client to give up: the same would be too large again.
                GrpcReply.Refuse(http, RpcCode.ResourceExhausted, large.Reason);
                break;
            case Admission.Malformed malformed:
                GrpcReply.Refuse(http, RpcCode.InvalidArgument, malformed.Reason, Replies.Status(RpcCode.InvalidArgument, malformed.Reason));
                break;
            default:
                throw new UnreachableException(admission.GetType().Name);
        }
    }

    /// <summary><c>application/grpc</c> and <c>application/grpc+proto</c>; not gRPC-Web, nor other codecs.</summary>
    private static bool IsGrpc(string? contentType)
    {
        var type = contentType.AsSpan();
        if (type.IndexOf(';') is var end and >= 0)
        {
            type = type[..end];
        }

        type = type.Trim();
        return type.Equals(GrpcReply.ContentType, StringComparison.OrdinalIgnoreCase) || type.Equals("application/grpc+proto", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>How long the message whose first bytes are these is said to be, in its frame.</summary>
    private static long? FrameLength(ReadOnlySpan<byte> begun) => begun.Length < PrefixBytes ? null : PrefixBytes + (long)BinaryPrimitives.ReadUInt32BigEndian(begun[1..]);

    private static bool TryReadFrame(ReadOnlyMemory<byte> body, out bool compressed, out ReadOnlyMemory<byte> message)
    {
        compressed = false;
        message = default;
        if (FrameLength(body.Span) != body.Length || body.Span[0] > 1)
        {
            return false;
        }

        compressed = body.Span[0] == 1;
        message = body[PrefixBytes..];
        return true;
    }

    private static void Refuse(HttpContext http, IngestPipeline pipeline, Signal signal, BodyFault fault, int messageBytesMax)
    {
        switch (fault)
        {
            case BodyFault.TooLarge:
                // Without RetryInfo RESOURCE_EXHAUSTED tells the client to give up: the same would be too large again.
                pipeline.Figures.Refused(signal, Transport, RefusalReason.TooLarge);
                GrpcReply.Refuse(http, RpcCode.ResourceExhausted, string.Create(CultureInfo.InvariantCulture, $"The message is larger than {messageBytesMax:N0} bytes (ingest.message_bytes_max), or compressed too well to be telemetry. Send smaller batches."));
                break;
            case BodyFault.NotPacked:
                pipeline.Figures.Refused(signal, Transport, RefusalReason.Malformed);
                GrpcReply.Refuse(http, RpcCode.InvalidArgument, "The message is not packed as grpc-encoding says, or it is not all of it.");
                break;
            case BodyFault.TooSlow:
                pipeline.Figures.Refused(signal, Transport, RefusalReason.TooSlow);
                GrpcReply.Refuse(http, RpcCode.DeadlineExceeded, Replies.TooSlow);
                break;
            case BodyFault.NoMemory:
                pipeline.Figures.Refused(signal, Transport, RefusalReason.Overloaded);
                TryLater(http, RpcCode.ResourceExhausted, Replies.Busy(pipeline.Reading), BusyDelay);
                break;
            default:
                throw new UnreachableException(fault.ToString());
        }
    }

    // With RetryInfo, RESOURCE_EXHAUSTED tells the client to send the same again; UNAVAILABLE does by itself, and RetryInfo says when.
    private static void TryLater(HttpContext http, RpcCode code, string reason, TimeSpan delay) =>
        GrpcReply.Refuse(http, code, reason, Replies.Status(code, reason, delay));
}

using System.Buffers.Binary;
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

    public static void MapOtlpGrpc(this IEndpointRouteBuilder routes, IngestPipeline pipeline, int messageBytesMax)
    {
        Map("trace.v1.TraceService", Signal.Traces);
        Map("metrics.v1.MetricsService", Signal.Metrics);
        Map("logs.v1.LogsService", Signal.Logs);
        routes.MapFallback(http =>
        {
            GrpcReply.Refuse(http, GrpcStatus.Unimplemented, $"{http.Request.Path} is not served here; this port takes OTLP's Export calls.");
            return Task.CompletedTask;
        });

        void Map(string service, Signal signal) =>
            routes.MapPost($"/opentelemetry.proto.collector.{service}/Export", http => ReceiveAsync(http, pipeline, signal, messageBytesMax));
    }

    private static async Task ReceiveAsync(HttpContext http, IngestPipeline pipeline, Signal signal, int messageBytesMax)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null;
        }

        http.Response.Headers["grpc-accept-encoding"] = "identity,gzip";
        if (http.Request.ContentType?.StartsWith(GrpcReply.ContentType, StringComparison.OrdinalIgnoreCase) != true)
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        using var raw = new RequestBody();
        using var plain = new RequestBody();
        if (await raw.ReadAsync(http.Request.BodyReader, messageBytesMax + PrefixBytes, http.RequestAborted) == BodyFault.TooLarge)
        {
            TooLarge(http, messageBytesMax);
            return;
        }

        if (!TryReadFrame(raw.Bytes, out var compressed, out var message))
        {
            GrpcReply.Refuse(http, GrpcStatus.InvalidArgument, "The call must carry exactly one message, framed as gRPC frames it.");
            return;
        }

        if (compressed)
        {
            var encoding = http.Request.Headers["grpc-encoding"].ToString();
            if (!encoding.Equals("gzip", StringComparison.OrdinalIgnoreCase))
            {
                GrpcReply.Refuse(http, GrpcStatus.Unimplemented, $"grpc-encoding '{encoding}' is not taken here; send gzip or identity.");
                return;
            }

            switch (plain.Gunzip(message, messageBytesMax))
            {
                case BodyFault.TooLarge:
                    TooLarge(http, messageBytesMax);
                    return;
                case BodyFault.NotGzip:
                    GrpcReply.Refuse(http, GrpcStatus.InvalidArgument, "The message says it is gzip, but it is not.");
                    return;
            }

            message = plain.Bytes;
        }

        var admission = await pipeline.AcceptAsync(http.Identity(), signal, message, json: false, "grpc", http.RequestAborted);
        switch (admission)
        {
            case Admission.Durable durable:
                await GrpcReply.AnswerAsync(http, Replies.Export(durable.Rejected, durable.Reason));
                break;
            case Admission.TryLater later:
                // With RetryInfo, RESOURCE_EXHAUSTED tells the client to send the same again; without, to give up.
                GrpcReply.Refuse(http, GrpcStatus.ResourceExhausted, later.Reason, Replies.Status(RpcCode.ResourceExhausted, later.Reason, later.Delay));
                break;
            case Admission.Malformed malformed:
                GrpcReply.Refuse(http, GrpcStatus.InvalidArgument, malformed.Reason, Replies.Status(RpcCode.InvalidArgument, malformed.Reason));
                break;
            default:
                throw new System.Diagnostics.UnreachableException(admission.GetType().Name);
        }
    }

    private static bool TryReadFrame(ReadOnlyMemory<byte> body, out bool compressed, out ReadOnlyMemory<byte> message)
    {
        compressed = false;
        message = default;
        if (body.Length < PrefixBytes || body.Span[0] > 1 || BinaryPrimitives.ReadUInt32BigEndian(body.Span[1..]) != (uint)(body.Length - PrefixBytes))
        {
            return false;
        }

        compressed = body.Span[0] == 1;
        message = body[PrefixBytes..];
        return true;
    }

    private static void TooLarge(HttpContext http, int messageBytesMax) =>
        GrpcReply.Refuse(http, GrpcStatus.ResourceExhausted, string.Create(CultureInfo.InvariantCulture, $"The message is larger than {messageBytesMax:N0} bytes (ingest.message_bytes_max), or compressed too well to be telemetry. Send smaller batches."));
}

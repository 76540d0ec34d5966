using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Faultline.Ingest.Receivers.Grpc;

/// <summary>How a unary gRPC call is answered over HTTP/2.</summary>
/// <remarks>Source: grpc/doc/PROTOCOL-HTTP2.md. A refusal is "Trailers-Only": the status travels in the only header block.</remarks>
internal static class GrpcReply
{
    public const string ContentType = "application/grpc";

    public static void Refuse(HttpContext http, RpcCode status, string message, byte[]? details = null)
    {
        http.Response.StatusCode = StatusCodes.Status200OK;
        http.Response.ContentType = ContentType;
        http.Response.Headers["grpc-status"] = ((int)status).ToString(CultureInfo.InvariantCulture);
        http.Response.Headers["grpc-message"] = PercentEncode(message);
        if (details is not null)
        {
            http.Response.Headers["grpc-status-details-bin"] = Convert.ToBase64String(details).TrimEnd('=');
        }
    }

    public static async Task AnswerAsync(HttpContext http, byte[] message)
    {
        http.Response.StatusCode = StatusCodes.Status200OK;
        http.Response.ContentType = ContentType;
        var frame = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame.AsSpan(5));
        await http.Response.BodyWriter.WriteAsync(frame, http.RequestAborted);
        http.Response.AppendTrailer("grpc-status", "0");
    }

    private static string PercentEncode(string message)
    {
        var text = new StringBuilder(message.Length);
        foreach (var value in Encoding.UTF8.GetBytes(message))
        {
            if (value is >= 0x20 and <= 0x7e and not (byte)'%')
            {
                text.Append((char)value);
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
            }
        }

        return text.ToString();
    }
}

using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Faultline.Ingest.Receivers;

/// <summary>Codes of <c>google.rpc.Code</c>, which are also gRPC's, as far as a receiver answers with them.</summary>
internal enum RpcCode
{
    Ok = 0,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// <summary>The few messages that receivers send, written by hand.</summary>
/// <remarks>
/// Source: opentelemetry-proto, <c>Export…ServiceResponse</c> (field 1 partial_success: 1 rejected count, 2 error_message); googleapis,
/// <c>google/rpc/status.proto</c> (1 code, 2 message, 3 details) and <c>error_details.proto</c> (RetryInfo: 1 retry_delay).
/// </remarks>
internal static class Replies
{
    /// <summary>What a sender is told when too much is being read already.</summary>
    public static string Busy(BytesBudget reading) => reading.Ceiling.Resident > reading.Ceiling.RefusedBytes
        ? $"The server holds {reading.Ceiling.Resident >> 20} MiB of memory; above {reading.Ceiling.RefusedBytes >> 20} MiB it takes requests one at a time (memory.bytes_max is {reading.Ceiling.BytesMax >> 20} MiB)."
        : $"{reading.Taken >> 20} MiB of requests are being read already; at most {reading.BytesMax >> 20} MiB may.";

    public const string TooSlow = "The request took longer to arrive than ingest.read_timeout allows. Send smaller batches, or over a faster line.";

    /// <summary>An export response; empty where everything was accepted, as the specification says.</summary>
    public static byte[] Export(int rejected, string? reason)
    {
        if (rejected == 0 && reason is null)
        {
            return [];
        }

        var partial = new ArrayBufferWriter<byte>();
        if (rejected > 0)
        {
            Varint(partial, 1 << 3);
            Varint(partial, (ulong)rejected);
        }

        Text(partial, 2, reason ?? "");
        var message = new ArrayBufferWriter<byte>();
        Bytes(message, 1, partial.WrittenSpan);
        return message.WrittenSpan.ToArray();
    }

    /// <inheritdoc cref="Export"/>
    /// <param name="rejectedName">rejectedSpans, rejectedDataPoints or rejectedLogRecords.</param>
    public static byte[] ExportJson(string rejectedName, int rejected, string? reason)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (rejected > 0 || reason is not null)
            {
                json.WriteStartObject("partialSuccess");
                json.WriteString(rejectedName, rejected.ToString(System.Globalization.CultureInfo.InvariantCulture));
                json.WriteString("errorMessage", reason);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary><c>google.rpc.Status</c>, with <c>RetryInfo</c> where the same request may be sent again.</summary>
    public static byte[] Status(RpcCode code, string message, TimeSpan? retryAfter = null)
    {
        var status = new ArrayBufferWriter<byte>();
        Varint(status, 1 << 3);
        Varint(status, (ulong)code);
        Text(status, 2, message);
        if (retryAfter is { } delay)
        {
            var duration = new ArrayBufferWriter<byte>();
            Varint(duration, 1 << 3);
            Varint(duration, (ulong)(delay.Ticks / TimeSpan.TicksPerSecond));
            Varint(duration, 2 << 3);
            Varint(duration, (ulong)(delay.Ticks % TimeSpan.TicksPerSecond * 100));
            var info = new ArrayBufferWriter<byte>();
            Bytes(info, 1, duration.WrittenSpan);
            var any = new ArrayBufferWriter<byte>();
            Text(any, 1, "type.googleapis.com/google.rpc.RetryInfo");
            Bytes(any, 2, info.WrittenSpan);
            Bytes(status, 3, any.WrittenSpan);
        }

        return status.WrittenSpan.ToArray();
    }

    public static byte[] StatusJson(RpcCode code, string message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("code", (int)code);
            json.WriteString("message", message);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void Text(ArrayBufferWriter<byte> writer, int field, string text) => Bytes(writer, field, Encoding.UTF8.GetBytes(text));

    private static void Bytes(ArrayBufferWriter<byte> writer, int field, ReadOnlySpan<byte> bytes)
    {
        Varint(writer, ((ulong)field << 3) | 2);
        Varint(writer, (ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void Varint(ArrayBufferWriter<byte> writer, ulong value)
    {
        var bytes = writer.GetSpan(10);
        var length = 0;
        for (; value >= 0x80; value >>= 7)
        {
            bytes[length++] = (byte)(value | 0x80);
        }

        bytes[length++] = (byte)value;
        writer.Advance(length);
    }
}

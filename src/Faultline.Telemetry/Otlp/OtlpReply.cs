using System.Text;

namespace Faultline.Telemetry.Otlp;

/// <summary>What a receiver of OTLP answers, read as a client. Bytes that are no such message say nothing.</summary>
/// <remarks>
/// Source: opentelemetry-proto, <c>Export…ServiceResponse</c> (1 partial_success: 1 rejected count, 2 error_message); googleapis,
/// <c>google/rpc/status.proto</c> (2 message, 3 details) and <c>error_details.proto</c> (RetryInfo: 1 retry_delay).
/// </remarks>
public static class OtlpReply
{
    private const uint Bytes = WireReader.Bytes;
    private const int TextCharactersMax = 500;

    /// <summary>How many items were not taken though the request was, and why; 0 and empty when all were.</summary>
    public static (long Rejected, string Reason) PartialSuccess(ReadOnlySpan<byte> response)
    {
        var (rejected, reason) = (0L, "");
        var partial = new WireReader(Field(response, 1));
        while (partial.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | WireReader.Varint:
                    rejected = (long)partial.ReadVarint();
                    break;
                case (2 << 3) | Bytes:
                    reason = Text(partial.ReadBytes());
                    break;
                default:
                    partial.Skip(tag);
                    break;
            }
        }

        return (Math.Max(0, rejected), reason);
    }

    /// <summary>A <c>google.rpc.Status</c>: its words, and the delay of its <c>RetryInfo</c>; null without one.</summary>
    public static (string Message, TimeSpan? RetryDelay) Status(ReadOnlySpan<byte> status)
    {
        var (message, delay) = ("", (TimeSpan?)null);
        var reader = new WireReader(status);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (2 << 3) | Bytes:
                    message = Text(reader.ReadBytes());
                    break;
                case (3 << 3) | Bytes:
                    var detail = reader.ReadBytes();
                    delay = Field(detail, 1).EndsWith("google.rpc.RetryInfo"u8) ? Duration(Field(Field(detail, 2), 1)) : delay;
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return (message, delay);
    }

    private static TimeSpan Duration(ReadOnlySpan<byte> message)
    {
        var (seconds, nanos) = (0L, 0L);
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | WireReader.Varint:
                    seconds = (long)reader.ReadVarint();
                    break;
                case (2 << 3) | WireReader.Varint:
                    nanos = (int)reader.ReadVarint();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return TimeSpan.FromSeconds(Math.Clamp(seconds, 0, int.MaxValue)) + TimeSpan.FromTicks(Math.Clamp(nanos, 0, 999_999_999) / 100);
    }

    /// <summary>The last value of a field with a length; empty when there is none.</summary>
    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> message, uint field)
    {
        ReadOnlySpan<byte> found = default;
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            if (tag == ((field << 3) | Bytes))
            {
                found = reader.ReadBytes();
            }
            else
            {
                reader.Skip(tag);
            }
        }

        return found;
    }

    private static string Text(ReadOnlySpan<byte> utf8) => Encoding.UTF8.GetString(utf8[..Math.Min(utf8.Length, TextCharactersMax)]);
}

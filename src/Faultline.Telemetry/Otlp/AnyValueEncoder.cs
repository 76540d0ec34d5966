using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using Faultline.Telemetry.Columns;

namespace Faultline.Telemetry.Otlp;

/// <summary>Attribute columns back into <c>KeyValue</c> and <c>AnyValue</c>: the other way of <see cref="AnyValueDecoder"/>.</summary>
/// <remarks>Source: opentelemetry/proto/common/v1/common.proto.</remarks>
internal static class AnyValueEncoder
{
    /// <summary>Writes a row's entries, each as one <c>KeyValue</c>.</summary>
    public static void WriteRow(BackwardsWriter into, uint field, AttributeColumn attributes, int row)
    {
        for (var entry = attributes.End(row) - 1; entry >= attributes.Start(row); entry--)
        {
            WriteKeyValue(into, field, attributes, entry);
        }
    }

    public static void WriteKeyValue(BackwardsWriter into, uint field, AttributeColumn attributes, int entry)
    {
        var end = into.Length;
        WriteValue(into, 2, attributes.Values[entry], attributes.Types[entry]);
        into.Bytes(1, attributes.Keys[entry]);
        into.CloseMessage(field, end);
    }

    /// <summary>Writes one <c>AnyValue</c>. Text that is not what its type says (it was redacted) is written as text.</summary>
    public static void WriteValue(BackwardsWriter into, uint field, ReadOnlySpan<byte> text, AttributeType type)
    {
        var end = into.Length;
        if (!TryWriteTyped(into, text, type))
        {
            into.AlwaysBytes(1, text);
        }

        into.CloseMessage(field, end);
    }

    private static bool TryWriteTyped(BackwardsWriter into, ReadOnlySpan<byte> text, AttributeType type)
    {
        switch (type)
        {
            case AttributeType.Empty:
                return text.IsEmpty;
            case AttributeType.Bool when text.SequenceEqual("true"u8) || text.SequenceEqual("false"u8):
                into.AlwaysVarint(2, text.Length == 4 ? 1UL : 0);
                return true;
            case AttributeType.Int when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer):
                into.AlwaysVarint(3, (ulong)integer);
                return true;
            case AttributeType.Double when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number):
                into.AlwaysFixed64(4, BitConverter.DoubleToUInt64Bits(number));
                return true;
            case AttributeType.Array:
                return TryWriteList(into, 5, text, OtlpSchema.ArrayValue);
            case AttributeType.KeyValues:
                return TryWriteList(into, 6, text, OtlpSchema.KeyValueList);
            case AttributeType.Bytes:
                return TryWriteBytes(into, text);
            default:
                return false;
        }
    }

    private static bool TryWriteList(BackwardsWriter into, uint field, ReadOnlySpan<byte> json, MessageSchema schema)
    {
        using var list = JsonTranscoder.ToProtobuf(json, schema);
        if (list.Problem is not null)
        {
            return false;
        }

        into.AlwaysBytes(field, list.Message);
        return true;
    }

    private static bool TryWriteBytes(BackwardsWriter into, ReadOnlySpan<byte> base64)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(Math.Max(1, Base64.GetMaxDecodedFromUtf8Length(base64.Length)));
        var ok = Base64.DecodeFromUtf8(base64, bytes, out _, out var length) == OperationStatus.Done;
        if (ok)
        {
            into.AlwaysBytes(7, bytes.AsSpan(0, length));
        }

        ArrayPool<byte>.Shared.Return(bytes);
        return ok;
    }
}

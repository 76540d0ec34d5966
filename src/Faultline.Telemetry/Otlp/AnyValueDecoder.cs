using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary><c>KeyValue</c> and <c>AnyValue</c> into attribute columns, as text with the type beside it.</summary>
/// <remarks>Source: opentelemetry/proto/common/v1/common.proto.</remarks>
internal static class AnyValueDecoder
{
    private const uint Bytes = WireReader.Bytes;

    /// <summary>Appends one <c>KeyValue</c> to the open row of <paramref name="attributes"/>, or of
    /// <paramref name="bodies"/> when one is given and the key says content or the value is long.</summary>
    public static WireFault AppendKeyValue(ReadOnlySpan<byte> message, AttributeColumn attributes, AttributeColumn? bodies, DecodeSession session)
    {
        if (TryReadText(message, out var key, out var sent))
        {
            // Lengths below 128 are ASCII too, so one look tells of key and value.
            var isAscii = Ascii.IsValid(message);
            key = isAscii ? key : session.Repair(key);
            Add(key, isAscii ? sent : session.Repair(sent), AttributeType.String, attributes, bodies);
            return WireFault.None;
        }

        var fault = ReadKeyValue(message, out key, out var value);
        if (fault != WireFault.None)
        {
            return fault;
        }

        key = session.Repair(key);
        fault = Text(value, session, out var text, out var type, out var owner);
        if (fault == WireFault.None)
        {
            Add(key, text, type, attributes, bodies);
        }

        if (owner is not null)
        {
            ArrayPool<byte>.Shared.Return(owner);
        }

        return fault;
    }

    private static void Add(ReadOnlySpan<byte> key, ReadOnlySpan<byte> text, AttributeType type, AttributeColumn attributes, AttributeColumn? bodies)
    {
        var isBody = bodies is not null && (text.Length >= SpanBatch.BodyBytesMin || ContentKeys.IsContent(key));
        (isBody ? bodies! : attributes).Add(key, text, type);
    }

    /// <summary>Reads the form that nearly every attribute has: a key, then a value that is one text, and nothing else.</summary>
    /// <returns>False for every other form, right or wrong.</returns>
    private static bool TryReadText(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> text)
    {
        const byte First = (1 << 3) | (byte)Bytes, Second = (2 << 3) | (byte)Bytes;
        text = default;
        return TryTake(message, First, out key, out var rest)
            && TryTake(rest, Second, out var value, out rest) && rest.IsEmpty
            && TryTake(value, First, out text, out rest) && rest.IsEmpty;
    }

    /// <summary>Takes a field of bytes whose tag is one byte and whose length is one or two.</summary>
    private static bool TryTake(ReadOnlySpan<byte> message, byte tag, out ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> rest)
    {
        bytes = default;
        rest = default;
        if (message.Length < 3 || message[0] != tag)
        {
            return false;
        }

        var (length, start) = ((int)message[1], 2);
        if (length >= 0x80)
        {
            if (message[2] >= 0x80)
            {
                return false;
            }

            (length, start) = ((length & 0x7f) | (message[2] << 7), 3);
        }

        if (length > message.Length - start)
        {
            return false;
        }

        bytes = message.Slice(start, length);
        rest = message[(start + length)..];
        return true;
    }

    /// <summary>Appends a single value, such as a log record's body.</summary>
    public static WireFault AppendValue(ReadOnlySpan<byte> message, ByteColumn values, FixedColumn<AttributeType> types, DecodeSession session)
    {
        var fault = Text(message, session, out var text, out var type, out var owner);
        if (fault == WireFault.None)
        {
            values.Add(text);
            types.Add(type);
        }

        if (owner is not null)
        {
            ArrayPool<byte>.Shared.Return(owner);
        }

        return fault;
    }

    private static WireFault ReadKeyValue(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        key = default;
        value = default;
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    key = reader.ReadBytes();
                    break;
                case (2 << 3) | Bytes:
                    value = reader.ReadBytes();
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return reader.Fault;
    }

    /// <summary>The value as text in the form that <see cref="AttributeType"/> documents.</summary>
    /// <param name="owner">A pooled array behind <paramref name="text"/>, for the caller to return; or null.</param>
    private static WireFault Text(ReadOnlySpan<byte> message, DecodeSession session, out ReadOnlySpan<byte> text, out AttributeType type, out byte[]? owner)
    {
        owner = null;
        text = default;
        var fault = ReadAnyValue(message, out var value);
        type = value.Type;
        if (fault != WireFault.None)
        {
            return fault;
        }

        switch (value.Type)
        {
            case AttributeType.String:
                text = session.Repair(value.Payload);
                break;
            case AttributeType.Bool:
                text = value.Number != 0 ? "true"u8 : "false"u8;
                break;
            case AttributeType.Int:
                owner = ArrayPool<byte>.Shared.Rent(32);
                ((long)value.Number).TryFormat(owner, out var digits, default, CultureInfo.InvariantCulture);
                text = owner.AsSpan(0, digits);
                break;
            case AttributeType.Double:
                owner = ArrayPool<byte>.Shared.Rent(32);
                BitConverter.UInt64BitsToDouble(value.Number).TryFormat(owner, out var length, "R", CultureInfo.InvariantCulture);
                text = owner.AsSpan(0, length);
                break;
            case AttributeType.Bytes:
                owner = ArrayPool<byte>.Shared.Rent(Base64.GetMaxEncodedToUtf8Length(value.Payload.Length));
                Base64.EncodeToUtf8(value.Payload, owner, out _, out var written);
                text = owner.AsSpan(0, written);
                break;
            case AttributeType.Array:
            case AttributeType.KeyValues:
                fault = WriteList(value, session.NewJson(), session, 1);
                text = session.JsonWritten();
                break;
        }

        return fault;
    }

    private ref struct AnyValue
    {
        public AttributeType Type;
        public ReadOnlySpan<byte> Payload;
        public ulong Number;
    }

    /// <summary>Of several members of the oneof the last wins, as in every protobuf parser.</summary>
    private static WireFault ReadAnyValue(ReadOnlySpan<byte> message, out AnyValue value)
    {
        value = new AnyValue { Type = AttributeType.Empty };
        var reader = new WireReader(message);
        while (reader.TryReadTag(out var tag))
        {
            switch (tag)
            {
                case (1 << 3) | Bytes:
                    value = new AnyValue { Type = AttributeType.String, Payload = reader.ReadBytes() };
                    break;
                case (2 << 3) | WireReader.Varint:
                    value = new AnyValue { Type = AttributeType.Bool, Number = reader.ReadVarint() };
                    break;
                case (3 << 3) | WireReader.Varint:
                    value = new AnyValue { Type = AttributeType.Int, Number = reader.ReadVarint() };
                    break;
                case (4 << 3) | WireReader.Fixed64:
                    value = new AnyValue { Type = AttributeType.Double, Number = reader.ReadFixed64() };
                    break;
                case (5 << 3) | Bytes:
                    value = new AnyValue { Type = AttributeType.Array, Payload = reader.ReadBytes() };
                    break;
                case (6 << 3) | Bytes:
                    value = new AnyValue { Type = AttributeType.KeyValues, Payload = reader.ReadBytes() };
                    break;
                case (7 << 3) | Bytes:
                    value = new AnyValue { Type = AttributeType.Bytes, Payload = reader.ReadBytes() };
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        return reader.Fault;
    }

    /// <summary>Writes <c>{"values":[…]}</c> of an <c>ArrayValue</c> or <c>KeyValueList</c>.</summary>
    private static WireFault WriteList(in AnyValue list, Utf8JsonWriter json, DecodeSession session, int depth)
    {
        if (depth > WireReader.NestingMax)
        {
            return WireFault.Nesting;
        }

        json.WriteStartObject();
        json.WriteStartArray("values"u8);
        var reader = new WireReader(list.Payload);
        while (reader.TryReadTag(out var tag))
        {
            if (tag != ((1 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var entry = reader.ReadBytes();
            var fault = reader.Fault;
            if (fault == WireFault.None && list.Type == AttributeType.Array)
            {
                fault = WriteAnyValue(entry, json, session, depth);
            }
            else if (fault == WireFault.None)
            {
                fault = ReadKeyValue(entry, out var key, out var value);
                json.WriteStartObject();
                json.WriteString("key"u8, session.Repair(key));
                json.WritePropertyName("value"u8);
                fault = fault == WireFault.None ? WriteAnyValue(value, json, session, depth) : fault;
                json.WriteEndObject();
            }

            if (fault != WireFault.None)
            {
                return fault;
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
        return reader.Fault;
    }

    private static WireFault WriteAnyValue(ReadOnlySpan<byte> message, Utf8JsonWriter json, DecodeSession session, int depth)
    {
        var fault = ReadAnyValue(message, out var value);
        if (fault != WireFault.None)
        {
            return fault;
        }

        json.WriteStartObject();
        switch (value.Type)
        {
            case AttributeType.String:
                json.WriteString("stringValue"u8, session.Repair(value.Payload));
                break;
            case AttributeType.Bool:
                json.WriteBoolean("boolValue"u8, value.Number != 0);
                break;
            case AttributeType.Int:
                Span<byte> digits = stackalloc byte[24];
                ((long)value.Number).TryFormat(digits, out var length, default, CultureInfo.InvariantCulture);
                json.WriteString("intValue"u8, digits[..length]);
                break;
            case AttributeType.Double:
                OtlpJson.WriteDouble(json, "doubleValue"u8, BitConverter.UInt64BitsToDouble(value.Number));
                break;
            case AttributeType.Bytes:
                json.WriteBase64String("bytesValue"u8, value.Payload);
                break;
            case AttributeType.Array:
                json.WritePropertyName("arrayValue"u8);
                fault = WriteList(value, json, session, depth + 1);
                break;
            case AttributeType.KeyValues:
                json.WritePropertyName("kvlistValue"u8);
                fault = WriteList(value, json, session, depth + 1);
                break;
        }

        json.WriteEndObject();
        return fault;
    }
}

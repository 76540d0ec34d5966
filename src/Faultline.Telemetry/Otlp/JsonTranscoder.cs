using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Faultline.Telemetry.Otlp;

/// <summary>A request that came as JSON, as protobuf. Dispose it: its memory is pooled.</summary>
internal sealed class TranscodedRequest : IDisposable
{
    private byte[] _bytes;
    private int _length;

    public TranscodedRequest(int capacity) => _bytes = ArrayPool<byte>.Shared.Rent(capacity);

    /// <summary>Why the JSON could not be read, or null.</summary>
    public string? Problem { get; set; }

    public ReadOnlySpan<byte> Message => _bytes.AsSpan(0, _length);

    public int Length => _length;

    /// <summary>Room for <paramref name="length"/> more bytes, which count as written.</summary>
    public Span<byte> Append(int length)
    {
        if (_length + length > _bytes.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_length + length, _bytes.Length * 2));
            Message.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }

        var room = _bytes.AsSpan(_length, length);
        _length += length;
        return room;
    }

    /// <summary>Takes back bytes from the end.</summary>
    public void Shrink(int length) => _length = length;

    public void Varint(ulong value)
    {
        Span<byte> bytes = stackalloc byte[10];
        var length = 0;
        while (value >= 0x80)
        {
            bytes[length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        bytes[length++] = (byte)value;
        bytes[..length].CopyTo(Append(length));
    }

    /// <summary>Leaves room for a length that is known only later; give the result to <see cref="CloseLength"/>.</summary>
    public int OpenLength()
    {
        Append(LengthBytes);
        return _length;
    }

    /// <summary>Fills in the length: five bytes whatever it is, which protobuf allows, so that nothing has to move.</summary>
    public void CloseLength(int start)
    {
        var length = (uint)(_length - start);
        var bytes = _bytes.AsSpan(start - LengthBytes, LengthBytes);
        for (var i = 0; i < LengthBytes - 1; i++)
        {
            bytes[i] = (byte)(length | 0x80);
            length >>= 7;
        }

        bytes[LengthBytes - 1] = (byte)length;
    }

    public void Dispose()
    {
        var bytes = _bytes;
        _bytes = [];
        _length = 0;
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private const int LengthBytes = 5;
}

/// <summary>
/// OTLP/JSON into OTLP/protobuf, by the messages' schema. JSON then goes the same way as protobuf, so the two cannot come
/// to differ; protobuf is what nearly every sender uses, so JSON pays for the detour.
/// </summary>
/// <remarks>
/// Source: opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Besides what it asks for, original field names, enum
/// names and numbers as text are accepted; unknown keys and nulls are passed over.
/// </remarks>
internal static class JsonTranscoder
{
    // One AnyValue inside another costs up to five levels of JSON.
    internal const int JsonDepthMax = (WireReader.NestingMax * 5) + 64;

    public static TranscodedRequest ToProtobuf(ReadOnlySpan<byte> json, MessageSchema schema)
    {
        var output = new TranscodedRequest(Math.Max(256, json.Length));
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = JsonDepthMax });
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                output.Problem = "The JSON is not an object.";
                return output;
            }

            output.Problem = WriteMessage(ref reader, schema, output);
            while (output.Problem is null && reader.Read())
            {
                // Reads on to the end, so that something behind the object is seen.
            }
        }
        catch (JsonException problem)
        {
            // The framework's reader has no other way to say it; one exception a request, and no more after it.
            output.Problem = $"The JSON cannot be read: {problem.Message}";
        }

        return output;
    }

    private static string? WriteMessage(ref Utf8JsonReader reader, MessageSchema schema, TranscodedRequest output)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = FindField(ref reader, schema);
            reader.Read();
            if (field is null || reader.TokenType == JsonTokenType.Null)
            {
                reader.Skip();
                continue;
            }

            var problem = field.Repeated ? WriteRepeated(ref reader, field, output) : WriteField(ref reader, field, output);
            if (problem is not null)
            {
                return problem;
            }
        }

        return null;
    }

    private static FieldSchema? FindField(ref Utf8JsonReader reader, MessageSchema schema)
    {
        if (!reader.ValueIsEscaped)
        {
            return schema.Find(reader.ValueSpan);
        }

        var name = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
        var field = schema.Find(name.AsSpan(0, JsonText.Unescape(reader.ValueSpan, name)));
        ArrayPool<byte>.Shared.Return(name);
        return field;
    }

    private static string? WriteRepeated(ref Utf8JsonReader reader, FieldSchema field, TranscodedRequest output)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            return Problem(ref reader, field, "an array");
        }

        if (field.IsPacked)
        {
            output.Varint(((ulong)field.Number << 3) | WireReader.Bytes);
            var start = output.OpenLength();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (!TryWriteScalar(ref reader, field, output))
                {
                    return Problem(ref reader, field, "numbers");
                }
            }

            output.CloseLength(start);
            return null;
        }

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            // An AnyValue without a value is {}; null is written for it too, and must keep its place in an array.
            var problem = reader.TokenType == JsonTokenType.Null ? WriteEmpty(field, output) : WriteField(ref reader, field, output);
            if (problem is not null)
            {
                return problem;
            }
        }

        return null;
    }

    private static string? WriteEmpty(FieldSchema field, TranscodedRequest output)
    {
        output.Varint(((ulong)field.Number << 3) | WireReader.Bytes);
        output.Varint(0);
        return null;
    }

    private static string? WriteField(ref Utf8JsonReader reader, FieldSchema field, TranscodedRequest output)
    {
        var before = output.Length;
        output.Varint(((ulong)field.Number << 3) | WireType(field.Kind));
        switch (field.Kind)
        {
            case FieldKind.Message:
                if (reader.TokenType != JsonTokenType.StartObject)
                {
                    return Problem(ref reader, field, "an object");
                }

                var start = output.OpenLength();
                var problem = WriteMessage(ref reader, field.Message, output);
                output.CloseLength(start);
                return problem;

            case FieldKind.String or FieldKind.Id or FieldKind.Bytes:
                if (reader.TokenType != JsonTokenType.String)
                {
                    return Problem(ref reader, field, "a string");
                }

                return TryWriteText(ref reader, field.Kind, output) ? null : Problem(ref reader, field, "base64");

            case FieldKind.Enum when reader.TokenType == JsonTokenType.String && IsUnknownName(ref reader, field):
                // A newer sender's word is not an error; the field is as if it had not been sent.
                output.Shrink(before);
                return null;

            default:
                return TryWriteScalar(ref reader, field, output) ? null : Problem(ref reader, field, Expected(field.Kind));
        }
    }

    private static string Problem(ref Utf8JsonReader reader, FieldSchema field, string expected) =>
        $"The JSON has {Word(reader.TokenType)} for \"{Encoding.UTF8.GetString(field.JsonName)}\" at byte {reader.TokenStartIndex}; expected {expected}.";

    private static string Word(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.True or JsonTokenType.False => "a boolean",
        _ => "null",
    };

    private static string Expected(FieldKind kind) => kind switch
    {
        FieldKind.Bool => "true or false",
        FieldKind.Double => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
        _ => "an integer that fits",
    };

    private static uint WireType(FieldKind kind) => kind switch
    {
        FieldKind.String or FieldKind.Bytes or FieldKind.Id or FieldKind.Message => WireReader.Bytes,
        FieldKind.Double or FieldKind.Fixed64 or FieldKind.SFixed64 => WireReader.Fixed64,
        FieldKind.Fixed32 => WireReader.Fixed32,
        _ => WireReader.Varint,
    };

    private static bool TryWriteText(ref Utf8JsonReader reader, FieldKind kind, TranscodedRequest output)
    {
        var raw = reader.ValueSpan;
        var start = output.OpenLength();
        var room = output.Append(raw.Length);
        var length = reader.ValueIsEscaped ? JsonText.Unescape(raw, room) : Copy(raw, room);
        var ok = true;
        if (kind == FieldKind.Id)
        {
            // What is no hexadecimal becomes one byte: an id of the wrong length, which rejects its span with a reason.
            var ids = new byte[length / 2];
            var hex = length % 2 == 0 && Convert.FromHexString(room[..length], ids, out _, out _) == OperationStatus.Done;
            length = Copy(hex ? ids : [0], room);
        }
        else if (kind == FieldKind.Bytes)
        {
            room[..length].Replace((byte)'-', (byte)'+');
            room[..length].Replace((byte)'_', (byte)'/');
            ok = TryDecodeBase64(room[..length], out length);
        }

        output.Shrink(start + length);
        output.CloseLength(start);
        return ok;
    }

    private static bool TryDecodeBase64(Span<byte> text, out int length)
    {
        var padding = (4 - (text.Length % 4)) % 4;
        if (padding == 0)
        {
            return Base64.DecodeFromUtf8InPlace(text, out length) == OperationStatus.Done;
        }

        // ProtoJSON lets the padding be left out.
        var padded = new byte[text.Length + padding];
        text.CopyTo(padded);
        padded.AsSpan(text.Length).Fill((byte)'=');
        var ok = Base64.DecodeFromUtf8InPlace(padded, out length) == OperationStatus.Done;
        padded.AsSpan(0, Math.Min(length, text.Length)).CopyTo(text);
        return ok;
    }

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        from.CopyTo(to);
        return from.Length;
    }

    private static bool IsUnknownName(ref Utf8JsonReader reader, FieldSchema field) =>
        reader.ValueSpan is [>= (byte)'A' and <= (byte)'Z', ..] && EnumNumber(reader.ValueSpan, field) < 0;

    private static int EnumNumber(ReadOnlySpan<byte> name, FieldSchema field)
    {
        for (var number = 0; number < field.EnumNames.Length; number++)
        {
            if (Ascii.Equals(name, field.EnumNames[number]))
            {
                return number;
            }
        }

        return -1;
    }

    private static bool TryWriteScalar(ref Utf8JsonReader reader, FieldSchema field, TranscodedRequest output)
    {
        if (field.Kind == FieldKind.Bool)
        {
            var isTrue = reader.TokenType == JsonTokenType.True || (reader.TokenType == JsonTokenType.String && reader.ValueSpan.SequenceEqual("true"u8));
            output.Varint(isTrue ? 1UL : 0);
            return isTrue || reader.TokenType == JsonTokenType.False || (reader.TokenType == JsonTokenType.String && reader.ValueSpan.SequenceEqual("false"u8));
        }

        if (reader.TokenType is not (JsonTokenType.Number or JsonTokenType.String))
        {
            return false;
        }

        var text = reader.ValueSpan;
        if (field.Kind == FieldKind.Double)
        {
            var ok = TryDouble(text, out var number);
            BinaryPrimitives.WriteDoubleLittleEndian(output.Append(8), number);
            return ok;
        }

        if (field.Kind == FieldKind.Enum && EnumNumber(text, field) is >= 0 and var known)
        {
            output.Varint((ulong)known);
            return true;
        }

        if (!TryInteger(text, out var integer))
        {
            return false;
        }

        switch (field.Kind)
        {
            case FieldKind.Int64 when integer >= long.MinValue && integer <= long.MaxValue:
                output.Varint((ulong)(long)integer);
                return true;
            case FieldKind.SFixed64 when integer >= long.MinValue && integer <= long.MaxValue:
                BinaryPrimitives.WriteInt64LittleEndian(output.Append(8), (long)integer);
                return true;
            case FieldKind.Fixed64 when integer >= 0 && integer <= ulong.MaxValue:
                BinaryPrimitives.WriteUInt64LittleEndian(output.Append(8), (ulong)integer);
                return true;
            case FieldKind.Fixed32 when integer >= 0 && integer <= uint.MaxValue:
                BinaryPrimitives.WriteUInt32LittleEndian(output.Append(4), (uint)integer);
                return true;
            case FieldKind.UInt32 when integer >= 0 && integer <= uint.MaxValue:
                output.Varint((ulong)integer);
                return true;
            case FieldKind.UInt64 when integer >= 0 && integer <= ulong.MaxValue:
                output.Varint((ulong)integer);
                return true;
            case FieldKind.SInt32 when integer >= int.MinValue && integer <= int.MaxValue:
                output.Varint((uint)(((int)integer << 1) ^ ((int)integer >> 31)));
                return true;
            case FieldKind.Enum when integer >= int.MinValue && integer <= int.MaxValue:
                output.Varint((ulong)(long)integer);
                return true;
            default:
                return false;
        }
    }

    private static bool TryDouble(ReadOnlySpan<byte> text, out double number)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number))
        {
            return true;
        }

        number = text.SequenceEqual("+Infinity"u8) ? double.PositiveInfinity : 0;
        return number != 0;
    }

    /// <summary>An integer, also one written as <c>1.0</c> or <c>1e3</c>, which ProtoJSON allows.</summary>
    private static bool TryInteger(ReadOnlySpan<byte> text, out Int128 integer)
    {
        if (Int128.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out integer))
        {
            return true;
        }

        if (!decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || decimal.Truncate(number) != number)
        {
            return false;
        }

        integer = (Int128)number;
        return true;
    }
}

using System.Buffers.Binary;

namespace Faultline.Telemetry.Spans;

/// <summary>A trace's 16 bytes, in network order. All zero is "none".</summary>
public readonly record struct TraceId(UInt128 Value)
{
    public const int Length = 16;

    public bool IsNone => Value == UInt128.Zero;

    public static TraceId FromBytes(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>Reads 32 hexadecimal digits, of either case.</summary>
    public static bool TryParse(ReadOnlySpan<char> hex, out TraceId id)
    {
        id = default;
        Span<byte> bytes = stackalloc byte[Length];
        if (hex.Length != Length * 2 || Convert.FromHexString(hex, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        id = FromBytes(bytes);
        return true;
    }

    public void WriteTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, Value);

    /// <summary>32 lower-case hexadecimal digits, leading zeros kept.</summary>
    public override string ToString() => Value.ToString("x32", null);
}

/// <summary>A span's 8 bytes, in network order. All zero is "none".</summary>
public readonly record struct SpanId(ulong Value)
{
    public const int Length = 8;

    public bool IsNone => Value == 0;

    public static SpanId FromBytes(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt64BigEndian(bytes));

    /// <summary>Reads 16 hexadecimal digits, of either case.</summary>
    public static bool TryParse(ReadOnlySpan<char> hex, out SpanId id)
    {
        id = default;
        Span<byte> bytes = stackalloc byte[Length];
        if (hex.Length != Length * 2 || Convert.FromHexString(hex, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        id = FromBytes(bytes);
        return true;
    }

    public void WriteTo(Span<byte> destination) => BinaryPrimitives.WriteUInt64BigEndian(destination, Value);

    /// <summary>16 lower-case hexadecimal digits, leading zeros kept.</summary>
    public override string ToString() => Value.ToString("x16", null);
}

/// <summary>Numbers as in OTLP's <c>Span.SpanKind</c>.</summary>
public enum SpanKind : byte
{
    Unspecified = 0,
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// <summary>Numbers as in OTLP's <c>Status.StatusCode</c>.</summary>
public enum SpanStatus : byte
{
    Unset = 0,
    Ok = 1,
    Error = 2,
}

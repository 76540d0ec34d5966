using System.Globalization;
using System.Net;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Faultline.ClickHouse.Native;

/// <summary>From the name of a type to its reader: the one list of what can be read.</summary>
internal static class ColumnReaders
{
    private const long UnixEpochTicks = 621_355_968_000_000_000;
    private static readonly DateOnly UnixEpoch = new(1970, 1, 1);

    /// <exception cref="InvalidDataException">The type is not known, or its name is broken.</exception>
    public static ColumnReader For(string type, int depth = 0)
    {
        if (depth > TypeName.NestingMax)
        {
            throw new InvalidDataException($"Types are nested more than {TypeName.NestingMax} deep.");
        }
        var parsed = TypeName.Parse(type);
        return parsed.Name switch
        {
            "UInt8" => new PlainReader<byte>(),
            "UInt16" => new PlainReader<ushort>(),
            "UInt32" => new PlainReader<uint>(),
            "UInt64" => new PlainReader<ulong>(),
            "UInt128" => new PlainReader<UInt128>(),
            "UInt256" => new ConvertingReader<Bytes32, BigInteger>(value => value.ToInteger(unsigned: true)),
            "Int8" => new PlainReader<sbyte>(),
            "Int16" => new PlainReader<short>(),
            "Int32" => new PlainReader<int>(),
            "Int64" => new PlainReader<long>(),
            "Int128" => new PlainReader<Int128>(),
            "Int256" => new ConvertingReader<Bytes32, BigInteger>(value => value.ToInteger(unsigned: false)),
            "Float32" => new PlainReader<float>(),
            "Float64" => new PlainReader<double>(),
            "Bool" => new ConvertingReader<byte, bool>(value => value != 0),
            "String" => new StringReader(),
            "JSON" => new JsonReader(),
            "FixedString" => new FixedStringReader(Number(parsed, 0, 1, 1 << 24)),
            "Nothing" => new NothingReader(),
            "Date" => new ConvertingReader<ushort, DateOnly>(days => UnixEpoch.AddDays(days)),
            "Date32" => new ConvertingReader<int, DateOnly>(Day),
            "DateTime" => new ConvertingReader<uint, DateTimeOffset>(seconds => DateTimeOffset.FromUnixTimeSeconds(seconds)),
            "DateTime64" => DateTime64(Number(parsed, 0, 0, 9)),
            "UUID" => new ConvertingReader<UInt128, Guid>(Uuid),
            "IPv4" => new ObjectReader<uint, IPAddress>(value => new IPAddress(System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value))),
            "IPv6" => new ObjectReader<UInt128, IPAddress>(value => new IPAddress(MemoryMarshal.AsBytes(new ReadOnlySpan<UInt128>(in value)))),
            "Enum8" => new EnumReader<sbyte>(EnumTexts(parsed)),
            "Enum16" => new EnumReader<short>(EnumTexts(parsed)),
            "Decimal" => Decimal(Number(parsed, 0, 1, 76), Number(parsed, 1, 0, 76)),
            "Nullable" => For(Only(parsed), depth + 1).AsNullable(),
            "LowCardinality" => LowCardinality(Only(parsed), depth),
            "Array" => For(Only(parsed), depth + 1).AsArray(),
            "Map" when parsed.Arguments.Count == 2 => For(parsed.Arguments[0], depth + 1).AsMap(For(parsed.Arguments[1], depth + 1)),
            "Tuple" when parsed.Arguments.Count > 0 => Tuple(parsed, depth),
            "Nested" when parsed.Arguments.Count > 0 => Tuple(parsed, depth).AsArray(),
            "SimpleAggregateFunction" when parsed.Arguments.Count == 2 => For(parsed.Arguments[1], depth + 1),
            _ when parsed.Name.StartsWith("Interval", StringComparison.Ordinal) => new PlainReader<long>(),
            _ => throw new InvalidDataException($"The type '{type}' cannot be read; CAST it to another one in the query."),
        };
    }

    private static string Only(TypeName type) =>
        type.Arguments.Count == 1 ? type.Arguments[0] : throw new InvalidDataException($"'{type.Name}' has {type.Arguments.Count} arguments, not one.");

    private static int Number(TypeName type, int argument, int min, int max) =>
        type.Arguments.Count > argument
        && int.TryParse(type.Arguments[argument], NumberStyles.None, CultureInfo.InvariantCulture, out var value)
        && value >= min && value <= max
            ? value
            : throw new InvalidDataException($"'{type.Name}({string.Join(", ", type.Arguments)})' needs a number from {min} to {max} as its argument {argument + 1}.");

    private static TupleReader Tuple(TypeName type, int depth) =>
        new([.. type.Arguments.Select(element => For(TypeName.WithoutName(element), depth + 1))]);

    private static ColumnReader LowCardinality(string inner, int depth)
    {
        var parsed = TypeName.Parse(inner);
        var nullable = string.Equals(parsed.Name, "Nullable", StringComparison.Ordinal);
        return For(nullable ? Only(parsed) : inner, depth + 1).AsLowCardinality(nullable);
    }

    private static Dictionary<int, byte[]> EnumTexts(TypeName type)
    {
        var texts = new Dictionary<int, byte[]>();
        foreach (var (value, text) in type.EnumValues())
        {
            texts[value] = Encoding.UTF8.GetBytes(text);
        }
        return texts;
    }

    private static DateOnly Day(int days) =>
        days >= DateOnly.MinValue.DayNumber - UnixEpoch.DayNumber && days <= DateOnly.MaxValue.DayNumber - UnixEpoch.DayNumber
            ? UnixEpoch.AddDays(days)
            : throw new InvalidDataException($"Day {days} is in no calendar.");

    private static ConvertingReader<long, DateTimeOffset> DateTime64(int precision)
    {
        // .NET counts in 10^-7 s: coarser values are multiplied, finer ones rounded down.
        var factor = (long)Math.Pow(10, Math.Abs(7 - precision));
        return new(value =>
        {
            var ticks = precision <= 7 ? (Int128)value * factor : (Int128)((value / factor) - (value % factor < 0 ? 1 : 0));
            ticks += UnixEpochTicks;
            return ticks >= 0 && ticks <= DateTime.MaxValue.Ticks
                ? new DateTimeOffset((long)ticks, TimeSpan.Zero)
                : throw new InvalidDataException($"The time {value} is outside the years 1 to 9999.");
        });
    }

    // Two little-endian halves, the more significant first.
    private static Guid Uuid(UInt128 stored)
    {
        var swapped = (stored << 64) | (stored >> 64);
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, swapped);
        return new Guid(bytes, bigEndian: true);
    }

    private static ColumnReader Decimal(int precision, int scale)
    {
        if (scale > precision)
        {
            throw new InvalidDataException($"Decimal({precision}, {scale}) has more places than digits.");
        }
        return precision switch
        {
            <= 9 => new ConvertingReader<int, decimal>(value => ToDecimal(value, scale)),
            <= 18 => new ConvertingReader<long, decimal>(value => ToDecimal(value, scale)),
            <= 38 => new ConvertingReader<Int128, decimal>(value => ToDecimal(value, scale)),
            _ => new ConvertingReader<Bytes32, decimal>(value => ToDecimal(value.ToInteger(unsigned: false), scale)),
        };
    }

    // .NET's decimal holds 96 bits and 28 places: zeros behind are dropped until it fits, digits never.
    private static decimal ToDecimal(BigInteger mantissa, int scale)
    {
        while ((scale > 28 || BigInteger.Abs(mantissa) > MantissaMax) && scale > 0 && (mantissa % 10).IsZero)
        {
            mantissa /= 10;
            scale--;
        }
        var magnitude = BigInteger.Abs(mantissa);
        if (scale > 28 || magnitude > MantissaMax)
        {
            throw new InvalidDataException($"{mantissa}e-{scale} has more digits than a decimal holds.");
        }
        var low = (ulong)(magnitude & ulong.MaxValue);
        return new decimal((int)(uint)low, (int)(uint)(low >> 32), (int)(uint)(magnitude >> 64), mantissa.Sign < 0, (byte)scale);
    }

    private static readonly BigInteger MantissaMax = (BigInteger.One << 96) - 1;

    [InlineArray(32)]
    private struct Bytes32
    {
        private byte _first;

        public readonly BigInteger ToInteger(bool unsigned) => new(MemoryMarshal.CreateReadOnlySpan(in _first, 32), unsigned);
    }
}

using System.Globalization;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Native;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.ClickHouse;

/// <summary>Writer against reader, and the reader against damaged bytes. What the engine makes of both is in the other files.</summary>
public sealed class NativeFormatTests(ITestOutputHelper output)
{
    [Fact]
    public void Damaged_bytes_are_refused_by_name_and_never_crash_the_reader()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed.ToString(CultureInfo.InvariantCulture)}");
        var random = new Random(seed);
        var whole = Sample().Bytes.ToArray();
        for (var attempt = 0; attempt < 20_000; attempt++)
        {
            var bytes = (byte[])whole.Clone();
            for (var flip = random.Next(1, 4); flip > 0; flip--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }
            DecodeOrRefuse(bytes.AsSpan(0, random.Next(4) == 0 ? random.Next(bytes.Length) : bytes.Length));
        }
    }

    [Fact]
    public void Every_block_that_is_cut_off_is_refused()
    {
        var whole = Sample().Bytes.ToArray();
        for (var length = 1; length < whole.Length; length++)
        {
            var decoder = new NativeDecoder();
            Assert.Throws<InvalidDataException>(() => decoder.Decode(whole.AsSpan(0, length)));
        }
    }

    [Fact]
    public void A_refusal_names_the_column()
    {
        var decoder = new NativeDecoder();
        byte[] bytes = [1, 5, 4, .. "cost"u8, 6, .. "UInt64"u8, 0, 0];
        var refusal = Assert.Throws<InvalidDataException>(() => decoder.Decode(bytes));
        Assert.Contains("'cost'", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AggregateFunction(sum, UInt64)")]
    [InlineData("Array(")]
    [InlineData("Array()")]
    [InlineData("Map(String)")]
    [InlineData("FixedString(0)")]
    [InlineData("FixedString(-1)")]
    [InlineData("Decimal(5, 6)")]
    [InlineData("Enum8('a')")]
    [InlineData("Enum8('a = 1)")]
    [InlineData("LowCardinality(LowCardinality(String))")]
    [InlineData("DateTime64(12)")]
    [InlineData("Tuple(UInt8, String")]
    [InlineData("")]
    public void Types_that_cannot_be_read_are_refused(string type) => Assert.Throws<InvalidDataException>(() => ColumnReaders.For(type));

    [Fact]
    public void Types_nested_without_end_are_refused()
    {
        var type = string.Concat(Enumerable.Repeat("Array(", 10_000)) + "UInt8" + new string(')', 10_000);
        Assert.Throws<InvalidDataException>(() => ColumnReaders.For(type));
    }

    [Fact]
    public void Announced_sizes_allocate_nothing_that_is_not_there()
    {
        // 2^62 rows of a string, an array that ends at 2^62, a dictionary of 2^31 values
        byte[][] liars =
        [
            [1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F, 1, (byte)'a', 6, .. "String"u8],
            [1, 1, 1, (byte)'a', 12, .. "Array(UInt8)"u8, 0, 0, 0, 0, 0, 0, 0, 0x40],
            [1, 1, 1, (byte)'a', 22, .. "LowCardinality(String)"u8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0],
            [1, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 1, (byte)'a', 6, .. "UInt64"u8],
        ];
        foreach (var bytes in liars)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Throws<InvalidDataException>(() => new NativeDecoder().Decode(bytes));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        }
    }

    [Fact]
    public void Several_blocks_are_joined_and_must_have_the_same_columns()
    {
        var decoder = new NativeDecoder();
        var one = new NativeBlock(1).Fixed<int>("a", "Int32", [1]).Bytes.ToArray();
        var two = new NativeBlock(2).Fixed<int>("a", "Int32", [2, 3]).Bytes.ToArray();
        decoder.Decode([.. one, .. two]);
        decoder.Decode(one);
        Assert.Equal([1, 2, 3, 1], decoder.Result()["a"].As<int>());
        Assert.Throws<InvalidDataException>(() => decoder.Decode(new NativeBlock(1).Fixed<int>("b", "Int32", [1]).Bytes.Span));
        Assert.Throws<InvalidDataException>(() => decoder.Decode(new NativeBlock(1).Fixed<long>("a", "Int64", [1]).Bytes.Span));
    }

    [Fact]
    public void A_block_grows_with_its_columns()
    {
        var text = new string('x', 100_000);
        var block = new NativeBlock(3).StringConstant("a", text).Strings("b", [text, "y"], [0, 1, 0]);
        _ = block.Bytes;
        block.FixedConstant("c", "UInt16", (ushort)7);
        var decoder = new NativeDecoder();
        decoder.Decode(block.Bytes.Span);
        var rows = decoder.Result().Rows.ToArray();
        Assert.Equal(["a", "b", "c"], block.ColumnNames);
        Assert.Equal(3, block.ColumnCount);
        Assert.All(rows, row => Assert.Equal(text, row.Text("a")));
        Assert.Equal(["x", "y", "x"], rows.Select(row => row.Text("b")[..1]));
        Assert.All(rows, row => Assert.Equal(7, row.Int64("c")));
    }

    [Fact]
    public void Columns_that_do_not_fit_the_block_are_refused_before_anything_is_written()
    {
        var block = new NativeBlock(2);
        Assert.Throws<ArgumentException>(() => block.Fixed<int>("a", "Int32", [1]));
        Assert.Throws<ArgumentException>(() => block.Fixed<int>("a", "Int64", [1, 2]));
        Assert.Throws<ArgumentException>(() => block.Strings("a", "abc"u8, [2, 1]));
        Assert.Throws<ArgumentException>(() => block.Strings("a", "abc"u8, [2, 4]));
        Assert.Throws<ArgumentException>(() => block.Strings("a", ["x"], [0, 1]));
        Assert.Throws<ArgumentException>(() => block.FixedStrings("a", 2, "abc"u8));
        Assert.Throws<ArgumentException>(() => block.FixedArrays<long>("a", "Int64", [0, 2], [1]));
        Assert.Throws<ArgumentException>(() => block.StringMaps("a", [1, 2], "k"u8, [1], "v"u8, [1]));
        Assert.Equal(0, block.ColumnCount);
        Assert.Equal(new byte[] { 0, 2 }, block.Bytes.ToArray());
    }

    private static NativeBlock Sample() => new NativeBlock(3)
        .Fixed<long>("n", "Int64", [1, 2, 3])
        .Strings("s", "abcdef"u8, [1, 3, 6])
        .Nullable<double>("d", "Float64", [0, 1, 0], [1, 2, 3])
        .StringMaps("m", [1, 1, 3], "k1k1k2"u8, [2, 4, 6], "v1v2"u8, [2, 2, 4])
        .StringMapArrays("e", [2, 2, 3], [1, 1, 2], "ab"u8, [1, 2], "xy"u8, [1, 2])
        .FixedStringArrays("ids", 2, [1, 1, 3], "xxyyzz"u8)
        .Fixed<long>("t", "DateTime64(9)", [0, -1, long.MaxValue])
        .Fixed<sbyte>("k", "Enum8('a' = 1, 'b' = 2)", [1, 2, 1])
        .Fixed<long>("c", "Decimal(18, 4)", [1, -1, long.MaxValue]);

    private static void DecodeOrRefuse(ReadOnlySpan<byte> bytes)
    {
        var decoder = new NativeDecoder();
        try
        {
            decoder.Decode(bytes);
        }
        catch (InvalidDataException)
        {
            return;
        }
        foreach (var column in decoder.Result().Columns)
        {
            Assert.Equal(decoder.Result().RowCount, column.Values.Length);
        }
    }
}

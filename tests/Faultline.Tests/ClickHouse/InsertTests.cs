using System.Globalization;
using System.Text;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Xunit;

namespace Faultline.Tests.ClickHouse;

public sealed class InsertTests(EngineDatabase database) : IClassFixture<EngineDatabase>
{
    private readonly EmbeddedClickHouse _engine = database.Engine;

    [Fact]
    public async Task Fixed_width_columns_come_back_as_they_went_in()
    {
        await _engine.ExecuteAsync("""
            CREATE TABLE fixed (
                row UInt8, u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64, u128 UInt128, i8 Int8, i16 Int16, i32 Int32, i64 Int64, i128 Int128,
                f32 Float32, f64 Float64, flag Bool, day Date, at DateTime('UTC'), nanos DateTime64(9, 'UTC'), kind Enum8('a' = -1, 'b' = 2),
                constant Int64) ENGINE = MergeTree ORDER BY row
            """);
        var block = new NativeBlock(3)
            .Fixed<byte>("row", "UInt8", [0, 1, 2])
            .Fixed<byte>("u8", "UInt8", [0, 1, 255])
            .Fixed<ushort>("u16", "UInt16", [0, 1, 65535])
            .Fixed<uint>("u32", "UInt32", [0, 1, uint.MaxValue])
            .Fixed<ulong>("u64", "UInt64", [0, 1, ulong.MaxValue])
            .Fixed<UInt128>("u128", "UInt128", [0, 1, UInt128.MaxValue])
            .Fixed<sbyte>("i8", "Int8", [0, 1, sbyte.MinValue])
            .Fixed<short>("i16", "Int16", [0, 1, short.MinValue])
            .Fixed<int>("i32", "Int32", [0, 1, int.MinValue])
            .Fixed<long>("i64", "Int64", [0, 1, long.MinValue])
            .Fixed<Int128>("i128", "Int128", [0, 1, Int128.MinValue])
            .Fixed<float>("f32", "Float32", [0, float.NaN, float.MaxValue])
            .Fixed<double>("f64", "Float64", [0, double.NegativeInfinity, double.Epsilon])
            .Fixed<bool>("flag", "Bool", [false, true, true])
            .Fixed<ushort>("day", "Date", [0, 1, 20000])
            .Fixed<uint>("at", "DateTime('UTC')", [0, 1, 1_700_000_000])
            .Fixed<long>("nanos", "DateTime64(9, 'UTC')", [0, -1, 1_700_000_000_123_456_789])
            .Fixed<sbyte>("kind", "Enum8('a' = -1, 'b' = 2)", [-1, 2, -1])
            .FixedConstant("constant", "Int64", 42L);
        await _engine.InsertAsync("fixed", [block]);
        var result = await _engine.QueryAsync("SELECT * FROM fixed ORDER BY row");
        Assert.Equal([0, 1, 255], result["u8"].As<byte>());
        Assert.Equal([0, 1, 65535], result["u16"].As<ushort>());
        Assert.Equal([0, 1, uint.MaxValue], result["u32"].As<uint>());
        Assert.Equal([0, 1, ulong.MaxValue], result["u64"].As<ulong>());
        Assert.Equal([0, 1, UInt128.MaxValue], result["u128"].As<UInt128>());
        Assert.Equal([0, 1, sbyte.MinValue], result["i8"].As<sbyte>());
        Assert.Equal([0, 1, short.MinValue], result["i16"].As<short>());
        Assert.Equal([0, 1, int.MinValue], result["i32"].As<int>());
        Assert.Equal([0, 1, long.MinValue], result["i64"].As<long>());
        Assert.Equal([0, 1, Int128.MinValue], result["i128"].As<Int128>());
        Assert.Equal([0, float.NaN, float.MaxValue], result["f32"].As<float>());
        Assert.Equal([0, double.NegativeInfinity, double.Epsilon], result["f64"].As<double>());
        Assert.Equal([false, true, true], result["flag"].As<bool>());
        Assert.Equal([new DateOnly(1970, 1, 1), new DateOnly(1970, 1, 2), new DateOnly(2024, 10, 4)], result["day"].As<DateOnly>());
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), result["at"].As<DateTimeOffset>()[2]);
        Assert.Equal(DateTimeOffset.UnixEpoch.AddTicks(-1), result["nanos"].As<DateTimeOffset>()[1]);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000).AddTicks(1_234_567), result["nanos"].As<DateTimeOffset>()[2]);
        Assert.Equal(["a", "b", "a"], result.Rows.Select(row => row.Text("kind")));
        Assert.Equal([42, 42, 42], result["constant"].As<long>());
        Assert.Equal(1, result.Rows.ElementAt(1).Int64("flag"));
        Assert.Equal(ulong.MaxValue, result.Rows.ElementAt(2).UInt64("u64"));
    }

    [Fact]
    public async Task Strings_arrays_and_maps_come_back_as_they_went_in()
    {
        await _engine.ExecuteAsync("""
            CREATE TABLE shapes (
                row UInt8, s String, picked LowCardinality(String), constant LowCardinality(String), empty String, id FixedString(4), maybe Nullable(Float64),
                numbers Array(Int64), words Array(String), low Array(LowCardinality(String)), ids Array(FixedString(2)), attributes Map(LowCardinality(String), String), events Array(Map(String, String)))
            ENGINE = MergeTree ORDER BY row
            """);
        byte[] binary = [0xFF, 0x00, 0xFE];
        var block = new NativeBlock(3)
            .Fixed<byte>("row", "UInt8", [0, 1, 2])
            .Strings("s", [.. binary, .. "grüße 😀"u8], [3, 3, 3 + "grüße 😀"u8.Length])
            .Strings("picked", ["GET", "POST"], [1, 0, 1])
            .StringConstant("constant", "always")
            .StringConstant("empty", "")
            .FixedStrings("id", 4, "aaaabbbbcccc"u8)
            .Nullable<double>("maybe", "Float64", [0, 1, 0], [1.5, 99, -2])
            .FixedArrays<long>("numbers", "Int64", [2, 2, 3], [1, 2, 3])
            .StringArrays("words", [0, 2, 3], "ab€"u8, [1, 2, 5])
            .StringArrays("low", [0, 2, 3], "aab"u8, [1, 2, 3])
            .FixedStringArrays("ids", 2, [1, 1, 3], "xxyyzz"u8)
            .StringMaps("attributes", [1, 1, 3], "k1k1k2"u8, [2, 4, 6], "v1v2"u8, [2, 2, 4])
            .StringMapArrays("events", [2, 2, 3], [1, 1, 2], "ab"u8, [1, 2], "xy"u8, [1, 2]);
        await _engine.InsertAsync("shapes", [block]);
        var result = await _engine.QueryAsync("SELECT * FROM shapes ORDER BY row");
        var rows = result.Rows.ToArray();
        Assert.Equal(binary, rows[0].Bytes("s"));
        Assert.Equal(["", "grüße 😀"], rows[1..].Select(row => row.Text("s")));
        Assert.Equal(["POST", "GET", "POST"], rows.Select(row => row.Text("picked")));
        Assert.All(rows, row => Assert.Equal("always", row.Text("constant")));
        Assert.All(rows, row => Assert.Equal("", row.Text("empty")));
        Assert.Equal(["aaaa", "bbbb", "cccc"], rows.Select(row => row.Text("id")));
        Assert.Equal([1.5, null, -2], result["maybe"].As<double?>());
        Assert.Equal([1.5, null, -2], rows.Select(row => row.NullableFloat64("maybe")));
        Assert.Equal([[1, 2], [], [3]], result["numbers"].As<long[]>());
        Assert.Equal([[], ["a", "b"], ["€"]], rows.Select(row => row.TextArray("words").ToArray()));
        Assert.Equal([[], ["a", "a"], ["b"]], rows.Select(row => row.TextArray("low").ToArray()));
        Assert.Equal([["xx"], [], ["yy", "zz"]], rows.Select(row => row.TextArray("ids").ToArray()));
        Assert.Equal([["k1=v1"], [], ["k1=", "k2=v2"]], rows.Select(row => row.TextMap("attributes").Select(pair => $"{pair.Key}={pair.Value}").ToArray()));
        var events = result["events"].As<KeyValuePair<byte[], byte[]>[][]>();
        Assert.Equal([2, 0, 1], events.Select(maps => maps.Length));
        Assert.Equal("a", Encoding.UTF8.GetString(events[0][0].Single().Key));
        Assert.Empty(events[0][1]);
        Assert.Equal("y", Encoding.UTF8.GetString(events[2][0].Single().Value));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(256)]
    [InlineData(70_000)]
    public async Task Maps_whose_keys_come_from_a_table_come_back_whatever_its_size(int keys)
    {
        await _engine.ExecuteAsync($"CREATE TABLE coded{keys} (n UInt32, m Map(LowCardinality(String), String), a Array(Map(LowCardinality(String), String)), none Map(LowCardinality(String), String)) ENGINE = MergeTree ORDER BY n");
        var texts = Enumerable.Range(0, keys).Select(i => $"key {i}").ToArray();
        var keyEnds = Ends(texts.Select(text => text.Length));
        var keyBytes = Encoding.UTF8.GetBytes(string.Concat(texts));

        // Row i has i modulo 3 entries, and as many maps of one entry in its array.
        var rows = 90_000;
        var ends = Ends(Enumerable.Range(0, rows).Select(row => row % 3));
        var numbers = Enumerable.Range(0, ends[^1]).Select(i => (i * 31) % keys).ToArray();
        var values = Enumerable.Range(0, ends[^1]).Select(i => $"value {i}").ToArray();
        var valueEnds = Ends(values.Select(text => text.Length));
        var valueBytes = Encoding.UTF8.GetBytes(string.Concat(values));
        var block = new NativeBlock(rows)
            .Fixed<uint>("n", "UInt32", [.. Enumerable.Range(0, rows).Select(i => (uint)i)])
            .LowCardinalityMaps("m", ends, keyBytes, keyEnds, numbers, valueBytes, valueEnds)
            .LowCardinalityMapArrays("a", ends, [.. Enumerable.Range(1, ends[^1])], keyBytes, keyEnds, numbers, valueBytes, valueEnds)
            .LowCardinalityMaps("none", new int[rows], [], [], [], [], []);
        await _engine.InsertAsync($"coded{keys}", [block]);

        var found = await _engine.QueryAsync($"SELECT n, m, a, length(none) AS none FROM coded{keys} ORDER BY n");
        Assert.Equal(rows, found.RowCount);
        var arrays = found["a"].As<KeyValuePair<byte[], byte[]>[][]>();
        foreach (var row in found.Rows.Where((_, i) => i % 997 < 3))
        {
            var n = (int)row.Int64("n");
            var wanted = Enumerable.Range(n == 0 ? 0 : ends[n - 1], n % 3).Select(entry => $"{texts[numbers[entry]]}={values[entry]}").ToArray();
            Assert.Equal(wanted, row.TextMap("m").Select(pair => $"{pair.Key}={pair.Value}"));
            Assert.Equal(wanted, arrays[n].Select(map => $"{Encoding.UTF8.GetString(map.Single().Key)}={Encoding.UTF8.GetString(map.Single().Value)}"));
            Assert.Equal(0, row.Int64("none"));
        }

        Assert.Throws<ArgumentException>(() => new NativeBlock(1).LowCardinalityMaps("m", [1], keyBytes, keyEnds, [keys], "v"u8, [1]));
        Assert.Throws<ArgumentException>(() => new NativeBlock(1).LowCardinalityMaps("m", [2], keyBytes, keyEnds, [0], "v"u8, [1]));
    }

    private static int[] Ends(IEnumerable<int> lengths)
    {
        var end = 0;
        return [.. lengths.Select(length => end += length)];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(70_000)]
    public async Task Rows_picked_from_a_table_of_values_come_back_whatever_its_size_and_though_values_repeat(int values)
    {
        await _engine.ExecuteAsync($"CREATE TABLE picked{values} (n UInt32, low LowCardinality(String), plain String, none LowCardinality(String)) ENGINE = MergeTree ORDER BY n");
        var texts = Enumerable.Range(0, values).Select(i => i % 7 == 0 ? "" : $"value {i / 2}").ToArray();
        var ends = new int[values];
        var buffer = new List<byte>();
        for (var i = 0; i < values; i++)
        {
            buffer.AddRange(Encoding.UTF8.GetBytes(texts[i]));
            ends[i] = buffer.Count;
        }

        var indexes = Enumerable.Range(0, 80_000).Select(i => (i * 31) % values).ToArray();
        var block = new NativeBlock(indexes.Length)
            .Fixed<uint>("n", "UInt32", [.. Enumerable.Range(0, indexes.Length).Select(i => (uint)i)])
            .LowCardinalityStrings("low", [.. buffer], ends, indexes)
            .LowCardinalityStrings("plain", [.. buffer], ends, indexes)
            .LowCardinalityEmpty("none");
        await _engine.InsertAsync($"picked{values}", [block]);

        var rows = (await _engine.QueryAsync($"SELECT low, plain, none FROM picked{values} ORDER BY n")).Rows.ToList();
        Assert.Equal(indexes.Select(index => (texts[index], texts[index], "")), rows.Select(row => (row.Text("low"), row.Text("plain"), row.Text("none"))));
        Assert.Throws<ArgumentException>(() => new NativeBlock(1).LowCardinalityStrings("low", [.. buffer], ends, [values]));
    }

    [Fact]
    public async Task Every_other_type_is_read_as_the_engine_shows_it()
    {
        var result = await _engine.QueryAsync("""
            SELECT toUUID('01234567-89ab-cdef-0123-456789abcdef') AS uuid, toIPv4('10.1.2.3') AS v4, toIPv6('2001:db8::1') AS v6,
                toDecimal32('-1.25', 2) AS d32, toDecimal64('123456789.123456789', 9) AS d64, toDecimal128('-12345678901234567890.5', 5) AS d128, toDecimal256('1.5', 40) AS d256,
                toInt256('-170141183460469231731687303715884105729') AS i256, toUInt256('340282366920938463463374607431768211456') AS u256,
                toDate32('1925-01-01') AS date32, toDateTime64('2024-02-29 12:00:00.125', 3, 'Asia/Tokyo') AS tokyo, CAST('b', 'Enum16(\'a\\\'x\' = -300, \'b\' = 400)') AS e16,
                tuple(1, 'x', NULL) AS t, CAST((1, 'y'), 'Tuple(a UInt8, `b c` LowCardinality(String))') AS named, [(1, 'n')]::Nested(a UInt8, b String) AS nested,
                NULL AS nothing, [] AS nothings, [NULL, 1] AS maybe_numbers, CAST(NULL, 'LowCardinality(Nullable(String))') AS low_null, CAST('z', 'LowCardinality(Nullable(String))') AS low,
                map('a', map('b', 1)) AS deep, INTERVAL 3 DAY AS three_days, toLowCardinality(5::UInt32) AS low_number, true AS yes, CAST(7, 'SimpleAggregateFunction(max, UInt64)') AS simple,
                '{"a":{"b":[1,2]}}'::JSON AS json
            """);
        var row = result.Rows.Single();
        Assert.Equal(Guid.Parse("01234567-89ab-cdef-0123-456789abcdef"), row.Value("uuid"));
        Assert.Equal(System.Net.IPAddress.Parse("10.1.2.3"), row.Value("v4"));
        Assert.Equal(System.Net.IPAddress.Parse("2001:db8::1"), row.Value("v6"));
        Assert.Equal(-1.25m, row.Value("d32"));
        Assert.Equal(123456789.123456789m, row.Value("d64"));
        Assert.Equal(-12345678901234567890.5m, row.Value("d128"));
        Assert.Equal(1.5m, row.Value("d256"));
        Assert.Equal(System.Numerics.BigInteger.Parse("-170141183460469231731687303715884105729", CultureInfo.InvariantCulture), row.Value("i256"));
        Assert.Equal(System.Numerics.BigInteger.Parse("340282366920938463463374607431768211456", CultureInfo.InvariantCulture), row.Value("u256"));
        Assert.Equal(new DateOnly(1925, 1, 1), row.Value("date32"));
        Assert.Equal(new DateTimeOffset(2024, 2, 29, 3, 0, 0, 125, TimeSpan.Zero), row.Value("tokyo"));
        Assert.Equal("b", row.Text("e16"));
        var tuple = (object?[])row.Value("t")!;
        Assert.Equal((byte)1, tuple[0]);
        Assert.Equal("x"u8.ToArray(), tuple[1]);
        Assert.Null(tuple[2]);
        Assert.Equal("y"u8.ToArray(), ((object?[])row.Value("named")!)[1]);
        Assert.Equal("n"u8.ToArray(), ((object?[][])row.Value("nested")!).Single()[1]);
        Assert.True(row.IsNull("nothing"));
        Assert.Empty((Array)row.Value("nothings")!);
        Assert.Equal([null, (byte)1], result["maybe_numbers"].As<byte?[]>().Single());
        Assert.True(row.IsNull("low_null"));
        Assert.Equal("z", row.Text("low"));
        Assert.Equal((byte)1, result["deep"].As<KeyValuePair<byte[], KeyValuePair<byte[], byte>[]>[]>().Single().Single().Value.Single().Value);
        Assert.Equal(3, row.Int64("three_days"));
        Assert.Equal(5, row.Int64("low_number"));
        Assert.Equal(true, row.Value("yes"));
        Assert.Equal(7, row.Int64("simple"));
        Assert.Equal("""{"a":{"b":[1,2]}}""", row.Text("json").Replace("\"1\"", "1", StringComparison.Ordinal).Replace("\"2\"", "2", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(300)]
    [InlineData(70_000)]
    public async Task Low_cardinality_is_read_whatever_the_width_of_its_indexes(int values)
    {
        var result = await _engine.QueryAsync(
            "SELECT toLowCardinality(toString(number % {n:UInt32})) AS low, [low, low] AS pair, map(low, 'v') AS m FROM numbers(100000) SETTINGS max_block_size = 80000",
            new SqlParameters().Add("n", values));
        var low = result["low"].As<byte[]>();
        var pairs = result["pair"].As<byte[][]>();
        for (var row = 0; row < 100_000; row++)
        {
            var expected = (row % values).ToString(CultureInfo.InvariantCulture);
            Assert.Equal(expected, Encoding.UTF8.GetString(low[row]));
            Assert.Equal(expected, Encoding.UTF8.GetString(pairs[row][1]));
        }
    }

    [Fact]
    public async Task All_blocks_of_an_insert_are_committed_or_none()
    {
        await _engine.ExecuteAsync("CREATE TABLE atomic (a UInt64) ENGINE = MergeTree ORDER BY a");
        var good = new NativeBlock(2).Fixed<ulong>("a", "UInt64", [1, 2]);
        var bad = new NativeBlock(1).StringConstant("a", "no number");
        var refusal = await Assert.ThrowsAsync<ClickHouseException>(() => _engine.InsertAsync("atomic", [good, good, bad]));
        Assert.NotEqual(0, refusal.Code);
        Assert.Equal(0, await CountAsync("atomic"));
        await _engine.InsertAsync("atomic", [good, good]);
        Assert.Equal(4, await CountAsync("atomic"));
    }

    [Fact]
    public async Task A_large_insert_of_many_blocks_becomes_one_part()
    {
        await _engine.ExecuteAsync("CREATE TABLE large (a UInt64) ENGINE = MergeTree ORDER BY a");
        var numbers = new ulong[400_000];
        await _engine.InsertAsync("large", [.. Enumerable.Range(0, 5).Select(_ => new NativeBlock(numbers.Length).Fixed<ulong>("a", "UInt64", numbers))]);
        Assert.Equal(2_000_000, await CountAsync("large"));
        var parts = await _engine.QueryAsync("SELECT max(max_block_number) - min(min_block_number) + 1 AS n FROM system.parts WHERE database = currentDatabase() AND table = 'large'");
        Assert.Equal(1, parts.Rows.Single().Int64("n"));
    }

    [Fact]
    public async Task Refused_inserts_name_the_engines_code_and_leave_the_writer_usable()
    {
        await _engine.ExecuteAsync("CREATE TABLE refusing (a UInt64) ENGINE = MergeTree ORDER BY a");
        var block = new NativeBlock(1).Fixed<ulong>("a", "UInt64", [1]);
        Assert.Equal(60, (await Assert.ThrowsAsync<ClickHouseException>(() => _engine.InsertAsync("no_such_table", [block]))).Code);
        var other = new NativeBlock(1).Fixed<ulong>("b", "UInt64", [1]);
        Assert.Equal(16, (await Assert.ThrowsAsync<ClickHouseException>(() => _engine.InsertAsync("refusing", [other]))).Code);
        await Assert.ThrowsAsync<ArgumentException>(() => _engine.InsertAsync("refusing", [block, other]));
        await _engine.InsertAsync("refusing", [block]);
        Assert.Equal(1, await CountAsync("refusing"));
    }

    [Fact]
    public async Task Columns_are_converted_to_the_tables_types()
    {
        await _engine.ExecuteAsync("CREATE TABLE converting (a Int64, t DateTime64(9, 'UTC'), n Nullable(String)) ENGINE = MergeTree ORDER BY a");
        await _engine.InsertAsync("converting", [new NativeBlock(1).Fixed<byte>("a", "UInt8", [200]).Fixed<uint>("t", "DateTime", [5]).StringConstant("n", "x")]);
        var row = (await _engine.QueryAsync("SELECT * FROM converting")).Rows.Single();
        Assert.Equal(200, row.Int64("a"));
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(5), row.Value("t"));
        Assert.Equal("x", row.Text("n"));
    }

    [Fact]
    public async Task An_insert_without_rows_does_nothing() => await _engine.InsertAsync("no_such_table", [new NativeBlock(0).Fixed<byte>("a", "UInt8", [])]);

    [Fact]
    public async Task Inserts_at_once_are_all_there()
    {
        await _engine.ExecuteAsync("CREATE TABLE together (a UInt64) ENGINE = MergeTree ORDER BY a");
        await Task.WhenAll(Enumerable.Range(0, 60).Select(index => _engine.InsertAsync("together", [new NativeBlock(1).Fixed<ulong>("a", "UInt64", [(ulong)index])])));
        Assert.Equal(60, await CountAsync("together"));
    }

    [Fact]
    public async Task Odd_names_of_tables_and_columns_are_quoted()
    {
        await _engine.ExecuteAsync(@"CREATE TABLE `odd \`name\\` (`a b\`` UInt8) ENGINE = Memory");
        await _engine.InsertAsync(@"odd `name\", [new NativeBlock(1).Fixed<byte>("a b`", "UInt8", [3])]);
        Assert.Equal(3, (await _engine.QueryAsync(@"SELECT * FROM `odd \`name\\`")).Rows.Single().Int64("a b`"));
    }

    private async Task<long> CountAsync(string table) =>
        (await _engine.QueryAsync("SELECT count() AS n FROM {table:Identifier}", new SqlParameters().Add("table", table))).Rows.Single().Int64("n");
}

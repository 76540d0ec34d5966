using System.Text;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Faultline.Tests.ClickHouse;

public sealed class StatementTests(EngineDatabase database) : IClassFixture<EngineDatabase>
{
    private const string LongQuery = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)";

    private readonly EmbeddedClickHouse _engine = database.Engine;

    [Fact]
    public async Task Any_text_passes_through_a_parameter_unchanged()
    {
        var texts = Gen.Sample(Gen.ArrayOf(Gen.Choose(1, 0x250).Or(Gen.Elements(0, 8, 9, 10, 12, 13, 27, 34, 39, 92, 96, 127, 0x2028, 0xFFFD))).Resize(40), 200)
            .Select(codes => string.Concat(codes.Select(code => (char)code)))
            .Append("").Append("\\N").Append("\\").Append("'); DROP TABLE spans; --").Append("😀 {x:String} \uFFFF");
        foreach (var text in texts)
        {
            var result = await _engine.QueryAsync(
                "SELECT {x:String} AS s, {x:Nullable(String)} AS n, {list:Array(String)} AS a",
                new SqlParameters().Add("x", text).Add("list", [text, "b", text]));
            var row = result.Rows.Single();
            Assert.Equal(text, row.Text("s"));
            Assert.Equal(text, row.Text("n"));
            Assert.Equal([text, "b", text], row.TextArray("a"));
        }
    }

    [Fact]
    public async Task Numbers_pass_through_parameters_unchanged()
    {
        var result = await _engine.QueryAsync(
            "SELECT {i:Int64} AS i, {d:Float64} AS d, {inf:Float64} AS inf, {nan:Float64} AS nan, {list:Array(Int64)} AS list",
            new SqlParameters().Add("i", long.MinValue).Add("d", 1e-300 / 3).Add("inf", double.NegativeInfinity).Add("nan", double.NaN).Add("list", [1, long.MaxValue]));
        var row = result.Rows.Single();
        Assert.Equal(long.MinValue, row.Int64("i"));
        Assert.Equal(1e-300 / 3, row.Float64("d"));
        Assert.Equal(double.NegativeInfinity, row.Float64("inf"));
        Assert.True(double.IsNaN(row.Float64("nan")));
        Assert.Equal([1, long.MaxValue], result["list"].As<long[]>()[0]);
    }

    [Theory]
    [InlineData("SELECT nope", 47)]
    [InlineData("SELECT 1 FROM no_such_table", 60)]
    [InlineData("SELECT throwIf(number = 200000) FROM numbers(300000)", 395)]
    [InlineData("SELECT (", 62)]
    [InlineData("SELECT 1; SELECT 2", 62)]
    public async Task A_refused_query_names_the_engines_code(string sql, int code)
    {
        var refusal = await Assert.ThrowsAsync<ClickHouseException>(() => _engine.QueryAsync(sql));
        Assert.Equal(code, refusal.Code);
        Assert.Equal(sql, refusal.Sql);
        Assert.False(refusal.IsTransient);
        Assert.Equal(1, (await _engine.QueryAsync("SELECT 1 AS one")).Rows.Single().Int64("one"));
    }

    [Fact]
    public async Task A_refused_statement_names_the_engines_code() =>
        Assert.Equal(60, (await Assert.ThrowsAsync<ClickHouseException>(() => _engine.ExecuteAsync("DROP TABLE no_such_table"))).Code);

    [Fact]
    public async Task An_answer_without_rows_still_has_its_columns()
    {
        var result = await _engine.QueryAsync(
            "WITH {from:UInt64} AS start SELECT number AS n, toString(number) AS s, [1] AS a FROM numbers(10) WHERE n > start -- none\n",
            new SqlParameters().Add("from", 100));
        Assert.Equal(0, result.RowCount);
        Assert.Equal(["n", "s", "a"], result.Columns.Select(column => column.Name));
        Assert.Empty(result["n"].As<ulong>());
        Assert.Empty(result["s"].As<byte[]>());
        Assert.Empty(result.Rows);
    }

    [Theory]
    [InlineData("SHOW DATABASES")]
    [InlineData("EXPLAIN SELECT 1")]
    [InlineData("DESCRIBE TABLE system.one")]
    public async Task Statements_that_cannot_be_streamed_answer_as_well(string sql) =>
        Assert.NotEqual(0, (await _engine.QueryAsync(sql)).RowCount);

    [Fact]
    public async Task A_million_rows_arrive_in_order()
    {
        var result = await _engine.QueryAsync("SELECT number AS n, toString(number) AS s FROM numbers(1000000)");
        Assert.Equal(1_000_000, result.RowCount);
        var numbers = result["n"].As<ulong>();
        var texts = result["s"].As<byte[]>();
        for (var row = 0; row < numbers.Length; row++)
        {
            Assert.Equal((ulong)row, numbers[row]);
        }
        Assert.Equal("999999", Encoding.UTF8.GetString(texts[999_999]));
    }

    [Fact]
    public async Task More_rows_than_allowed_are_an_error_and_the_next_query_has_no_limit()
    {
        var refusal = await Assert.ThrowsAsync<ClickHouseException>(
            () => _engine.QueryAsync("SELECT number FROM numbers(300000)", limits: new QueryLimits(RowsMax: 1000)));
        Assert.Equal(396, refusal.Code);
        Assert.Equal(300_000, (await _engine.QueryAsync("SELECT number FROM numbers(300000)")).RowCount);
        Assert.Equal(1000, (await _engine.QueryAsync("SELECT number FROM numbers(1000)", limits: new QueryLimits(RowsMax: 1000))).RowCount);
    }

    [Fact]
    public async Task A_query_over_its_time_is_ended()
    {
        var refusal = await Assert.ThrowsAsync<ClickHouseException>(
            () => _engine.QueryAsync(LongQuery, limits: new QueryLimits(Time: TimeSpan.FromMilliseconds(200))));
        Assert.Equal(159, refusal.Code);
        Assert.True(refusal.IsTransient);
    }

    [Fact]
    public async Task A_query_over_its_memory_is_ended()
    {
        var refusal = await Assert.ThrowsAsync<ClickHouseException>(
            () => _engine.QueryAsync("SELECT length(groupArray(number)) FROM numbers(50000000)", limits: new QueryLimits(MemoryBytesMax: 20_000_000)));
        Assert.Equal(241, refusal.Code);
        Assert.True(refusal.IsTransient);
    }

    [Fact]
    public async Task A_cancelled_query_ends_in_the_engine()
    {
        using var cancel = new CancellationTokenSource();
        var mark = "cancel_" + Guid.NewGuid().ToString("N");
        var query = _engine.QueryAsync($"{LongQuery} WHERE {{mark:String}} != ''", new SqlParameters().Add("mark", mark), cancel: cancel.Token);
        await Eventually(async () => await RunningAsync(LongQuery) == 1);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => query);
        Assert.Equal(0, await RunningAsync(LongQuery));
    }

    [Fact]
    public async Task A_query_cancelled_while_rows_come_ends_in_the_engine()
    {
        const string Sql = "SELECT number, sleepEachRow(0.001) FROM numbers(1000000)";
        using var cancel = new CancellationTokenSource();
        var query = _engine.QueryAsync(Sql + " SETTINGS max_block_size = 100, function_sleep_max_microseconds_per_block = 0", cancel: cancel.Token);
        await Eventually(async () => await RunningAsync(Sql) == 1);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => query);
        Assert.Equal(0, await RunningAsync(Sql));
    }

    [Fact]
    public async Task A_query_that_is_cancelled_before_its_turn_never_runs()
    {
        using var cancel = new CancellationTokenSource();
        // Two readers: both are busy, so the third query waits.
        Task<QueryResult>[] busy = [_engine.QueryAsync(LongQuery, cancel: cancel.Token), _engine.QueryAsync(LongQuery, cancel: cancel.Token)];
        using var cancelWaiting = new CancellationTokenSource();
        var waiting = _engine.QueryAsync("SELECT 1", cancel: cancelWaiting.Token);
        await cancelWaiting.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.All(busy, query => Assert.False(query.IsCompleted));
        await cancel.CancelAsync();
        foreach (var query in busy)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => query);
        }
    }

    [Fact]
    public async Task Many_queries_at_once_each_get_their_own_answer()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(async index =>
            (index, (await _engine.QueryAsync("SELECT {i:Int64} * 2 AS twice", new SqlParameters().Add("i", index))).Rows.Single().Int64("twice"))));
        Assert.All(answers, answer => Assert.Equal(answer.index * 2L, answer.Item2));
    }

    [Fact]
    public async Task Closing_a_database_ends_its_queries_and_leaves_the_others()
    {
        var other = await EngineFixture.OpenDatabaseAsync();
        var running = other.QueryAsync(LongQuery);
        await Eventually(async () => await RunningAsync(LongQuery) > 0);
        await other.DisposeAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => other.QueryAsync("SELECT 1"));
        Assert.Equal(1, (await _engine.QueryAsync("SELECT 1")).RowCount);
    }

    [Fact]
    public async Task Databases_on_the_one_engine_do_not_see_each_others_tables()
    {
        await using var other = await EngineFixture.OpenDatabaseAsync();
        await other.ExecuteAsync("CREATE TABLE mine (a UInt8) ENGINE = MergeTree ORDER BY a");
        await other.InsertAsync("mine", [new NativeBlock(1).Fixed<byte>("a", "UInt8", [7])]);
        Assert.Equal(7, (await other.QueryAsync("SELECT a FROM mine")).Rows.Single().Int64("a"));
        await Assert.ThrowsAsync<ClickHouseException>(() => _engine.QueryAsync("SELECT a FROM mine"));
    }

    [Fact]
    public async Task A_second_data_directory_in_one_process_is_refused()
    {
        var options = await EngineFixture.OptionsAsync();
        var refusal = await Assert.ThrowsAsync<InvalidOperationException>(
            () => EmbeddedClickHouse.OpenAsync(options with { DataDirectory = options.DataDirectory + "-other" }));
        Assert.Contains(options.DataDirectory, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_engine_writes_no_system_logs()
    {
        _ = await _engine.QueryAsync("SELECT 1");
        await _engine.ExecuteAsync("SYSTEM FLUSH LOGS");
        var result = await _engine.QueryAsync("SELECT name FROM system.tables WHERE database = 'system' AND endsWith(name, '_log')");
        Assert.Equal(0, result.RowCount);
    }

    private static async Task<long> RunningAsync(string sql)
    {
        await using var observer = await EmbeddedClickHouse.OpenAsync((await EngineFixture.OptionsAsync()) with { Database = "observer", Readers = 1 });
        var result = await observer.QueryAsync(
            "SELECT count() AS n FROM system.processes WHERE startsWith(query, {sql:String}) AND is_cancelled = 0", new SqlParameters().Add("sql", sql));
        return result.Rows.Single().Int64("n");
    }

    private static async Task Eventually(Func<Task<bool>> condition)
    {
        for (var attempt = 0; attempt < 500; attempt++)
        {
            if (await condition())
            {
                return;
            }
            await Task.Delay(20);
        }
        Assert.Fail("The condition did not come true within ten seconds.");
    }
}

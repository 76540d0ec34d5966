using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Xunit;

namespace Faultline.Tests.ClickHouse;

public sealed class RunningStatementsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("faultline-running-").FullName;
    private readonly Clock _clock = new();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_query_that_ended_is_not_named_at_the_next_start()
    {
        using (var statements = Open())
        {
            statements.Begin("SELECT 1", null).Dispose();
        }
        using var next = Open();
        Assert.Empty(next.OfLastCrash);
    }

    [Fact]
    public void A_query_of_one_crash_is_named_but_runs_again()
    {
        Crash("SELECT evil()");
        using var next = Open();
        Assert.Equal(["SELECT evil()"], next.OfLastCrash);
        next.Begin("SELECT evil()", null).Dispose();
    }

    [Fact]
    public void A_query_of_two_crashes_is_refused_for_an_hour_and_others_are_not()
    {
        Crash("SELECT evil({x:Int64})");
        Crash("SELECT evil({x:Int64})");
        using var next = Open();
        var refusal = Assert.Throws<ClickHouseException>(() => next.Begin("SELECT evil({x:Int64})", new SqlParameters().Add("x", 1)));
        Assert.Contains("last 2 crashes", refusal.Message, StringComparison.Ordinal);
        next.Begin("SELECT evil({x:Int64})", new SqlParameters().Add("x", 2)).Dispose();
        _clock.Now += TimeSpan.FromHours(1);
        next.Begin("SELECT evil({x:Int64})", new SqlParameters().Add("x", 1)).Dispose();
    }

    [Fact]
    public void A_query_that_came_to_its_end_between_two_crashes_is_not_refused()
    {
        Crash("SELECT slow()");
        using (var between = Open())
        {
            between.Begin("SELECT slow()", new SqlParameters().Add("x", 1)).Dispose();
        }
        Crash("SELECT slow()");
        using var next = Open();
        next.Begin("SELECT slow()", new SqlParameters().Add("x", 1)).Dispose();
    }

    [Fact]
    public void A_damaged_list_of_suspects_is_started_anew()
    {
        File.WriteAllText(Path.Combine(_directory, "suspect-statements.json"), "{\"a\":");
        using var statements = Open();
        Assert.Empty(statements.OfLastCrash);
    }

    [Fact]
    public void More_queries_than_slots_still_run()
    {
        using var statements = Open();
        var notes = Enumerable.Range(0, 100).Select(index => statements.Begin($"SELECT {index}", null)).ToList();
        notes.ForEach(note => note.Dispose());
    }

    // The mapped file keeps what was written, as the kernel does for a process that dies.
    private void Crash(string sql)
    {
        using var statements = Open();
        _ = statements.Begin(sql, new SqlParameters().Add("x", 1));
    }

    private RunningStatements Open() => new(_directory, _clock);

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}

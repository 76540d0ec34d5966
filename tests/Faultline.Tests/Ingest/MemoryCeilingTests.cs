using Faultline.Ingest.Receivers;
using Xunit;

namespace Faultline.Tests.Ingest;

public sealed class MemoryCeilingTests
{
    private readonly Clock _time = new();
    private long _resident;
    private int _looks;
    private int _reliefs;

    [Fact]
    public async Task Above_the_ceiling_requests_are_refused_and_counted_until_memory_is_given_back()
    {
        var ceiling = Ceiling(1000);

        _resident = 650;
        Assert.False(Ask(ceiling));
        _resident = 651;
        Assert.True(Ask(ceiling));
        Assert.True(Ask(ceiling));
        await ceiling.Relief;
        _resident = 400;
        Assert.False(Ask(ceiling));

        Assert.Equal((2, 400), (ceiling.Refusals, ceiling.Resident));
    }

    [Fact]
    public async Task Relief_begins_before_anybody_is_refused_and_not_more_often_than_its_interval()
    {
        var ceiling = Ceiling(1000);
        _resident = 650;

        Assert.False(Ask(ceiling));
        await ceiling.Relief;
        Assert.False(Ask(ceiling));
        await ceiling.Relief;
        Assert.Equal(1, _reliefs);

        _time.Ticks += MemoryCeiling.ReliefInterval.Ticks;
        Assert.False(Ask(ceiling));
        await ceiling.Relief;
        Assert.Equal((2, 0), (_reliefs, ceiling.Refusals));
    }

    [Fact]
    public async Task While_requests_are_refused_relief_comes_more_often()
    {
        var ceiling = Ceiling(1000);
        _resident = 900;
        Ask(ceiling);
        await ceiling.Relief;
        _time.Ticks += MemoryCeiling.UrgentReliefInterval.Ticks;
        Ask(ceiling);
        await ceiling.Relief;
        Assert.Equal(2, _reliefs);
    }

    [Fact]
    public void Resident_memory_is_not_looked_at_for_every_request()
    {
        var ceiling = Ceiling(1000);

        for (var i = 0; i < 1000; i++)
        {
            ceiling.Refuses();
        }

        Assert.Equal(1, _looks);
    }

    [Fact]
    public void A_request_that_is_alone_is_taken_so_that_a_ceiling_that_is_too_low_never_stops_everything()
    {
        var budget = new BytesBudget(10_000, Ceiling(1000));
        _resident = 5000;

        Assert.True(budget.MayBegin());
        Assert.True(budget.TryTake(100));
        Assert.False(budget.MayBegin());
        Assert.Contains("memory.bytes_max", Replies.Busy(budget), StringComparison.Ordinal);

        // What has begun may grow.
        Assert.True(budget.TryTake(200));
        budget.Release(300);
        Assert.True(budget.MayBegin());
    }

    /// <summary>The journal acknowledges in milliseconds what the tables have much later: it is in memory all the while.</summary>
    [Fact]
    public void A_request_is_not_alone_while_acknowledged_ones_wait_for_the_tables()
    {
        var waiting = BytesBudget.AloneWaitingMax;
        var budget = new BytesBudget(10_000, Ceiling(1000), () => waiting);
        _resident = 5000;
        Assert.True(budget.MayBegin());
        waiting++;
        Assert.False(budget.MayBegin());
        waiting = 0;
        Assert.True(budget.MayBegin());
    }

    private MemoryCeiling Ceiling(long bytesMax) => new(
        bytesMax,
        () =>
        {
            _looks++;
            return _resident;
        },
        () =>
        {
            Interlocked.Increment(ref _reliefs);
            return Task.CompletedTask;
        },
        _time);

    private bool Ask(MemoryCeiling ceiling)
    {
        _time.Ticks += MemoryCeiling.LookInterval.Ticks;
        return ceiling.Refuses();
    }

    private sealed class Clock : TimeProvider
    {
        public long Ticks { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Ticks;
    }
}

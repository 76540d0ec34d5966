using Faultline.Diagnosis;
using Faultline.Diagnosis.Findings;
using Faultline.Store;
using Faultline.Store.Writes;
using Xunit;

namespace Faultline.Tests.Diagnosis;

/// <summary>A detection with a moved clock, on samples in memory or on a real store.</summary>
internal sealed class Rig
{
    private readonly TelemetryStore? _store;

    public Rig(DateTimeOffset start, MemorySamples? samples = null, IReadOnlyList<Faultline.Diagnosis.Rules.UserRule>? rules = null)
    {
        Clock = new TestClock(start);
        Samples = samples ?? new MemorySamples();
        Detection = new Detection(Samples.WriteAsync, Samples.Select, Clock, rules: rules);
        Telemetry = new MemoryTelemetry(Samples);
    }

    /// <summary>On a real store: what is committed goes through its writer, detection reads after it.</summary>
    public Rig(DateTimeOffset start, TelemetryStore store)
        : this(start)
    {
        _store = store;
        Detection = new Detection(store, Clock);
        store.Writer.Readers.Add(Detection);
    }

    public TestClock Clock { get; }

    /// <summary>Unused on a real store.</summary>
    public MemorySamples Samples { get; }

    public Detection Detection { get; }

    /// <summary>What diagnosis reads when there is no store; only filled when <see cref="KeepsTelemetry"/>.</summary>
    public MemoryTelemetry Telemetry { get; }

    public bool KeepsTelemetry { get; init; }

    public List<FindingNews> News { get; } = [];

    public IEnumerable<Finding> Raised => News.OfType<FindingNews.Raised>().Select(raised => raised.Finding);

    /// <summary>Takes a batch in without looking at what it means.</summary>
    public async Task FoldAsync(BatchBuilder batch)
    {
        var built = batch.Build();
        if (_store is not null)
        {
            Assert.IsType<WriteOutcome.Durable>(await _store.Writer.WriteAsync(built));
            return;
        }

        Detection.Committed(built);
        if (KeepsTelemetry)
        {
            Telemetry.Commit(built);
        }
    }

    public async Task CommitAsync(BatchBuilder batch)
    {
        await FoldAsync(batch);
        await AdvanceAsync();
    }

    public async Task AdvanceAsync(bool everything = false)
    {
        await Detection.AdvanceAsync(everything);
        while (Detection.News.TryRead(out var news))
        {
            News.Add(news);
        }
    }

    /// <summary>Days of history in bursts of ten seconds every so often, with past stamps, as fast as it goes.</summary>
    public async Task HistoryAsync(SimulatedBot bot, TimeSpan history, TimeSpan every, Behaviour? behaviour = null)
    {
        BatchBuilder? batch = null;
        for (var at = Clock.Now - history; at < Clock.Now - every; at += every)
        {
            batch = bot.Stretch(at, TimeSpan.FromSeconds(10), behaviour ?? new Behaviour(), batch);
            if (batch.Spans >= 200)
            {
                await CommitAsync(batch);
                batch = null;
            }
        }

        await CommitAsync(batch ?? new BatchBuilder(Clock.Now));
    }

    /// <summary>Live traffic, exported every five seconds, until the time is over or something is raised.</summary>
    public async Task LiveAsync(SimulatedBot bot, TimeSpan length, Behaviour behaviour, bool untilRaised = false, Func<Task>? afterEach = null)
    {
        var end = Clock.Now + length;
        var before = News.Count;
        while (Clock.Now < end && !(untilRaised && News.Count > before))
        {
            var batch = bot.Stretch(Clock.Now, TimeSpan.FromSeconds(5), behaviour);
            Clock.Now += TimeSpan.FromSeconds(5);
            await CommitAsync(batch);
            if (afterEach is not null)
            {
                await afterEach();
            }
        }
    }
}

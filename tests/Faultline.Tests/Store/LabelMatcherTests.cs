using Faultline.ClickHouse.Embedded;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Store.Writes;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Store;

/// <summary>Four series of metric <c>m</c>, each with its number as its value.</summary>
public sealed class FourSeries : IAsyncLifetime
{
    private EmbeddedClickHouse _engine = null!;

    public TelemetryStore Store { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        _engine = await EngineFixture.OpenDatabaseAsync();
        Store = await TelemetryStore.OpenAsync(_engine, new WriterOptions(TimeSpan.FromMilliseconds(1)), TimeProvider.System);
        var batch = new SampleBatch();
        batch.Add(Labels.Of((Labels.MetricName, "m"), ("job", "api")), 1000, 1);
        batch.Add(Labels.Of((Labels.MetricName, "m"), ("job", "apiary"), ("lines", "a\nb")), 1000, 2);
        batch.Add(Labels.Of((Labels.MetricName, "m"), ("job", "web"), ("q'uote\\", "it's \\ \"\n")), 1000, 3);
        batch.Add(Labels.Of((Labels.MetricName, "m"), ("other", "x")), 1000, 4);
        await Store.Samples.WriteAsync("default", batch);
    }

    public async Task DisposeAsync()
    {
        await Store.Writer.StopAsync();
        await _engine.DisposeAsync();
    }
}

public sealed class LabelMatcherTests(FourSeries series) : IClassFixture<FourSeries>
{
    public static TheoryData<string, MatchKind, string, string> Matchers() => new()
    {
        { "job", MatchKind.Equal, "api", "1" },
        { "job", MatchKind.Equal, "", "4" },
        { "job", MatchKind.NotEqual, "api", "2 3 4" },
        { "job", MatchKind.NotEqual, "", "1 2 3" },
        { "job", MatchKind.Regex, "api", "1" },
        { "job", MatchKind.Regex, "ap", "" },
        { "job", MatchKind.Regex, "api.*", "1 2" },
        { "job", MatchKind.Regex, ".*pi|web", "1 3" },
        { "job", MatchKind.Regex, ".*", "1 2 3 4" },
        { "job", MatchKind.Regex, ".+", "1 2 3" },
        { "job", MatchKind.Regex, "", "4" },
        { "job", MatchKind.NotRegex, "api.*", "3 4" },
        { "job", MatchKind.NotRegex, "", "1 2 3" },
        { "job", MatchKind.NotRegex, ".+", "4" },
        { "absent", MatchKind.Equal, "", "1 2 3 4" },
        { "absent", MatchKind.NotEqual, "", "" },
        { "absent", MatchKind.Equal, "x", "" },
        { "lines", MatchKind.Regex, "a.b", "2" },
        { "__name__", MatchKind.Equal, "m", "1 2 3 4" },
        { "__name__", MatchKind.Regex, "m|n", "1 2 3 4" },
        { "__name__", MatchKind.NotEqual, "m", "" },
        { "q'uote\\", MatchKind.Equal, "it's \\ \"\n", "3" },
    };

    [Theory]
    [MemberData(nameof(Matchers))]
    public async Task A_matcher_matches_as_in_Prometheus(string name, MatchKind kind, string value, string expected)
    {
        var found = await series.Store.Samples.SelectAsync("default", [new LabelMatcher("__name__", MatchKind.Equal, "m"), new LabelMatcher(name, kind, value)], 0, 5000);
        Assert.Equal(expected, string.Join(' ', found.Select(one => one.Values[0]).Order()));
    }
}

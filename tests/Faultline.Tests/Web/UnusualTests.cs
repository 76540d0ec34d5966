using System.Globalization;
using System.Net;
using System.Text.Json;
using Faultline.Telemetry.Samples;
using Faultline.Tests.Diagnosis.Series;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Web;

/// <summary>A server with two weeks of series with a daily rhythm, in which something is planted.</summary>
public sealed class PlantedSeries : IAsyncLifetime
{
    public const int StepSeconds = 300;
    public const int Onset = (11 * Day) + 150;
    public const int Length = Onset + 400;
    public const int GapEnd = Onset - 40;
    private const int Day = 86_400 / StepSeconds;
    private const int GapStart = GapEnd - 40;

    private static readonly DateTimeOffset First = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);

    public WebServer Server { get; private set; } = null!;

    public static DateTimeOffset At(int value) => First.AddSeconds((double)value * StepSeconds);

    public async Task InitializeAsync()
    {
        Server = await WebServer.StartAsync();
        var batch = new SampleBatch();
        foreach (var (kind, seed) in new[] { ("shift", 1), ("spike", 2), ("silence", 3), ("nothing", 4), ("gap", 5), ("young", 6), ("newborn", 7) })
        {
            var random = new Random(seed);
            var labels = Labels.Of((Labels.MetricName, "planted"), ("kind", kind));
            for (var t = 0; t < Length; t++)
            {
                var usual = 100 + (30 * Math.Sin(2 * Math.PI * t / Day)) + (3 * SeriesDetectorTests.Gauss(random));
                double? value = kind switch
                {
                    "shift" => t < Onset ? usual : usual + 60,
                    "spike" => t is >= Onset and < Onset + 3 ? usual + 100 : usual,
                    "silence" => t < Onset ? usual : 0,
                    "gap" => t is >= GapStart and < GapEnd ? null : usual,
                    "young" => t < Onset - 400 ? null : usual,
                    "newborn" => t < Onset + 50 ? null : usual,
                    _ => usual,
                };
                if (value is { } known)
                {
                    batch.Add(labels, At(t).ToUnixTimeMilliseconds(), known);
                }
            }
        }

        for (var i = 0; i < 25; i++)
        {
            batch.Add(Labels.Of((Labels.MetricName, "crowd"), ("one", i.ToString("00", CultureInfo.InvariantCulture))), At(Onset).ToUnixTimeMilliseconds(), i);
        }

        await Server.Web.Store.Samples.WriteAsync("default", batch);
        var foreign = new SampleBatch();
        for (var t = Onset - 1000; t < Length; t++)
        {
            foreign.Add(Labels.Of((Labels.MetricName, "planted"), ("kind", "foreign")), At(t).ToUnixTimeMilliseconds(), t < Onset ? 1 + (t % 7) : 1000);
        }

        await Server.Web.Store.Samples.WriteAsync("other", foreign);
    }

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>Where series are unusual, over REST and on the metrics page.</summary>
public sealed class UnusualTests(PlantedSeries planted, ITestOutputHelper log) : IClassFixture<PlantedSeries>
{
    private const int Before = 200, After = 100;

    [Theory]
    [InlineData("shift", "Level", "high", "level (high)")]
    [InlineData("spike", "Level", "high", "level (high)")]
    [InlineData("silence", "Season", "low", "time of day or week (low)")]
    public async Task What_is_planted_is_told_within_half_an_hour_and_nothing_of_the_quiet_before(string kind, string aspect, string side, string words)
    {
        var series = Assert.Single(await SeriesAsync($"planted{{kind=\"{kind}\"}}", PlantedSeries.Onset - Before, PlantedSeries.Onset + After));
        var moments = series.GetProperty("moments").EnumerateArray().ToList();
        log.WriteLine(series.GetRawText());
        var first = moments[0];
        Assert.InRange(first.GetProperty("at").GetDateTimeOffset(), PlantedSeries.At(PlantedSeries.Onset), PlantedSeries.At(PlantedSeries.Onset + 6));
        Assert.InRange(first.GetProperty("score").GetDouble(), 0.5, 1);
        Assert.InRange(first.GetProperty("one_in").GetInt32(), 56, 1000);
        Assert.Contains(aspect, first.GetProperty("aspects").EnumerateArray().Select(one => one.GetString()));
        Assert.Contains(aspect, first.GetProperty(side).EnumerateArray().Select(one => one.GetString()));
        Assert.Contains(words, first.GetProperty("words").GetString(), StringComparison.Ordinal);
        Assert.EndsWith($": as rare as one in {first.GetProperty("one_in").GetInt32().ToString("#,0", CultureInfo.InvariantCulture)}", first.GetProperty("words").GetString(), StringComparison.Ordinal);
        Assert.Equal((Before + After + 1, PlantedSeries.Onset - Before), (series.GetProperty("values").GetInt32(), series.GetProperty("earlier_values").GetInt32()));
        Assert.Equal(kind, series.GetProperty("labels").GetProperty("kind").GetString());
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("gap")]
    public async Task Of_a_healthy_series_nothing_is_told_and_a_gap_is_not_unusual(string kind)
    {
        var series = Assert.Single(await SeriesAsync($"planted{{kind=\"{kind}\"}}", PlantedSeries.Onset - Before, PlantedSeries.Onset + After));
        Assert.Empty(series.GetProperty("moments").EnumerateArray());
        Assert.InRange(series.GetProperty("values").GetInt32(), Before + After - 40, kind == "gap" ? Before + After - 30 : Before + After + 1);
    }

    [Fact]
    public async Task What_comes_after_changes_nothing_of_what_was_told()
    {
        var (early, late) = (await SeriesAsync("planted", PlantedSeries.Onset - Before, PlantedSeries.Onset + 6), await SeriesAsync("planted", PlantedSeries.Onset - Before, PlantedSeries.Length - 1));
        static List<string> Moments(List<JsonElement> all) => [.. all.SelectMany(one => one.GetProperty("moments").EnumerateArray().Select(moment => one.GetProperty("labels").GetProperty("kind").GetString() + moment.GetRawText())).Order(StringComparer.Ordinal)];
        var end = PlantedSeries.At(PlantedSeries.Onset + 6);
        var lateUntilThen = Moments([.. late]).Where(text => JsonDocument.Parse(text[text.IndexOf('{', StringComparison.Ordinal)..]).RootElement.GetProperty("at").GetDateTimeOffset() <= end);
        Assert.Equal(Moments(early), lateUntilThen);
        Assert.NotEmpty(Moments(early));
    }

    [Fact]
    public async Task The_same_question_has_the_same_answer_byte_for_byte()
    {
        var path = Path("planted", PlantedSeries.Onset - Before, PlantedSeries.Onset + After);
        Assert.Equal(await planted.Server.Client.GetByteArrayAsync(path), await planted.Server.Client.GetByteArrayAsync(path));
    }

    [Fact]
    public async Task An_alarm_shortly_before_the_range_is_told_because_what_follows_it_raises_no_other()
    {
        var series = Assert.Single(await SeriesAsync("planted{kind=\"shift\"}", PlantedSeries.Onset + 20, PlantedSeries.Onset + 60));
        Assert.Empty(series.GetProperty("moments").EnumerateArray());
        Assert.InRange(series.GetProperty("fresh_alarm_at").GetDateTimeOffset(), PlantedSeries.At(PlantedSeries.Onset), PlantedSeries.At(PlantedSeries.Onset + 6));
        Assert.Equal(JsonValueKind.Null, Assert.Single(await SeriesAsync("planted{kind=\"nothing\"}", PlantedSeries.Onset + 20, PlantedSeries.Onset + 60)).GetProperty("fresh_alarm_at").ValueKind);
    }

    [Fact]
    public async Task Series_of_another_project_are_not_seen()
    {
        var kinds = (await SeriesAsync("planted", PlantedSeries.Onset - Before, PlantedSeries.Onset + After)).Select(one => one.GetProperty("labels").GetProperty("kind").GetString());
        Assert.Equal(["gap", "newborn", "nothing", "shift", "silence", "spike", "young"], kinds.Order(StringComparer.Ordinal));
        Assert.Empty(await SeriesAsync("planted{kind=\"foreign\"}", PlantedSeries.Onset - Before, PlantedSeries.Onset + After));
    }

    [Fact]
    public async Task The_twenty_series_with_the_largest_last_values_are_looked_at_and_the_others_counted()
    {
        using var answer = JsonDocument.Parse(await planted.Server.Client.GetStringAsync(Path("crowd", PlantedSeries.Onset - 10, PlantedSeries.Onset)));
        Assert.Equal(5, answer.RootElement.GetProperty("series_left_out").GetInt32());
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (24 - i).ToString("00", CultureInfo.InvariantCulture)), answer.RootElement.GetProperty("series").EnumerateArray().Select(one => one.GetProperty("labels").GetProperty("one").GetString()));
    }

    [Theory]
    [InlineData("query=", "query", "Write a PromQL expression")]
    [InlineData("query=sum(", "query", "parse error")]
    [InlineData("query=up[5m]", "query", "must be Scalar or instant Vector")]
    [InlineData("query=up&from=yesterday", "from", "not a time")]
    [InlineData("query=up&step=often", "step", "not a duration")]
    [InlineData("query=up&step=1s", "step", "step=10s or more")]
    [InlineData("query=up&step=0.1ms", "step", "step=10s or more")]
    [InlineData("query=up&from=now-7d&step=10s", "step", "values a series, and one answer judges 4000 at most. Ask for step=152s or more")]
    public async Task What_cannot_be_answered_is_refused_with_what_to_do(string query, string field, string words)
    {
        using var answer = await planted.Server.Client.GetAsync("/api/v1/unusual?" + query);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Contains(words, problem.RootElement.GetProperty("errors").GetProperty(field)[0].GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_step_that_a_refusal_names_is_taken()
    {
        using var answer = await planted.Server.Client.GetAsync("/api/v1/unusual?query=up&from=now-7d&step=152s");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Without_credentials_nothing_is_told()
    {
        using var stranger = planted.Server.Browser();
        using var answer = await stranger.GetAsync("/api/v1/unusual?query=up");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Theory]
    [InlineData("shift", "1 unusual moment", "as rare as one in")]
    [InlineData("nothing", "Nothing unusual", "before it at most, 5 min apart")]
    [InlineData("young", "1 series of 1 has too little history to judge by", "1,000 earlier values are needed, 3 d 11 h;", "with fewer than 56, 4 h 40 min, nothing can be said", "planted</span> 200.")]
    [InlineData("newborn", "Too early to say what is unusual", "planted</span> 0.")]
    [InlineData("nobody", "No series has a value in this range")]
    public async Task The_page_says_in_words_what_is_unusual_and_what_is_not_known(string kind, params string[] words)
    {
        var page = await PageAsync($"planted{{kind=\"{kind}\"}}", PlantedSeries.Onset - Before, PlantedSeries.Onset + After);
        Assert.Contains("aria-pressed=\"true\"", page, StringComparison.Ordinal);
        Assert.All(words, word => Assert.Contains(word, page, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_page_says_what_was_left_out_and_what_was_unusual_just_before()
    {
        Assert.Contains("5 more series were not looked at", await PageAsync("crowd", PlantedSeries.Onset - Before, PlantedSeries.Onset), StringComparison.Ordinal);
        Assert.Contains("shortly before this range", await PageAsync("planted{kind=\"shift\"}", PlantedSeries.Onset + 20, PlantedSeries.Onset + 319), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_marks_nothing_unless_it_is_asked_to_and_then_once_a_minute()
    {
        var page = await planted.Server.Client.GetStringAsync("/metrics?query=planted");
        Assert.Contains("Mark what is unusual", page, StringComparison.Ordinal);
        Assert.DoesNotContain("id=\"unusual\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("data-live-every", page, StringComparison.Ordinal);
        Assert.Contains("data-live-every=\"60000\"", await planted.Server.Client.GetStringAsync("/metrics?query=planted&unusual=1"), StringComparison.Ordinal);
    }

    private async Task<List<JsonElement>> SeriesAsync(string query, int from, int to)
    {
        var answer = JsonDocument.Parse(await planted.Server.Client.GetStringAsync(Path(query, from, to)));
        return [.. answer.RootElement.GetProperty("series").EnumerateArray()];
    }

    /// <summary>Without line breaks. The range has 300 steps, so that a chart's are the series' own.</summary>
    private async Task<string> PageAsync(string query, int from, int to)
    {
        var page = await planted.Server.Client.GetStringAsync($"/metrics?query={Uri.EscapeDataString(query)}&from={PlantedSeries.At(from).ToUnixTimeMilliseconds()}&to={PlantedSeries.At(to).ToUnixTimeMilliseconds()}&unusual=1");
        return System.Text.RegularExpressions.Regex.Replace(page, "\\s+", " ");
    }

    private static string Path(string query, int from, int to) =>
        $"/api/v1/unusual?query={Uri.EscapeDataString(query)}&from={PlantedSeries.At(from).ToUnixTimeMilliseconds()}&to={PlantedSeries.At(to).ToUnixTimeMilliseconds()}&step={PlantedSeries.StepSeconds}s";
}

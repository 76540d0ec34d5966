using System.Text.Json;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Components;

namespace Faultline.Web.Metrics;

/// <summary>What is unusual in the chart above it, in words.</summary>
public sealed partial class UnusualPanel
{
    /// <summary>The chart draws so many series; of the others a mark shows the time only.</summary>
    private const int SeriesDrawn = 8;

    [Parameter, EditorRequired]
    public required UnusualOutcome Outcome { get; set; }

    [Parameter]
    public string Unit { get; set; } = "";

    private UnusualAnswer Told => ((UnusualOutcome.Told)Outcome).Answer;

    private IReadOnlyList<(int Number, UnusualSeries Series, UnusualMoment Moment)> Moments => Numbered(Told);

    private TimeSpan Step => TimeSpan.FromSeconds(Told.StepSeconds);

    private List<UnusualSeries> Short => [.. Told.Series.Where(one => one.EarlierValues < Told.EarlierValuesToKnow)];

    private string Headline => Moments.Count > 0 ? Figures.Of(Moments.Count, "unusual moment")
        : Told.Series.Count == 0 ? "No series has a value in this range"
        : Told.Series.All(one => one.EarlierValues + one.Values <= Told.EarlierValuesToSay) ? "Too early to say what is unusual"
        : "Nothing unusual";

    /// <summary>For the chart: the numbers of the list, where they are.</summary>
    public static string? Marks(UnusualOutcome? outcome) => outcome is not UnusualOutcome.Told told ? null : JsonSerializer.Serialize(
        Numbered(told.Answer).Select(one => new
        {
            at = one.Moment.At.ToUnixTimeMilliseconds() / 1000.0,
            words = Figures.Exact(one.Number),
            kind = "unusual",
            value = told.Answer.Series.Take(SeriesDrawn).Contains(one.Series) ? one.Moment.Value : (double?)null,
        }));

    private static IReadOnlyList<(int Number, UnusualSeries Series, UnusualMoment Moment)> Numbered(UnusualAnswer answer) =>
        [.. answer.Series.SelectMany(series => series.Moments.Select(moment => (series, moment))).OrderBy(one => one.moment.At).Select((one, i) => (i + 1, one.series, one.moment))];

    private string Span(int values) => Figures.Span(Step * values);

    /// <summary>What tells the series from the others of the answer.</summary>
    private string NameOf(UnusualSeries series)
    {
        var telling = series.Labels.Where(pair => Told.Series.Any(other => other.Labels.GetValueOrDefault(pair.Key) != pair.Value)).ToList();
        return telling.Count == 1 ? telling[0].Value
            : telling.Count > 1 ? Text(telling)
            : series.Labels.GetValueOrDefault("__name__") ?? (series.Labels.Count > 0 ? Text(series.Labels) : "value");
    }

    private static string Text(IEnumerable<KeyValuePair<string, string>> labels) => string.Join(", ", labels.Select(pair => $"{pair.Key}={pair.Value}"));
}

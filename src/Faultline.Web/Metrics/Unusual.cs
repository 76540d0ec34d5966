using System.Globalization;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Detectors.Series;
using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;
using Faultline.Web.Shell;

namespace Faultline.Web.Metrics;

/// <summary>Where the series of an expression are unusual, each held against its own past only.</summary>
/// <param name="Series">The largest last values first.</param>
/// <param name="SeriesLeftOut">Not looked at: there are more than one answer takes.</param>
/// <param name="EarlierValuesToSay">With fewer earlier values nothing can be said.</param>
/// <param name="EarlierValuesToKnow">With fewer, what stands out less is missed.</param>
public sealed record UnusualAnswer(
    DateTimeOffset From, DateTimeOffset To, double StepSeconds, IReadOnlyList<UnusualSeries> Series, int SeriesLeftOut, int EarlierValuesToSay, int EarlierValuesToKnow);

/// <param name="Values">Numbers in the range. A time without one is neither learnt nor judged.</param>
/// <param name="EarlierValues">Numbers before the range that were learnt from, one a step.</param>
/// <param name="FreshAlarmAt">An alarm less than a hundred values before the range: it is not raised again in what follows it. Null when there is none.</param>
public sealed record UnusualSeries(
    IReadOnlyDictionary<string, string> Labels, int Values, int EarlierValues, DateTimeOffset? FreshAlarmAt, IReadOnlyList<UnusualMoment> Moments);

/// <summary>One alarm; the hundred values after it belong to it.</summary>
/// <param name="Score">0.5 to 1.</param>
/// <param name="OneIn">As if each of ten statistics were as rare as one in so many.</param>
/// <param name="Aspects">What of it is that rare by itself: Level, Roughness, Season, Shape.</param>
/// <param name="High">Those of the aspects that are so high.</param>
/// <param name="Low">Those that are so low; its short and its long mean can differ.</param>
public sealed record UnusualMoment(
    DateTimeOffset At, double Value, double Score, int OneIn, IReadOnlyList<string> Aspects, IReadOnlyList<string> High, IReadOnlyList<string> Low, string Words);

/// <summary>What became of the question.</summary>
public abstract record UnusualOutcome
{
    private UnusualOutcome()
    {
    }

    public sealed record Told(UnusualAnswer Answer) : UnusualOutcome;

    /// <param name="Field">query, step or from.</param>
    public sealed record Refused(string Field, string Problem) : UnusualOutcome;
}

/// <summary>Asks the series of a PromQL expression, value by value and without looking ahead, where they are unusual.</summary>
internal static class Unusual
{
    /// <summary>Series of one answer.</summary>
    public const int SeriesMax = 20;

    /// <summary>Values of a series in the range.</summary>
    public const int ValuesMax = 4000;

    /// <summary>The width of a live window; closer together, values repeat.</summary>
    private const int StepSecondsMin = 10;

    /// <summary>ClickHouse's codes for more rows than one selection may read, or answer with.</summary>
    private const int TooManyRows = 158, TooManyRowsOrBytes = 396;

    /// <summary>Values between two looks whether the answer is still wanted.</summary>
    private const int ValuesPerLook = 128;

    public static async Task<UnusualOutcome> ReadAsync(WebDependencies web, string query, TimeRange range, TimeSpan step, CancellationToken cancel)
    {
        var (from, to, stepMillis) = (range.From.ToUnixTimeMilliseconds(), range.To.ToUnixTimeMilliseconds(), (long)step.TotalMilliseconds);
        if (step.TotalSeconds < StepSecondsMin)
        {
            return new UnusualOutcome.Refused("step", $"A step of {Figures.Span(step)} is too short: values closer together than {StepSecondsMin} s repeat what was measured, and what repeats looks usual. Ask for step={StepSecondsMin}s or more.");
        }

        // On multiples of the step, as a chart's points are, so that values stay the same while time moves.
        var first = (from + stepMillis - 1) / stepMillis * stepMillis;
        var values = to < first ? 0 : ((to - first) / stepMillis) + 1;
        if (values > ValuesMax)
        {
            var enough = (long)Math.Ceiling((to - from) / 1000.0 / (ValuesMax - 1));
            return new UnusualOutcome.Refused("step", string.Create(CultureInfo.InvariantCulture, $"The range has {values} values a series, and one answer judges {ValuesMax} at most. Ask for step={enough}s or more, or for a shorter range."));
        }

        // The memory of the detector first; where that is more than a query may read, as much as it needs to tell the rarest.
        foreach (var earlier in new[] { SeriesDetector.ValuesRemembered, SeriesDetector.ValuesToKnow })
        {
            try
            {
                var result = await web.PromQl.RangeAsync(web.Project, query, first - (Math.Min(earlier, first / stepMillis) * stepMillis), to, stepMillis, cancel);
                return new UnusualOutcome.Told(Judge(((PromQlResult.Matrix)result).Series, range, from, step, cancel));
            }
            catch (PromQlException problem) when (problem.ErrorType == "bad_data")
            {
                return new UnusualOutcome.Refused("query", problem.Message);
            }
            catch (Exception problem) when (problem is PromQlException { ErrorType: "execution" } or ClickHouseException { Code: TooManyRows or TooManyRowsOrBytes })
            {
                if (earlier == SeriesDetector.ValuesToKnow)
                {
                    return new UnusualOutcome.Refused("query", problem is PromQlException ? problem.Message : $"With {earlier} values before the range it reads more than {SampleStore.SamplesPerSelectMax / 1_000_000} million samples. Ask for fewer series, a shorter range or a shorter step.");
                }
            }
            catch (PromQlException problem) when (problem.ErrorType is "canceled" or "timeout")
            {
                throw new OperationCanceledException(problem.Message, problem, cancel);
            }
        }

        throw new System.Diagnostics.UnreachableException();
    }

    private static UnusualAnswer Judge(IReadOnlyList<SeriesData> found, TimeRange range, long from, TimeSpan step, CancellationToken cancel)
    {
        // In the chart's order, and of equal ones in the order of their labels.
        var inRange = found.Select(series => (Series: series, Last: LastIn(series, from))).Where(one => !double.IsNaN(one.Last)).OrderByDescending(one => one.Last).ToList();
        return new UnusualAnswer(
            range.From, range.To, step.TotalSeconds, [.. inRange.Take(SeriesMax).Select(one => Judge(one.Series, from, cancel))], Math.Max(0, inRange.Count - SeriesMax),
            SeriesDetector.ValuesToSay, SeriesDetector.ValuesToKnow);
    }

    private static UnusualSeries Judge(SeriesData series, long from, CancellationToken cancel)
    {
        var detector = new SeriesDetector();
        List<UnusualMoment> moments = [];
        var (earlier, values, sinceAlarm) = (0, 0, SeriesDetector.ValuesPerAlarm);
        DateTimeOffset? alarm = null;
        for (var i = 0; i < series.Values.Length; i++)
        {
            if (i % ValuesPerLook == 0)
            {
                cancel.ThrowIfCancellationRequested();
            }

            var (at, value) = (DateTimeOffset.FromUnixTimeMilliseconds(series.UnixMillis[i]), series.Values[i]);
            if (!double.IsFinite(value))
            {
                continue;
            }

            var score = detector.Step(at.ToUnixTimeSeconds(), value);
            var isAlarm = score.Score >= SeriesDetector.AlarmScore;
            if (series.UnixMillis[i] < from)
            {
                earlier++;
                (alarm, sinceAlarm) = isAlarm ? (at, 0) : (alarm, sinceAlarm + 1);
                continue;
            }

            values++;
            if (isAlarm)
            {
                var oneIn = (int)Math.Round(Math.Pow(10, score.Surprise));
                moments.Add(new UnusualMoment(at, value, Math.Round(score.Score, 4), oneIn, Names(score.Aspects), Names(score.High), Names(score.Low), Words(score, oneIn)));
            }
        }

        return new UnusualSeries(
            series.Labels.Pairs.ToArray().ToDictionary(StringComparer.Ordinal), values, earlier, sinceAlarm < SeriesDetector.ValuesPerAlarm - 1 ? alarm : null, moments);
    }

    private static IEnumerable<SeriesAspects> Named(SeriesAspects aspects) => Enum.GetValues<SeriesAspects>().Where(aspect => aspect != SeriesAspects.None && aspects.HasFlag(aspect));

    private static IReadOnlyList<string> Names(SeriesAspects aspects) => [.. Named(aspects).Select(aspect => aspect.ToString())];

    private static string Words(SeriesScore score, int oneIn)
    {
        var named = Named(score.Aspects).Select(aspect => (Name(aspect), score.High.HasFlag(aspect), score.Low.HasFlag(aspect)) switch
        {
            (var name, true, false) => name + " (high)",
            (var name, false, true) => name + " (low)",
            var (name, _, _) => name,
        });
        return string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", named)}: as rare as one in {oneIn:#,0}");
    }

    private static string Name(SeriesAspects aspect) => aspect switch
    {
        SeriesAspects.Level => "level",
        SeriesAspects.Roughness => "roughness",
        SeriesAspects.Season => "time of day or week",
        SeriesAspects.Shape => "shape",
        _ => throw new System.Diagnostics.UnreachableException($"aspect {aspect}"),
    };

    /// <summary>NaN when the series has no number from then on.</summary>
    private static double LastIn(SeriesData series, long from)
    {
        for (var i = series.Values.Length - 1; i >= 0 && series.UnixMillis[i] >= from; i--)
        {
            if (double.IsFinite(series.Values[i]))
            {
                return series.Values[i];
            }
        }

        return double.NaN;
    }
}

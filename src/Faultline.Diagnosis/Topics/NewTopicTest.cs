namespace Faultline.Diagnosis.Topics;

/// <summary>Finds topics that are new and whose calls fail far more often than others.</summary>
/// <remarks>
/// Two things must be too unlikely to be chance: that so many of its calls fail (Fisher's exact test against all other calls of the last day), and that a
/// topic which was always there shows itself only now (were it so, each of its calls would be as likely to lie before its first as after). The larger of
/// the two p-values counts. A look is every five minutes, and each may be wrong with probability <see cref="FalseAlarmsPerDay"/>/288, over all topics of the look by
/// Benjamini and Hochberg (1995), so that repeated looks make at most that many false alarms a day.
/// </remarks>
internal static class NewTopicTest
{
    public const double FalseAlarmsPerDay = 0.01;

    /// <summary>How long a topic is new; the calls of as long are what it is held against.</summary>
    public static readonly long Span = TimeSpan.FromDays(1).Ticks * 100;

    private const int LooksPerDay = 288;
    private const int CallsMin = 10;
    private const int FailedMin = 8;
    private const double ShareAboveMin = 0.25;

    /// <summary>Of the calls since it began; less is no case, whatever becomes of it.</summary>
    private const double OfCallsMin = 0.02;

    private const double BackWithin = 0.1;

    /// <param name="calls">Calls of the side since it was first seen.</param>
    /// <param name="dayCalls">Calls of the last day.</param>
    /// <param name="dayFailed">Failed ones of these.</param>
    /// <param name="learntNanos">What was there by then is not new.</param>
    /// <returns>Topics without an open finding, and how likely what they show is by chance.</returns>
    public static IReadOnlyList<(Topic Topic, double P)> Failing(IReadOnlyList<Topic> topics, long calls, long dayCalls, long dayFailed, long learntNanos, long nanos)
    {
        List<(Topic Topic, double P)> tested = [];
        foreach (var topic in topics)
        {
            var since = calls - topic.CallsBefore;
            if (topic.FindingId is not null || topic.BornNanos <= learntNanos || nanos - topic.BornNanos > Span
                || topic.Calls < CallsMin || topic.Failed < FailedMin || topic.Calls < OfCallsMin * since)
            {
                continue;
            }

            var (otherCalls, otherFailed) = (Math.Max(0, dayCalls - topic.Calls), Math.Max(0, dayFailed - topic.Failed));
            var rest = otherCalls > 0 ? otherFailed / (double)otherCalls : 1;
            if (IsOver(topic, rest, nanos))
            {
                continue;       // what the day's calls still say is over
            }

            var above = (topic.Failed / (double)topic.Calls) - rest;
            var p = above < ShareAboveMin ? 1 : Proportions.Above(topic.Failed, topic.Calls, otherFailed, otherCalls);
            tested.Add((topic, Math.Max(p, Math.Pow(since / (double)calls, topic.Calls - 1))));
        }

        var found = Proportions.Discoveries([.. tested.Select(one => one.P)], FalseAlarmsPerDay / LooksPerDay);
        return [.. tested.Where((_, i) => found[i])];
    }

    /// <summary>Nobody asks about it any more while others ask: it fails nobody.</summary>
    private static readonly long GoneNanos = TimeSpan.FromHours(1).Ticks * 100;

    /// <summary>Its newest calls fail about as often as others, or nothing was said of it for an hour in which other things were.</summary>
    public static bool IsOver(Topic topic, double restFailedShare, long nanos) =>
        (topic.HasRecent && topic.RecentFailedShare <= restFailedShare + BackWithin) || nanos - topic.NewestNanos > GoneNanos;
}

/// <summary>A topic whose share of the calls moved.</summary>
/// <param name="Before">Share of the calls in usual windows.</param>
/// <param name="After">Share of the window's.</param>
internal sealed record TopicShift(Topic Topic, double Before, double After, double P)
{
    private const double DiscoveryRate = 0.05;
    private const double ShareMin = 0.05;

    /// <summary>
    /// Topics with a larger or smaller share than usual in the open window, the largest shift first: a two-proportion test each, all together by Benjamini and
    /// Hochberg (1995).
    /// </summary>
    public static IReadOnlyList<TopicShift> Of(TopicMap map)
    {
        var now = map.All.Sum(topic => (double)topic.WindowCalls);
        var usual = map.All.Sum(topic => topic.UsualCalls);
        if (now <= 0 || usual <= 0)
        {
            return [];
        }

        List<TopicShift> shifts = [.. map.Named.Select(topic => new TopicShift(topic, topic.UsualCalls / usual, topic.WindowCalls / now, Proportions.Differ(topic.WindowCalls, now, topic.UsualCalls, usual)))];
        var found = Proportions.Discoveries([.. shifts.Select(shift => shift.P)], DiscoveryRate);
        return [.. shifts.Where((shift, i) => found[i] && Math.Abs(shift.After - shift.Before) >= ShareMin).OrderByDescending(shift => Math.Abs(shift.After - shift.Before)).ThenBy(shift => shift.Topic.Id)];
    }

    /// <summary>Takes the window into what is usual, when it was, and begins another.</summary>
    public static void Learn(TopicMap map, bool isUsual)
    {
        // So many calls in all count that a week of a busy service does not outweigh the next one for ever.
        const double UsualCallsMax = 50_000;
        var all = map.All.Sum(topic => topic.UsualCalls);
        foreach (var topic in map.All)
        {
            topic.UsualCalls = (topic.UsualCalls * (all > UsualCallsMax ? 0.5 : 1)) + (isUsual ? topic.WindowCalls : 0);
            topic.WindowCalls = 0;
        }
    }
}

namespace Faultline.Diagnosis.Localisation;

/// <summary>
/// Compares what follows what inside the spans: after an event (the start of an operation, a log statement) nearly always the same few come
/// next. Where now something else comes next, the code between the two went another way.
/// </summary>
/// <remarks>
/// Event patterns of traces and logs together: Nezha (Yu et al. 2023). Here the pattern is a transition within one span and its share of the
/// event before it, so a change of the mix of requests changes nothing. A new way counts only if it is not better than the lost one
/// (an error in place of a result, not a result in place of an error), and not where something called in that very span went a
/// new way too: it is the caller that follows.
/// </remarks>
internal static class EventPaths
{
    /// <summary>A next event with at most this share in the usual window is new.</summary>
    private const double RareMax = 0.05;

    /// <summary>The same for an early end, a warning and an error: now and then they are usual.</summary>
    private const double RareBadMax = 0.1;

    /// <summary>A next event with at least this share in the usual window is expected.</summary>
    private const double ExpectedMin = 0.5;

    private const int UsualCountMin = 3;
    private const int CountMin = 2;

    /// <param name="Within">What the span is part of: one handler may serve several endpoints.</param>
    private readonly record struct Point(string Service, string Within, string Event);

    private readonly record struct Step(Point From, string To, int Badness);

    private sealed record Path(string TraceId, string SpanId, string ParentId, string Service, string Operation, List<(long At, string Event, int Badness)> Events);

    private sealed record Change(double Share, HashSet<string> NewEvents, string LostEvent, double LostShareThen, double LostShareNow, int CountThen, int CountNow);

    public static IEnumerable<Clue> Clues(RecordedWindow normal, RecordedWindow abnormal)
    {
        var paths = Read(abnormal);
        var changes = Changes(Count(Read(normal)), Count(paths));
        var (all, unexplained) = Occurrences(paths, changes);
        foreach (var (point, change) in changes)
        {
            var ownShare = all.TryGetValue(point, out var count) ? (double)unexplained.GetValueOrDefault(point) / count : 0;
            var strength = change.Share * Confidence(change.CountThen) * Confidence(change.CountNow) * ownShare;
            if (strength > 0)
            {
                yield return new Clue(
                    point.Service, ClueKind.EventPath, strength, $"{point.Event} → {change.LostEvent}",
                    FormattableString.Invariant($"{point.Event} was followed by {change.LostEvent} {change.LostShareThen:P0} of the time and now is {change.LostShareNow:P0} of the time; instead came {string.Join(", ", change.NewEvents.Order(StringComparer.Ordinal))}."));
            }
        }
    }

    /// <summary>1 less the largest share that something not seen in so many may yet have (95 %): 0.4 for 3, 0.7 for 8, 0.9 for 36.</summary>
    private static double Confidence(int count) => Math.Pow(0.05, 1.0 / count);

    private static Dictionary<(string, string), Path> Read(RecordedWindow window)
    {
        Dictionary<(string, string), Path> paths = new(window.Spans.Count);
        foreach (var span in window.Spans)
        {
            var path = new Path(span.TraceId, span.SpanId, span.ParentId, span.Service, span.Operation, [(span.StartUnixNanos, span.Operation + " start", 0)]);
            if (paths.TryAdd((span.TraceId, span.SpanId), path))
            {
                path.Events.Add((long.MaxValue, span.Operation + " end", 1));
            }
        }

        foreach (var line in window.Logs)
        {
            if (paths.TryGetValue((line.TraceId, line.SpanId), out var path))
            {
                path.Events.Add((line.UnixNanos, line.Statement, (int)line.Gravity));
            }
        }

        foreach (var path in paths.Values)
        {
            // Between the start and the end, by time; clocks of the log and of the span need not agree.
            var between = path.Events.Skip(2).OrderBy(one => one.At).ToList();
            var (start, end) = (path.Events[0], path.Events[1]);
            path.Events.Clear();
            path.Events.Add(start);
            path.Events.AddRange(between.Where((one, i) => one.Event != (i == 0 ? start : between[i - 1]).Event));
            path.Events.Add(end);
        }

        return paths;
    }

    private static string Within(Dictionary<(string, string), Path> paths, Path path) =>
        paths.TryGetValue((path.TraceId, path.ParentId), out var parent) ? parent.Operation : "";

    private static Dictionary<Point, Dictionary<Step, int>> Count(Dictionary<(string, string), Path> paths)
    {
        Dictionary<Point, Dictionary<Step, int>> counts = [];
        foreach (var path in paths.Values)
        {
            var within = Within(paths, path);
            for (var i = 1; i < path.Events.Count; i++)
            {
                var from = new Point(path.Service, within, path.Events[i - 1].Event);
                var step = new Step(from, path.Events[i].Event, path.Events[i].Badness);
                var steps = counts.TryGetValue(from, out var known) ? known : counts[from] = [];
                steps[step] = steps.GetValueOrDefault(step) + 1;
            }
        }

        return counts;
    }

    private static SortedDictionary<Point, Change> Changes(Dictionary<Point, Dictionary<Step, int>> then, Dictionary<Point, Dictionary<Step, int>> now)
    {
        SortedDictionary<Point, Change> changes = new(Comparer<Point>.Create((a, b) =>
            string.CompareOrdinal(a.Service, b.Service) is var byService and not 0 ? byService
            : string.CompareOrdinal(a.Event, b.Event) is var byEvent and not 0 ? byEvent : string.CompareOrdinal(a.Within, b.Within)));
        foreach (var (point, stepsNow) in now)
        {
            if (!then.TryGetValue(point, out var stepsThen))
            {
                continue;
            }

            var (countThen, countNow) = (stepsThen.Values.Sum(), stepsNow.Values.Sum());
            if (countThen < UsualCountMin || countNow < CountMin)
            {
                continue;
            }

            double ShareThen(Step step) => stepsThen.GetValueOrDefault(step) / (double)countThen;
            double ShareNow(Step step) => stepsNow.GetValueOrDefault(step) / (double)countNow;
            var gained = stepsNow.Keys.Where(step => ShareThen(step) <= (step.Badness > 0 ? RareBadMax : RareMax) && ShareNow(step) > ShareThen(step)).ToList();
            var lost = stepsThen.Keys.Where(step => ShareThen(step) >= ExpectedMin && ShareNow(step) < ShareThen(step)).ToList();
            if (gained.Count == 0 || lost.Count == 0)
            {
                continue;
            }

            // At most two steps have half of the counts each; the name breaks the tie.
            var worst = lost.OrderByDescending(step => ShareThen(step) - ShareNow(step)).ThenBy(step => step.To, StringComparer.Ordinal).First();
            var share = gained.Sum(step => ShareNow(step) - ShareThen(step));
            var badness = gained.Sum(step => (ShareNow(step) - ShareThen(step)) * step.Badness) / share;
            if (badness >= worst.Badness)
            {
                changes.Add(point, new Change(share, [.. gained.Select(step => step.To)], worst.To, ShareThen(worst), ShareNow(worst), countThen, countNow));
            }
        }

        return changes;
    }

    /// <summary>How often each new way was taken, and how often with nothing below it that went a new way as well.</summary>
    private static (Dictionary<Point, int> All, Dictionary<Point, int> Unexplained) Occurrences(
        Dictionary<(string, string), Path> paths, SortedDictionary<Point, Change> changes)
    {
        List<(Path Path, Point Point)> taken = [];
        foreach (var path in paths.Values)
        {
            var within = Within(paths, path);
            for (var i = 1; i < path.Events.Count; i++)
            {
                var point = new Point(path.Service, within, path.Events[i - 1].Event);
                if (changes.TryGetValue(point, out var change) && change.NewEvents.Contains(path.Events[i].Event))
                {
                    taken.Add((path, point));
                }
            }
        }

        HashSet<(string, string)> explained = [];
        foreach (var (path, _) in taken)
        {
            var at = path;
            for (var depth = 0; depth < 256 && paths.TryGetValue((at.TraceId, at.ParentId), out var parent) && parent != at; depth++)
            {
                at = parent;
                explained.Add((at.TraceId, at.SpanId));
            }
        }

        Dictionary<Point, int> all = [];
        Dictionary<Point, int> unexplained = [];
        foreach (var (path, point) in taken)
        {
            all[point] = all.GetValueOrDefault(point) + 1;
            unexplained[point] = unexplained.GetValueOrDefault(point) + (explained.Contains((path.TraceId, path.SpanId)) ? 0 : 1);
        }

        return (all, unexplained);
    }
}

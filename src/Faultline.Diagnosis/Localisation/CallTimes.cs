using Faultline.Diagnosis.Baselines;

namespace Faultline.Diagnosis.Localisation;

/// <summary>
/// Compares where the time of calls goes: on the way to a service (the caller's span less the callee's), and inside an operation and nothing it
/// calls (its own time). A service is suspected by the share of its times that are longer than any usual one, less the longer they could be by chance and the
/// less they matter to a whole request.
/// </summary>
internal static class CallTimes
{
    /// <summary>A time this many times the usual 90th percentile, and above every usual one, is long.</summary>
    private const double LongMin = 3;

    /// <summary>The metric that such a change shows in: the 90th percentile of the time on the way, in milliseconds.</summary>
    private const string NetworkCause = "NetworkP90(ms)";

    /// <summary>Additional time that is this part of a usual whole request matters by half.</summary>
    private const double MattersHalf = 0.1;

    private const int UsualCountMin = 3;

    private readonly record struct Place(string Service, ClueKind Kind, string Operation);

    public static IEnumerable<Clue> Clues(RecordedWindow normal, RecordedWindow abnormal)
    {
        double[] requests = [.. normal.Spans.Where(span => span.ParentId.Length == 0).Select(span => Milliseconds(span))];
        var request = requests.Length == 0 ? 0 : RobustStatistics.Median(requests);
        var then = Times(normal.Spans);
        foreach (var (place, times) in Times(abnormal.Spans)
            .OrderBy(one => one.Key.Service, StringComparer.Ordinal).ThenBy(one => one.Key.Kind).ThenBy(one => one.Key.Operation, StringComparer.Ordinal))
        {
            if (!then.TryGetValue(place, out var usual) || usual.Count < UsualCountMin)
            {
                continue;
            }

            usual.Sort();
            times.Sort();
            var median = usual[usual.Count / 2];
            var limit = Math.Max(usual[^1], LongMin * usual[usual.Count * 9 / 10]);
            var above = times.FindAll(time => time > limit);
            if (above.Count == 0)
            {
                continue;
            }

            var (share, length) = ((double)above.Count / times.Count, above.Average());
            var matters = (length - median) / (length - median + (MattersHalf * request));
            var strength = share * (1 - (limit / length)) * matters * Confidence(usual.Count) * Confidence(times.Count);
            var (cause, what) = place.Kind == ClueKind.NetworkTime
                ? (NetworkCause, "the calls to it are longer under way")
                : (place.Operation, $"{place.Operation} take longer themselves");
            yield return new Clue(place.Service, place.Kind, strength, cause,
                FormattableString.Invariant($"{share:P0} of {what} than any usual one (median {median:0.#} ms, now {times[times.Count / 2]:0.#} ms)."));
        }
    }

    private static double Confidence(int count) => 1 - (1 / Math.Sqrt(1 + count));

    /// <summary>Times in milliseconds by where they are spent.</summary>
    private static Dictionary<Place, List<double>> Times(IReadOnlyList<CallSpan> spans)
    {
        Dictionary<(string, string), int> index = new(spans.Count);
        for (var i = 0; i < spans.Count; i++)
        {
            index.TryAdd((spans[i].TraceId, spans[i].SpanId), i);
        }

        var own = new double[spans.Count];
        var remote = new bool[spans.Count];
        Dictionary<Place, List<double>> times = [];
        for (var i = 0; i < spans.Count; i++)
        {
            own[i] += Milliseconds(spans[i]);
            if (!index.TryGetValue((spans[i].TraceId, spans[i].ParentId), out var parent) || parent == i)
            {
                continue;
            }

            own[parent] -= Milliseconds(spans[i]);
            if (spans[parent].Service != spans[i].Service)
            {
                remote[parent] = true;
                Add(new Place(spans[i].Service, ClueKind.NetworkTime, ""), Milliseconds(spans[parent]) - Milliseconds(spans[i]));
            }
        }

        for (var i = 0; i < spans.Count; i++)
        {
            if (!remote[i])
            {
                Add(new Place(spans[i].Service, ClueKind.OwnTime, spans[i].Operation), own[i]);
            }
        }

        return times;

        void Add(Place place, double time) => (times.TryGetValue(place, out var known) ? known : times[place] = []).Add(Math.Max(0, time));
    }

    private static double Milliseconds(in CallSpan span) => (span.EndUnixNanos - span.StartUnixNanos) / 1e6;
}

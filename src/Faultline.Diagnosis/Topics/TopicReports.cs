using System.Globalization;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Rules;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Topics;

/// <summary>What topics have to say since they were last asked: series, and findings. Evidence before claim: the samples are written first.</summary>
internal sealed class TopicReport
{
    public SampleBatch Samples { get; } = new();

    public List<FindingNews> News { get; } = [];

    public bool IsEmpty => Samples.Count == 0 && News.Count == 0;
}

/// <summary>Series of topics, with the labels service_name, environment, side (prompt, output) and, of the first two, topic.</summary>
public static class TopicSeries
{
    /// <summary>How often shares are stored and new topics looked at.</summary>
    public const long TickSeconds = 300;

    /// <summary>Calls of a topic in five minutes, at their end.</summary>
    public const string CallsMetric = "faultline_topic_calls";

    /// <summary>Failed calls among these.</summary>
    public const string FailedMetric = "faultline_topic_failed_calls";

    /// <summary>Squared maximum mean discrepancy of a window from what is usual.</summary>
    public const string DistanceMetric = "faultline_topic_distance";

    /// <summary>Of the permutation test of that distance.</summary>
    public const string PValueMetric = "faultline_topic_p_value";

    /// <summary>Sessions in that window.</summary>
    public const string UnitsMetric = "faultline_topic_window_sessions";

    /// <summary>The label of what has no name yet.</summary>
    public const string Other = "(other)";
}

/// <summary>How one side of a service is written as series and said as findings.</summary>
internal sealed class TopicReports(TopicOwner owner)
{
    public const int WordsShown = 8;

    private const int TracesMax = 10;
    private const int MoversSaid = 2;

    private string Texts => owner.Side == TopicSide.Prompt ? "prompts" : "outputs";

    public static string NameOf(TopicSide side) => side == TopicSide.Prompt ? "prompt" : "output";

    public static DateTimeOffset At(long nanos) => DateTimeOffset.FromUnixTimeMilliseconds(nanos / 1_000_000);

    public Labels SeriesOf(string metric, string? topic = null) => topic is null
        ? Labels.Of((Labels.MetricName, metric), ("service_name", owner.Service), ("environment", owner.Environment), ("side", NameOf(owner.Side)))
        : Labels.Of((Labels.MetricName, metric), ("service_name", owner.Service), ("environment", owner.Environment), ("side", NameOf(owner.Side)), ("topic", topic));

    public void Shares(TopicMap map, long endNanos, SampleBatch samples)
    {
        foreach (var topics in map.All.GroupBy(topic => topic.Name ?? TopicSeries.Other, StringComparer.Ordinal))
        {
            var calls = topics.Sum(topic => topic.TickCalls);
            if (calls > 0)
            {
                samples.Add(SeriesOf(TopicSeries.CallsMetric, topics.Key), endNanos / 1_000_000, calls);
                samples.Add(SeriesOf(TopicSeries.FailedMetric, topics.Key), endNanos / 1_000_000, topics.Sum(topic => topic.TickFailed));
            }
        }
    }

    public void Look(DriftLook look, long endNanos, SampleBatch samples)
    {
        samples.Add(SeriesOf(TopicSeries.DistanceMetric), endNanos / 1_000_000, look.Distance);
        samples.Add(SeriesOf(TopicSeries.PValueMetric), endNanos / 1_000_000, look.P);
        samples.Add(SeriesOf(TopicSeries.UnitsMetric), endNanos / 1_000_000, look.Units);
    }

    /// <summary>What users ask, or what is answered, is not what it was.</summary>
    public Finding Drifted(DriftLook look, IReadOnlyList<TopicShift> shifts, IReadOnlyList<TraceId> window, IReadOnlyList<TraceId> usual, long endNanos)
    {
        var grown = shifts.Where(shift => shift.After > shift.Before).Take(MoversSaid).ToList();
        var shrunk = shifts.Where(shift => shift.After < shift.Before).Take(MoversSaid).ToList();
        var how = (grown.Count, shrunk.Count) switch
        {
            (0, 0) => "no single topic stands out",
            (_, 0) => "more " + Said(grown),
            (0, _) => "less " + Said(shrunk),
            _ => $"more {Said(grown)}, less {Said(shrunk)}",
        };
        var bad = grown.SelectMany(shift => shift.Topic.Traces.Reverse()).Concat(window.Reverse()).Distinct().Take(TracesMax).ToList();
        var feature = NameOf(owner.Side) + "_drift";
        var distance = Selector(TopicSeries.DistanceMetric);
        var words = $"{Texts} of {owner.Service} are {Sentences.Number(look.Distance)} from the usual ones (at most {Sentences.Number(look.Limit)} is usual, p = {P(look.P)}): {how}";
        var range = Range(look);
        return Of(
            feature, look.FromNanos, endNanos, $"{Sentences.Capital(Texts)} of {owner.Service} have drifted: {how}",
            owner.Side == TopicSide.Prompt ? FailureClass.RETRIEVAL_DRIFT : FailureClass.COHERENCE_DEGRADATION, Severity.Low,
            new Symptom(feature, words, distance, Math.Max(0, look.Usual), 0, look.Limit, look.Distance, "1"), bad, usual,
            $"(max_over_time({distance}[{range}s]) < {Sentences.Literal(look.Limit)}) and (sum_over_time({Selector(TopicSeries.UnitsMetric)}[{range}s]) >= {DriftWatch.UnitsMin})");
    }

    /// <summary>A topic that was not there before, and goes wrong.</summary>
    public Finding NewTopicFails(Topic topic, IReadOnlyList<string> words, double restShare, double p, TopicMap map, long endNanos)
    {
        var share = topic.Failed / (double)topic.Calls;
        var (kind, _) = topic.Failures.OrderByDescending(one => one.Value).ThenBy(one => one.Key).First();
        var says = $"{topic.Failed} of {topic.Calls} new {Texts} of {owner.Service} about “{topic.Name}” {Verb(kind)}, {Sentences.Number(restShare * 100)} % of the others (p = {P(p)}; telling words: {string.Join(", ", words)})";
        var good = map.All.Where(other => !ReferenceEquals(other, topic)).SelectMany(other => other.Traces.Except(other.FailedTraces)).Distinct().TakeLast(TracesMax).ToList();
        var calls = Selector(TopicSeries.CallsMetric, topic.Name);
        var limit = Math.Min((share + restShare) / 2, restShare + 0.2);
        const int RangeSeconds = 3600;
        return Of(
            "topic_failure_share", topic.BornNanos, endNanos, $"New {Texts} of {owner.Service} about “{topic.Name}” {Verb(kind)}",
            kind switch
            {
                CallFailure.Ungrounded => FailureClass.HALLUCINATION,
                CallFailure.Error => FailureClass.LATENCY_REGRESS,
                _ => FailureClass.COHERENCE_DEGRADATION,
            },
            Severity.Medium,
            new Symptom("topic_failure_share", says, $"{Selector(TopicSeries.FailedMetric, topic.Name)} / {calls}", restShare, 0, limit, share, "1"), [.. topic.FailedTraces.Reverse()], good,
            $"(sum_over_time({Selector(TopicSeries.FailedMetric, topic.Name)}[{RangeSeconds}s]) / sum_over_time({calls}[{RangeSeconds}s]) < {Sentences.Literal(limit)}) and (sum_over_time({calls}[{RangeSeconds}s]) >= 5)");
    }

    private static string Said(List<TopicShift> shifts) =>
        string.Join(", ", shifts.Select(shift => $"“{shift.Topic.Name}” ({Sentences.Number(shift.Before * 100)} % to {Sentences.Number(shift.After * 100)} %)"));

    private static string Verb(CallFailure kind) => kind switch
    {
        CallFailure.Error => "fail",
        CallFailure.Refused => "are refused or not answered",
        CallFailure.Empty => "get empty answers",
        CallFailure.BrokenFormat => "get answers that are not in their format",
        _ => "get answers that stand in no document",
    };

    private static string P(double p) => p.ToString(p < 0.001 ? "0.#e-0" : "0.###", CultureInfo.InvariantCulture);

    // Two windows of the pace that it was seen at.
    private static int Range(DriftLook look)
    {
        ReadOnlySpan<int> ranges = [3600, 4 * 3600, 24 * 3600];
        var twice = 2 * (look.ToNanos - look.FromNanos) / 1_000_000_000;
        foreach (var range in ranges)
        {
            if (range >= twice)
            {
                return range;
            }
        }

        return ranges[^1];
    }

    private string Selector(string metric, string? topic = null) => Sentences.Selector(SeriesOf(metric, topic));

    private Finding Of(
        string feature, long onsetNanos, long endNanos, string title, FailureClass failureClass, Severity severity, Symptom symptom, IReadOnlyList<TraceId> bad, IReadOnlyList<TraceId> good,
        string verification) => new()
        {
            Id = OpenFinding.IdOf(owner.Project, owner.Environment, owner.Service, $"{Finding.OfTopics}\0{feature}\0{NameOf(owner.Side)}\0{symptom.Query}", onsetNanos / 1_000_000_000),
            Project = owner.Project,
            Environment = owner.Environment,
            Service = owner.Service,
            Trigger = Finding.OfTopics,
            Title = title,
            FailureClass = failureClass,
            OnsetAt = At(onsetNanos),
            DetectedAt = At(endNanos),
            Symptoms = [symptom],
            BadTraces = bad,
            GoodTraces = [.. good.Where(trace => !bad.Contains(trace))],
            Severity = severity.ToString(),
            VerificationQuery = verification,
        };
}

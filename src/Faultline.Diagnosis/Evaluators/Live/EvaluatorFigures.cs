using System.Collections.Concurrent;
using Faultline.Metrics.Exposition;

namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>Why a call got no score of an evaluator, where the evaluator itself was not asked.</summary>
public static class SkipReason
{
    public const string AppScored = "the application scores it";
    public const string NoLanguage = "no encoder";
    public const string Cut = "the text was cut off";
    public const string Past = "the telemetry is long past";
    public const string Overloaded = "over the share of a core";
    public const string NotSampled = "not in the sample";
    public const string Failed = "it failed, see the log";
    public const string NotStored = "the store took no scores";
}

/// <summary>What evaluators did since the process began.</summary>
public sealed class EvaluatorFigures
{
    private readonly ConcurrentDictionary<string, (long Scores, TimeSpan Took)> _scored = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Evaluator, string Reason), long> _skipped = new();
    private Func<int> _waiting = () => 0;

    public long Scores(string evaluator) => _scored.GetValueOrDefault(evaluator).Scores;

    public long Skipped(string evaluator, string reason) => _skipped.GetValueOrDefault((evaluator, reason));

    /// <summary>For the exposition on :8888.</summary>
    public IReadOnlyList<MetricFamily> Families() =>
    [
        MetricFamily.Counter("faultline_evaluator_scores", "Scores that evaluators gave.", [.. _scored.Select(one => MetricFamily.Of(one.Value.Scores, ("evaluator", one.Key)))]),
        MetricFamily.Counter("faultline_evaluator_seconds", "Seconds of a core that evaluators took, reading texts not included.", [.. _scored.Select(one => MetricFamily.Of(one.Value.Took.TotalSeconds, ("evaluator", one.Key)))]),
        MetricFamily.Counter("faultline_evaluator_skips", "Calls that got no score, by evaluator and reason.", [.. _skipped.Select(one => MetricFamily.Of(one.Value, ("evaluator", one.Key.Evaluator), ("reason", one.Key.Reason)))]),
        MetricFamily.Gauge("faultline_evaluator_waiting_calls", "Calls that wait to be judged.", MetricFamily.Of(_waiting())),
    ];

    internal void WaitingIs(Func<int> waiting) => _waiting = waiting;

    internal void Took(string evaluator, TimeSpan time, int scores) =>
        _scored.AddOrUpdate(evaluator, (scores, time), (_, known) => (known.Scores + scores, known.Took + time));

    internal void Skip(string evaluator, string reason, long calls = 1) => _skipped.AddOrUpdate((evaluator, reason), calls, (_, known) => known + calls);
}

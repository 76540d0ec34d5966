using System.Globalization;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Rules;

/// <summary>The users' rules of one project: steps them with closed windows and says what fired. Not thread-safe.</summary>
internal sealed class RuleWatch(string project, IReadOnlyList<UserRule> rules)
{
    public const string Trigger = "rule";

    /// <summary>Unix seconds of the onset while a rule's finding is open, 0 from when it is over; what a restart continues from.</summary>
    public const string OnsetMetric = "faultline_rule_onset_seconds";

    private const int TracesMax = 10;

    private readonly Dictionary<FeatureSeries, RuleState[]> _bySeries = [];
    private readonly List<(RuleState State, RuleTurn Turn, long EndSeconds)> _turned = [];
    private readonly Dictionary<RuleState, string> _open = [];

    public bool HasRules => rules.Count > 0;

    /// <summary>One closed window of a series.</summary>
    public void Sample(ServiceFeatures service, FeatureSeries series, long window, double value, double count)
    {
        foreach (var state in StatesOf(service, series))
        {
            if (state.Step(window, value, count) is var turn and not RuleTurn.None)
            {
                _turned.Add((state, turn, FeatureWindows.EndSeconds(window)));
            }
        }
    }

    /// <summary>Tells what has turned since the last call, and notes it for a restart.</summary>
    /// <param name="host">The finding that is open for a service already: a rule that fires on the same fault is of the same case.</param>
    public void Tell(Func<ServiceFeatures, long, OpenFinding?> host, List<FindingNews> news, SampleBatch samples)
    {
        foreach (var (state, turn, end) in _turned)
        {
            if (turn == RuleTurn.Raised)
            {
                var since = state.SinceSeconds!.Value;
                var finding = ToFinding(state, since, end, host(state.Service, since));
                _open[state] = finding.Id;
                samples.Add(LabelsOf(state, finding.Id), end * 1000, since);
                news.Add(new FindingNews.Raised(finding));
            }
            else if (_open.Remove(state, out var id))
            {
                samples.Add(LabelsOf(state, id), end * 1000, 0);
                news.Add(new FindingNews.Cleared(id, DateTimeOffset.FromUnixTimeSeconds(end)));
            }
        }

        _turned.Clear();
    }

    /// <summary>Goes on with what was open when the last process ended. A rule that is gone or was changed is over.</summary>
    /// <param name="onsets">Series of <see cref="OnsetMetric"/>.</param>
    public void Restore(IReadOnlyList<SeriesData> onsets, ProjectFeatures features, List<FindingNews> news, SampleBatch samples)
    {
        foreach (var stored in onsets.Where(stored => stored.Values is [.., > 0]))
        {
            var labels = stored.Labels;
            var state = Find(labels, features);
            if (state is not null && double.TryParse(labels["limit"], CultureInfo.InvariantCulture, out var limit))
            {
                state.Restore((long)stored.Values[^1], limit);
                _open[state] = labels["finding"];
            }
            else
            {
                var at = stored.UnixMillis[^1] + 1000;
                samples.Add(labels, at, 0);
                news.Add(new FindingNews.Cleared(labels["finding"], DateTimeOffset.FromUnixTimeMilliseconds(at)));
            }
        }
    }

    private RuleState? Find(Labels labels, ProjectFeatures features) =>
        features.Service(labels["service_name"], labels["environment"]) is { } service
        && FeatureTable.Find(labels["feature"]) is { } feature
        && service.SeriesOf(feature, labels["dimension"]) is { } series
            ? Array.Find(StatesOf(service, series), state => string.Equals(state.Rule.Name, labels["rule"], StringComparison.Ordinal))
            : null;

    private RuleState[] StatesOf(ServiceFeatures service, FeatureSeries series)
    {
        if (!_bySeries.TryGetValue(series, out var states))
        {
            states = [.. rules.Where(rule => rule.Concerns(service, series)).Select(rule => new RuleState(rule, service, series))];
            _bySeries.Add(series, states);
        }

        return states;
    }

    private Finding ToFinding(RuleState state, long sinceSeconds, long endSeconds, OpenFinding? host)
    {
        var (rule, service, series) = (state.Rule, state.Service, state.Series);
        var symptom = SymptomOf(state);
        List<TraceId> bad = [];
        List<TraceId> good = [];
        series.Examples(FeatureWindows.IndexOf(sinceSeconds * 1_000_000_000), bad, good, TracesMax);
        return new Finding
        {
            Id = OpenFinding.IdOf(project, service.Environment, service.Service, $"{Trigger}\0{rule.Name}\0{series.Dimension}", sinceSeconds),
            Project = project,
            Environment = service.Environment,
            Service = host?.Service.Service ?? service.Service,
            Trigger = Trigger,
            Title = $"{rule.Name}: {symptom.Words}",
            FailureClass = host?.FailureClass ?? rule.FailureClass ?? Classification.Of([symptom]),
            OnsetAt = DateTimeOffset.FromUnixTimeSeconds(sinceSeconds),
            DetectedAt = DateTimeOffset.FromUnixTimeSeconds(endSeconds),
            Symptoms = [symptom],
            BadTraces = bad,
            GoodTraces = [.. good.Where(trace => !bad.Contains(trace))],
            VerificationQuery = Verification.Within(service, series, state.Limit, below: rule.Above, rule.Over),
            Severity = rule.Severity.ToString(),
        };
    }

    private static Symptom SymptomOf(RuleState state)
    {
        var (rule, service, series) = (state.Rule, state.Service, state.Series);
        string Figure(double value) => Sentences.Figure(series.Feature, value);
        var beyond = rule.Above ? "above" : "below";
        var limit = rule.Limit.FromUsual ? $"more than {(rule.Limit.IsPart ? Sentences.Number(rule.Limit.Value * 100) + " %" : Figure(rule.Limit.Value))} {beyond} the usual {Figure(state.Usual)}" : $"{beyond} {Figure(state.Limit)}";
        return new Symptom(
            series.Feature.Name,
            $"{Sentences.Subject(series.Feature, service.Service, series.Dimension)} is {Figure(state.Observed)}, {limit}, for {Sentences.Number(rule.For.TotalMinutes)} min",
            Sentences.Selector(FeatureWindows.ValueMetric, service, series),
            state.Usual,
            rule.Above ? Math.Min(0, state.Usual) : state.Limit,
            rule.Above ? state.Limit : Math.Max(state.Limit, state.Usual),
            state.Observed,
            series.Feature.Unit);
    }

    private static Labels LabelsOf(RuleState state, string finding) => Labels.Of(
        (Labels.MetricName, OnsetMetric), ("finding", finding), ("rule", state.Rule.Name), ("severity", state.Rule.Severity.ToString()),
        ("service_name", state.Service.Service), ("environment", state.Service.Environment), ("feature", state.Series.Feature.Name), ("dimension", state.Series.Dimension),
        ("limit", state.Limit.ToString("R", CultureInfo.InvariantCulture)));
}

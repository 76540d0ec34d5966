using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Localisation;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>Where it is, apart from why: a service, or an agent.</summary>
/// <param name="Names">The service; the agent and the tools that it called when it went wrong.</param>
internal sealed record Place(IReadOnlyList<string> Names, Evidence Evidence)
{
    /// <summary>Fewer traces than this on a side are no comparison.</summary>
    private const int TracesMin = 8;

    /// <summary>Services less suspect than this are not told.</summary>
    private const double StrengthMin = 0.3;

    private const int ServicesMax = 2;

    public bool Is(string target) => Names.Contains(target, StringComparer.OrdinalIgnoreCase);

    /// <summary>Which services the additional time, or the failures, of bad traces come from; empty where it is neither that was noticed.</summary>
    public static IEnumerable<Place> Services(CaseFacts facts)
    {
        if (facts.Bad.Count < TracesMin || facts.Good.Count < TracesMin || Metric(facts.Finding) is not { } metric)
        {
            return [];
        }

        static SpanSummary[] Spans(IReadOnlyList<TraceFacts> traces) => [.. traces.SelectMany(static trace => trace.Spans)];
        var incident = IncidentReader.Read(Spans(facts.Good), Spans(facts.Bad), facts.Finding.Service, metric);
        return incident.Calls.Count == 0 ? [] : ServiceLocator.Locate(incident)
            .Where(static suspect => suspect.Strength >= StrengthMin)
            .Take(ServicesMax)
            .Select(suspect => Example(facts, suspect.Service) is { } example
                ? new Place([suspect.Service], new Evidence("span", $"{example.TraceId}/{example.SpanId}", $"{suspect.Service}: {suspect.Evidence[0]}"))
                : null)
            .OfType<Place>();
    }

    /// <summary>Who went wrong first in at least half of the runs that were read.</summary>
    public static IEnumerable<Place> Agents(CaseFacts facts) => facts.Runs
        .GroupBy(static run => run.Critique.Agent, StringComparer.Ordinal)
        .OrderByDescending(static runs => runs.Count()).ThenBy(static runs => runs.Key, StringComparer.Ordinal)
        .Take(1)
        .Where(runs => 2 * runs.Count() >= facts.Runs.Count)
        .Select(runs => (Runs: runs, Worst: runs.MaxBy(static run => run.Critique.Share)!))
        .Select(of => new Place(
            [of.Runs.Key, .. of.Worst.Tools],
            new Evidence("span", $"{of.Worst.Trace}/{of.Worst.Span}", $"In {of.Runs.Count()} of {facts.Runs.Count} failed runs that were read, {of.Runs.Key} seems to go wrong first; here in {of.Worst.Words}.")));

    private static string? Metric(Finding finding) => finding.Symptoms
        .Select(static symptom => FeatureTable.Find(symptom.Feature) is not { } feature ? null
            : feature.Name.EndsWith("error_rate", StringComparison.Ordinal) ? IncidentReader.Availability
            : feature.Unit is "s" ? IncidentReader.Latency : null)
        .FirstOrDefault(static metric => metric is not null);

    /// <summary>The span of a bad trace in which the service fails, else in which it takes longest.</summary>
    private static SpanSummary? Example(CaseFacts facts, string service)
    {
        List<SpanSummary> serving = [];
        foreach (var trace in facts.Bad)
        {
            Dictionary<SpanId, SpanSummary> byId = [];
            foreach (var span in trace.Spans)
            {
                byId.TryAdd(span.SpanId, span);
            }

            var parents = trace.Spans.Select(static span => span.ParentSpanId).ToHashSet();
            serving.AddRange(trace.Spans.Where(span => IncidentReader.Serves(span, byId.GetValueOrDefault(span.ParentSpanId), !parents.Contains(span.SpanId)) == service));
        }

        return serving.OrderByDescending(static span => span.Status == SpanStatus.Error).ThenByDescending(static span => span.DurationNanos).FirstOrDefault();
    }
}

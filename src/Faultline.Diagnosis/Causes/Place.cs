using Faultline.Diagnosis.Attribution;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Localisation;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>Where it is, apart from why: a service, an agent, or a part of the requests.</summary>
/// <param name="Names">The service; the agent and the tools that it called when it went wrong; the values that the requests have.</param>
internal sealed record Place(IReadOnlyList<string> Names, Evidence Evidence)
{
    /// <summary>Fewer traces than this on a side are no comparison.</summary>
    private const int TracesMin = 8;

    /// <summary>Services less suspect than this are not told.</summary>
    private const double StrengthMin = 0.3;

    private const int ServicesMax = 2;

    /// <summary>An attribute with more values than this tells requests apart, not kinds of them.</summary>
    private const int ValuesMax = 30;

    /// <summary>What fewer requests had before the onset may be what the fault does to them, not whom it meets.</summary>
    private const double UsualMin = 0.03;

    /// <summary>What nearly all requests have is no part of them.</summary>
    private const double PartMax = 0.8;

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

    /// <summary>Which requests it meets, where others are as well as ever: the values that most of the bad ones have together.</summary>
    public static IEnumerable<Place> Requests(CaseFacts facts)
    {
        var onset = facts.OnsetAt.ToUnixTimeMilliseconds() * 1_000_000;
        var before = facts.Good.Where(trace => trace.StartUnixNanos < onset).ToList();
        var well = facts.Good.Where(trace => trace.StartUnixNanos >= onset).ToList();
        if (facts.Bad.Count < TracesMin || well.Count < TracesMin || before.Count < TracesMin || Dimensions([.. facts.Bad, .. facts.Good]) is not { Count: > 0 } dimensions)
        {
            return [];
        }

        static string?[] Row(TraceFacts trace, List<string> dimensions)
        {
            var values = trace.Values().ToLookup(static one => one.Attribute, static one => one.Value, StringComparer.Ordinal);
            return [.. dimensions.Select(dimension => values[dimension].FirstOrDefault())];
        }

        var table = new RiseTable(dimensions);
        foreach (var trace in before)
        {
            table.AddBefore(Row(trace, dimensions), 0, 1);
        }

        foreach (var trace in facts.Bad)
        {
            table.AddNow(Row(trace, dimensions), 1, 1);
        }

        foreach (var trace in well)
        {
            table.AddNow(Row(trace, dimensions), 0, 1);
        }

        bool Has(TraceFacts trace, RiseCause cause) => cause.Values.All(value => trace.Values().Contains((value.Key, value.Value)));
        return RiseLocator.Locate(table).Take(1)
            .Where(cause => cause.ShareOfRise >= 0.5 && cause.Counts.All <= PartMax * (facts.Bad.Count + well.Count) && before.Count(trace => Has(trace, cause)) >= UsualMin * before.Count)
            .Select(cause => (Cause: cause, Example: facts.Bad.First(trace => Has(trace, cause))))
            .Select(of => new Place(
                [.. of.Cause.Values.Select(static value => value.Value)],
                new Evidence(
                    "span", $"{of.Example.Id}/{(of.Example.Root ?? of.Example.Spans[0]).SpanId}",
                    $"{AttributeNames.Percent(Math.Min(1, of.Cause.ShareOfRise))} of the requests that show it, beyond what is usual, have {string.Join(" and ", of.Cause.Values.Select(static value => $"{value.Key} {value.Value}"))}; so have {AttributeNames.Percent(of.Cause.Counts.All / (facts.Bad.Count + well.Count))} of all.")));
    }

    /// <summary>Attributes of which most traces have one value, and that have few in all; those with fewer values first.</summary>
    private static List<string> Dimensions(List<TraceFacts> traces) =>
    [
        .. traces.SelectMany(static trace => trace.Values().CountBy(static one => one.Attribute, StringComparer.Ordinal)).GroupBy(static one => one.Key, static one => one.Value, StringComparer.Ordinal)
            // What was counted of a request is a figure, not a kind of it.
            .Where(counts => 2 * counts.Count() > traces.Count && counts.All(static count => count == 1) && !counts.Key.ContainsAny("token", "usage"))
            .Select(counts => (Name: counts.Key, Values: traces.SelectMany(static trace => trace.Values()).Where(one => string.Equals(one.Attribute, counts.Key, StringComparison.Ordinal)).Distinct().Count()))
            .Where(static one => one.Values is >= 2 and <= ValuesMax)
            .OrderBy(static one => one.Values).ThenBy(static one => one.Name, StringComparer.Ordinal)
            .Take(RiseTable.DimensionsMax).Select(static one => one.Name),
    ];

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

using Faultline.Diagnosis.Facts;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Causes;

/// <summary>Which of several data sources it is: the one whose own retrievals changed, not the one that is asked first.</summary>
internal static class DataSources
{
    /// <summary>Retrievals of a source, on each side, that make a comparison.</summary>
    private const int RetrievalsMin = 4;

    /// <summary>The source whose best scores moved most.</summary>
    public static string Weakest(CaseFacts facts) => Told(facts) ?? Furthest(facts, static span => span.GenAi.DocumentTopScore ?? span.GenAi.DocumentMeanScore) ?? Usual(facts);

    /// <summary>The source that gives another number of documents, or is asked with the other setting.</summary>
    public static string Resized(CaseFacts facts, Distinction? parameters) =>
        Told(facts) ?? Furthest(facts, static span => span.GenAi.DocumentCount is { } count ? Math.Log(count + 0.5) : null) ?? With(facts, parameters) ?? Usual(facts);

    /// <summary>The source that answers empty, or fails.</summary>
    public static string Silent(CaseFacts facts) => Furthest(facts, static span => span.Status == SpanStatus.Error || span.GenAi.DocumentCount == 0 ? 1 : 0) ?? Told(facts) ?? Usual(facts);

    /// <summary>The source whose documents have another length.</summary>
    public static string Recut(CaseFacts facts) => Told(facts) ?? facts.ChunksBad
        .Where(one => facts.ChunksGood.ContainsKey(one.Key))
        .OrderByDescending(one => Math.Abs(Math.Log(one.Value / facts.ChunksGood[one.Key]))).ThenBy(static one => one.Key, StringComparer.Ordinal)
        .Select(static one => one.Key).FirstOrDefault() ?? Weakest(facts);

    /// <summary>The one source that a change shortly before names.</summary>
    private static string? Told(CaseFacts facts)
    {
        var sources = Names(facts);
        if (sources.Count < 2)
        {
            return null;
        }

        foreach (var change in facts.Changes.Where(change => change.Type is "index" or "data" or "config" or "deploy" && facts.Nearness(change) > CaseFacts.NearMin))
        {
            if (sources.FindAll(source => change.Detail.Contains(source, StringComparison.OrdinalIgnoreCase)) is [var only])
            {
                return only;
            }
        }

        return null;
    }

    private static string? With(CaseFacts facts, Distinction? parameters) => parameters is null ? null
        : Retrievals(facts.Bad).FirstOrDefault(span => TraceFacts.Carries(span, parameters.Attribute, parameters.Value))?.GenAi.DataSource;

    /// <summary>The source whose retrievals in bad traces lie furthest from those in good ones, in standard errors; null when there is but one, or none can be compared.</summary>
    private static string? Furthest(CaseFacts facts, Func<SpanSummary, double?> measure)
    {
        var bad = Values(facts.Bad, measure);
        var good = Values(facts.Good, measure);
        return bad.Count < 2 ? null : bad
            .Where(one => one.Value.Count >= RetrievalsMin && good.TryGetValue(one.Key, out var usual) && usual.Count >= RetrievalsMin)
            .OrderByDescending(one => Distance(one.Value, good[one.Key])).ThenBy(static one => one.Key, StringComparer.Ordinal)
            .Select(static one => one.Key).FirstOrDefault();
    }

    private static double Distance(List<double> one, List<double> other)
    {
        static double Variance(List<double> values, double mean) => values.Sum(value => (value - mean) * (value - mean)) / values.Count;
        double a = one.Average(), b = other.Average();
        return Math.Abs(a - b) / Math.Sqrt((Variance(one, a) / one.Count) + (Variance(other, b) / other.Count) + 1e-6);
    }

    private static Dictionary<string, List<double>> Values(IReadOnlyList<TraceFacts> traces, Func<SpanSummary, double?> measure)
    {
        Dictionary<string, List<double>> values = new(StringComparer.Ordinal);
        foreach (var span in Retrievals(traces))
        {
            if (measure(span) is { } value)
            {
                (values.TryGetValue(span.GenAi.DataSource, out var list) ? list : values[span.GenAi.DataSource] = []).Add(value);
            }
        }

        return values;
    }

    private static IEnumerable<SpanSummary> Retrievals(IReadOnlyList<TraceFacts> traces) =>
        traces.SelectMany(static trace => trace.Spans).Where(static span => span.GenAi is { Operation: "retrieval", DataSource.Length: > 0 });

    private static List<string> Names(CaseFacts facts) =>
        [.. Retrievals(facts.Bad).Concat(Retrievals(facts.Good)).Select(static span => span.GenAi.DataSource).Distinct(StringComparer.Ordinal)];

    /// <summary>Where no span names a source, who asks one.</summary>
    private static string Usual(CaseFacts facts) => Names(facts).FirstOrDefault()
        ?? facts.Bad.SelectMany(static trace => trace.Spans).Where(static span => span.GenAi.Operation is "retrieval").Select(static span => span.Service).Commonest()
        ?? facts.Finding.Service;
}

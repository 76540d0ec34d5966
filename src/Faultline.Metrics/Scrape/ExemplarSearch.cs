using System.Text.RegularExpressions;
using Faultline.Metrics.Api;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.Scrape;

/// <summary>Picks the exemplars that a query asks for.</summary>
internal static class ExemplarSearch
{
    /// <param name="all">Every exemplar with the labels of its series.</param>
    public static IReadOnlyList<SeriesExemplars> Find(SeriesQuery query, IEnumerable<(Labels Series, Exposition.Exemplar Exemplar)> all)
    {
        var selectors = query.AnyOf.Select(matchers => matchers.Select(Test).ToList()).ToList();
        return
        [
            .. from entry in all
               let millis = (long)(entry.Exemplar.UnixSeconds * 1000)
               where millis >= query.FromUnixMillis && millis <= query.ToUnixMillis
               where selectors.Count == 0 || selectors.Exists(tests => tests.TrueForAll(test => test(entry.Series)))
               group new Exemplar(Labels.Of(("trace_id", entry.Exemplar.TraceId), ("span_id", entry.Exemplar.SpanId)), entry.Exemplar.Value, millis) by entry.Series into series
               select new SeriesExemplars(series.Key, [.. series.OrderBy(exemplar => exemplar.UnixMillis)]),
        ];
    }

    private static Predicate<Labels> Test(LabelMatcher matcher)
    {
        switch (matcher.Kind)
        {
            case MatchKind.Equal:
                return labels => string.Equals(labels[matcher.Name], matcher.Value, StringComparison.Ordinal);
            case MatchKind.NotEqual:
                return labels => !string.Equals(labels[matcher.Name], matcher.Value, StringComparison.Ordinal);
            default:
                var wanted = matcher.Kind == MatchKind.Regex;

                // The parser has refused what does not compile.
                var regex = GoRegex.TryCompile(matcher.Value, out var compiled, out var error) ? compiled : throw new ArgumentException(error, nameof(matcher));
                return labels => regex.IsMatch(labels[matcher.Name]) == wanted;
        }
    }
}

using Faultline.ClickHouse;
using Faultline.Telemetry.Samples;

namespace Faultline.Store.Samples;

/// <summary>Label matchers as a condition over table <c>metric_series</c>.</summary>
internal static class SeriesFilter
{
    /// <summary>Series that satisfy all matchers of any one list. No list at all: every series.</summary>
    public static string Of(IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, SqlParameters parameters)
    {
        var next = 0;
        var alternatives = anyOf.Select(matchers => matchers.Count == 0 ? "1" : string.Join(" AND ", matchers.Select(matcher => Condition(matcher, parameters, next++)))).ToList();
        return alternatives.Count == 0 ? "1" : "((" + string.Join(") OR (", alternatives) + "))";
    }

    private static string Condition(LabelMatcher matcher, SqlParameters parameters, int number)
    {
        var pattern = matcher.Kind is MatchKind.Regex or MatchKind.NotRegex;
        parameters.Add($"value{number}", pattern ? $"^(?:{matcher.Value})$" : matcher.Value);

        // A key that a map lacks reads as empty text, which is Prometheus' rule for a missing label.
        var label = "metric";
        if (!string.Equals(matcher.Name, Labels.MetricName, StringComparison.Ordinal))
        {
            parameters.Add($"label{number}", matcher.Name);
            label = $$"""labels[{label{{number}}:String}]""";
        }

        var value = $$"""{value{{number}}:String}""";
        return matcher.Kind switch
        {
            MatchKind.Equal => $"{label} = {value}",
            MatchKind.NotEqual => $"{label} != {value}",
            MatchKind.Regex => $"match({label}, {value})",
            _ => $"NOT match({label}, {value})",
        };
    }
}

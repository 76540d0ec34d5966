using System.Globalization;
using System.Text;
using Faultline.ClickHouse;

namespace Faultline.Store.Tiers;

/// <summary>Rules as SQL over all spans of a trace.</summary>
internal sealed class TraceMatch
{
    // Where instrumentations write what a call cost; a parent may tell the sum of its calls.
    private const string Cost = "toFloat64OrZero(if(attributes['gen_ai.usage.cost'] != '', attributes['gen_ai.usage.cost'], attributes['llm.cost.total']))";

    private readonly List<KeepRule> _rules = [];

    /// <param name="rules">The longest first. Those that only the control plane can judge are left out.</param>
    public TraceMatch(IEnumerable<KeepRule> rules, SqlParameters parameters)
    {
        var names = new StringBuilder("multiIf(");
        foreach (var rule in rules.Where(rule => rule.Condition is not KeepCondition.CaseLinked))
        {
            names.Append(Condition(rule.Condition, _rules.Count, parameters)).Append(CultureInfo.InvariantCulture, $", {_rules.Count + 1}, ");
            _rules.Add(rule);
        }

        Place = names.Append("0)").ToString();
        if (_rules.Count == 0)
        {
            // An array's place 0 is no place only where it is not known beforehand.
            Place = "materialize(0)";
        }

        parameters.Add("rule_names", _rules.Select(rule => rule.Name)).Add("rule_days", _rules.Select(rule => (long)rule.KeepDays));
    }

    /// <summary>Place of the first rule that holds, from 1; 0 for none. An aggregate over a trace's spans.</summary>
    public string Place { get; }

    private static string Condition(KeepCondition condition, int i, SqlParameters parameters)
    {
        switch (condition)
        {
            case KeepCondition.Error:
                return "max(status = 2)";
            case KeepCondition.SlowerThan slower:
                parameters.Add($"nanos{i}", slower.Duration.Ticks * 100);
                return $"max(end_unix_nanos) - min(start_unix_nanos) > {{nanos{i}:Int64}}";
            case KeepCondition.CostAbove above:
                parameters.Add($"cost{i}", above.Cost);
                return $"greatest(sumIf({Cost}, genai_counted = 1), max({Cost})) > {{cost{i}:Float64}}";
            case KeepCondition.ScoreBelow below:
                parameters.Add($"limit{i}", below.Limit).Add($"score{i}", below.Score ?? "");
                var low = $"FROM scores WHERE value < {{limit{i}:Float64}}{(below.Score is null ? "" : $" AND name = {{score{i}:String}}")}";
                return $"max((project, trace_id) IN (SELECT project, trace_id {low}) OR (genai_response_id != '' AND (project, genai_response_id) IN (SELECT project, response_id {low} AND response_id != '')))";
            case KeepCondition.Service service:
                parameters.Add($"service{i}", service.Name);
                return $"max(service_name = {{service{i}:String}})";
            case KeepCondition.Attribute attribute:
                parameters.Add($"key{i}", attribute.Key).Add($"value{i}", attribute.Value);
                string Has(string map) => $"(mapContains({map}, {{key{i}:String}}) AND {map}[{{key{i}:String}}] = {{value{i}:String}})";
                return $"max({Has("attributes")} OR {Has("resource_attributes")})";
            case KeepCondition.Percentage percentage:
                // The random part of a trace id is its last 56 bits (W3C Trace Context, level 2); OpenTelemetry's samplers keep what is at or above a threshold.
                parameters.Add($"from{i}", (long)Math.Round((1 - (percentage.Percent / 100)) * (1L << 56)));
                return $"max(reinterpretAsUInt64(reverse(substring(trace_id, 10, 7))) >= {{from{i}:Int64}})";
            default:
                throw new System.Diagnostics.UnreachableException(condition.GetType().Name);
        }
    }
}

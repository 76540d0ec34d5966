using System.Text;
using System.Text.RegularExpressions;
using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>Functions that change labels and leave the samples alone.</summary>
internal static class LabelFunctions
{
    public static List<StepSeries> Replace(Call call)
    {
        var (target, replacement, source, pattern) = (call.Text(1), call.Text(2), call.Text(3), call.Text(4));
        if (!GoRegex.TryCompile(pattern, out var regex, out _))
        {
            throw Evaluator.Fault($"invalid regular expression in label_replace(): {pattern}");
        }

        if (!LabelSets.IsValidName(target))
        {
            throw Evaluator.Fault($"invalid destination label name in label_replace(): {target}");
        }

        return Evaluator.Merge(call.Vector(0).ConvertAll(series =>
            regex.Match(series.Labels[source]) is { Success: true } match ? Set(series, target, Expand(replacement, match)) : series));
    }

    public static List<StepSeries> Join(Call call)
    {
        var (target, separator) = (call.Text(1), call.Text(2));
        var sources = Enumerable.Range(3, call.Count - 3).Select(call.Text).ToArray();
        if (Array.Find(sources, name => !LabelSets.IsValidName(name)) is { } wrong)
        {
            throw Evaluator.Fault($"invalid source label name in label_join(): {wrong}");
        }

        if (!LabelSets.IsValidName(target))
        {
            throw Evaluator.Fault($"invalid destination label name in label_join(): {target}");
        }

        return Evaluator.Merge(call.Vector(0).ConvertAll(series => Set(series, target, string.Join(separator, sources.Select(name => series.Labels[name])))));
    }

    private static StepSeries Set(StepSeries series, string name, string value) =>
        new(series.Labels.With(name, value), series.Values, series.DropName && !string.Equals(name, Labels.MetricName, StringComparison.Ordinal));

    /// <summary>Go's <c>Regexp.Expand</c>: <c>$1</c>, <c>${name}</c>, <c>$$</c>; an unknown group is empty.</summary>
    private static string Expand(string template, Match match)
    {
        var text = new StringBuilder(template.Length);
        for (var i = 0; i < template.Length;)
        {
            var rest = template.AsSpan(i);
            if (rest[0] != '$' || rest.Length == 1)
            {
                text.Append(rest[0]);
                i++;
            }
            else if (rest[1] == '$')
            {
                text.Append('$');
                i += 2;
            }
            else
            {
                var braced = rest[1] == '{';
                var name = rest[(braced ? 2 : 1)..];
                var length = 0;
                while (length < name.Length && (char.IsLetterOrDigit(name[length]) || name[length] == '_'))
                {
                    length++;
                }

                if (length == 0 || (braced && (length == name.Length || name[length] != '}')))
                {
                    text.Append('$');       // no reference: the dollar stands for itself
                    i++;
                    continue;
                }

                text.Append(match.Groups[name[..length].ToString()].Value);
                i += 1 + length + (braced ? 2 : 0);
            }
        }

        return text.ToString();
    }
}

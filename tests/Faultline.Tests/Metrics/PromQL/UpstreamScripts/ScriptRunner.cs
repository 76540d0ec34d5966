using System.Text.RegularExpressions;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Tests.Metrics.PromQL.UpstreamScripts;

/// <summary>What became of one <c>eval</c>. <see cref="Fault"/> is null when it did what the script says.</summary>
/// <param name="Reason">Why a failing one is not expected to pass yet, found in the script itself.</param>
internal sealed record Verdict(int Line, string Expression, string? Fault, string Reason);

/// <summary>
/// Runs a script as upstream's runner does: each instant query also with <c>@</c> on every selector at other times, and as the middle
/// step of a range query. Samples that are native histograms are not loaded.
/// </summary>
internal sealed partial class ScriptRunner
{
    private const double Epsilon = 0.000001;

    private readonly MemorySeries _data = new();
    private readonly HashSet<Labels> _histograms = [];
    private readonly PromQlEngine _engine;
    private bool _startTimes;

    public ScriptRunner() => _engine = new PromQlEngine(_data.SelectAsync);

    public async Task<List<Verdict>> RunAsync(string text)
    {
        var verdicts = new List<Verdict>();
        foreach (var command in Script.Parse(text))
        {
            switch (command)
            {
                case Command.Clear:
                    _data.Clear();
                    _histograms.Clear();
                    _startTimes = false;
                    break;
                case Command.Load load:
                    Load(load);
                    break;
                case Command.Eval eval:
                    var fault = await FaultOfAsync(eval);
                    verdicts.Add(new Verdict(eval.Line, eval.Expression, fault, fault is null ? "" : Reason(eval, fault)));
                    break;
                default:
                    break;
            }
        }

        return verdicts;
    }

    private string Reason(Command.Eval eval, string fault)
    {
        if (fault.Contains("not yet supported: ", StringComparison.Ordinal))
        {
            return Regex.Match(fault, @"not yet supported: ([\w ()]+?)(?: \(|$|\))").Groups[1].Value;
        }

        if (_startTimes)
        {
            return "start timestamps";
        }

        var histogramExpected = eval.Expected.Exists(series => series.Points.Any(point => point.Histogram is not null));
        return histogramExpected || SelectsHistograms(Parser.Parse(eval.Expression)) ? "native histograms" : "";
    }

    private bool SelectsHistograms(Expr expr) =>
        (expr is VectorSelector selector && _histograms.Any(labels => _data.Matches(labels, selector.Matchers))) || expr.Children.Any(SelectsHistograms);

    private void Load(Command.Load load)
    {
        _startTimes |= load.HasStartTimes;
        foreach (var series in load.Series)
        {
            if (load.WithCustomBuckets)
            {
                var name = Regex.Replace(series.Labels.Name, "_(bucket|count|sum)$", "");
                _histograms.Add(LabelSets.Remove(series.Labels, "le").With(Labels.MetricName, name));
            }

            for (var i = 0; i < series.Points.Count; i++)
            {
                var point = series.Points[i];
                if (point.Histogram is not null)
                {
                    _histograms.Add(series.Labels);
                }
                else if (!point.Omitted)
                {
                    _data.Add(series.Labels, i * load.StepMillis, point.Value);
                }
            }
        }
    }

    private async Task<string?> FaultOfAsync(Command.Eval eval)
    {
        try
        {
            if (eval.IsRange)
            {
                return await CheckAsync(eval, eval.Expression, () => _engine.RangeAsync("default", eval.Expression, eval.From, eval.To, eval.Step));
            }

            var at = eval.To;
            foreach (var (expression, time) in Variants(eval, at))
            {
                var fault = await CheckAsync(eval, expression, () => _engine.InstantAsync("default", expression, time));
                if (fault is not null)
                {
                    return $"at {time}: {expression}: {fault}";
                }

                if (!eval.Expects("fail") && !eval.ExpectsRangeVector && eval.ExpectedText is null && !QueryContext().IsMatch(expression) && await RangeFaultAsync(eval, expression, time) is { } rangeFault)
                {
                    return $"in range mode at {time}: {expression}: {rangeFault}";
                }
            }

            return null;
        }
        catch (PromQlException fault)
        {
            return $"{fault.ErrorType}: {fault.Message}";
        }
    }

    private static IEnumerable<(string Expression, long At)> Variants(Command.Eval eval, long at)
    {
        yield return (eval.Expression, at);
        Expr expr;
        try
        {
            expr = Parser.Parse(eval.Expression);
        }
        catch (PromQlException)
        {
            yield break;        // the query itself reports it
        }

        if (!FixTimes(expr, at))
        {
            yield break;
        }

        long[] times = at == 0 ? [-1000, 0, 1000] : [-10 * at, 0, at / 5, at, 10 * at];
        foreach (var time in times)
        {
            yield return (expr.ToString(), time);
        }
    }

    /// <summary>Sets <c>@</c> on every selector that is not inside a subquery that has it. False when the value depends on the time all the same.</summary>
    private static bool FixTimes(Expr expr, long at)
    {
        switch (expr)
        {
            case CallExpr { Function.DependsOnTime: true } or CallExpr { Function.Name: "start" or "end" or "range" or "step" }:
                return false;
            case SubqueryExpr subquery:
                subquery.AtUnixMillis ??= subquery.Anchor == AtAnchor.None ? at : null;
                return !HasTimeFunction(subquery.Inner);
            case VectorSelector selector:
                selector.AtUnixMillis ??= selector.Anchor == AtAnchor.None ? at : null;
                return true;
            default:
                return expr.Children.Select(child => FixTimes(child, at)).ToList().TrueForAll(fixedTime => fixedTime);
        }
    }

    private static bool HasTimeFunction(Expr expr) =>
        expr is CallExpr { Function.DependsOnTime: true } or CallExpr { Function.Name: "start" or "end" or "range" or "step" } || expr.Children.Any(HasTimeFunction);

    private static async Task<string?> CheckAsync(Command.Eval eval, string expression, Func<Task<PromQlResult>> query)
    {
        PromQlResult result;
        try
        {
            result = await query();
        }
        catch (PromQlException fault) when (eval.Expects("fail"))
        {
            return eval.Expectations.Where(expectation => expectation.Kind is "fail").All(expectation => expectation.Pattern.IsMatch(fault.Message))
                ? null
                : $"the failure reads: {fault.Message}";
        }

        return eval.Expects("fail") ? "should have failed" : Annotations(eval, result) ?? Compare(eval, result);
    }

    private static string? Annotations(Command.Eval eval, PromQlResult result)
    {
        foreach (var (kind, found) in new[] { ("warn", result.Warnings), ("info", result.Infos) })
        {
            var expected = eval.Expectations.Where(expectation => string.Equals(expectation.Kind, kind, StringComparison.Ordinal)).ToList();
            if (expected.Find(one => !found.Any(one.Pattern.IsMatch)) is { Pattern: not null } missing)
            {
                return $"no {kind} matches {missing.Pattern}; there are: {string.Join("; ", found)}";
            }

            if (expected.Count > 0 && found.FirstOrDefault(text => !expected.Exists(one => one.Pattern.IsMatch(text))) is { } extra)
            {
                return $"unexpected {kind}: {extra}";
            }

            if (eval.Expects("no_" + kind) && found.Count > 0)
            {
                return $"unexpected {kind}: {found[0]}";
            }
        }

        return null;
    }

    private async Task<string?> RangeFaultAsync(Command.Eval eval, string expression, long at)
    {
        var matrix = (PromQlResult.Matrix)await _engine.RangeAsync("default", expression, at - 60_000, at + 60_000, 60_000);
        if (eval.Expects("ordered"))
        {
            return null;
        }

        var middle = matrix.Series.Where(series => series.UnixMillis.Contains(at)).Select(series => (series.Labels, at, series.Values[Array.IndexOf(series.UnixMillis, at)])).ToList();
        return Compare(eval, eval.ExpectedScalar is not null ? new PromQlResult.Scalar(at, middle[0].Item3) : new PromQlResult.Vector(middle));
    }

    private static string? Compare(Command.Eval eval, PromQlResult result)
    {
        switch (result)
        {
            case PromQlResult.Scalar scalar:
                return eval.ExpectedScalar is { } expected ? Different(expected, scalar.Value) : "a scalar where a vector is expected";
            case PromQlResult.Text text:
                return string.Equals(text.Value, eval.ExpectedText, StringComparison.Ordinal) ? null : $"text is {text.Value}";
            case PromQlResult.Vector vector:
                if (eval.ExpectedScalar is not null)
                {
                    return "a vector where a scalar is expected";
                }

                for (var i = 0; i < vector.Samples.Count; i++)
                {
                    var (labels, _, value) = vector.Samples[i];
                    var place = eval.Expected.FindIndex(series => series.Labels.Equals(labels));
                    if (place < 0)
                    {
                        return $"unexpected {labels} {value}";
                    }

                    if (eval.Expects("ordered") && place != i)
                    {
                        return $"{labels} is at place {i}, not {place}";
                    }

                    if (eval.Expected[place].Points[0].Histogram is not null)
                    {
                        return $"{labels} should be a native histogram";
                    }

                    if (Different(eval.Expected[place].Points[0].Value, value) is { } fault)
                    {
                        return $"{labels}: {fault}";
                    }
                }

                return eval.Expected.Find(series => vector.Samples.All(sample => !sample.Labels.Equals(series.Labels))) is { } missing ? $"{missing.Labels} is missing" : null;
            case PromQlResult.Matrix matrix:
                return CompareMatrix(eval, matrix);
            default:
                return result.GetType().Name;
        }
    }

    private static string? CompareMatrix(Command.Eval eval, PromQlResult.Matrix matrix)
    {
        for (var i = 1; i < matrix.Series.Count; i++)
        {
            if (LabelSets.Compare(matrix.Series[i - 1].Labels, matrix.Series[i].Labels) >= 0)
            {
                return "series are not in order";
            }
        }

        foreach (var series in matrix.Series)
        {
            var expected = eval.Expected.Find(line => line.Labels.Equals(series.Labels));
            if (expected is null)
            {
                return $"unexpected {series.Labels}: {string.Join(' ', series.Values)}";
            }

            if (expected.Points.Any(point => point.Histogram is not null))
            {
                return $"{series.Labels} should have native histograms";
            }

            var points = expected.Points.Select((point, i) => (At: eval.From + (i * eval.Step), point)).Where(pair => !pair.point.Omitted).ToList();
            if (points.Count != series.Values.Length)
            {
                return $"{series.Labels} has {series.Values.Length} points, not {points.Count}: {string.Join(' ', series.Values)}";
            }

            for (var i = 0; i < points.Count; i++)
            {
                if (points[i].At != series.UnixMillis[i] || Different(points[i].point.Value, series.Values[i]) is not null)
                {
                    return $"{series.Labels} at {series.UnixMillis[i]} is {series.Values[i]:R}, not {points[i].point.Value:R} at {points[i].At}";
                }
            }
        }

        return eval.Expected.Find(line => line.Points.Count > 0 && matrix.Series.All(series => !series.Labels.Equals(line.Labels))) is { } missing ? $"{missing.Labels} is missing" : null;
    }

    private static string? Different(double expected, double actual)
    {
        const double SmallestNormal = 2.2250738585072014e-308;
        if (expected == actual || (double.IsNaN(expected) && double.IsNaN(actual)))
        {
            return null;
        }

        var sum = Math.Abs(expected) + Math.Abs(actual);
        var difference = Math.Abs(expected - actual);
        var equal = expected == 0 || actual == 0 || sum < SmallestNormal ? difference < Epsilon * SmallestNormal : difference / Math.Min(sum, double.MaxValue) < Epsilon;
        return equal ? null : $"{actual:R} instead of {expected:R}";
    }

    [GeneratedRegex(@"(start|end|range|step)\(\)")]
    private static partial Regex QueryContext();
}

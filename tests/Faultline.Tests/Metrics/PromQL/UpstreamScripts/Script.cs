using System.Text;
using System.Text.RegularExpressions;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Tests.Metrics.PromQL.UpstreamScripts;

/// <summary>One value of a series line. <see cref="Histogram"/> is the text of a native histogram, which we do not evaluate.</summary>
internal readonly record struct Point(double Value, bool Omitted, string? Histogram)
{
    public static readonly Point None = new(0, Omitted: true, null);
}

/// <summary>A series line: labels, then values spaced by the load's or the query's step.</summary>
internal sealed record SeriesLine(Labels Labels, IReadOnlyList<Point> Points);

internal abstract record Command(int Line)
{
    public sealed record Clear(int Line) : Command(Line);

    public sealed record Load(int Line, long StepMillis, bool WithCustomBuckets, IReadOnlyList<SeriesLine> Series, bool HasStartTimes) : Command(Line);

    public sealed record Eval(int Line, string Expression) : Command(Line)
    {
        public bool IsRange { get; set; }

        public long From { get; set; }

        public long To { get; set; }

        public long Step { get; set; }

        public bool ExpectsRangeVector { get; set; }

        public string? ExpectedText { get; set; }

        public double? ExpectedScalar { get; set; }

        public List<SeriesLine> Expected { get; } = [];

        /// <summary>What is expected (fail, warn, info, no_warn, no_info, ordered) and the pattern it must match.</summary>
        public List<(string Kind, Regex Pattern)> Expectations { get; } = [];

        public bool Expects(string kind) => Expectations.Exists(expectation => string.Equals(expectation.Kind, kind, StringComparison.Ordinal));
    }
}

/// <summary>Reads Prometheus' test scripts (promql/promqltest/README.md).</summary>
internal static partial class Script
{
    private static readonly Regex Anything = new("");

    public static List<Command> Parse(string text)
    {
        var lines = text.Split('\n').Select(line => line.Trim()).Select(line => line.StartsWith('#') ? "" : line).ToArray();
        var commands = new List<Command>();
        for (var i = 0; i < lines.Length; i++)
        {
            var word = lines[i].Split(' ', '\t')[0];
            if (word.Length == 0)
            {
                continue;
            }

            var body = new List<string>();
            var head = i;
            while (word is not "clear" && i + 1 < lines.Length && lines[i + 1].Length > 0)
            {
                body.Add(lines[++i]);
            }

            commands.Add(word switch
            {
                "clear" => new Command.Clear(head + 1),
                "load" or "load_with_nhcb" => ParseLoad(head + 1, lines[head], body),
                _ when word.StartsWith("eval", StringComparison.Ordinal) => ParseEval(head + 1, lines[head], body),
                _ => throw new FormatException($"line {head + 1}: {lines[head]}"),
            });
        }

        return commands;
    }

    public static long Duration(string text) => GoText.TryParseDuration(text, out var millis, out var error) ? millis : throw new FormatException(error);

    private static Command.Load ParseLoad(int line, string head, List<string> body)
    {
        var series = body.Where(text => !IsStartTimes(text)).Select(ParseSeries).ToList();
        return new Command.Load(line, Duration(head[(head.IndexOf(' ', StringComparison.Ordinal) + 1)..].Trim()), head.StartsWith("load_with_nhcb", StringComparison.Ordinal), series, body.Any(IsStartTimes));
    }

    private static bool IsStartTimes(string line) => line.Split(' ', '\t')[0].EndsWith("@st", StringComparison.Ordinal);

    private static Command.Eval ParseEval(int line, string head, List<string> body)
    {
        Command.Eval eval;
        string mode;
        if (InstantHead().Match(head) is { Success: true } instant)
        {
            mode = instant.Groups[1].Value;
            var at = Duration(instant.Groups[2].Value);
            eval = new Command.Eval(line, instant.Groups[3].Value) { From = at, To = at };
        }
        else
        {
            var range = RangeHead().Match(head);
            mode = range.Groups[1].Value;
            eval = new Command.Eval(line, range.Groups[5].Value)
            {
                IsRange = true,
                From = Duration(range.Groups[2].Value),
                To = Duration(range.Groups[3].Value),
                Step = Duration(range.Groups[4].Value),
            };
        }

        if (mode.Length > 0)
        {
            eval.Expectations.Add((mode, Anything));
        }

        foreach (var text in body)
        {
            if (text.StartsWith("expected_fail_message ", StringComparison.Ordinal))
            {
                eval.Expectations[0] = ("fail", Exactly(text["expected_fail_message ".Length..].Trim()));
            }
            else if (text.StartsWith("expected_fail_regexp ", StringComparison.Ordinal))
            {
                eval.Expectations[0] = ("fail", new Regex(text["expected_fail_regexp ".Length..].Trim()));
            }
            else if (RangeVector().Match(text) is { Success: true } vector)
            {
                eval.ExpectsRangeVector = true;
                eval.From = Duration(vector.Groups[1].Value);
                eval.To = Duration(vector.Groups[2].Value);
                eval.Step = Duration(vector.Groups[3].Value);
            }
            else if (text.StartsWith("expect string ", StringComparison.Ordinal))
            {
                eval.ExpectedText = GoText.Unquote(text.AsSpan("expect string ".Length));
            }
            else if (text.StartsWith("expect ", StringComparison.Ordinal))
            {
                var parts = Expect().Match(text);
                eval.Expectations.Add((parts.Groups[1].Value, parts.Groups[2].Value switch
                {
                    "msg" => Exactly(parts.Groups[3].Value.Trim()),
                    "regex" => new Regex(parts.Groups[3].Value.Trim()),
                    _ => Anything,
                }));
            }
            else if (GoNumber.TryParse(text, out var number, out _))
            {
                eval.ExpectedScalar = number;
            }
            else
            {
                eval.Expected.Add(ParseSeries(text));
            }
        }

        return eval;
    }

    private static Regex Exactly(string message) => new($"^{Regex.Escape(message)}$");

    private static SeriesLine ParseSeries(string line)
    {
        var depth = 0;
        var quote = '\0';
        var end = 0;
        for (; end < line.Length; end++)
        {
            var character = line[end];
            if (quote != '\0')
            {
                if (character == '\\' && quote != '`')
                {
                    end++;
                }
                else if (character == quote)
                {
                    quote = '\0';
                }
            }
            else if (character is '"' or '\'' or '`')
            {
                quote = character;
            }
            else if (character is '{' or '}')
            {
                depth += character == '{' ? 1 : -1;
            }
            else if (depth == 0 && char.IsWhiteSpace(character))
            {
                var rest = line[end..].TrimStart();
                if (rest.StartsWith('{') && !rest.StartsWith("{{", StringComparison.Ordinal) && !line[..end].Contains('{', StringComparison.Ordinal))
                {
                    continue;       // "metric {label=…}" is one name
                }

                break;
            }
        }

        var matchers = PromQlEngine.ParseSelector(line[..end]);
        return new SeriesLine(Labels.Of(matchers.Select(matcher => KeyValuePair.Create(matcher.Name, matcher.Value))), [.. Points(line[end..])]);
    }

    private static IEnumerable<Point> Points(string text)
    {
        foreach (Match match in Item().Matches(text))
        {
            var times = match.Groups["times"].Success ? int.Parse(match.Groups["times"].Value) : 0;
            var value = match.Groups["value"].Value;
            if (value is "_")
            {
                for (var i = 0; i < Math.Max(1, times); i++)
                {
                    yield return Point.None;
                }

                continue;
            }

            var histogram = value.StartsWith("{{", StringComparison.Ordinal) ? value : null;
            var number = histogram is not null ? 0
                : value.TrimStart('+', '-') is "stale" ? SampleBatch.StaleNaN
                : Number(value);
            var step = match.Groups["step"].Success && histogram is null ? Number(match.Groups["step"].Value) : 0;
            for (var i = 0; i <= times; i++)
            {
                yield return new Point(number, Omitted: false, histogram);
                number = step == 0 ? number : number + step;
            }
        }
    }

    private static double Number(string text)
    {
        if (GoNumber.TryParse(text, out var number, out _))
        {
            return number;
        }

        return Duration(text) / 1000.0;
    }

    [GeneratedRegex(@"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$")]
    private static partial Regex InstantHead();

    [GeneratedRegex(@"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")]
    private static partial Regex RangeHead();

    [GeneratedRegex(@"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$")]
    private static partial Regex RangeVector();

    [GeneratedRegex(@"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$")]
    private static partial Regex Expect();

    [GeneratedRegex(@"(?<value>\{\{.*?\}\}|_|[+-]?(?:stale|[Ii]nf|[Nn]a[Nn]|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?))(?<step>[+-](?:\{\{.*?\}\}|[Ii]nf|[Nn]a[Nn]|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?))?(?:x(?<times>\d+))?(?=\s|$)")]
    private static partial Regex Item();
}

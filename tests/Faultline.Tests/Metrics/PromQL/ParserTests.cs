using System.Text;
using System.Text.Json;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using FsCheck;
using FsCheck.Fluent;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Metrics.PromQL;

public sealed class ParserTests(ITestOutputHelper output)
{
    private const string Confusing = "()[]{}@,:+-*/^\"'`\\ax1 \u00e9\ud83d";

    private static readonly JsonElement Cases = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "promql", "upstream", "expressions.json"))).RootElement;

    [Fact]
    public void Every_expression_that_upstream_accepts_is_accepted_and_survives_printing()
    {
        var faults = new List<string>();
        foreach (var input in Cases.GetProperty("valid").EnumerateArray().Select(element => element.GetString()!))
        {
            try
            {
                var tree = Parser.Parse(input);
                var printed = tree.ToString();
                var again = Parser.Parse(printed);
                if (!string.Equals(Dump(tree), Dump(again), StringComparison.Ordinal))
                {
                    faults.Add($"{input} prints as {printed}, another tree:\n{Dump(tree)}\n{Dump(again)}");
                }

                Assert.Equal(Dump(tree), Dump(Parser.Parse(PromQlEngine.Format(input))));
            }
            catch (PromQlException fault)
            {
                faults.Add($"{input}: {fault.Message}");
            }
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    [Fact]
    public void Every_expression_that_upstream_refuses_is_refused_with_its_words_and_place()
    {
        var faults = new List<string>();
        foreach (var element in Cases.GetProperty("wrong").EnumerateArray())
        {
            var input = element.GetProperty("input").GetString()!;
            var wanted = $"{new TextRange(element.GetProperty("start").GetInt32(), 0).LineAndColumn(input)}: parse error: {element.GetProperty("message").GetString()}";
            try
            {
                Parser.Parse(input);
                faults.Add($"{input} is accepted, not: {wanted}");
            }
            catch (PromQlException fault)
            {
                if (!string.Equals(fault.Message, wanted, StringComparison.Ordinal))
                {
                    faults.Add($"{input}\n  {fault.Message}\n  {wanted}");
                }
            }
        }

        faults.ForEach(output.WriteLine);
        Assert.True(faults.Count == 0, $"{faults.Count} differ:\n{string.Join('\n', faults)}");
    }

    [Theory]
    [InlineData("up", "up")]
    [InlineData("sum by(job)(rate(x_total{a='b',}[5m]))", "sum by (job) (rate(x_total{a=\"b\"}[5m]))")]
    [InlineData("a offset -90m @ 10", "a @ 10.000 offset -1h30m")]
    [InlineData("{\"my.metric\",'a.b'=~`x\\d`}", "{\"a.b\"=~\"x\\\\d\",__name__=\"my.metric\"}")]
    [InlineData("1e3 + 0x1F - 017", "1000 + 31 - 15")]
    [InlineData("a * on(x) group_left(y) b", "a * on (x) group_left (y) b")]
    [InlineData("a[1h:5m] offset 1d", "a[1h:5m] offset 1d")]
    [InlineData("-a^2", "-a ^ 2")]
    [InlineData("a offset (5) @ 16 + 1", "a @ 16.000 offset +(5) + 1")]
    [InlineData("a offset +(5) - 1", "a offset +(5) - 1")]
    [InlineData("a offset (5) + 1", "a offset (5) + 1")]
    [InlineData("a offset (5) + 1 @ 16 + 2", "a @ 16.000 offset +((5) + 1) + 2")]
    public void An_expression_is_printed_in_canonical_form(string input, string canonical) => Assert.Equal(canonical, Parser.Parse(input).ToString());

    [Fact]
    public void A_long_expression_is_formatted_over_several_lines()
    {
        var text = PromQlEngine.Format("histogram_quantile(0.95, sum by (le, service_name) (rate(llm_traces_span_metrics_latency_bucket{service_name=\"support-bot\"}[5m])))");
        Assert.Equal("""
            histogram_quantile(
              0.95,
              sum by (le, service_name) (
                rate(llm_traces_span_metrics_latency_bucket{service_name="support-bot"}[5m])
              )
            )
            """.ReplaceLineEndings("\n"), text);
    }

    [Fact]
    public void An_expression_that_nests_too_deep_is_refused()
    {
        var fault = Assert.Throws<PromQlException>(() => Parser.Parse(new string('(', 100_000) + "1" + new string(')', 100_000)));
        Assert.Contains("nests deeper than", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_parses_or_is_refused() => Prop.ForAll<NonNull<string>>(text =>
    {
        try
        {
            var tree = Parser.Parse(text.Get);
            return string.Equals(Dump(tree), Dump(Parser.Parse(tree.ToString())), StringComparison.Ordinal);
        }
        catch (PromQlException fault)
        {
            return fault.ErrorType is "bad_data";
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Broken_expressions_never_break_the_parser()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new System.Random(seed);
        var inputs = Cases.GetProperty("valid").EnumerateArray().Select(element => element.GetString()!).ToArray();
        for (var round = 0; round < 20_000; round++)
        {
            var text = new StringBuilder(inputs[random.Next(inputs.Length)]);
            for (var changes = random.Next(1, 4); changes > 0 && text.Length > 0; changes--)
            {
                var at = random.Next(text.Length);
                switch (random.Next(3))
                {
                    case 0: text.Remove(at, 1); break;
                    case 1: text[at] = Confusing[random.Next(Confusing.Length)]; break;
                    default: text.Insert(at, inputs[random.Next(inputs.Length)]); break;
                }
            }

            try
            {
                var tree = Parser.Parse(text.ToString());

                var printed = tree.ToString();
                Assert.True(Dump(tree) == Dump(Parser.Parse(printed)), $"{text} is printed as {printed}, which is something else.");
            }
            catch (PromQlException fault)
            {
                Assert.Equal("bad_data", fault.ErrorType);
            }
        }
    }

    /// <summary>The tree without places, so that equal trees have equal dumps.</summary>
    private static string Dump(Expr expr) => expr switch
    {
        NumberLiteral number => $"number {BitConverter.DoubleToInt64Bits(double.IsNaN(number.Value) ? double.NaN : number.Value):x}",
        TextLiteral text => $"text {text.Value}",
        ParenExpr paren => $"paren({Dump(paren.Inner)})",
        UnaryExpr unary => $"unary({unary.IsMinus} {Dump(unary.Operand)})",
        BinaryExpr binary => $"{binary.Op}({Dump(binary.Left)}; {Dump(binary.Right)}; {binary.ReturnBool} {Dump(binary.Matching)})",
        CallExpr call => $"{call.Function.Name}({string.Join("; ", call.Arguments.Select(Dump))})",
        AggregateExpr aggregate => $"{aggregate.Op}({aggregate.Without} {string.Join(',', aggregate.Grouping)}; {(aggregate.Parameter is null ? "" : Dump(aggregate.Parameter))}; {Dump(aggregate.Operand)})",
        RangeSelector range => $"range({Dump(range.Selector)}; {Dump(range.Range)})",
        SubqueryExpr subquery => $"subquery({Dump(subquery.Inner)}; {Dump(subquery.Range)}; {Dump(subquery.Step)}; {Times(subquery)})",
        VectorSelector selector => $"select({string.Join(',', selector.Matchers.Select(matcher => $"{matcher.Name} {matcher.Kind} {matcher.Value}").Order(StringComparer.Ordinal))}; {selector.IsAnchored} {selector.IsSmoothed}; {Times(selector)})",
        _ => throw new InvalidOperationException(expr.GetType().Name),
    };

    private static string Times(TimedExpr timed) => $"{timed.AtUnixMillis} {timed.Anchor} {(timed.Offset is DurationNode.Literal literal && DurationMath.ToMillis(literal.Seconds) == 0 ? "" : Dump(timed.Offset))}";

    private static string Dump(VectorMatching? matching) => matching is null
        ? ""
        : $"{matching.Cardinality} {matching.On} {string.Join(',', matching.Labels)} {string.Join(',', matching.Include)} {matching.FillLeft} {matching.FillRight}";

    private static string Dump(DurationNode? node) => node switch
    {
        null => "",
        DurationNode.Literal literal => $"{DurationMath.ToMillis(literal.Seconds)}",
        DurationNode.OfQuery query => $"{query.Which}",
        DurationNode.Operation operation => $"({operation.Op} {Dump(operation.Left)} {Dump(operation.Right)})",
        _ => throw new InvalidOperationException(node.GetType().Name),
    };
}

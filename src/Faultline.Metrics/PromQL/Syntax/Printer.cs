using System.Globalization;
using System.Text;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Writes expressions in Prometheus' canonical form, on one line or, as <c>format_query</c> does, over several.</summary>
internal static class Printer
{
    private const int LineLengthMax = 100;

    public static string Print(Expr expr) => expr switch
    {
        NumberLiteral number => Number(number.Value, number.IsDuration),
        TextLiteral text => GoText.Quote(text.Value),
        ParenExpr paren => $"({paren.Inner})",
        UnaryExpr unary => (unary.IsMinus ? "-" : "+") + unary.Operand,
        BinaryExpr binary => $"{Left(binary)} {Operator(binary)} {binary.Right}",
        CallExpr call => $"{call.Function.Name}({string.Join(", ", call.Arguments)})",
        AggregateExpr aggregate => $"{Aggregator(aggregate)}({(aggregate.Parameter is null ? "" : $"{aggregate.Parameter}, ")}{aggregate.Operand})",
        VectorSelector selector => Selector(selector) + At(selector) + Extension(selector) + Offset(selector),
        RangeSelector range => $"{Selector(range.Selector)}[{Duration(range.Range)}]{Extension(range.Selector)}{At(range.Selector)}{Offset(range.Selector)}",
        SubqueryExpr subquery => subquery.Inner + Subquery(subquery),
        _ => throw new System.Diagnostics.UnreachableException(expr.GetType().Name),
    };

    /// <summary>Breaks what is longer than a line, as <c>promtool promql format</c> does.</summary>
    public static string Pretty(Expr expr) => Pretty(expr, 0);

    /// <summary>A label name as it stands in a list: quoted where it is no plain identifier.</summary>
    public static string LabelName(string name) => IsPlainLabelName(name) ? name : GoText.Quote(name);

    public static string Matcher(LabelMatcher matcher)
    {
        var symbol = matcher.Kind switch { MatchKind.Equal => "=", MatchKind.NotEqual => "!=", MatchKind.Regex => "=~", _ => "!~" };
        return LabelName(matcher.Name) + symbol + GoText.Quote(matcher.Value);
    }

    private static bool IsPlainLabelName(string name)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0]))
        {
            return false;
        }

        foreach (var character in name)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character != '_')
            {
                return false;
            }
        }

        return true;
    }

    /// <summary><c>+Inf ^ 2</c> would be read as <c>+(Inf ^ 2)</c>, so there the sign goes.</summary>
    private static string Left(BinaryExpr binary) =>
        binary is { Op: TokenKind.Power, Left: NumberLiteral { Value: double.PositiveInfinity } } ? "Inf" : binary.Left.ToString();

    private static string Pretty(Expr expr, int level)
    {
        var indent = Indent(level);
        var line = Print(expr);
        if (line.Length <= LineLengthMax || expr is NumberLiteral or TextLiteral or VectorSelector or RangeSelector)
        {
            return indent + line;
        }

        return expr switch
        {
            ParenExpr paren => $"{indent}(\n{Pretty(paren.Inner, level + 1)}\n{indent})",
            UnaryExpr unary => indent + (unary.IsMinus ? "-" : "+") + Pretty(unary.Operand, level).TrimStart(' '),
            BinaryExpr binary => $"{(binary.Left is NumberLiteral ? Indent(level + 1) + Left(binary) : Pretty(binary.Left, level + 1))}\n{Indent(level)}{Operator(binary)}\n{Pretty(binary.Right, level + 1)}",
            CallExpr call => $"{indent}{call.Function.Name}(\n{PrettyList(call.Arguments, level + 1)}\n{indent})",
            AggregateExpr aggregate => $"{indent}{Aggregator(aggregate)}(\n{PrettyList(aggregate.Parameter is null ? [aggregate.Operand] : [aggregate.Parameter, aggregate.Operand], level + 1)}\n{indent})",
            SubqueryExpr subquery => Pretty(subquery.Inner, level) + Subquery(subquery),
            _ => indent + line,
        };
    }

    private static string PrettyList(IReadOnlyList<Expr> list, int level) => string.Join(",\n", list.Select(expr => Pretty(expr, level)));

    private static string Indent(int level) => new(' ', level * 2);

    private static string Number(double value, bool isDuration)
    {
        if (!isDuration)
        {
            return GoText.FormatFloat(value);
        }

        return (value < 0 ? "-" : "") + GoText.FormatDuration(DurationMath.ToMillis(Math.Abs(value)));
    }

    private static string Aggregator(AggregateExpr aggregate)
    {
        var op = Token.Symbol(aggregate.Op);
        return aggregate.Without ? $"{op} without ({LabelList(aggregate.Grouping)}) "
            : aggregate.Grouping.Count > 0 ? $"{op} by ({LabelList(aggregate.Grouping)}) "
            : op;
    }

    private static string LabelList(IReadOnlyList<string> names) => string.Join(", ", names.Select(LabelName));

    private static string Operator(BinaryExpr binary)
    {
        var text = new StringBuilder(Token.Symbol(binary.Op));
        if (binary.ReturnBool)
        {
            text.Append(" bool");
        }

        if (binary.Matching is not { } matching)
        {
            return text.ToString();
        }

        var grouped = matching.Cardinality is MatchCardinality.ManyToOne or MatchCardinality.OneToMany;
        if (matching.Labels.Count > 0 || matching.On || grouped)
        {
            text.Append(matching.On ? " on (" : " ignoring (").Append(LabelList(matching.Labels)).Append(')');
        }

        if (grouped)
        {
            text.Append(matching.Cardinality == MatchCardinality.ManyToOne ? " group_left (" : " group_right (").Append(LabelList(matching.Include)).Append(')');
        }

        if (matching.FillLeft is { } left && matching.FillRight is { } right && left == right)
        {
            text.Append(" fill (").Append(GoText.FormatG(left)).Append(')');
            return text.ToString();
        }

        if (matching.FillLeft is { } fillLeft)
        {
            text.Append(" fill_left (").Append(GoText.FormatG(fillLeft)).Append(')');
        }

        if (matching.FillRight is { } fillRight)
        {
            text.Append(" fill_right (").Append(GoText.FormatG(fillRight)).Append(')');
        }

        return text.ToString();
    }

    private static string Selector(VectorSelector selector)
    {
        var matchers = new List<string>();
        foreach (var matcher in selector.Matchers)
        {
            var isName = matcher.Kind == MatchKind.Equal && matcher.Value.Length > 0
                && string.Equals(matcher.Name, Labels.MetricName, StringComparison.Ordinal) && string.Equals(matcher.Value, selector.Name, StringComparison.Ordinal);
            if (!isName)
            {
                matchers.Add(Matcher(matcher));
            }
        }

        matchers.Sort(StringComparer.Ordinal);
        return matchers.Count == 0 ? selector.Name : $"{selector.Name}{{{string.Join(',', matchers)}}}";
    }

    private static string Extension(VectorSelector selector) => selector.IsAnchored ? " anchored" : selector.IsSmoothed ? " smoothed" : "";

    private static string At(TimedExpr timed) => timed switch
    {
        { AtUnixMillis: { } at } => " @ " + (at / 1000m).ToString("F3", CultureInfo.InvariantCulture),
        { Anchor: AtAnchor.Start } => " @ start()",
        { Anchor: AtAnchor.End } => " @ end()",
        _ => "",
    };

    private static string Offset(TimedExpr timed)
    {
        switch (timed.Offset)
        {
            case null:
                return "";
            case DurationNode.Literal literal:
                var millis = DurationMath.ToMillis(literal.Seconds);
                return millis == 0 ? "" : $" offset {(millis < 0 ? "-" : "")}{GoText.FormatDuration(Math.Abs(millis))}";

            // Without the sign, what follows would be read as part of the offset: "offset (5) + 1" is an offset of six seconds.
            case DurationNode.Operation { Wrapped: true } operation:
                return " offset +" + Duration(operation);
            case DurationNode.Operation { Left: null, Right: var operand } when IsBareArithmetic(operand):
                return $" offset -({Duration(operand)})";
            case var expression:
                var text = Duration(expression);

                // Only parentheses start arithmetic: "offset 5 ^ 2" is a selector under an offset, squared.
                return IsBareArithmetic(expression) && (timed.HasAt || text[0] != '(') ? $" offset +({text})" : " offset " + text;
        }
    }

    /// <summary>Two sides and no parentheses around them.</summary>
    private static bool IsBareArithmetic(DurationNode node) => node is DurationNode.Operation { Wrapped: false, Left: not null, Op: not (TokenKind.MinOf or TokenKind.MaxOf) };

    private static string Subquery(SubqueryExpr subquery) =>
        $"[{Duration(subquery.Range)}:{(subquery.Step is null ? "" : Duration(subquery.Step))}]{At(subquery)}{Offset(subquery)}";

    /// <summary>A constant as a whole is always written as a duration; inside an expression as it was written.</summary>
    private static string Duration(DurationNode node) => node is DurationNode.Literal literal ? Number(literal.Seconds, isDuration: true) : DurationPart(node);

    private static string DurationPart(DurationNode node)
    {
        switch (node)
        {
            case DurationNode.Literal literal:
                return Number(literal.Seconds, literal.IsDuration);
            case DurationNode.OfQuery query:
                return Token.Symbol(query.Which) + "()";
            case DurationNode.Operation operation:
                var text = operation switch
                {
                    { Op: TokenKind.MinOf or TokenKind.MaxOf } => $"{Token.Symbol(operation.Op)}({DurationPart(operation.Left!)}, {DurationPart(operation.Right)})",
                    { Left: null } => (operation.Op == TokenKind.Subtract ? "-" : "") + DurationPart(operation.Right),
                    _ => $"{DurationPart(operation.Left)} {Token.Symbol(operation.Op)} {DurationPart(operation.Right)}",
                };
                return operation.Wrapped ? $"({text})" : text;
            default:
                throw new System.Diagnostics.UnreachableException(node.GetType().Name);
        }
    }
}

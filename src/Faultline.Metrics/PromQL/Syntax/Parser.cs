using System.Globalization;
using Faultline.Metrics.PromQL.Functions;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>
/// Recursive descent over Prometheus' grammar (generated_parser.y, release 3.14), with its words for what is wrong. Experimental syntax
/// (duration expressions, fill modifiers, anchored and smoothed, experimental functions) is always on.
/// </summary>
internal sealed class Parser
{
    /// <summary>How deep an expression may nest. Ours: the stack of a .NET thread does not grow as Go's does.</summary>
    private const int NestingMax = 200;

    private const string DurationExpected = "number, duration, step(), or range()";

    private readonly string _input;
    private readonly Lexer _lexer;
    private Token _current;
    private int _lastEnd;
    private int _depth;
    private string _context = "";
    private string _expected = "";

    private Parser(string input)
    {
        _input = input;
        _lexer = new Lexer(input);
    }

    /// <summary>Parses and type-checks an expression.</summary>
    /// <exception cref="PromQlException"><c>bad_data</c>, worded and placed as Prometheus does: <c>1:5: parse error: …</c></exception>
    public static Expr Parse(string input)
    {
        var parser = new Parser(input);
        parser.Advance();
        if (parser._current.Kind == TokenKind.EndOfInput)
        {
            throw parser.Fault(new TextRange(0, 0), "no expression found in input");
        }

        var expr = parser.ParseBinary(1);
        if (parser._current.Kind != TokenKind.EndOfInput)
        {
            throw parser.Unexpected();
        }

        new TypeChecker(input).Check(expr);
        return expr;
    }

    /// <summary>Parses a series selector, as <c>match[]</c> takes.</summary>
    /// <exception cref="PromQlException">As <see cref="Parse"/>.</exception>
    public static IReadOnlyList<LabelMatcher> ParseSelector(string input)
    {
        var parser = new Parser(input);
        parser.Advance();
        if (!CanNameMetric(parser._current.Kind) && parser._current.Kind != TokenKind.LeftBrace)
        {
            throw parser.Unexpected();
        }

        var named = parser._current.Kind != TokenKind.LeftBrace;
        var selector = parser.ParseSelectorFrom(named ? parser.Advance() : null);
        return parser._current.Kind == TokenKind.EndOfInput ? selector.Matchers : throw parser.Unexpected();
    }

    internal static PromQlException FaultAt(string input, TextRange at, string message) =>
        new("bad_data", $"{at.LineAndColumn(input)}: parse error: {message}");

    private static bool CanNameMetric(TokenKind kind) => kind is TokenKind.Identifier or TokenKind.MetricIdentifier
        or TokenKind.And or TokenKind.Or or TokenKind.Unless or TokenKind.By or TokenKind.Without or TokenKind.Offset
        or TokenKind.Fill or TokenKind.FillLeft or TokenKind.FillRight or TokenKind.Anchored or TokenKind.Smoothed
        or >= TokenKind.Start or (> TokenKind.AggregatorsStart and < TokenKind.AggregatorsEnd);

    private static bool CanNameGroupingLabel(TokenKind kind) =>
        kind != TokenKind.Without && (CanNameMetric(kind) || kind is TokenKind.Atan2 or (> TokenKind.KeywordsStart and < TokenKind.KeywordsEnd));

    private static bool CanStartExpression(TokenKind kind) => CanNameMetric(kind)
        || kind is TokenKind.Number or TokenKind.Duration or TokenKind.Text or TokenKind.LeftParen or TokenKind.LeftBrace or TokenKind.Add or TokenKind.Subtract;

    private static int Precedence(TokenKind kind) => kind switch
    {
        TokenKind.Or => 1,
        TokenKind.And or TokenKind.Unless => 2,
        TokenKind.EqualTo or TokenKind.NotEqual or TokenKind.Less or TokenKind.LessOrEqual or TokenKind.Greater or TokenKind.GreaterOrEqual
            or TokenKind.TrimUpper or TokenKind.TrimLower => 3,
        TokenKind.Add or TokenKind.Subtract => 4,
        TokenKind.Multiply or TokenKind.Divide or TokenKind.Modulo or TokenKind.Atan2 => 5,
        TokenKind.Power => 6,
        _ => 0,
    };

    /// <summary>Steps to the next token and returns the one left behind.</summary>
    private Token Advance()
    {
        var previous = _current;
        _lastEnd = previous.Kind == TokenKind.EndOfInput ? 0 : previous.End;
        _current = _lexer.Next();
        return _current.Kind == TokenKind.Error ? throw Fault(new TextRange(_current.Start, _input.Length), _current.Text) : previous;
    }

    private PromQlException Fault(TextRange at, string message) => FaultAt(_input, at, message);

    private PromQlException Unexpected() => Unexpected(_context, _expected);

    private PromQlException Unexpected(string context, string expected) =>
        Fault(_current.Range, $"unexpected {_current.Describe()}{(context.Length == 0 ? "" : " in " + context)}{(expected.Length == 0 ? "" : ", expected " + expected)}");

    private Token Expect(TokenKind kind) => _current.Kind == kind ? Advance() : throw Unexpected();

    /// <summary>Runs a part of the grammar in which an unexpected token is reported with these words.</summary>
    private T Within<T>(string context, string expected, Func<T> part)
    {
        var (outerContext, outerExpected) = (_context, _expected);
        (_context, _expected) = (context, expected);
        var result = part();
        (_context, _expected) = (outerContext, outerExpected);
        return result;
    }

    private Expr ParseBinary(int lowest)
    {
        if (++_depth > NestingMax)
        {
            throw Fault(_current.Range, $"expression nests deeper than {NestingMax} levels");
        }

        var left = ParseUnary();
        while (Precedence(_current.Kind) is var precedence && precedence >= lowest && precedence > 0)
        {
            var op = Advance();
            var (matching, returnBool) = ParseBinaryModifiers();
            var right = ParseBinary(op.Kind == TokenKind.Power ? precedence : precedence + 1);
            left = new BinaryExpr(op.Kind, left, right, matching, returnBool);
        }

        _depth--;
        return left;
    }

    private Expr ParseUnary()
    {
        if (_current.Kind is not (TokenKind.Add or TokenKind.Subtract))
        {
            return ParsePostfix(ParsePrimary());
        }

        var sign = Advance();
        var operand = ParseBinary(Precedence(TokenKind.Power));
        if (operand is not NumberLiteral number)
        {
            return new UnaryExpr(sign.Kind == TokenKind.Subtract, operand, sign.Start);
        }

        number.Value = sign.Kind == TokenKind.Subtract ? -number.Value : number.Value;
        number.Place = number.Place with { Start = sign.Start };
        return number;
    }

    private Expr ParsePrimary()
    {
        switch (_current.Kind)
        {
            case TokenKind.Number or TokenKind.Duration:
                return ParseNumber();
            case TokenKind.Text:
                var text = Advance();
                return new TextLiteral(GoText.Unquote(text.Text), text.Range);
            case TokenKind.LeftParen:
                var open = Advance();
                var inner = ParseBinary(1);
                Expect(TokenKind.RightParen);
                return new ParenExpr(inner, new TextRange(open.Start, _lastEnd));
            case TokenKind.LeftBrace:
                return ParseSelectorFrom(null);
            case var kind when CanNameMetric(kind):
                var word = Advance();
                if (word.IsAggregator && _current.Kind is (TokenKind.LeftParen or TokenKind.By or TokenKind.Without))
                {
                    return ParseAggregation(word);
                }

                return _current.Kind == TokenKind.LeftParen && word.Kind is (TokenKind.Identifier or >= TokenKind.Start)
                    ? ParseCall(word)
                    : ParseSelectorFrom(word);
            default:
                throw Unexpected();
        }
    }

    private Expr ParsePostfix(Expr expr)
    {
        while (true)
        {
            switch (_current.Kind)
            {
                case TokenKind.LeftBracket: expr = ParseBrackets(expr); break;
                case TokenKind.Offset: ParseOffset(expr); break;
                case TokenKind.At: ParseAt(expr); break;
                case TokenKind.Anchored or TokenKind.Smoothed: ParseExtension(expr); break;
                default: return expr;
            }
        }
    }

    private NumberLiteral ParseNumber()
    {
        var token = Advance();
        return new NumberLiteral(ReadNumber(token), token.Range, token.Kind == TokenKind.Duration);
    }

    /// <returns>A number, or the seconds of a duration.</returns>
    private double ReadNumber(Token token)
    {
        if (token.Kind == TokenKind.Duration)
        {
            return GoText.TryParseDuration(token.Text, out var millis, out var error) ? millis / 1000.0 : throw Fault(token.Range, error);
        }

        return GoNumber.TryParse(token.Text, out var value, out var fault) ? value : throw Fault(token.Range, $"error parsing number: {fault}");
    }

    private (VectorMatching Matching, bool ReturnBool) ParseBinaryModifiers()
    {
        var matching = new VectorMatching();
        var returnBool = _current.Kind == TokenKind.Bool;
        if (returnBool)
        {
            Advance();
        }

        if (_current.Kind is TokenKind.On or TokenKind.Ignoring)
        {
            matching.On = Advance().Kind == TokenKind.On;
            matching.Labels = ParseGroupingLabels();
            if (_current.Kind is TokenKind.GroupLeft or TokenKind.GroupRight)
            {
                matching.Cardinality = Advance().Kind == TokenKind.GroupLeft ? MatchCardinality.ManyToOne : MatchCardinality.OneToMany;
                matching.Include = _current.Kind == TokenKind.LeftParen ? ParseGroupingLabels() : [];
            }
        }

        switch (_current.Kind)
        {
            case TokenKind.Fill:
                matching.FillLeft = matching.FillRight = ParseFillValue();
                break;
            case TokenKind.FillLeft:
                matching.FillLeft = ParseFillValue();
                matching.FillRight = _current.Kind == TokenKind.FillRight ? ParseFillValue() : null;
                break;
            case TokenKind.FillRight:
                matching.FillRight = ParseFillValue();
                matching.FillLeft = _current.Kind == TokenKind.FillLeft ? ParseFillValue() : null;
                break;
            default:
                break;
        }

        return (matching, returnBool);
    }

    private double ParseFillValue()
    {
        Advance();
        Expect(TokenKind.LeftParen);
        var negative = _current.Kind == TokenKind.Subtract;
        if (negative || _current.Kind == TokenKind.Add)
        {
            Advance();
        }

        var value = _current.Kind is TokenKind.Number or TokenKind.Duration ? ReadNumber(Advance()) : throw Unexpected();
        Expect(TokenKind.RightParen);
        return negative ? -value : value;
    }

    private List<string> ParseGroupingLabels()
    {
        if (_current.Kind != TokenKind.LeftParen)
        {
            throw Unexpected("grouping opts", "\"(\"");
        }

        Advance();
        var labels = new List<string>();
        while (_current.Kind != TokenKind.RightParen)
        {
            var text = _current.Kind == TokenKind.Text;
            if (!text && !CanNameGroupingLabel(_current.Kind))
            {
                throw Unexpected("grouping opts", "label");
            }

            var token = Advance();
            var name = text ? GoText.Unquote(token.Text) : token.Text;
            labels.Add(Evaluation.LabelSets.IsValidName(name) ? name : throw Fault(token.Range, $"invalid label name for grouping: {GoText.Quote(name)}"));
            if (_current.Kind == TokenKind.Comma)
            {
                Advance();
            }
            else if (_current.Kind != TokenKind.RightParen)
            {
                throw Unexpected("grouping opts", "\",\" or \")\"");
            }
        }

        Advance();
        return labels;
    }

    private AggregateExpr ParseAggregation(Token op) => Within("aggregation", "", () =>
    {
        List<string>? grouping = null;
        var without = false;
        if (_current.Kind is TokenKind.By or TokenKind.Without)
        {
            without = Advance().Kind == TokenKind.Without;
            grouping = ParseGroupingLabels();
        }

        var arguments = ParseArguments();
        if (grouping is null && _current.Kind is (TokenKind.By or TokenKind.Without))
        {
            without = Advance().Kind == TokenKind.Without;
            grouping = ParseGroupingLabels();
        }

        var at = new TextRange(op.Start, _lastEnd);
        if (arguments.Count == 0)
        {
            throw Fault(at, "no arguments for aggregate expression provided");
        }

        var wanted = AggregateExpr.TakesParameter(op.Kind) ? 2 : 1;
        return arguments.Count == wanted
            ? new AggregateExpr(op.Kind, arguments[^1], wanted == 2 ? arguments[0] : null, grouping ?? [], without, at)
            : throw Fault(at, $"wrong number of arguments for aggregate expression provided, expected {wanted}, got {arguments.Count}");
    });

    private CallExpr ParseCall(Token name)
    {
        var arguments = ParseArguments();
        return FunctionTable.TryFind(name.Text, out var function)
            ? new CallExpr(function, arguments, new TextRange(name.Start, _lastEnd))
            : throw Fault(name.Range, $"unknown function with name {GoText.Quote(name.Text)}");
    }

    private List<Expr> ParseArguments()
    {
        Expect(TokenKind.LeftParen);
        var arguments = new List<Expr>();
        if (_current.Kind == TokenKind.RightParen)
        {
            Advance();
            return arguments;
        }

        while (true)
        {
            arguments.Add(ParseBinary(1));
            if (_current.Kind != TokenKind.Comma)
            {
                Expect(TokenKind.RightParen);
                return arguments;
            }

            var comma = Advance();
            if (!CanStartExpression(_current.Kind))
            {
                throw Fault(comma.Range, "trailing commas not allowed in function call args");
            }
        }
    }

    private VectorSelector ParseSelectorFrom(Token? name)
    {
        var start = name?.Start ?? _current.Start;
        var end = name?.End ?? _current.End;
        var matchers = new List<LabelMatcher>();
        if (_current.Kind == TokenKind.LeftBrace)
        {
            ParseMatchers(matchers);
            end = _lastEnd;
        }

        if (name is { } given)
        {
            matchers.Add(new LabelMatcher(Labels.MetricName, MatchKind.Equal, given.Text));
        }

        return new VectorSelector(name?.Text ?? "", matchers, new TextRange(start, end));
    }

    private void ParseMatchers(List<LabelMatcher> matchers)
    {
        Advance();
        while (_current.Kind != TokenKind.RightBrace)
        {
            if (_current.Kind is not (TokenKind.Identifier or TokenKind.Text))
            {
                throw Unexpected("label matching", "identifier or \"}\"");
            }

            var label = Advance();
            var name = label.Kind == TokenKind.Text ? GoText.Unquote(label.Text) : label.Text;
            if (_current.Kind is TokenKind.Equal or TokenKind.NotEqual or TokenKind.EqualRegex or TokenKind.NotEqualRegex)
            {
                var op = Advance();
                var value = _current.Kind == TokenKind.Text ? Advance() : throw Unexpected("label matching", "string");
                matchers.Add(Matcher(label, name, op.Kind, value));
            }
            else if (label.Kind == TokenKind.Text)
            {
                matchers.Add(new LabelMatcher(Labels.MetricName, MatchKind.Equal, name));
            }
            else
            {
                throw Unexpected("label matching", "label matching operator");
            }

            if (_current.Kind == TokenKind.Comma)
            {
                Advance();
            }
            else if (_current.Kind != TokenKind.RightBrace)
            {
                throw Unexpected("label matching", "\",\" or \"}\"");
            }
        }

        Advance();
    }

    private LabelMatcher Matcher(Token label, string name, TokenKind op, Token value)
    {
        var text = GoText.Unquote(value.Text);
        var kind = op switch
        {
            TokenKind.Equal => MatchKind.Equal,
            TokenKind.NotEqual => MatchKind.NotEqual,
            TokenKind.EqualRegex => MatchKind.Regex,
            _ => MatchKind.NotRegex,
        };
        if (kind is (MatchKind.Regex or MatchKind.NotRegex) && !GoRegex.TryCompile(text, out _, out var error))
        {
            throw Fault(TextRange.Merge(label.Range, value.Range), error);
        }

        return new LabelMatcher(name, kind, text);
    }

    private Expr ParseBrackets(Expr expr)
    {
        var open = Advance();
        var range = Within("subquery or range selector", DurationExpected, ParsePositiveDuration);
        if (_current.Kind == TokenKind.RightBracket)
        {
            Advance();
            var fault = expr switch
            {
                not VectorSelector => "ranges only allowed for vector selectors",
                VectorSelector { Offset: not null } => "no offset modifiers allowed before range",
                VectorSelector { HasAt: true } => "no @ modifiers allowed before range",
                _ => null,
            };
            return fault is null ? new RangeSelector((VectorSelector)expr, range, _lastEnd) : throw Fault(open.Range, fault);
        }

        if (_current.Kind != TokenKind.Colon)
        {
            throw Unexpected("subquery or range", "\":\" or \"]\"");
        }

        Advance();
        DurationNode? step = null;
        if (_current.Kind != TokenKind.RightBracket)
        {
            step = Within("subquery selector", DurationExpected + ", or \"]\"", ParsePositiveDuration);
            if (_current.Kind != TokenKind.RightBracket)
            {
                throw Unexpected("subquery selector", "\"]\"");
            }
        }

        Advance();
        return new SubqueryExpr(expr, range, step, _lastEnd);
    }

    private void ParseOffset(Expr expr)
    {
        Advance();
        var offset = Within("offset", DurationExpected, ParseOffsetDuration);
        var timed = Timed(expr, "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
        if (timed.Offset is not (null or DurationNode.Literal { Seconds: 0 }))
        {
            throw Fault(expr.Position, "offset may not be set multiple times");
        }

        timed.Offset = offset;
        ExtendTo(expr, _lastEnd);
    }

    private void ParseAt(Expr expr)
    {
        Advance();
        if (_current.Kind is TokenKind.Start or TokenKind.End)
        {
            var anchor = Advance().Kind == TokenKind.Start ? AtAnchor.Start : AtAnchor.End;
            Within("@", "timestamp", () => (Expect(TokenKind.LeftParen), Expect(TokenKind.RightParen)));
            AtTarget(expr).Anchor = anchor;
        }
        else
        {
            var negative = _current.Kind == TokenKind.Subtract;
            if (negative || _current.Kind == TokenKind.Add)
            {
                Advance();
            }

            var seconds = _current.Kind is TokenKind.Number or TokenKind.Duration ? ReadNumber(Advance()) : throw Unexpected("@", "timestamp");
            seconds = negative ? -seconds : seconds;
            if (!double.IsFinite(seconds) || seconds >= long.MaxValue || seconds <= long.MinValue)
            {
                throw Fault(expr.Position, $"timestamp out of bounds for @ modifier: {(double.IsFinite(seconds) ? seconds.ToString("F6", CultureInfo.InvariantCulture) : GoText.FormatFloat(seconds))}");
            }

            AtTarget(expr).AtUnixMillis = (long)Math.Round(seconds * 1000, MidpointRounding.AwayFromZero);
        }

        ExtendTo(expr, _lastEnd);
    }

    private TimedExpr AtTarget(Expr expr)
    {
        var timed = Timed(expr, "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
        return timed.HasAt ? throw Fault(expr.Position, "@ <timestamp> may not be set multiple times") : timed;
    }

    private TimedExpr Timed(Expr expr, string otherwise) => expr switch
    {
        TimedExpr timed => timed,
        RangeSelector range => range.Selector,
        _ => throw Fault(expr.Position, otherwise),
    };

    private static void ExtendTo(Expr expr, int end)
    {
        switch (expr)
        {
            case VectorSelector selector: selector.Place = selector.Place with { End = end }; break;
            case RangeSelector range: range.End = end; break;
            case SubqueryExpr subquery: subquery.End = end; break;
            default: break;
        }
    }

    private void ParseExtension(Expr expr)
    {
        var anchored = _current.Kind == TokenKind.Anchored;
        var word = anchored ? "anchored" : "smoothed";
        var selector = expr switch
        {
            VectorSelector vector => vector,
            RangeSelector range => range.Selector,
            SubqueryExpr => throw Fault(expr.Position, $"{word} modifier is not supported for subqueries"),
            _ => throw Fault(expr.Position, $"{word} modifier not implemented"),
        };
        Advance();
        selector.IsAnchored |= anchored;
        selector.IsSmoothed |= !anchored;
        if (selector.IsAnchored && selector.IsSmoothed)
        {
            throw Fault(expr.Position, "anchored and smoothed modifiers cannot be used together");
        }
    }

    private DurationNode ParsePositiveDuration()
    {
        var duration = ParseDuration(1);

        // Less than a millisecond is no length of time here, and would be printed as 0s.
        return duration is DurationNode.Literal literal && DurationMath.ToMillis(literal.Seconds) <= 0 ? throw Fault(duration.Position, "duration must be greater than 0") : duration;
    }

    /// <summary>
    /// After <c>offset</c> a number ends the duration, so that <c>a offset 5m * 2</c> doubles <c>a</c>; only parentheses start arithmetic.
    /// </summary>
    private DurationNode ParseOffsetDuration()
    {
        if (_current.Kind == TokenKind.LeftParen)
        {
            return ParseDuration(1);
        }

        if (_current.Kind is not (TokenKind.Add or TokenKind.Subtract))
        {
            return ParseDurationPrimary();
        }

        var sign = Advance();
        return Signed(sign, _current.Kind is TokenKind.Add or TokenKind.Subtract ? ParseDuration(5) : ParseDurationPrimary());
    }

    private DurationNode ParseDuration(int lowest)
    {
        if (++_depth > NestingMax)
        {
            throw Fault(_current.Range, $"expression nests deeper than {NestingMax} levels");
        }

        DurationNode left;
        if (_current.Kind is TokenKind.Add or TokenKind.Subtract)
        {
            left = Signed(Advance(), ParseDuration(Precedence(TokenKind.Power)));
        }
        else
        {
            left = ParseDurationPrimary();
        }

        while (Precedence(_current.Kind) is var precedence && precedence >= lowest && precedence > 3 && _current.Kind != TokenKind.Atan2)
        {
            var op = Advance();
            var right = ParseDuration(op.Kind == TokenKind.Power ? precedence : precedence + 1);
            if (op.Kind is (TokenKind.Divide or TokenKind.Modulo) && right is DurationNode.Literal { Seconds: 0 })
            {
                throw Fault(op.Range, op.Kind == TokenKind.Divide ? "division by zero" : "modulo by zero");
            }

            left = new DurationNode.Operation(op.Kind, left, right, Wrapped: false, TextRange.Merge(left.Position, right.Position));
        }

        _depth--;
        return left;
    }

    private DurationNode ParseDurationPrimary()
    {
        switch (_current.Kind)
        {
            case TokenKind.Number or TokenKind.Duration:
                var token = Advance();
                var seconds = ReadNumber(token);
                return DurationMath.IsOutOfRange(seconds)
                    ? throw Fault(token.Range, "duration out of range")
                    : new DurationNode.Literal(seconds, token.Kind == TokenKind.Duration, token.Range);
            case TokenKind.Step or TokenKind.Range:
                var query = Advance();
                Expect(TokenKind.LeftParen);
                Expect(TokenKind.RightParen);
                return new DurationNode.OfQuery(query.Kind, new TextRange(query.Start, _lastEnd));
            case TokenKind.MinOf or TokenKind.MaxOf:
                var function = Advance();
                Expect(TokenKind.LeftParen);
                var left = ParseDuration(1);
                Expect(TokenKind.Comma);
                var right = ParseDuration(1);
                Expect(TokenKind.RightParen);
                return new DurationNode.Operation(function.Kind, left, right, Wrapped: false, new TextRange(function.Start, _lastEnd));
            case TokenKind.LeftParen:
                var open = Advance();
                var inner = ParseDuration(1);
                Expect(TokenKind.RightParen);
                return inner is DurationNode.Operation operation
                    ? operation with { Wrapped = true }
                    : new DurationNode.Operation(TokenKind.Add, null, inner, Wrapped: true, new TextRange(open.Start, _lastEnd));
            default:
                throw Unexpected();
        }
    }

    private static DurationNode Signed(Token sign, DurationNode operand)
    {
        var place = operand.Position with { Start = sign.Start };
        if (operand is DurationNode.Literal literal)
        {
            return literal with { Seconds = sign.Kind == TokenKind.Subtract ? -literal.Seconds : literal.Seconds, Position = place };
        }

        return sign.Kind == TokenKind.Subtract ? new DurationNode.Operation(TokenKind.Subtract, null, operand, Wrapped: false, place) : operand;
    }
}

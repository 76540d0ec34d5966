using Faultline.Metrics.PromQL.Functions;
using Faultline.Store.Samples;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>
/// Recursive descent over Prometheus' grammar (generated_parser.y, release 3.14), with its words for what is wrong. Experimental syntax
/// (duration expressions, fill modifiers, anchored and smoothed, experimental functions) is always on.
/// </summary>
internal sealed class Parser
{
    private readonly TokenReader _tokens;
    private readonly SelectorParser _selectors;
    private readonly PostfixParser _postfixes;

    private Parser(TokenReader tokens)
    {
        _tokens = tokens;
        _selectors = new SelectorParser(tokens);
        _postfixes = new PostfixParser(tokens);
    }

    /// <summary>Parses and type-checks an expression.</summary>
    /// <exception cref="PromQlException"><c>bad_data</c>, worded and placed as Prometheus does: <c>1:5: parse error: …</c></exception>
    public static Expr Parse(string input)
    {
        var tokens = new TokenReader(input);
        if (tokens.Kind == TokenKind.EndOfInput)
        {
            throw tokens.Fault(new TextRange(0, 0), "no expression found in input");
        }

        var expr = new Parser(tokens).ParseBinary(1);
        if (tokens.Kind != TokenKind.EndOfInput)
        {
            throw tokens.Unexpected();
        }

        new TypeChecker(input).Check(expr);
        return expr;
    }

    /// <summary>Parses a series selector, as <c>match[]</c> takes.</summary>
    /// <exception cref="PromQlException">As <see cref="Parse"/>.</exception>
    public static IReadOnlyList<LabelMatcher> ParseSelector(string input)
    {
        var tokens = new TokenReader(input);
        var named = Grammar.CanNameMetric(tokens.Kind);
        if (!named && tokens.Kind != TokenKind.LeftBrace)
        {
            throw tokens.Unexpected();
        }

        var selector = new SelectorParser(tokens).Parse(named ? tokens.Advance() : null);
        return tokens.Kind == TokenKind.EndOfInput ? selector.Matchers : throw tokens.Unexpected();
    }

    private Expr ParseBinary(int lowest)
    {
        _tokens.EnterNesting();
        var left = ParseUnary();
        while (Grammar.Precedence(_tokens.Kind) is var precedence && precedence >= lowest && precedence > 0)
        {
            var op = _tokens.Advance();
            var (matching, returnBool) = ParseBinaryModifiers();
            var right = ParseBinary(op.Kind == TokenKind.Power ? precedence : precedence + 1);
            left = new BinaryExpr(op.Kind, left, right, matching, returnBool);
        }

        _tokens.LeaveNesting();
        return left;
    }

    private Expr ParseUnary()
    {
        if (_tokens.Kind is not (TokenKind.Add or TokenKind.Subtract))
        {
            return _postfixes.Parse(ParsePrimary());
        }

        var sign = _tokens.Advance();
        var operand = ParseBinary(Grammar.Precedence(TokenKind.Power));
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
        switch (_tokens.Kind)
        {
            case TokenKind.Number or TokenKind.Duration:
                return ParseNumber();
            case TokenKind.Text:
                var text = _tokens.Advance();
                return new TextLiteral(GoText.Unquote(text.Text), text.Range);
            case TokenKind.LeftParen:
                var open = _tokens.Advance();
                var inner = ParseBinary(1);
                _tokens.Expect(TokenKind.RightParen);
                return new ParenExpr(inner, new TextRange(open.Start, _tokens.LastEnd));
            case TokenKind.LeftBrace:
                return _selectors.Parse(null);
            case var kind when Grammar.CanNameMetric(kind):
                var word = _tokens.Advance();
                if (word.IsAggregator && _tokens.Kind is (TokenKind.LeftParen or TokenKind.By or TokenKind.Without))
                {
                    return ParseAggregation(word);
                }

                return _tokens.Kind == TokenKind.LeftParen && word.Kind is (TokenKind.Identifier or >= TokenKind.Start)
                    ? ParseCall(word)
                    : _selectors.Parse(word);
            default:
                throw _tokens.Unexpected();
        }
    }

    private NumberLiteral ParseNumber()
    {
        var token = _tokens.Advance();
        return new NumberLiteral(_tokens.ReadNumber(token), token.Range, token.Kind == TokenKind.Duration);
    }

    private AggregateExpr ParseAggregation(Token op) => _tokens.Within("aggregation", "", () =>
    {
        List<string>? grouping = null;
        var without = false;
        if (_tokens.Kind is TokenKind.By or TokenKind.Without)
        {
            without = _tokens.Advance().Kind == TokenKind.Without;
            grouping = ParseGroupingLabels();
        }

        var arguments = ParseArguments();
        if (grouping is null && _tokens.Kind is (TokenKind.By or TokenKind.Without))
        {
            without = _tokens.Advance().Kind == TokenKind.Without;
            grouping = ParseGroupingLabels();
        }

        var at = new TextRange(op.Start, _tokens.LastEnd);
        if (arguments.Count == 0)
        {
            throw _tokens.Fault(at, "no arguments for aggregate expression provided");
        }

        var wanted = AggregateExpr.TakesParameter(op.Kind) ? 2 : 1;
        return arguments.Count == wanted
            ? new AggregateExpr(op.Kind, arguments[^1], wanted == 2 ? arguments[0] : null, grouping ?? [], without, at)
            : throw _tokens.Fault(at, $"wrong number of arguments for aggregate expression provided, expected {wanted}, got {arguments.Count}");
    });

    private CallExpr ParseCall(Token name)
    {
        var arguments = ParseArguments();
        return FunctionTable.TryFind(name.Text, out var function)
            ? new CallExpr(function, arguments, new TextRange(name.Start, _tokens.LastEnd))
            : throw _tokens.Fault(name.Range, $"unknown function with name {GoText.Quote(name.Text)}");
    }

    private List<Expr> ParseArguments()
    {
        _tokens.Expect(TokenKind.LeftParen);
        var arguments = new List<Expr>();
        if (_tokens.Kind == TokenKind.RightParen)
        {
            _tokens.Advance();
            return arguments;
        }

        while (true)
        {
            arguments.Add(ParseBinary(1));
            if (_tokens.Kind != TokenKind.Comma)
            {
                _tokens.Expect(TokenKind.RightParen);
                return arguments;
            }

            var comma = _tokens.Advance();
            if (!Grammar.CanStartExpression(_tokens.Kind))
            {
                throw _tokens.Fault(comma.Range, "trailing commas not allowed in function call args");
            }
        }
    }

    private (VectorMatching Matching, bool ReturnBool) ParseBinaryModifiers()
    {
        var matching = new VectorMatching();
        var returnBool = _tokens.Kind == TokenKind.Bool;
        if (returnBool)
        {
            _tokens.Advance();
        }

        if (_tokens.Kind is TokenKind.On or TokenKind.Ignoring)
        {
            matching.On = _tokens.Advance().Kind == TokenKind.On;
            matching.Labels = ParseGroupingLabels();
            if (_tokens.Kind is TokenKind.GroupLeft or TokenKind.GroupRight)
            {
                matching.Cardinality = _tokens.Advance().Kind == TokenKind.GroupLeft ? MatchCardinality.ManyToOne : MatchCardinality.OneToMany;
                matching.Include = _tokens.Kind == TokenKind.LeftParen ? ParseGroupingLabels() : [];
            }
        }

        switch (_tokens.Kind)
        {
            case TokenKind.Fill:
                matching.FillLeft = matching.FillRight = ParseFillValue();
                break;
            case TokenKind.FillLeft:
                matching.FillLeft = ParseFillValue();
                matching.FillRight = _tokens.Kind == TokenKind.FillRight ? ParseFillValue() : null;
                break;
            case TokenKind.FillRight:
                matching.FillRight = ParseFillValue();
                matching.FillLeft = _tokens.Kind == TokenKind.FillLeft ? ParseFillValue() : null;
                break;
            default:
                break;
        }

        return (matching, returnBool);
    }

    private double ParseFillValue()
    {
        _tokens.Advance();
        _tokens.Expect(TokenKind.LeftParen);
        var negative = _tokens.AcceptSign();
        var value = _tokens.Kind is TokenKind.Number or TokenKind.Duration ? _tokens.ReadNumber(_tokens.Advance()) : throw _tokens.Unexpected();
        _tokens.Expect(TokenKind.RightParen);
        return negative ? -value : value;
    }

    private List<string> ParseGroupingLabels()
    {
        if (_tokens.Kind != TokenKind.LeftParen)
        {
            throw _tokens.Unexpected("grouping opts", "\"(\"");
        }

        _tokens.Advance();
        var labels = new List<string>();
        while (_tokens.Kind != TokenKind.RightParen)
        {
            var text = _tokens.Kind == TokenKind.Text;
            if (!text && !Grammar.CanNameGroupingLabel(_tokens.Kind))
            {
                throw _tokens.Unexpected("grouping opts", "label");
            }

            var token = _tokens.Advance();
            var name = text ? GoText.Unquote(token.Text) : token.Text;
            labels.Add(Evaluation.LabelSets.IsValidName(name) ? name : throw _tokens.Fault(token.Range, $"invalid label name for grouping: {GoText.Quote(name)}"));
            if (_tokens.Kind == TokenKind.Comma)
            {
                _tokens.Advance();
            }
            else if (_tokens.Kind != TokenKind.RightParen)
            {
                throw _tokens.Unexpected("grouping opts", "\",\" or \")\"");
            }
        }

        _tokens.Advance();
        return labels;
    }
}

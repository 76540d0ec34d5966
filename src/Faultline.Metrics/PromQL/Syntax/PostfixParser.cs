using System.Globalization;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>
/// What may follow an expression: a range or a subquery in brackets, <c>offset</c>, <c>@</c>, <c>anchored</c> and <c>smoothed</c>.
/// </summary>
internal sealed class PostfixParser(TokenReader tokens)
{
    private const string DurationExpected = "number, duration, step(), or range()";

    private readonly DurationParser _durations = new(tokens);

    public Expr Parse(Expr expr)
    {
        while (true)
        {
            switch (tokens.Kind)
            {
                case TokenKind.LeftBracket: expr = ParseBrackets(expr); break;
                case TokenKind.Offset: ParseOffset(expr); break;
                case TokenKind.At: ParseAt(expr); break;
                case TokenKind.Anchored or TokenKind.Smoothed: ParseExtension(expr); break;
                default: return expr;
            }
        }
    }

    private Expr ParseBrackets(Expr expr)
    {
        var open = tokens.Advance();
        var range = tokens.Within("subquery or range selector", DurationExpected, _durations.ParsePositive);
        if (tokens.Kind == TokenKind.RightBracket)
        {
            tokens.Advance();
            var fault = expr switch
            {
                not VectorSelector => "ranges only allowed for vector selectors",
                VectorSelector { Offset: not null } => "no offset modifiers allowed before range",
                VectorSelector { HasAt: true } => "no @ modifiers allowed before range",
                _ => null,
            };
            return fault is null ? new RangeSelector((VectorSelector)expr, range, tokens.LastEnd) : throw tokens.Fault(open.Range, fault);
        }

        if (tokens.Kind != TokenKind.Colon)
        {
            throw tokens.Unexpected("subquery or range", "\":\" or \"]\"");
        }

        tokens.Advance();
        DurationNode? step = null;
        if (tokens.Kind != TokenKind.RightBracket)
        {
            step = tokens.Within("subquery selector", DurationExpected + ", or \"]\"", _durations.ParsePositive);
            if (tokens.Kind != TokenKind.RightBracket)
            {
                throw tokens.Unexpected("subquery selector", "\"]\"");
            }
        }

        tokens.Advance();
        return new SubqueryExpr(expr, range, step, tokens.LastEnd);
    }

    private void ParseOffset(Expr expr)
    {
        tokens.Advance();
        var offset = tokens.Within("offset", DurationExpected, _durations.ParseOffset);
        var timed = Timed(expr, "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
        if (timed.Offset is not (null or DurationNode.Literal { Seconds: 0 }))
        {
            throw tokens.Fault(expr.Position, "offset may not be set multiple times");
        }

        timed.Offset = offset;
        ExtendTo(expr, tokens.LastEnd);
    }

    private void ParseAt(Expr expr)
    {
        tokens.Advance();
        if (tokens.Kind is TokenKind.Start or TokenKind.End)
        {
            var anchor = tokens.Advance().Kind == TokenKind.Start ? AtAnchor.Start : AtAnchor.End;
            tokens.Within("@", "timestamp", () => (tokens.Expect(TokenKind.LeftParen), tokens.Expect(TokenKind.RightParen)));
            AtTarget(expr).Anchor = anchor;
        }
        else
        {
            var negative = tokens.AcceptSign();
            var seconds = tokens.Kind is TokenKind.Number or TokenKind.Duration ? tokens.ReadNumber(tokens.Advance()) : throw tokens.Unexpected("@", "timestamp");
            seconds = negative ? -seconds : seconds;
            if (!double.IsFinite(seconds) || seconds >= long.MaxValue || seconds <= long.MinValue)
            {
                throw tokens.Fault(expr.Position, $"timestamp out of bounds for @ modifier: {(double.IsFinite(seconds) ? seconds.ToString("F6", CultureInfo.InvariantCulture) : GoText.FormatFloat(seconds))}");
            }

            AtTarget(expr).AtUnixMillis = (long)Math.Round(seconds * 1000, MidpointRounding.AwayFromZero);
        }

        ExtendTo(expr, tokens.LastEnd);
    }

    private TimedExpr AtTarget(Expr expr)
    {
        var timed = Timed(expr, "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
        return timed.HasAt ? throw tokens.Fault(expr.Position, "@ <timestamp> may not be set multiple times") : timed;
    }

    private void ParseExtension(Expr expr)
    {
        var anchored = tokens.Kind == TokenKind.Anchored;
        var word = anchored ? "anchored" : "smoothed";
        var selector = expr switch
        {
            VectorSelector vector => vector,
            RangeSelector range => range.Selector,
            SubqueryExpr => throw tokens.Fault(expr.Position, $"{word} modifier is not supported for subqueries"),
            _ => throw tokens.Fault(expr.Position, $"{word} modifier not implemented"),
        };
        tokens.Advance();
        selector.IsAnchored |= anchored;
        selector.IsSmoothed |= !anchored;
        if (selector.IsAnchored && selector.IsSmoothed)
        {
            throw tokens.Fault(expr.Position, "anchored and smoothed modifiers cannot be used together");
        }
    }

    private TimedExpr Timed(Expr expr, string otherwise) => expr switch
    {
        TimedExpr timed => timed,
        RangeSelector range => range.Selector,
        _ => throw tokens.Fault(expr.Position, otherwise),
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
}

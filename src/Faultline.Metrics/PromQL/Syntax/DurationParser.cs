namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Lengths of time where an expression takes them: a literal, <c>step()</c>, <c>range()</c>, or arithmetic on these.</summary>
internal sealed class DurationParser(TokenReader tokens)
{
    /// <summary>The length of a range, or the step of a subquery.</summary>
    public DurationNode ParsePositive()
    {
        var duration = ParseBinary(1);

        // Less than a millisecond is no length of time here, and would be printed as 0s.
        return duration is DurationNode.Literal literal && DurationMath.ToMillis(literal.Seconds) <= 0 ? throw tokens.Fault(duration.Position, "duration must be greater than 0") : duration;
    }

    /// <summary>
    /// After <c>offset</c> a number ends the duration, so that <c>a offset 5m * 2</c> doubles <c>a</c>; only parentheses start arithmetic.
    /// </summary>
    public DurationNode ParseOffset()
    {
        if (tokens.Kind == TokenKind.LeftParen)
        {
            return ParseBinary(1);
        }

        if (tokens.Kind is not (TokenKind.Add or TokenKind.Subtract))
        {
            return ParsePrimary();
        }

        var sign = tokens.Advance();
        return Signed(sign, tokens.Kind is TokenKind.Add or TokenKind.Subtract ? ParseBinary(5) : ParsePrimary());
    }

    private DurationNode ParseBinary(int lowest)
    {
        tokens.EnterNesting();
        DurationNode left;
        if (tokens.Kind is TokenKind.Add or TokenKind.Subtract)
        {
            left = Signed(tokens.Advance(), ParseBinary(Grammar.Precedence(TokenKind.Power)));
        }
        else
        {
            left = ParsePrimary();
        }

        while (Grammar.Precedence(tokens.Kind) is var precedence && precedence >= lowest && precedence > 3 && tokens.Kind != TokenKind.Atan2)
        {
            var op = tokens.Advance();
            var right = ParseBinary(op.Kind == TokenKind.Power ? precedence : precedence + 1);
            if (op.Kind is (TokenKind.Divide or TokenKind.Modulo) && right is DurationNode.Literal { Seconds: 0 })
            {
                throw tokens.Fault(op.Range, op.Kind == TokenKind.Divide ? "division by zero" : "modulo by zero");
            }

            left = new DurationNode.Operation(op.Kind, left, right, Wrapped: false, TextRange.Merge(left.Position, right.Position));
        }

        tokens.LeaveNesting();
        return left;
    }

    private DurationNode ParsePrimary()
    {
        switch (tokens.Kind)
        {
            case TokenKind.Number or TokenKind.Duration:
                var token = tokens.Advance();
                var seconds = tokens.ReadNumber(token);
                return DurationMath.IsOutOfRange(seconds)
                    ? throw tokens.Fault(token.Range, "duration out of range")
                    : new DurationNode.Literal(seconds, token.Kind == TokenKind.Duration, token.Range);
            case TokenKind.Step or TokenKind.Range:
                var query = tokens.Advance();
                tokens.Expect(TokenKind.LeftParen);
                tokens.Expect(TokenKind.RightParen);
                return new DurationNode.OfQuery(query.Kind, new TextRange(query.Start, tokens.LastEnd));
            case TokenKind.MinOf or TokenKind.MaxOf:
                var function = tokens.Advance();
                tokens.Expect(TokenKind.LeftParen);
                var left = ParseBinary(1);
                tokens.Expect(TokenKind.Comma);
                var right = ParseBinary(1);
                tokens.Expect(TokenKind.RightParen);
                return new DurationNode.Operation(function.Kind, left, right, Wrapped: false, new TextRange(function.Start, tokens.LastEnd));
            case TokenKind.LeftParen:
                var open = tokens.Advance();
                var inner = ParseBinary(1);
                tokens.Expect(TokenKind.RightParen);
                return inner is DurationNode.Operation operation
                    ? operation with { Wrapped = true }
                    : new DurationNode.Operation(TokenKind.Add, null, inner, Wrapped: true, new TextRange(open.Start, tokens.LastEnd));
            default:
                throw tokens.Unexpected();
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

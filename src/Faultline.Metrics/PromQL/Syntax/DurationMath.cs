namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Durations of a query: seconds in the text, milliseconds in the engine.</summary>
internal static class DurationMath
{
    /// <summary>What Go's <c>time.Duration</c> can hold, in seconds.</summary>
    public const double SecondsMax = 9223372036.854775807;

    public static bool IsOutOfRange(double seconds) => seconds is > SecondsMax or < -SecondsMax;

    /// <summary>Milliseconds, cut after rounding to nanoseconds, as Go does.</summary>
    public static long ToMillis(double seconds) => (long)Math.Round(seconds * 1e9, MidpointRounding.AwayFromZero) / 1_000_000;

    /// <summary>The value of a duration in one query.</summary>
    /// <exception cref="PromQlException">It is not a length of time: NaN, infinite, out of range, or not above zero where it must be.</exception>
    public static long Resolve(DurationNode node, double stepSeconds, double rangeSeconds, bool mayBeNegative)
    {
        if (node is DurationNode.Literal literal)
        {
            return ToMillis(literal.Seconds);
        }

        var seconds = Evaluate(node, stepSeconds, rangeSeconds);
        if (!double.IsFinite(seconds))
        {
            throw Wrong(node, "duration is NaN or infinite");
        }

        if (seconds <= 0 && !mayBeNegative)
        {
            throw Wrong(node, "duration must be greater than 0");
        }

        return IsOutOfRange(seconds) ? throw Wrong(node, "duration is out of range") : (long)(seconds * 1000);
    }

    private static double Evaluate(DurationNode node, double stepSeconds, double rangeSeconds)
    {
        switch (node)
        {
            case DurationNode.Literal literal:
                return literal.Seconds;
            case DurationNode.OfQuery query:
                return query.Which == TokenKind.Step ? stepSeconds : rangeSeconds;
            case DurationNode.Operation operation:
                var right = Evaluate(operation.Right, stepSeconds, rangeSeconds);
                if (operation.Left is null)
                {
                    return operation.Op == TokenKind.Subtract ? -right : right;
                }

                var left = Evaluate(operation.Left, stepSeconds, rangeSeconds);
                return operation.Op switch
                {
                    TokenKind.MinOf => Evaluation.GoMath.Min(left, right),
                    TokenKind.MaxOf => Evaluation.GoMath.Max(left, right),
                    TokenKind.Add => left + right,
                    TokenKind.Subtract => left - right,
                    TokenKind.Multiply => left * right,
                    TokenKind.Divide => right == 0 ? throw Wrong(node, "division by zero") : left / right,
                    TokenKind.Modulo => right == 0 ? throw Wrong(node, "modulo by zero") : left % right,
                    TokenKind.Power => Math.Pow(left, right),
                    _ => throw new System.Diagnostics.UnreachableException(operation.Op.ToString()),
                };
            default:
                throw new System.Diagnostics.UnreachableException(node.GetType().Name);
        }
    }

    private static PromQlException Wrong(DurationNode node, string message) => new("bad_data", $"{node.Position.Start}:{node.Position.End}: {message}");
}

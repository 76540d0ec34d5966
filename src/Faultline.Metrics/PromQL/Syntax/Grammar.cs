namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Which tokens may stand where, and how strongly operators bind. Source: Prometheus' generated_parser.y, release 3.14.</summary>
internal static class Grammar
{
    public static bool CanNameMetric(TokenKind kind) => kind is TokenKind.Identifier or TokenKind.MetricIdentifier
        or TokenKind.And or TokenKind.Or or TokenKind.Unless or TokenKind.By or TokenKind.Without or TokenKind.Offset
        or TokenKind.Fill or TokenKind.FillLeft or TokenKind.FillRight or TokenKind.Anchored or TokenKind.Smoothed
        or >= TokenKind.Start or (> TokenKind.AggregatorsStart and < TokenKind.AggregatorsEnd);

    public static bool CanNameGroupingLabel(TokenKind kind) =>
        kind != TokenKind.Without && (CanNameMetric(kind) || kind is TokenKind.Atan2 or (> TokenKind.KeywordsStart and < TokenKind.KeywordsEnd));

    public static bool CanStartExpression(TokenKind kind) => CanNameMetric(kind)
        || kind is TokenKind.Number or TokenKind.Duration or TokenKind.Text or TokenKind.LeftParen or TokenKind.LeftBrace or TokenKind.Add or TokenKind.Subtract;

    /// <returns>From 1, the weakest, to 6; 0 is no binary operator.</returns>
    public static int Precedence(TokenKind kind) => kind switch
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
}

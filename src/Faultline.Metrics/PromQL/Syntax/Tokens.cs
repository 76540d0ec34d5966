namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>What a token is. The bands (operators, aggregators, keywords) decide how an error message shows it.</summary>
internal enum TokenKind
{
    EndOfInput,
    Error,
    Comment,
    Colon,
    Comma,
    Duration,
    Equal,
    Identifier,
    LeftBrace,
    LeftBracket,
    LeftParen,
    MetricIdentifier,
    Number,
    RightBrace,
    RightBracket,
    RightParen,
    Text,

    OperatorsStart,
    Add,
    Divide,
    EqualTo,
    EqualRegex,
    GreaterOrEqual,
    Greater,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Less,
    LessOrEqual,
    Unless,
    Modulo,
    Multiply,
    NotEqual,
    NotEqualRegex,
    Power,
    Subtract,
    At,
    Atan2,
    OperatorsEnd,

    AggregatorsStart,
    Avg,
    BottomK,
    Count,
    CountValues,
    Group,
    Max,
    Min,
    Quantile,
    StdDev,
    StdVar,
    Sum,
    TopK,
    LimitK,
    LimitRatio,
    AggregatorsEnd,

    KeywordsStart,
    Bool,
    By,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Ignoring,
    Offset,
    Smoothed,
    Anchored,
    On,
    Without,
    KeywordsEnd,

    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// <param name="Start">Index of the first character in the expression.</param>
internal readonly record struct Token(TokenKind Kind, int Start, string Text)
{
    private static readonly Dictionary<TokenKind, string> Symbols = new()
    {
        [TokenKind.LeftParen] = "(",
        [TokenKind.RightParen] = ")",
        [TokenKind.LeftBrace] = "{",
        [TokenKind.RightBrace] = "}",
        [TokenKind.LeftBracket] = "[",
        [TokenKind.RightBracket] = "]",
        [TokenKind.Comma] = ",",
        [TokenKind.Equal] = "=",
        [TokenKind.Colon] = ":",
        [TokenKind.Subtract] = "-",
        [TokenKind.Add] = "+",
        [TokenKind.Multiply] = "*",
        [TokenKind.Modulo] = "%",
        [TokenKind.Divide] = "/",
        [TokenKind.EqualTo] = "==",
        [TokenKind.NotEqual] = "!=",
        [TokenKind.LessOrEqual] = "<=",
        [TokenKind.Less] = "<",
        [TokenKind.GreaterOrEqual] = ">=",
        [TokenKind.Greater] = ">",
        [TokenKind.TrimUpper] = "</",
        [TokenKind.TrimLower] = ">/",
        [TokenKind.EqualRegex] = "=~",
        [TokenKind.NotEqualRegex] = "!~",
        [TokenKind.Power] = "^",
        [TokenKind.At] = "@",
    };

    /// <summary>Words with a meaning. Compared without case. <c>inf</c> and <c>nan</c> are numbers.</summary>
    public static readonly Dictionary<string, TokenKind> Keywords = new(StringComparer.OrdinalIgnoreCase)
    {
        ["and"] = TokenKind.And,
        ["or"] = TokenKind.Or,
        ["unless"] = TokenKind.Unless,
        ["atan2"] = TokenKind.Atan2,
        ["sum"] = TokenKind.Sum,
        ["avg"] = TokenKind.Avg,
        ["count"] = TokenKind.Count,
        ["min"] = TokenKind.Min,
        ["max"] = TokenKind.Max,
        ["group"] = TokenKind.Group,
        ["stddev"] = TokenKind.StdDev,
        ["stdvar"] = TokenKind.StdVar,
        ["topk"] = TokenKind.TopK,
        ["bottomk"] = TokenKind.BottomK,
        ["count_values"] = TokenKind.CountValues,
        ["quantile"] = TokenKind.Quantile,
        ["limitk"] = TokenKind.LimitK,
        ["limit_ratio"] = TokenKind.LimitRatio,
        ["offset"] = TokenKind.Offset,
        ["smoothed"] = TokenKind.Smoothed,
        ["anchored"] = TokenKind.Anchored,
        ["by"] = TokenKind.By,
        ["without"] = TokenKind.Without,
        ["on"] = TokenKind.On,
        ["ignoring"] = TokenKind.Ignoring,
        ["group_left"] = TokenKind.GroupLeft,
        ["group_right"] = TokenKind.GroupRight,
        ["fill"] = TokenKind.Fill,
        ["fill_left"] = TokenKind.FillLeft,
        ["fill_right"] = TokenKind.FillRight,
        ["bool"] = TokenKind.Bool,
        ["start"] = TokenKind.Start,
        ["end"] = TokenKind.End,
        ["step"] = TokenKind.Step,
        ["range"] = TokenKind.Range,
        ["max_of"] = TokenKind.MaxOf,
        ["min_of"] = TokenKind.MinOf,
        ["inf"] = TokenKind.Number,
        ["nan"] = TokenKind.Number,
    };

    public int End => Start + Text.Length;

    public TextRange Range => new(Start, End);

    public bool IsAggregator => Kind is > TokenKind.AggregatorsStart and < TokenKind.AggregatorsEnd;

    private bool IsOperator => Kind is > TokenKind.OperatorsStart and < TokenKind.OperatorsEnd;

    private bool IsKeyword => Kind is > TokenKind.KeywordsStart and < TokenKind.KeywordsEnd;

    private bool IsPreprocessor => Kind >= TokenKind.Start;

    /// <summary>The operator or word as the canonical form writes it.</summary>
    public static string Symbol(TokenKind kind) => Symbols.TryGetValue(kind, out var symbol) ? symbol : Keywords.First(pair => pair.Value == kind).Key;

    /// <summary>The token as "unexpected …" shows it.</summary>
    public string Describe()
    {
        var shown = Shown();
        return Kind switch
        {
            TokenKind.EndOfInput => "end of input",
            TokenKind.Identifier => "identifier " + shown,
            TokenKind.MetricIdentifier => "metric identifier " + shown,
            TokenKind.Text => "string " + shown,
            TokenKind.Number => "number " + shown,
            TokenKind.Duration => "duration " + shown,
            _ => shown,
        };
    }

    private string Shown()
    {
        if (Kind is TokenKind.Identifier or TokenKind.MetricIdentifier)
        {
            return GoText.Quote(Text);
        }

        return IsKeyword ? $"<{Text}>"
            : IsOperator ? $"<op:{Text}>"
            : IsAggregator ? $"<aggr:{Text}>"
            : Text.Length > 10 && !IsPreprocessor ? GoText.Quote(Text[..10]) + "..."
            : GoText.Quote(Text);
    }
}

/// <summary>Where something stands in an expression: characters from <paramref name="Start"/> up to, not including, <paramref name="End"/>.</summary>
internal readonly record struct TextRange(int Start, int End)
{
    public static TextRange Merge(TextRange first, TextRange last) => new(first.Start, last.End);

    /// <summary>What is wrong with this part of the query, as Prometheus says it: <c>1:5: parse error: …</c></summary>
    public PromQlException FaultIn(string query, string message) => new("bad_data", $"{LineAndColumn(query)}: parse error: {message}");

    /// <summary><c>line:column</c>, both from 1, columns in UTF-8 bytes as Go counts them.</summary>
    public string LineAndColumn(string query)
    {
        if (query.Length == 0)
        {
            return "unknown position";
        }

        if (Start < 0 || Start > query.Length)
        {
            return "invalid position";
        }

        var before = query.AsSpan(0, Start);
        var line = before.Count('\n') + 1;
        var column = System.Text.Encoding.UTF8.GetByteCount(before[(before.LastIndexOf('\n') + 1)..]) + 1;
        return $"{line}:{column}";
    }
}

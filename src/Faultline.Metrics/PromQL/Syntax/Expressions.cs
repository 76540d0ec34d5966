using Faultline.Metrics.PromQL.Functions;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>The type of an expression's value.</summary>
internal enum ValueKind
{
    Scalar,
    InstantVector,
    RangeVector,
    Text,
}

internal static class ValueKinds
{
    /// <summary>The words of Prometheus' documentation, used in most messages.</summary>
    public static string Documented(this ValueKind kind) => kind switch
    {
        ValueKind.Scalar => "scalar",
        ValueKind.InstantVector => "instant vector",
        ValueKind.RangeVector => "range vector",
        _ => "string",
    };

    /// <summary>The words of the HTTP API.</summary>
    public static string Short(this ValueKind kind) => kind switch
    {
        ValueKind.Scalar => "scalar",
        ValueKind.InstantVector => "vector",
        ValueKind.RangeVector => "matrix",
        _ => "string",
    };
}

/// <summary>A node of a parsed expression. Fixed once the parser has returned it.</summary>
internal abstract class Expr
{
    public abstract ValueKind Kind { get; }

    public abstract TextRange Position { get; }

    /// <summary>Direct children, in the order in which upstream walks them.</summary>
    public virtual IEnumerable<Expr> Children => [];

    /// <summary>The canonical form, which parses to the same tree.</summary>
    public sealed override string ToString() => Printer.Print(this);
}

internal sealed class NumberLiteral(double value, TextRange position, bool isDuration) : Expr
{
    public double Value { get; internal set; } = value;

    /// <summary>Written as a duration (<c>5m</c>); the value is in seconds.</summary>
    public bool IsDuration { get; } = isDuration;

    public override ValueKind Kind => ValueKind.Scalar;

    public override TextRange Position => Place;

    internal TextRange Place { get; set; } = position;
}

internal sealed class TextLiteral(string value, TextRange position) : Expr
{
    public string Value { get; } = value;

    public override ValueKind Kind => ValueKind.Text;

    public override TextRange Position { get; } = position;
}

internal sealed class ParenExpr(Expr inner, TextRange position) : Expr
{
    public Expr Inner { get; } = inner;

    public override ValueKind Kind => Inner.Kind;

    public override TextRange Position { get; } = position;

    public override IEnumerable<Expr> Children => [Inner];
}

internal sealed class UnaryExpr(bool isMinus, Expr operand, int start) : Expr
{
    public bool IsMinus { get; } = isMinus;

    public Expr Operand { get; } = operand;

    public override ValueKind Kind => Operand.Kind;

    public override TextRange Position => new(start, Operand.Position.End);

    public override IEnumerable<Expr> Children => [Operand];
}

internal enum MatchCardinality
{
    OneToOne,
    ManyToOne,
    OneToMany,
    ManyToMany,
}

/// <summary>How the elements of two vectors find each other.</summary>
internal sealed class VectorMatching
{
    public MatchCardinality Cardinality { get; internal set; }

    public IReadOnlyList<string> Labels { get; internal set; } = [];

    /// <summary>True: only <see cref="Labels"/> count. False: all but these.</summary>
    public bool On { get; internal set; }

    /// <summary>Labels that the result takes from the "one" side.</summary>
    public IReadOnlyList<string> Include { get; internal set; } = [];

    public double? FillLeft { get; internal set; }

    public double? FillRight { get; internal set; }
}

internal sealed class BinaryExpr(TokenKind op, Expr left, Expr right, VectorMatching? matching, bool returnBool) : Expr
{
    public TokenKind Op { get; } = op;

    public Expr Left { get; } = left;

    public Expr Right { get; } = right;

    /// <summary>Null unless both sides are instant vectors.</summary>
    public VectorMatching? Matching { get; internal set; } = matching;

    public bool ReturnBool { get; } = returnBool;

    public bool IsComparison => Op is TokenKind.EqualTo or TokenKind.NotEqual or TokenKind.Less or TokenKind.LessOrEqual or TokenKind.Greater or TokenKind.GreaterOrEqual;

    public bool IsSet => Op is TokenKind.And or TokenKind.Or or TokenKind.Unless;

    public override ValueKind Kind => Left.Kind == ValueKind.Scalar && Right.Kind == ValueKind.Scalar ? ValueKind.Scalar : ValueKind.InstantVector;

    public override TextRange Position => TextRange.Merge(Left.Position, Right.Position);

    public override IEnumerable<Expr> Children => [Left, Right];
}

internal sealed class CallExpr(Function function, IReadOnlyList<Expr> arguments, TextRange position) : Expr
{
    public Function Function { get; } = function;

    public IReadOnlyList<Expr> Arguments { get; } = arguments;

    public override ValueKind Kind => Function.Returns;

    public override TextRange Position { get; } = position;

    public override IEnumerable<Expr> Children => Arguments;
}

internal sealed class AggregateExpr(TokenKind op, Expr operand, Expr? parameter, IReadOnlyList<string> grouping, bool without, TextRange position) : Expr
{
    public TokenKind Op { get; } = op;

    public Expr Operand { get; } = operand;

    /// <summary>k, φ, ratio or label name; null for an aggregation without.</summary>
    public Expr? Parameter { get; } = parameter;

    public IReadOnlyList<string> Grouping { get; } = grouping;

    public bool Without { get; } = without;

    public override ValueKind Kind => ValueKind.InstantVector;

    public override TextRange Position { get; } = position;

    public override IEnumerable<Expr> Children => Parameter is null ? [Operand] : [Operand, Parameter];

    public static bool TakesParameter(TokenKind op) => op is TokenKind.TopK or TokenKind.BottomK or TokenKind.CountValues or TokenKind.Quantile or TokenKind.LimitK or TokenKind.LimitRatio;
}

internal enum AtAnchor
{
    None,
    Start,
    End,
}

/// <summary>A length of time: a constant, or an expression over <c>step()</c> and <c>range()</c> that each query resolves.</summary>
internal abstract record DurationNode(TextRange Position)
{
    /// <param name="Seconds">Signed.</param>
    public sealed record Literal(double Seconds, bool IsDuration, TextRange Position) : DurationNode(Position);

    /// <summary><c>step()</c> or <c>range()</c>.</summary>
    public sealed record OfQuery(TokenKind Which, TextRange Position) : DurationNode(Position);

    /// <summary>Operators, <c>min_of</c> and <c>max_of</c>. <paramref name="Left"/> is null for a sign.</summary>
    public sealed record Operation(TokenKind Op, DurationNode? Left, DurationNode Right, bool Wrapped, TextRange Position) : DurationNode(Position);
}

/// <summary>What <c>@</c> and <c>offset</c> say about when a selector or subquery is evaluated.</summary>
internal abstract class TimedExpr : Expr
{
    /// <summary>Signed; null when there is no offset.</summary>
    public DurationNode? Offset { get; internal set; }

    /// <summary><c>@ 123</c>, in milliseconds.</summary>
    public long? AtUnixMillis { get; internal set; }

    public AtAnchor Anchor { get; internal set; }

    public bool HasAt => AtUnixMillis is not null || Anchor != AtAnchor.None;
}

internal sealed class VectorSelector(string name, IReadOnlyList<LabelMatcher> matchers, TextRange position) : TimedExpr
{
    /// <summary>The metric name written before the braces, or empty.</summary>
    public string Name { get; } = name;

    /// <summary>All matchers; that of <see cref="Name"/> is the last.</summary>
    public IReadOnlyList<LabelMatcher> Matchers { get; } = matchers;

    public bool IsAnchored { get; internal set; }

    public bool IsSmoothed { get; internal set; }

    public override ValueKind Kind => ValueKind.InstantVector;

    public override TextRange Position => Place;

    internal TextRange Place { get; set; } = position;

    /// <summary>The second argument of <c>info</c> may match everything.</summary>
    internal bool MayMatchEverything { get; set; }
}

internal sealed class RangeSelector(VectorSelector selector, DurationNode range, int end) : Expr
{
    public VectorSelector Selector { get; } = selector;

    public DurationNode Range { get; } = range;

    public override ValueKind Kind => ValueKind.RangeVector;

    public override TextRange Position => new(Selector.Position.Start, End);

    public override IEnumerable<Expr> Children => [Selector];

    internal int End { get; set; } = end;
}

internal sealed class SubqueryExpr(Expr inner, DurationNode range, DurationNode? step, int end) : TimedExpr
{
    public Expr Inner { get; } = inner;

    public DurationNode Range { get; } = range;

    /// <summary>Null: the engine's default.</summary>
    public DurationNode? Step { get; } = step;

    public override ValueKind Kind => ValueKind.RangeVector;

    public override TextRange Position => new(Inner.Position.Start, End);

    public override IEnumerable<Expr> Children => [Inner];

    internal int End { get; set; } = end;
}

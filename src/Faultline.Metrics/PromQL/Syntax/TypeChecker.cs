using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>What the grammar allows and the types do not. Stops at the first fault, in upstream's order of looking.</summary>
internal sealed class TypeChecker(string input)
{
    public void Check(Expr expr)
    {
        switch (expr)
        {
            case AggregateExpr aggregate: CheckAggregate(aggregate); break;
            case BinaryExpr binary: CheckBinary(binary); break;
            case CallExpr call: CheckCall(call); break;
            case UnaryExpr unary:
                Check(unary.Operand);
                if (unary.Operand.Kind is not (ValueKind.Scalar or ValueKind.InstantVector))
                {
                    throw Fault(unary, $"unary expression only allowed on expressions of type scalar or instant vector, got {GoText.Quote(unary.Operand.Kind.Documented())}");
                }

                break;
            case SubqueryExpr subquery:
                Check(subquery.Inner);
                if (subquery.Inner.Kind != ValueKind.InstantVector)
                {
                    throw Fault(subquery, $"subquery is only allowed on instant vector, got {subquery.Inner.Kind.Short()} instead");
                }

                break;
            case VectorSelector selector: CheckSelector(selector); break;
            default:
                foreach (var child in expr.Children)
                {
                    Check(child);
                }

                break;
        }
    }

    private PromQlException Fault(Expr at, string message) => at.Position.FaultIn(input, message);

    private void Expect(Expr expr, ValueKind wanted, string context)
    {
        Check(expr);
        if (expr.Kind != wanted)
        {
            throw Fault(expr, $"expected type {wanted.Documented()} in {context}, got {expr.Kind.Documented()}");
        }
    }

    private void CheckAggregate(AggregateExpr aggregate)
    {
        Expect(aggregate.Operand, ValueKind.InstantVector, "aggregation expression");
        if (aggregate.Parameter is { } parameter)
        {
            Expect(parameter, aggregate.Op == TokenKind.CountValues ? ValueKind.Text : ValueKind.Scalar, "aggregation parameter");
        }
    }

    private void CheckBinary(BinaryExpr binary)
    {
        Check(binary.Left);
        Check(binary.Right);
        var (left, right) = (binary.Left.Kind, binary.Right.Kind);
        var matching = binary.Matching!;
        if (binary.ReturnBool && !binary.IsComparison)
        {
            throw AtOperator(binary, "bool modifier can only be used on comparison operators");
        }

        if (binary.IsComparison && !binary.ReturnBool && left == ValueKind.Scalar && right == ValueKind.Scalar)
        {
            throw AtOperator(binary, "comparisons between scalars must use BOOL modifier");
        }

        if (binary.IsSet && matching.Cardinality == MatchCardinality.OneToOne)
        {
            matching.Cardinality = MatchCardinality.ManyToMany;
        }

        if (matching.On && matching.Labels.FirstOrDefault(label => matching.Include.Contains(label, StringComparer.Ordinal)) is { } twice)
        {
            throw AtOperator(binary, $"label {GoText.Quote(twice)} must not occur in ON and GROUP clause at once");
        }

        foreach (var side in new[] { binary.Left, binary.Right })
        {
            if (side.Kind is not (ValueKind.Scalar or ValueKind.InstantVector))
            {
                throw Fault(side, "binary expression must contain only scalar and instant vector types");
            }
        }

        var fills = matching.FillLeft is not null || matching.FillRight is not null;
        if (left != ValueKind.InstantVector || right != ValueKind.InstantVector)
        {
            if (matching.Labels.Count > 0)
            {
                throw Fault(binary, "vector matching only allowed between instant vectors");
            }

            if (fills)
            {
                throw Fault(binary, "filling in missing series only allowed between instant vectors");
            }

            binary.Matching = null;
            if (binary.IsSet)
            {
                throw Fault(binary, $"set operator {GoText.Quote(Token.Symbol(binary.Op))} not allowed in binary scalar expression");
            }
        }
        else if (binary.IsSet)
        {
            if (matching.Cardinality != MatchCardinality.ManyToMany)
            {
                throw Fault(binary, $"no grouping allowed for {GoText.Quote(Token.Symbol(binary.Op))} operation");
            }

            if (fills)
            {
                throw Fault(binary, "filling in missing series not allowed for set operators");
            }
        }
    }

    private PromQlException AtOperator(BinaryExpr binary, string message)
    {
        var start = binary.Left.Position.End;
        while (start < input.Length && char.IsWhiteSpace(input[start]))
        {
            start++;
        }

        return new TextRange(start, start).FaultIn(input, message);
    }

    private void CheckCall(CallExpr call)
    {
        var function = call.Function;
        var arguments = call.Arguments;
        var name = GoText.Quote(function.Name);
        var most = function.ArgumentsMax;
        if (function.Variadic == 0 && arguments.Count != function.Arguments.Count)
        {
            throw Fault(call, $"expected {function.Arguments.Count} argument(s) in call to {name}, got {arguments.Count}");
        }

        if (arguments.Count < function.ArgumentsMin)
        {
            throw Fault(call, $"expected at least {function.ArgumentsMin} argument(s) in call to {name}, got {arguments.Count}");
        }

        if (arguments.Count > most)
        {
            throw Fault(call, $"expected at most {most} argument(s) in call to {name}, got {arguments.Count}");
        }

        if (function.Name is "info" && arguments.Count > 1)
        {
            CheckInfoSelector(call, arguments[1]);
        }

        for (var i = 0; i < arguments.Count; i++)
        {
            var wanted = function.Arguments[Math.Min(i, function.Arguments.Count - 1)];
            Check(arguments[i]);
            if (arguments[i].Kind != wanted)
            {
                throw Fault(arguments[i], $"expected type {wanted.Documented()} in call to function {name}, got {arguments[i].Kind.Documented()}");
            }
        }
    }

    private void CheckInfoSelector(CallExpr call, Expr argument)
    {
        if (argument.Kind != ValueKind.InstantVector)
        {
            throw Fault(call, $"expected type {ValueKind.InstantVector.Documented()} in call to function \"info\", got {argument.Kind.Documented()}");
        }

        if (argument is not VectorSelector selector)
        {
            throw Fault(argument, "expected label selectors only");
        }

        if (selector.Name.Length > 0)
        {
            throw Fault(argument, "expected label selectors only, got vector selector instead");
        }

        selector.MayMatchEverything = true;
    }

    private void CheckSelector(VectorSelector selector)
    {
        if (selector.Name.Length > 0)
        {
            for (var i = 0; i < selector.Matchers.Count - 1; i++)
            {
                if (string.Equals(selector.Matchers[i].Name, Labels.MetricName, StringComparison.Ordinal))
                {
                    throw Fault(selector, $"metric name must not be set twice: {GoText.Quote(selector.Name)} or {GoText.Quote(selector.Matchers[i].Value)}");
                }
            }

            return;
        }

        if (!selector.MayMatchEverything && !selector.Matchers.Any(matcher => !MatchesEmpty(matcher)))
        {
            throw Fault(selector, "vector selector must contain at least one non-empty matcher");
        }
    }

    public static bool MatchesEmpty(LabelMatcher matcher) => matcher.Kind switch
    {
        MatchKind.Equal => matcher.Value.Length == 0,
        MatchKind.NotEqual => matcher.Value.Length > 0,
        _ => GoRegex.TryCompile(matcher.Value, out var regex, out _) && regex.IsMatch("") == (matcher.Kind == MatchKind.Regex),
    };
}

using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Series selectors: a metric's name, label matchers in braces, or both.</summary>
internal sealed class SelectorParser(TokenReader tokens)
{
    /// <param name="name">The metric's name, if there is one and it is read already.</param>
    public VectorSelector Parse(Token? name)
    {
        var start = name?.Start ?? tokens.Current.Start;
        var end = name?.End ?? tokens.Current.End;
        var matchers = new List<LabelMatcher>();
        if (tokens.Kind == TokenKind.LeftBrace)
        {
            ParseMatchers(matchers);
            end = tokens.LastEnd;
        }

        if (name is { } given)
        {
            matchers.Add(new LabelMatcher(Labels.MetricName, MatchKind.Equal, given.Text));
        }

        return new VectorSelector(name?.Text ?? "", matchers, new TextRange(start, end));
    }

    private void ParseMatchers(List<LabelMatcher> matchers)
    {
        tokens.Advance();
        while (tokens.Kind != TokenKind.RightBrace)
        {
            if (tokens.Kind is not (TokenKind.Identifier or TokenKind.Text))
            {
                throw tokens.Unexpected("label matching", "identifier or \"}\"");
            }

            var label = tokens.Advance();
            var name = label.Kind == TokenKind.Text ? GoText.Unquote(label.Text) : label.Text;
            if (tokens.Kind is TokenKind.Equal or TokenKind.NotEqual or TokenKind.EqualRegex or TokenKind.NotEqualRegex)
            {
                var op = tokens.Advance();
                var value = tokens.Kind == TokenKind.Text ? tokens.Advance() : throw tokens.Unexpected("label matching", "string");
                matchers.Add(Matcher(label, name, op.Kind, value));
            }
            else if (label.Kind == TokenKind.Text)
            {
                matchers.Add(new LabelMatcher(Labels.MetricName, MatchKind.Equal, name));
            }
            else
            {
                throw tokens.Unexpected("label matching", "label matching operator");
            }

            if (tokens.Kind == TokenKind.Comma)
            {
                tokens.Advance();
            }
            else if (tokens.Kind != TokenKind.RightBrace)
            {
                throw tokens.Unexpected("label matching", "\",\" or \"}\"");
            }
        }

        tokens.Advance();
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
            throw tokens.Fault(TextRange.Merge(label.Range, value.Range), error);
        }

        return new LabelMatcher(name, kind, text);
    }
}

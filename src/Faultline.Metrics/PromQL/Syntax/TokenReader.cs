namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>The tokens of an expression one after the other, and the words for one that does not belong where it stands.</summary>
internal sealed class TokenReader
{
    /// <summary>How deep an expression may nest. Ours: the stack of a .NET thread does not grow as Go's does.</summary>
    private const int NestingMax = 200;

    private readonly string _input;
    private readonly Lexer _lexer;
    private int _depth;
    private string _context = "";
    private string _expected = "";

    /// <summary>Stands at the first token.</summary>
    /// <exception cref="PromQlException">There is none.</exception>
    public TokenReader(string input)
    {
        _input = input;
        _lexer = new Lexer(input);
        Advance();
    }

    public Token Current { get; private set; }

    public TokenKind Kind => Current.Kind;

    /// <summary>Where the token before this one ends.</summary>
    public int LastEnd { get; private set; }

    /// <summary>Steps to the next token and returns the one left behind.</summary>
    /// <exception cref="PromQlException">The next characters are no token.</exception>
    public Token Advance()
    {
        var previous = Current;
        LastEnd = previous.Kind == TokenKind.EndOfInput ? 0 : previous.End;
        Current = _lexer.Next();
        return Kind == TokenKind.Error ? throw Fault(new TextRange(Current.Start, _input.Length), Current.Text) : previous;
    }

    /// <exception cref="PromQlException">This token is another one.</exception>
    public Token Expect(TokenKind kind) => Kind == kind ? Advance() : throw Unexpected();

    /// <summary>Steps over a sign, if here is one. True: it is a minus.</summary>
    public bool AcceptSign() => Kind is TokenKind.Add or TokenKind.Subtract && Advance().Kind == TokenKind.Subtract;

    /// <summary>What a number or duration token means.</summary>
    /// <returns>The number, or the duration in seconds.</returns>
    public double ReadNumber(Token token)
    {
        if (token.Kind == TokenKind.Duration)
        {
            return GoText.TryParseDuration(token.Text, out var millis, out var error) ? millis / 1000.0 : throw Fault(token.Range, error);
        }

        return GoNumber.TryParse(token.Text, out var value, out var fault) ? value : throw Fault(token.Range, $"error parsing number: {fault}");
    }

    public PromQlException Fault(TextRange at, string message) => at.FaultIn(_input, message);

    public PromQlException Unexpected() => Unexpected(_context, _expected);

    public PromQlException Unexpected(string context, string expected) =>
        Fault(Current.Range, $"unexpected {Current.Describe()}{(context.Length == 0 ? "" : " in " + context)}{(expected.Length == 0 ? "" : ", expected " + expected)}");

    /// <summary>Runs a part of the grammar in which an unexpected token is reported with these words.</summary>
    public T Within<T>(string context, string expected, Func<T> part)
    {
        var (outerContext, outerExpected) = (_context, _expected);
        (_context, _expected) = (context, expected);
        var result = part();
        (_context, _expected) = (outerContext, outerExpected);
        return result;
    }

    /// <summary>Counts how deep the parser calls itself. After a fault it is not used again, so only the good way leaves.</summary>
    public void EnterNesting()
    {
        if (++_depth > NestingMax)
        {
            throw Fault(Current.Range, $"expression nests deeper than {NestingMax} levels");
        }
    }

    public void LeaveNesting() => _depth--;
}

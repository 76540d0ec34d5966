namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Cuts an expression into tokens, in the same places and with the same complaints as Prometheus' lexer.</summary>
internal sealed class Lexer(string input)
{
    private readonly RuneCursor _cursor = new(input);
    private State _state = State.Statements;
    private int _parenDepth;
    private bool _braceOpen;
    private bool _bracketOpen;
    private bool _gotColon;
    private bool _gotDuration;
    private Token? _emitted;

    private enum State
    {
        Statements,
        InsideBraces,
        DurationExpression,
        Finished,
    }

    /// <summary>The next token that is not a comment. After an error or the end: the end.</summary>
    public Token Next()
    {
        do
        {
            _emitted = null;
            while (_emitted is null)
            {
                switch (_state)
                {
                    case State.Statements: LexStatements(); break;
                    case State.InsideBraces: LexInsideBraces(); break;
                    case State.DurationExpression: LexDurationExpression(); break;
                    default: Emit(TokenKind.EndOfInput); break;
                }
            }
        }
        while (_emitted.Value.Kind == TokenKind.Comment);
        return _emitted.Value;
    }

    private static TokenKind? CommaOrArithmetic(int rune) => rune switch
    {
        ',' => TokenKind.Comma,
        '*' => TokenKind.Multiply,
        '/' => TokenKind.Divide,
        '%' => TokenKind.Modulo,
        '+' => TokenKind.Add,
        '-' => TokenKind.Subtract,
        '^' => TokenKind.Power,
        _ => null,
    };

    private static bool StartsDurationWord(int rune) => rune is 's' or 'S' or 'r' or 'R' or 'm' or 'M';

    private static string Shown(int rune) => GoText.QuoteRune(RuneCursor.AsRune(rune));

    private void Emit(TokenKind kind)
    {
        _emitted = new Token(kind, _cursor.Start, _cursor.Text);
        _cursor.StartToken();
    }

    /// <summary>Reports what is wrong where the current token began, and reads no further.</summary>
    private void Fail(string message)
    {
        _emitted = new Token(TokenKind.Error, _cursor.Start, message);
        _state = State.Finished;
    }

    private void LexStatements()
    {
        if (_braceOpen)
        {
            _state = State.InsideBraces;
            return;
        }

        if (_cursor.Peek() == '#')
        {
            LexLineComment();
            return;
        }

        var rune = _cursor.Read();
        switch (rune)
        {
            case RuneCursor.End: LexEnd(); break;
            case ' ' or '\t' or '\n' or '\r': SkipSpaces(); break;
            case '@': Emit(TokenKind.At); break;
            case '=': LexEquals(); break;
            case '!': LexNotEqual(); break;
            case '<': Emit(_cursor.Accept("=") ? TokenKind.LessOrEqual : _cursor.Accept("/") ? TokenKind.TrimUpper : TokenKind.Less); break;
            case '>': Emit(_cursor.Accept("=") ? TokenKind.GreaterOrEqual : _cursor.Accept("/") ? TokenKind.TrimLower : TokenKind.Greater); break;
            case '"' or '\'' or '`': LexString(rune); break;
            case '(': OpenParen(); break;
            case ')': CloseParen(); break;
            case '{': OpenBrace(); break;
            case '[': OpenBracket(); break;
            case ']' when !_bracketOpen: Fail("unexpected right bracket ']'"); break;
            case ']': CloseBracket(); break;
            default:
                if (CommaOrArithmetic(rune) is { } sign)
                {
                    Emit(sign);
                }
                else if (StartsNumber(rune))
                {
                    LexNumberOrDuration();
                }
                else if (RuneCursor.IsAlpha(rune) || rune == ':')
                {
                    LexWord(rune);
                }
                else
                {
                    Fail($"unexpected character: {Shown(rune)}");
                }

                break;
        }
    }

    private void LexInsideBraces()
    {
        if (_cursor.Peek() == '#')
        {
            LexLineComment();
            return;
        }

        var rune = _cursor.Read();
        switch (rune)
        {
            case RuneCursor.End: Fail("unexpected end of input inside braces"); break;
            case ' ' or '\t' or '\n' or '\r': SkipSpaces(); break;
            case ',': Emit(TokenKind.Comma); break;
            case '"' or '\'' or '`': LexString(rune); break;
            case '=': Emit(_cursor.Accept("~") ? TokenKind.EqualRegex : TokenKind.Equal); break;
            case '!': LexNotEqualMatcher(); break;
            case '{': Fail("unexpected left brace '{'"); break;
            case '}': CloseBrace(); break;
            case var letter when RuneCursor.IsAlpha(letter): LexLabelName(); break;
            default: Fail($"unexpected character inside braces: {Shown(rune)}"); break;
        }
    }

    private void LexDurationExpression()
    {
        var rune = _cursor.Read();
        switch (rune)
        {
            case RuneCursor.End: Fail("unexpected end of input in duration expression"); break;
            case ' ' or '\t' or '\n' or '\r': SkipSpaces(); break;
            case '(': OpenParen(); break;
            case ')': CloseParen(); break;
            case ':': LexSubqueryColon(); break;
            case ']':
                CloseBracket();
                _gotColon = false;
                _state = State.Statements;
                break;
            default:
                if (CommaOrArithmetic(rune) is { } sign)
                {
                    Emit(sign);
                }
                else if (StartsNumber(rune))
                {
                    _gotDuration = true;
                    _state = State.Statements;
                    LexNumberOrDuration();
                }
                else if (!StartsDurationWord(rune) || !TryDurationWord())
                {
                    Fail($"unexpected character in duration expression: {Shown(rune)}");
                }

                break;
        }
    }

    private void LexEnd()
    {
        if (_parenDepth != 0)
        {
            Fail("unclosed left parenthesis");
        }
        else if (_bracketOpen)
        {
            Fail("unclosed left bracket");
        }
        else
        {
            Emit(TokenKind.EndOfInput);
            _state = State.Finished;
        }
    }

    private void LexEquals()
    {
        if (_cursor.Peek() == '~')
        {
            Fail("unexpected character after '=': '~'");
            return;
        }

        Emit(_cursor.Accept("=") ? TokenKind.EqualTo : TokenKind.Equal);
    }

    private void LexNotEqual()
    {
        var next = _cursor.Read();
        if (next == '=')
        {
            Emit(TokenKind.NotEqual);
        }
        else
        {
            Fail($"unexpected character after '!': {Shown(next)}");
        }
    }

    private void LexNotEqualMatcher()
    {
        var next = _cursor.Read();
        if (next is '~' or '=')
        {
            Emit(next == '~' ? TokenKind.NotEqualRegex : TokenKind.NotEqual);
        }
        else
        {
            Fail($"unexpected character after '!' inside braces: {Shown(next)}");
        }
    }

    private void OpenParen()
    {
        Emit(TokenKind.LeftParen);
        _parenDepth++;
    }

    private void CloseParen()
    {
        Emit(TokenKind.RightParen);
        _parenDepth--;
        if (_parenDepth < 0)
        {
            Fail("unexpected right parenthesis ')'");
        }
    }

    private void OpenBrace()
    {
        Emit(TokenKind.LeftBrace);
        _braceOpen = true;
        _state = State.InsideBraces;
    }

    private void CloseBrace()
    {
        Emit(TokenKind.RightBrace);
        _braceOpen = false;
        _state = State.Statements;
    }

    private void OpenBracket()
    {
        if (_bracketOpen)
        {
            Fail("unexpected left bracket '['");
            return;
        }

        _gotColon = false;
        Emit(TokenKind.LeftBracket);
        SkipSpaces();
        _bracketOpen = true;
        _state = State.DurationExpression;
    }

    private void CloseBracket()
    {
        Emit(TokenKind.RightBracket);
        _bracketOpen = false;
    }

    private void LexSubqueryColon()
    {
        Emit(TokenKind.Colon);
        if (!_gotDuration)
        {
            Fail("unexpected colon before duration in duration expression");
        }
        else if (_gotColon)
        {
            Fail("unexpected repeated colon in duration expression");
        }
        else
        {
            _gotColon = true;
        }
    }

    private void LexLineComment()
    {
        while (_cursor.Peek() is not ('\r' or '\n' or RuneCursor.End))
        {
            _cursor.Read();
        }

        Emit(TokenKind.Comment);
    }

    private void SkipSpaces()
    {
        while (RuneCursor.IsSpace(_cursor.Peek()))
        {
            _cursor.Read();
        }

        _cursor.StartToken();
    }

    private void LexString(int quote)
    {
        if (StringScanner.Scan(_cursor, quote) is { } fault)
        {
            Fail(fault);
        }
        else
        {
            Emit(TokenKind.Text);
        }
    }

    private bool StartsNumber(int rune) => RuneCursor.IsDigit(rune) || (rune == '.' && RuneCursor.IsDigit(_cursor.Peek()));

    private void LexNumberOrDuration()
    {
        _cursor.RestartToken();
        if (NumberScanner.ScanNumber(_cursor))
        {
            Emit(TokenKind.Number);
        }
        else if (NumberScanner.ScanRestOfDuration(_cursor))
        {
            Emit(TokenKind.Duration);
        }
        else
        {
            Fail($"bad number or duration syntax: {GoText.Quote(_cursor.Text)}");
        }
    }

    private void LexWord(int rune)
    {
        if (!_bracketOpen)
        {
            LexKeywordOrIdentifier();
        }
        else if (rune != ':')
        {
            if (!StartsDurationWord(rune) || !TryDurationWord())
            {
                Fail($"unexpected character: {Shown(rune)}, expected ':'");
            }
        }
        else if (_gotColon)
        {
            Fail("unexpected colon ':'");
        }
        else
        {
            Emit(TokenKind.Colon);
            _gotColon = true;
        }
    }

    private void LexKeywordOrIdentifier()
    {
        while (RuneCursor.IsAlphaNumeric(_cursor.Peek()) || _cursor.Peek() == ':')
        {
            _cursor.Read();
        }

        var word = _cursor.Text;
        if (!Token.Keywords.TryGetValue(word, out var kind))
        {
            Emit(word.Contains(':', StringComparison.Ordinal) ? TokenKind.MetricIdentifier : TokenKind.Identifier);
        }
        else if (kind is TokenKind.Fill or TokenKind.FillLeft or TokenKind.FillRight && !_cursor.Rest.TrimStart(" \t\r\n").StartsWith('('))
        {
            Emit(TokenKind.Identifier);     // an old metric may be called fill
        }
        else
        {
            Emit(kind);
        }
    }

    private void LexLabelName()
    {
        while (RuneCursor.IsAlphaNumeric(_cursor.Peek()))
        {
            _cursor.Read();
        }

        Emit(TokenKind.Identifier);
    }

    private bool TryDurationWord()
    {
        while (RuneCursor.IsAlpha(_cursor.Peek()))
        {
            _cursor.Read();
        }

        if (Token.Keywords.TryGetValue(_cursor.Text, out var kind) && kind is TokenKind.Step or TokenKind.Range or TokenKind.MaxOf or TokenKind.MinOf)
        {
            Emit(kind);
            return true;
        }

        return false;
    }
}

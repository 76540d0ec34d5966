using System.Text;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>Cuts an expression into tokens, in the same places and with the same complaints as Prometheus' lexer.</summary>
internal sealed class Lexer(string input)
{
    private const int EndRune = -1;

    /// <summary>What broken text becomes on its way here.</summary>
    private const int Replacement = 0xFFFD;

    private const string InvalidRune = "invalid UTF-8 rune";

    private readonly string _input = input;
    private State _state = State.Statements;
    private int _position;
    private int _start;
    private int _width;
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

    /// <summary>Where the current token began; a lexical error is reported there.</summary>
    public int Start => _start;

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

    private static bool IsSpace(int rune) => rune is ' ' or '\t' or '\n' or '\r';

    private static bool IsDigit(int rune) => rune is >= '0' and <= '9';

    private static bool IsAlpha(int rune) => rune is '_' or (>= 'a' and <= 'z') or (>= 'A' and <= 'Z');

    private static bool IsAlphaNumeric(int rune) => IsAlpha(rune) || IsDigit(rune);

    private static bool StartsDurationWord(int rune) => rune is 's' or 'S' or 'r' or 'R' or 'm' or 'M';

    private static Rune AsRune(int rune) => rune == EndRune ? Rune.ReplacementChar : new Rune(rune);

    private static int DigitValue(int rune) => rune switch
    {
        >= '0' and <= '9' => rune - '0',
        >= 'a' and <= 'f' => rune - 'a' + 10,
        >= 'A' and <= 'F' => rune - 'A' + 10,
        _ => 16,
    };

    private int Read()
    {
        if (_position >= _input.Length)
        {
            _width = 0;
            return EndRune;
        }

        Rune.DecodeFromUtf16(_input.AsSpan(_position), out var rune, out _width);
        _position += _width;
        return rune.Value;
    }

    private int Peek()
    {
        var rune = Read();
        Back();
        return rune;
    }

    private void Back() => _position -= _width;

    private void Emit(TokenKind kind)
    {
        _emitted = new Token(kind, _start, _input[_start.._position]);
        _start = _position;
    }

    private void Fail(string message)
    {
        _emitted = new Token(TokenKind.Error, _start, message);
        _state = State.Finished;
    }

    private bool Accept(string valid)
    {
        var rune = Read();
        if (rune is not EndRune and < 128 && valid.Contains((char)rune, StringComparison.Ordinal))
        {
            return true;
        }

        Back();
        return false;
    }

    private bool Is(string valid)
    {
        var rune = Peek();
        return rune is not EndRune and < 128 && valid.Contains((char)rune, StringComparison.Ordinal);
    }

    private void LexStatements()
    {
        if (_braceOpen)
        {
            _state = State.InsideBraces;
            return;
        }

        if (Peek() == '#')
        {
            LexLineComment();
            return;
        }

        var rune = Read();
        switch (rune)
        {
            case EndRune:
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

                break;
            case ',': Emit(TokenKind.Comma); break;
            case ' ' or '\t' or '\n' or '\r': SkipSpaces(); break;
            case '*': Emit(TokenKind.Multiply); break;
            case '/': Emit(TokenKind.Divide); break;
            case '%': Emit(TokenKind.Modulo); break;
            case '+': Emit(TokenKind.Add); break;
            case '-': Emit(TokenKind.Subtract); break;
            case '^': Emit(TokenKind.Power); break;
            case '@': Emit(TokenKind.At); break;
            case '=': LexEquals(); break;
            case '!':
                var afterBang = Read();
                if (afterBang == '=')
                {
                    Emit(TokenKind.NotEqual);
                }
                else
                {
                    Fail($"unexpected character after '!': {GoText.QuoteRune(AsRune(afterBang))}");
                }

                break;
            case '<': Emit(Accept("=") ? TokenKind.LessOrEqual : Accept("/") ? TokenKind.TrimUpper : TokenKind.Less); break;
            case '>': Emit(Accept("=") ? TokenKind.GreaterOrEqual : Accept("/") ? TokenKind.TrimLower : TokenKind.Greater); break;
            case '"' or '\'': LexString(rune); break;
            case '`': LexRawString(); break;
            case '(':
                Emit(TokenKind.LeftParen);
                _parenDepth++;
                break;
            case ')':
                CloseParen();
                break;
            case '{':
                Emit(TokenKind.LeftBrace);
                _braceOpen = true;
                _state = State.InsideBraces;
                break;
            case '[':
                OpenBracket();
                break;
            case ']':
                if (!_bracketOpen)
                {
                    Fail("unexpected right bracket ']'");
                    break;
                }

                Emit(TokenKind.RightBracket);
                _bracketOpen = false;
                break;
            default:
                if (IsDigit(rune) || (rune == '.' && IsDigit(Peek())))
                {
                    Back();
                    if (rune == '.')
                    {
                        _position = _start;
                    }

                    LexNumberOrDuration();
                }
                else if (IsAlpha(rune) || rune == ':')
                {
                    LexWord(rune);
                }
                else
                {
                    Fail($"unexpected character: {GoText.QuoteRune(AsRune(rune))}");
                }

                break;
        }
    }

    private void LexEquals()
    {
        switch (Peek())
        {
            case '=':
                Read();
                Emit(TokenKind.EqualTo);
                break;
            case '~':
                Fail("unexpected character after '=': '~'");
                break;
            default:
                Emit(TokenKind.Equal);
                break;
        }
    }

    private void LexWord(int rune)
    {
        if (!_bracketOpen)
        {
            Back();
            LexKeywordOrIdentifier();
            return;
        }

        if (rune == ':')
        {
            if (_gotColon)
            {
                Fail("unexpected colon ':'");
                return;
            }

            Emit(TokenKind.Colon);
            _gotColon = true;
            return;
        }

        if (!StartsDurationWord(rune) || !TryDurationWord())
        {
            Fail($"unexpected character: {GoText.QuoteRune(AsRune(rune))}, expected ':'");
        }
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

    private void OpenBracket()
    {
        if (_bracketOpen)
        {
            Fail("unexpected left bracket '['");
            return;
        }

        _gotColon = false;
        Emit(TokenKind.LeftBracket);
        var bracket = _emitted;
        SkipSpaces();
        _emitted = bracket;
        _bracketOpen = true;
        _state = State.DurationExpression;
    }

    private void LexInsideBraces()
    {
        if (Peek() == '#')
        {
            LexLineComment();
            return;
        }

        var rune = Read();
        switch (rune)
        {
            case EndRune: Fail("unexpected end of input inside braces"); break;
            case ' ' or '\t' or '\n' or '\r': SkipSpaces(); break;
            case ',': Emit(TokenKind.Comma); break;
            case '"' or '\'': LexString(rune); break;
            case '`': LexRawString(); break;
            case '=': Emit(Accept("~") ? TokenKind.EqualRegex : TokenKind.Equal); break;
            case '!':
                var next = Read();
                if (next is '~' or '=')
                {
                    Emit(next == '~' ? TokenKind.NotEqualRegex : TokenKind.NotEqual);
                }
                else
                {
                    Fail($"unexpected character after '!' inside braces: {GoText.QuoteRune(AsRune(next))}");
                }

                break;
            case '{': Fail("unexpected left brace '{'"); break;
            case '}':
                Emit(TokenKind.RightBrace);
                _braceOpen = false;
                _state = State.Statements;
                break;
            default:
                if (!IsAlpha(rune))
                {
                    Fail($"unexpected character inside braces: {GoText.QuoteRune(AsRune(rune))}");
                    break;
                }

                while (IsAlphaNumeric(Peek()))
                {
                    Read();
                }

                Emit(TokenKind.Identifier);
                break;
        }
    }

    private void LexDurationExpression()
    {
        var rune = Read();
        switch (rune)
        {
            case EndRune: Fail("unexpected end of input in duration expression"); break;
            case ']':
                Emit(TokenKind.RightBracket);
                _bracketOpen = false;
                _gotColon = false;
                _state = State.Statements;
                break;
            case ':':
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

                break;
            case '(':
                Emit(TokenKind.LeftParen);
                _parenDepth++;
                break;
            case ')': CloseParen(); break;
            case ' ' or '\t' or '\n' or '\r': SkipSpaces(); break;
            case '+': Emit(TokenKind.Add); break;
            case '-': Emit(TokenKind.Subtract); break;
            case '*': Emit(TokenKind.Multiply); break;
            case '/': Emit(TokenKind.Divide); break;
            case '%': Emit(TokenKind.Modulo); break;
            case '^': Emit(TokenKind.Power); break;
            case ',': Emit(TokenKind.Comma); break;
            default:
                if (IsDigit(rune) || (rune == '.' && IsDigit(Peek())))
                {
                    _position = _start;
                    _gotDuration = true;
                    _state = State.Statements;
                    LexNumberOrDuration();
                }
                else if (!StartsDurationWord(rune) || !TryDurationWord())
                {
                    Fail($"unexpected character in duration expression: {GoText.QuoteRune(AsRune(rune))}");
                }

                break;
        }
    }

    private bool TryDurationWord()
    {
        while (IsAlpha(Peek()))
        {
            Read();
        }

        var word = _input[_start.._position];
        if (Token.Keywords.TryGetValue(word, out var kind) && kind is TokenKind.Step or TokenKind.Range or TokenKind.MaxOf or TokenKind.MinOf)
        {
            Emit(kind);
            return true;
        }

        return false;
    }

    private void SkipSpaces()
    {
        while (IsSpace(Peek()))
        {
            Read();
        }

        _start = _position;
    }

    private void LexLineComment()
    {
        int rune;
        do
        {
            rune = Read();
        }
        while (rune is not ('\r' or '\n' or EndRune));
        Back();
        Emit(TokenKind.Comment);
    }

    private void LexString(int quote)
    {
        while (true)
        {
            var rune = Read();
            if (rune == quote)
            {
                Emit(TokenKind.Text);
                return;
            }

            switch (rune)
            {
                case EndRune or '\n':
                    Fail("unterminated quoted string");
                    return;
                case Replacement:
                    Fail(InvalidRune);
                    return;
                case '\\':
                    if (EscapeFault(quote) is { } fault)
                    {
                        Fail(fault);
                        return;
                    }

                    break;
                default:
                    break;
            }
        }
    }

    private string? EscapeFault(int quote)
    {
        var rune = Read();
        if (rune is 'a' or 'b' or 'f' or 'n' or 'r' or 't' or 'v' or '\\' || rune == quote)
        {
            return null;
        }

        int digits;
        uint radix;
        uint max;
        switch (rune)
        {
            case >= '0' and <= '7': (digits, radix, max) = (3, 8, 255); break;
            case 'x': (digits, radix, max, rune) = (2, 16, 255, Read()); break;
            case 'u': (digits, radix, max, rune) = (4, 16, 0x10FFFF, Read()); break;
            case 'U': (digits, radix, max, rune) = (8, 16, 0x10FFFF, Read()); break;
            case EndRune: return "escape sequence not terminated";
            default: return $"unknown escape sequence {GoText.UnicodeName(AsRune(rune))}";
        }

        uint code = 0;
        while (true)
        {
            var digit = (uint)DigitValue(rune);
            if (digit >= radix)
            {
                return rune == EndRune ? "escape sequence not terminated" : $"illegal character {GoText.UnicodeName(AsRune(rune))} in escape sequence";
            }

            code = (code * radix) + digit;
            if (--digits == 0)
            {
                break;
            }

            rune = Read();
        }

        return code > max || code is >= 0xD800 and < 0xE000 ? "escape sequence is an invalid Unicode code point" : null;
    }

    private void LexRawString()
    {
        int rune;
        do
        {
            rune = Read();
            if (rune == EndRune)
            {
                Fail("unterminated raw string");
                return;
            }

            if (rune == Replacement)
            {
                Fail(InvalidRune);
                return;
            }
        }
        while (rune != '`');
        Emit(TokenKind.Text);
    }

    private void LexNumberOrDuration()
    {
        if (ScanNumber())
        {
            Emit(TokenKind.Number);
        }
        else if (ScanRestOfDuration())
        {
            Back();
            Emit(TokenKind.Duration);
        }
        else
        {
            Fail($"bad number or duration syntax: {GoText.Quote(_input[_start.._position])}");
        }
    }

    private bool ScanRestOfDuration()
    {
        if (!Accept("smhdwy"))
        {
            return false;
        }

        Accept("s");       // ms; a bad unit such as hs is found when the duration is read
        while (Accept("0123456789"))
        {
            while (Accept("0123456789"))
            {
            }

            if (!Accept("smhdw"))
            {
                return false;
            }

            Accept("s");
        }

        return !IsAlphaNumeric(Read());
    }

    /// <summary>Scans a number, which need not be a valid one: that is found when it is read.</summary>
    private bool ScanNumber()
    {
        var from = _position;
        var digits = "0123456789";
        if (Accept("0") && Accept("xX"))
        {
            Accept("_");
            digits = "0123456789abcdefABCDEF";
        }

        Accept(".");
        Accept(digits);
        var dot = false;
        var exponent = false;
        while (Is(digits + "._eE"))
        {
            if (Is("."))
            {
                Accept(".");
                if (dot)
                {
                    return false;
                }

                dot = true;
                if (Accept("_.") || digits.Length > 10)
                {
                    return false;
                }
            }
            else if (Is("eE") && exponent)
            {
                Accept("eE");
                return false;
            }
            else if (Accept("eE"))
            {
                exponent = true;
                Accept("+-");
                if (Accept("._eE") || Peek() == EndRune)
                {
                    return false;
                }
            }
            else if (Accept("_"))
            {
                if (Accept("._eE") || Peek() == EndRune)
                {
                    return false;
                }
            }
            else
            {
                while (Accept(digits))
                {
                }
            }
        }

        return _position != from && !IsAlphaNumeric(Peek());
    }

    private void LexKeywordOrIdentifier()
    {
        while (IsAlphaNumeric(Peek()) || Peek() == ':')
        {
            Read();
        }

        var word = _input[_start.._position];
        if (!Token.Keywords.TryGetValue(word, out var kind))
        {
            Emit(word.Contains(':', StringComparison.Ordinal) ? TokenKind.MetricIdentifier : TokenKind.Identifier);
        }
        else if (kind is TokenKind.Fill or TokenKind.FillLeft or TokenKind.FillRight && !IsFollowedByLeftParen())
        {
            Emit(TokenKind.Identifier);     // an old metric may be called fill
        }
        else
        {
            Emit(kind);
        }
    }

    private bool IsFollowedByLeftParen()
    {
        var rest = _input.AsSpan(_position).TrimStart(" \t\r\n");
        return rest.Length > 0 && rest[0] == '(';
    }
}

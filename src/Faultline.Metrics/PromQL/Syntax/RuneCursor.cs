using System.Text;

namespace Faultline.Metrics.PromQL.Syntax;

/// <summary>A place in an expression that moves by whole characters and remembers where the token being read began.</summary>
internal sealed class RuneCursor(string input)
{
    /// <summary>What is read behind the last character.</summary>
    public const int End = -1;

    private readonly string _input = input;
    private int _position;
    private int _width;

    /// <summary>Where the current token began.</summary>
    public int Start { get; private set; }

    /// <summary>The current token as far as it is read.</summary>
    public string Text => _input[Start.._position];

    /// <summary>What is not read yet.</summary>
    public ReadOnlySpan<char> Rest => _input.AsSpan(_position);

    public static bool IsSpace(int rune) => rune is ' ' or '\t' or '\n' or '\r';

    public static bool IsDigit(int rune) => rune is >= '0' and <= '9';

    public static bool IsAlpha(int rune) => rune is '_' or (>= 'a' and <= 'z') or (>= 'A' and <= 'Z');

    public static bool IsAlphaNumeric(int rune) => IsAlpha(rune) || IsDigit(rune);

    /// <summary>As a message shows it; the end is shown as U+FFFD.</summary>
    public static Rune AsRune(int rune) => rune == End ? Rune.ReplacementChar : new Rune(rune);

    public int Read()
    {
        if (_position >= _input.Length)
        {
            _width = 0;
            return End;
        }

        Rune.DecodeFromUtf16(_input.AsSpan(_position), out var rune, out _width);
        _position += _width;
        return rune.Value;
    }

    public int Peek()
    {
        var rune = Read();
        Back();
        return rune;
    }

    /// <summary>Takes back the last <see cref="Read"/>.</summary>
    public void Back() => _position -= _width;

    /// <summary>What follows belongs to a new token.</summary>
    public void StartToken() => Start = _position;

    /// <summary>Goes back to the first character of the token.</summary>
    public void RestartToken() => _position = Start;

    /// <summary>Reads the next character if it is one of these ASCII characters.</summary>
    public bool Accept(string valid)
    {
        if (!Is(valid))
        {
            return false;
        }

        Read();
        return true;
    }

    /// <summary>Is the next character one of these ASCII characters?</summary>
    public bool Is(string valid)
    {
        var rune = Peek();
        return rune is not End and < 128 && valid.Contains((char)rune, StringComparison.Ordinal);
    }
}

using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>The one line of a text that lists show: white space folded, no half character.</summary>
internal static class Preview
{
    /// <summary>UTF-16 code units, which is what a screen's readers count.</summary>
    public const int CharactersMax = 240;

    /// <summary>Room for a preview: no code unit of UTF-16 is more than three bytes of UTF-8.</summary>
    public const int BytesMax = 3 * CharactersMax;

    private const int BetweenCharacters = 3;

    private static ReadOnlySpan<byte> Between => " … "u8;

    /// <param name="line">Has room for <see cref="BytesMax"/>.</param>
    /// <returns>How many bytes of it were written.</returns>
    public static int Fold(ReadOnlySpan<byte> text, Span<byte> line) => Fold(text, line, out _);

    /// <summary>The same, but of a long text its beginning and its end: what is asked stands behind the passages it is asked about.</summary>
    public static int FoldEnds(ReadOnlySpan<byte> text, Span<byte> line)
    {
        var length = Fold(text, line, out var characters);
        if (text.Length <= CharactersMax || characters < CharactersMax / 2 || (text.Length <= BytesMax && Encoding.UTF8.GetCharCount(text) <= CharactersMax))
        {
            return length;
        }

        // Enough to fill half a preview even where much of it is white space.
        Span<byte> room = stackalloc byte[BytesMax];
        var end = room[..Fold(text[^Last(text, CharactersMax)..], room, out characters)];
        var half = (CharactersMax - BetweenCharacters) / 2;
        if (characters < half)
        {
            return length;
        }

        end = end[^Last(end, half)..];
        length = First(line[..length], half);
        Between.CopyTo(line[length..]);
        length += Between.Length;
        end.CopyTo(line[length..]);
        return length + end.Length;
    }

    /// <param name="characters">Code units of UTF-16 that the line has.</param>
    private static int Fold(ReadOnlySpan<byte> text, Span<byte> line, out int characters)
    {
        var length = 0;
        var hasSpace = false;
        characters = 0;
        while (!text.IsEmpty && characters < CharactersMax)
        {
            // Most of any text is runs of plain characters with one blank between words, and these are copied whole.
            var run = text.IndexOfAnyExceptInRange((byte)' ', (byte)'~');
            run = run < 0 ? text.Length : run;
            if (run > 0)
            {
                var blanks = text[..run].IndexOf("  "u8);
                var words = text[..(blanks < 0 ? run : blanks)].Trim((byte)' ');
                hasSpace |= text[0] == ' ';
                if (!words.IsEmpty)
                {
                    if (hasSpace && length > 0)
                    {
                        line[length++] = (byte)' ';
                        characters++;
                    }

                    words = words[..Math.Min(words.Length, CharactersMax - characters)];
                    words.CopyTo(line[length..]);
                    length += words.Length;
                    characters += words.Length;
                    hasSpace = false;
                }

                var taken = blanks < 0 ? run : blanks + 2;
                hasSpace |= text[taken - 1] == ' ';
                text = text[taken..];
                continue;
            }

            // What is no character at all becomes U+FFFD.
            Rune.DecodeFromUtf8(text, out var rune, out var consumed);
            text = text[consumed..];
            if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
            {
                hasSpace = true;
                continue;
            }

            var blank = hasSpace && length > 0 ? 1 : 0;
            if (characters + blank + rune.Utf16SequenceLength > CharactersMax)
            {
                break;
            }

            if (blank > 0)
            {
                line[length++] = (byte)' ';
            }

            length += rune.EncodeToUtf8(line[length..]);
            characters += blank + rune.Utf16SequenceLength;
            hasSpace = false;
        }

        // Where only the blank had room left, there is nothing behind it.
        if (length > 0 && line[length - 1] == ' ')
        {
            length--;
            characters--;
        }

        return length;
    }

    /// <summary>Bytes of the first characters, at most as many; none is cut in half.</summary>
    private static int First(ReadOnlySpan<byte> text, int characters)
    {
        var at = 0;
        while (at < text.Length)
        {
            Rune.DecodeFromUtf8(text[at..], out var rune, out var consumed);
            characters -= rune.Utf16SequenceLength;
            if (characters < 0)
            {
                break;
            }

            at += consumed;
        }

        return at;
    }

    /// <summary>Bytes of the last characters, at most as many; none is cut in half.</summary>
    private static int Last(ReadOnlySpan<byte> text, int characters)
    {
        var at = text.Length;
        while (at > 0)
        {
            Rune.DecodeLastFromUtf8(text[..at], out var rune, out var consumed);
            characters -= rune.Utf16SequenceLength;
            if (characters < 0)
            {
                break;
            }

            at -= consumed;
        }

        return text.Length - at;
    }
}

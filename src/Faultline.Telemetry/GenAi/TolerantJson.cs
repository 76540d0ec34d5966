using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// JSON as senders leave it: SDKs cut attributes at a length limit, in the middle of anything. What is there is read, and it
/// is said that the rest is missing. What is no JSON at all (a Python dictionary, a sentence in brackets) is not guessed at.
/// </summary>
internal static class TolerantJson
{
    /// <summary>Bytes that are parsed; what lies behind counts as cut off.</summary>
    public const int LengthMax = 1 << 20;

    /// <summary>Values nested deeper are left out.</summary>
    public const int DepthMax = 64;

    /// <summary>OTLP/JSON of a structured value needs up to five levels for one.</summary>
    private const int LevelsMax = DepthMax * 5;

    /// <summary>Some senders end a cut text with a few dots or words of their own.</summary>
    private const int EndingMax = 32;

    /// <returns>The tree, or null when the text is no JSON object, array or string. Its texts point into <paramref name="text"/>.</returns>
    /// <param name="isCut">Something at the end, or too deep inside, is missing.</param>
    public static ContentNode? Parse(ContentText text, out bool isCut)
    {
        isCut = false;
        var utf8 = text.Bytes();
        var start = utf8.AsSpan().IndexOfAnyExcept(" \n\r\t"u8);
        if (start < 0 || utf8[start] is not ((byte)'{' or (byte)'[' or (byte)'"'))
        {
            return null;
        }

        var length = utf8.Count;
        if (length > LengthMax)
        {
            length = LengthMax;
            while ((utf8[length] & 0xC0) == 0x80)
            {
                length--;
            }
        }

        var parser = new Parser(utf8.Array!, utf8.Offset, utf8.Offset + length);
        var node = parser.ParseRoot();
        isCut = parser.IsCut || parser.IsTooDeep || utf8.Count > LengthMax;
        return node;
    }

    /// <param name="text">What is read ends before <paramref name="end"/>.</param>
    private sealed class Parser(byte[] text, int begin, int end)
    {
        private readonly int _begin = begin;
        private int _at = begin;
        private bool _isBroken;

        // Where texts with escapes are put together: a text is never longer than it was written.
        private byte[]? _unescaped;
        private int _unescapedLength;

        public bool IsCut { get; private set; }

        public ContentNode? ParseRoot()
        {
            var node = Value(0);
            SkipSpace();
            if (!IsCut && _at < end)
            {
                _isBroken = true;
            }

            return _isBroken ? null : node;
        }

        private bool IsDone => _isBroken || IsCut;

        private ContentNode Value(int depth)
        {
            SkipSpace();
            if (_at >= end)
            {
                IsCut = true;
                return ContentNode.Null;
            }

            switch (text[_at])
            {
                case (byte)'{' or (byte)'[' when depth >= LevelsMax:
                    return Deep();
                case (byte)'{':
                    return Object(depth);
                case (byte)'[':
                    return Array(depth);
                case (byte)'"':
                    return ContentNode.OfText(String());
                default:
                    return Literal();
            }
        }

        private ContentNode Object(int depth)
        {
            var node = new ContentNode { Kind = ContentKind.Object };
            _at++;
            while (true)
            {
                SkipSpace();
                if (!TryPeek(out var next))
                {
                    return node;
                }

                if (next == '}')
                {
                    _at++;
                    return node;
                }

                if (next == ',' && node.Members.Count > 0)
                {
                    _at++;
                    SkipSpace();
                    if (!TryPeek(out next))
                    {
                        return node;
                    }
                }

                if (next != '"')
                {
                    Unexpected();
                    return node;
                }

                var name = String().ToString();
                SkipSpace();
                if (IsDone || !TryPeek(out next))
                {
                    return node;
                }

                if (next != ':')
                {
                    Unexpected();
                    return node;
                }

                _at++;
                var value = Value(depth + 1);
                node.Members.Add(new(name, value));
                if (IsDone)
                {
                    return node;
                }

                SkipSpace();
                if (TryPeek(out next) && next is not ((byte)',' or (byte)'}'))
                {
                    Unexpected();
                }

                if (IsDone)
                {
                    return node;
                }
            }
        }

        private ContentNode Array(int depth)
        {
            var node = new ContentNode { Kind = ContentKind.Array };
            _at++;
            while (true)
            {
                SkipSpace();
                if (!TryPeek(out var next))
                {
                    return node;
                }

                if (next == ']')
                {
                    _at++;
                    return node;
                }

                if (next == ',' && node.Items.Count > 0)
                {
                    _at++;
                }

                var value = Value(depth + 1);
                if (!IsDone || value.Kind != ContentKind.Null)
                {
                    node.Items.Add(value);
                }

                SkipSpace();
                if (!IsDone && TryPeek(out next) && next is not ((byte)',' or (byte)']'))
                {
                    Unexpected();
                }

                if (IsDone)
                {
                    return node;
                }
            }
        }

        private ContentText String()
        {
            _at++;
            var start = _at;
            var length = text.AsSpan(start, end - start).IndexOfAny((byte)'"', (byte)'\\');
            if (length >= 0 && text[start + length] == '"')
            {
                _at = start + length + 1;
                return new ContentText(text, start, length);
            }

            _unescaped ??= GC.AllocateUninitializedArray<byte>(end - start);
            var from = _unescapedLength;
            while (_at < end)
            {
                var run = text.AsSpan(_at, end - _at);
                length = run.IndexOfAny((byte)'"', (byte)'\\');
                run = length < 0 ? run : run[..length];
                run.CopyTo(_unescaped.AsSpan(_unescapedLength));
                _unescapedLength += run.Length;
                _at += run.Length;
                if (_at < end && text[_at++] == '"')
                {
                    return new ContentText(_unescaped, from, _unescapedLength - from);
                }

                if (_at < end)
                {
                    Escape(text[_at++]);
                }
            }

            IsCut = true;
            return new ContentText(_unescaped, from, _unescapedLength - from);
        }

        private void Escape(byte kind)
        {
            switch (kind)
            {
                case (byte)'n':
                    Append((byte)'\n');
                    break;
                case (byte)'t':
                    Append((byte)'\t');
                    break;
                case (byte)'r':
                    Append((byte)'\r');
                    break;
                case (byte)'b':
                    Append((byte)'\b');
                    break;
                case (byte)'f':
                    Append((byte)'\f');
                    break;
                case (byte)'u' when TryUnit(_at, out var unit):
                    _at += 4;
                    Append(unit);
                    break;
                case (byte)'u':
                    _at = Math.Min(end, _at + 4);
                    break;
                default:
                    Append(kind);
                    break;
            }
        }

        private void Append(byte unit) => _unescaped![_unescapedLength++] = unit;

        /// <summary>A UTF-16 code unit; of a pair the other half is read too. What is half of a pair only becomes U+FFFD, or nothing where the text is cut off behind it.</summary>
        private void Append(ushort unit)
        {
            var rune = Rune.ReplacementChar;
            if (!char.IsSurrogate((char)unit))
            {
                rune = new Rune((char)unit);
            }
            else if (_at + 2 > end)
            {
                return;
            }
            else if (text[_at] == '\\' && text[_at + 1] == 'u')
            {
                if (TryUnit(_at + 2, out var low) && Rune.TryCreate((char)unit, (char)low, out var pair))
                {
                    rune = pair;
                    _at += 6;
                }
                else if (_at + 6 > end)
                {
                    return;
                }
            }

            // Six bytes or twelve were read, and at most four are written.
            _unescapedLength += rune.EncodeToUtf8(_unescaped.AsSpan(_unescapedLength));
        }

        private bool TryUnit(int at, out ushort unit)
        {
            unit = 0;
            return at + 4 <= end && Utf8Parser.TryParse(text.AsSpan(at, 4), out unit, out var taken, 'x') && taken == 4;
        }

        private ContentNode Literal()
        {
            var start = _at;
            while (_at < end && (char.IsAsciiLetterOrDigit((char)text[_at]) || text[_at] is (byte)'-' or (byte)'+' or (byte)'.'))
            {
                _at++;
            }

            var word = text.AsSpan(start, _at - start);
            if (word.SequenceEqual("null"u8))
            {
                return ContentNode.Null;
            }

            if (word.SequenceEqual("true"u8) || word.SequenceEqual("false"u8) || word.SequenceEqual("NaN"u8) || word.SequenceEqual("Infinity"u8) || word.SequenceEqual("-Infinity"u8)
                || double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            {
                return new ContentNode { Kind = ContentKind.Literal, Text = new ContentText(text, start, word.Length) };
            }

            _at = start;
            Unexpected();
            return ContentNode.Null;
        }

        /// <summary>Passes over an object or array that is nested too deep.</summary>
        private ContentNode Deep()
        {
            var open = 0;
            while (_at < end && !IsCut)
            {
                switch (text[_at])
                {
                    case (byte)'"':
                        String();
                        continue;
                    case (byte)'{' or (byte)'[':
                        open++;
                        break;
                    case (byte)'}' or (byte)']':
                        open--;
                        break;
                }

                _at++;
                if (open == 0)
                {
                    // The rest can be read, but the flag must say that this cannot.
                    IsTooDeep = true;
                    return ContentNode.Null;
                }
            }

            IsCut = true;
            return ContentNode.Null;
        }

        public bool IsTooDeep { get; private set; }

        private void Unexpected()
        {
            if (end - _at <= EndingMax && _at - _begin > EndingMax)
            {
                IsCut = true;
            }
            else
            {
                _isBroken = true;
            }
        }

        private bool TryPeek(out byte next)
        {
            if (_at < end)
            {
                next = text[_at];
                return true;
            }

            next = default;
            IsCut = true;
            return false;
        }

        private void SkipSpace()
        {
            while (_at < end && text[_at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            {
                _at++;
            }
        }
    }
}

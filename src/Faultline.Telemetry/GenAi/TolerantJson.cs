using System.Globalization;
using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>
/// JSON as senders leave it: SDKs cut attributes at a length limit, in the middle of anything. What is there is read, and it
/// is said that the rest is missing. What is no JSON at all (a Python dictionary, a sentence in brackets) is not guessed at.
/// </summary>
internal static class TolerantJson
{
    /// <summary>Characters that are parsed; what lies behind counts as cut off.</summary>
    public const int LengthMax = 1 << 20;

    /// <summary>Values nested deeper are left out.</summary>
    public const int DepthMax = 64;

    /// <summary>OTLP/JSON of a structured value needs up to five levels for one.</summary>
    private const int LevelsMax = DepthMax * 5;

    /// <summary>Some senders end a cut text with a few dots or words of their own.</summary>
    private const int EndingMax = 32;

    /// <returns>The tree, or null when the text is no JSON object, array or string.</returns>
    /// <param name="isCut">Something at the end, or too deep inside, is missing.</param>
    public static ContentNode? Parse(string text, out bool isCut)
    {
        isCut = false;
        var start = text.AsSpan().TrimStart();
        if (start.IsEmpty || start[0] is not ('{' or '[' or '"'))
        {
            return null;
        }

        var parser = new Parser(text.Length > LengthMax ? text[..LengthMax] : text);
        var node = parser.ParseRoot();
        isCut = parser.IsCut || parser.IsTooDeep || text.Length > LengthMax;
        return node;
    }

    private sealed class Parser(string text)
    {
        private int _at;
        private bool _isBroken;

        public bool IsCut { get; private set; }

        public ContentNode? ParseRoot()
        {
            var node = Value(0);
            SkipSpace();
            if (!IsCut && _at < text.Length)
            {
                _isBroken = true;
            }

            return _isBroken ? null : node;
        }

        private bool IsDone => _isBroken || IsCut;

        private ContentNode Value(int depth)
        {
            SkipSpace();
            if (_at >= text.Length)
            {
                IsCut = true;
                return ContentNode.Null;
            }

            switch (text[_at])
            {
                case '{' or '[' when depth >= LevelsMax:
                    return Deep();
                case '{':
                    return Object(depth);
                case '[':
                    return Array(depth);
                case '"':
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

                var name = String();
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
                if (TryPeek(out next) && next is not (',' or '}'))
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
                if (!IsDone && TryPeek(out next) && next is not (',' or ']'))
                {
                    Unexpected();
                }

                if (IsDone)
                {
                    return node;
                }
            }
        }

        private string String()
        {
            _at++;
            var start = _at;
            var end = text.AsSpan(start).IndexOfAny('"', '\\');
            if (end >= 0 && text[start + end] == '"')
            {
                _at = start + end + 1;
                return text.Substring(start, end);
            }

            var words = new StringBuilder();
            while (_at < text.Length)
            {
                var run = text.AsSpan(_at);
                var length = run.IndexOfAny('"', '\\');
                run = length < 0 ? run : run[..length];
                words.Append(run);
                _at += run.Length;
                if (_at < text.Length && text[_at++] == '"')
                {
                    return words.ToString();
                }

                if (_at < text.Length)
                {
                    Escape(words, text[_at++]);
                }
            }

            IsCut = true;
            if (words.Length > 0 && char.IsHighSurrogate(words[^1]))
            {
                words.Length--;
            }

            return words.ToString();
        }

        private void Escape(StringBuilder words, char kind)
        {
            switch (kind)
            {
                case 'n':
                    words.Append('\n');
                    break;
                case 't':
                    words.Append('\t');
                    break;
                case 'r':
                    words.Append('\r');
                    break;
                case 'b':
                    words.Append('\b');
                    break;
                case 'f':
                    words.Append('\f');
                    break;
                case 'u' when _at + 4 <= text.Length && ushort.TryParse(text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit):
                    words.Append((char)unit);
                    _at += 4;
                    break;
                case 'u':
                    _at = Math.Min(text.Length, _at + 4);
                    break;
                default:
                    words.Append(kind);
                    break;
            }
        }

        private ContentNode Literal()
        {
            var start = _at;
            while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '-' or '+' or '.'))
            {
                _at++;
            }

            var word = text.AsSpan(start, _at - start);
            if (word is "null")
            {
                return ContentNode.Null;
            }

            if (word is "true" or "false" or "NaN" or "Infinity" or "-Infinity" || double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            {
                return new ContentNode { Kind = ContentKind.Literal, Text = word.ToString() };
            }

            _at = start;
            Unexpected();
            return ContentNode.Null;
        }

        /// <summary>Passes over an object or array that is nested too deep.</summary>
        private ContentNode Deep()
        {
            var open = 0;
            while (_at < text.Length && !IsCut)
            {
                switch (text[_at])
                {
                    case '"':
                        String();
                        continue;
                    case '{' or '[':
                        open++;
                        break;
                    case '}' or ']':
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
            if (text.Length - _at <= EndingMax && _at > EndingMax)
            {
                IsCut = true;
            }
            else
            {
                _isBroken = true;
            }
        }

        private bool TryPeek(out char next)
        {
            if (_at < text.Length)
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
            while (_at < text.Length && text[_at] is (' ' or '\n' or '\r' or '\t'))
            {
                _at++;
            }
        }
    }
}

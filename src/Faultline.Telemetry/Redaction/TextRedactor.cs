using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Redaction.Detectors;

namespace Faultline.Telemetry.Redaction;

/// <summary>What became of one text.</summary>
internal enum TextOutcome
{
    Untouched,
    Changed,
    Dropped,
}

/// <summary>Finds and replaces in one text at a time. One for each thread.</summary>
/// <param name="clean">Shared by all that have these options.</param>
internal sealed class TextRedactor(
    RedactionOptions options, SensitiveScanner scanner, IReadOnlyList<(RedactionPattern Pattern, Regex Regex)> patterns, CleanTexts clean, RedactionFigures figures)
{
    private const int HashBytes = 8;

    private readonly List<Place> _places = [];
    private readonly List<Sighting> _sightings = [];
    private readonly ArrayBufferWriter<byte> _written = new();

    /// <summary>The text as it may be stored, when it was changed; good until the next call.</summary>
    public ReadOnlySpan<byte> Written => _written.WrittenSpan;

    private readonly record struct Place(int Start, int End, string Class, RedactionMode Mode);

    /// <param name="type">How the text is to be read. A whole number is looked at for card numbers only.</param>
    public TextOutcome Redact(ReadOnlySpan<byte> text, AttributeType type)
    {
        if (text.Length < SensitiveScanner.TextBytesMin || type is not (AttributeType.String or AttributeType.Array or AttributeType.KeyValues or AttributeType.Int))
        {
            return TextOutcome.Untouched;
        }

        if (clean.Contains(text, out var hash))
        {
            return TextOutcome.Untouched;
        }

        _sightings.Clear();
        scanner.Scan(text, _sightings);
        if (_sightings.Count == 0 && patterns.Count == 0)
        {
            clean.Add(text, hash);
            return TextOutcome.Untouched;
        }

        FindPlaces(text, type);
        if (_places.Count == 0)
        {
            // What is sighted may matter where the same text is of another type.
            if (_sightings.Count == 0)
            {
                clean.Add(text, hash);
            }

            return TextOutcome.Untouched;
        }

        var isDropped = false;
        foreach (var place in _places)
        {
            figures.Add(place.Class, place.Mode);
            isDropped |= place.Mode == RedactionMode.Drop;
        }

        if (isDropped)
        {
            return TextOutcome.Dropped;
        }

        Write(text, type);
        return TextOutcome.Changed;
    }

    /// <summary>What stands for a whole value that a rule names.</summary>
    public ReadOnlySpan<byte> Stand(string name, ReadOnlySpan<byte> value, RedactionMode mode)
    {
        _written.ResetWrittenCount();
        WriteStand(name, value, mode);
        return Written;
    }

    private void FindPlaces(ReadOnlySpan<byte> text, AttributeType type)
    {
        _places.Clear();
        foreach (var (start, end, kind) in _sightings)
        {
            var mode = options.Kinds[kind];
            if (mode != RedactionMode.Keep && (type != AttributeType.Int || kind == SensitiveKind.Card))
            {
                _places.Add(new Place(start, end, RedactionWords.Of(kind), mode));
            }
        }

        if (patterns.Count == 0)
        {
            return;
        }

        var characters = Encoding.UTF8.GetString(text);
        foreach (var (pattern, regex) in patterns)
        {
            var (charAt, byteAt) = (0, 0);
            foreach (var match in regex.EnumerateMatches(characters))
            {
                // A match may begin or end within a surrogate pair; the character is taken whole, by the first match that touches it.
                var first = Math.Max(charAt, match.Index - (IsSplit(characters, match.Index) ? 1 : 0));
                var last = match.Index + match.Length + (IsSplit(characters, match.Index + match.Length) ? 1 : 0);
                if (last > first && pattern.Mode != RedactionMode.Keep)
                {
                    var start = byteAt + Encoding.UTF8.GetByteCount(characters.AsSpan(charAt, first - charAt));
                    charAt = last;
                    byteAt = start + Encoding.UTF8.GetByteCount(characters.AsSpan(first, last - first));
                    _places.Add(new Place(start, byteAt, pattern.Name, pattern.Mode));
                }
            }
        }

        // Overlapping ones become one, under the name of the first.
        _places.Sort((a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : b.End.CompareTo(a.End));
        var kept = 0;
        for (var i = 1; i < _places.Count; i++)
        {
            if (_places[i].Start < _places[kept].End)
            {
                _places[kept] = _places[kept] with { End = Math.Max(_places[kept].End, _places[i].End), Mode = Stricter(_places[kept].Mode, _places[i].Mode) };
            }
            else
            {
                _places[++kept] = _places[i];
            }
        }

        _places.RemoveRange(Math.Min(kept + 1, _places.Count), Math.Max(0, _places.Count - kept - 1));
    }

    private static bool IsSplit(string text, int at) => at > 0 && at < text.Length && char.IsSurrogatePair(text[at - 1], text[at]);

    private static RedactionMode Stricter(RedactionMode a, RedactionMode b) => a == RedactionMode.Drop || b == RedactionMode.Drop ? RedactionMode.Drop : a;

    private void Write(ReadOnlySpan<byte> text, AttributeType type)
    {
        _written.ResetWrittenCount();
        var at = 0;
        foreach (var place in _places)
        {
            var before = text[at..place.Start];

            // An integer within a list is said to be text now, or the list could not be read back.
            var isListedInt = type is AttributeType.Array or AttributeType.KeyValues && before.EndsWith("\"intValue\":\""u8);
            _written.Write(isListedInt ? before[..^12] : before);
            if (isListedInt)
            {
                _written.Write("\"stringValue\":\""u8);
            }

            // A bare number of a JSON text becomes a JSON string.
            var isBare = text[0] is (byte)'{' or (byte)'[' && IsBareJsonValue(text, place.Start, place.End);
            _written.Write(isBare ? "\""u8 : default);
            WriteStand(place.Class, text[place.Start..place.End], place.Mode);
            _written.Write(isBare ? "\""u8 : default);
            at = place.End;
        }

        _written.Write(text[at..]);
    }

    private static bool IsBareJsonValue(ReadOnlySpan<byte> text, int start, int end)
    {
        var before = text[..start].TrimEnd((byte)' ');
        var after = text[end..].TrimStart((byte)' ');
        return Words.IsDigit(text[start]) && before.Length > 0 && before[^1] is (byte)':' or (byte)',' or (byte)'['
            && after.Length > 0 && after[0] is (byte)',' or (byte)'}' or (byte)']';
    }

    private void WriteStand(string name, ReadOnlySpan<byte> value, RedactionMode mode)
    {
        _written.Write("["u8);
        Encoding.UTF8.GetBytes(name, _written);
        if (mode == RedactionMode.Hash)
        {
            _written.Write(":"u8);
            Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
            HMACSHA256.HashData(options.HashKey.Span, Canonical(value, name), hash);
            Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash[..HashBytes]), _written);
        }

        _written.Write("]"u8);
    }

    /// <summary>One person's number or address has one hash, however it is written.</summary>
    private static ReadOnlySpan<byte> Canonical(ReadOnlySpan<byte> value, string name)
    {
        var isNumber = name is "card" or "phone" or "iban" or "ssn";
        if (!isNumber && name is not "email")
        {
            return value;
        }

        var canonical = new List<byte>(value.Length);
        foreach (var next in value)
        {
            if (!isNumber || Words.IsDigit(next) || Words.IsLetter(next))
            {
                canonical.Add(next is >= (byte)'A' and <= (byte)'Z' ? (byte)(next | 0x20) : next);
            }
        }

        return canonical.ToArray();
    }
}

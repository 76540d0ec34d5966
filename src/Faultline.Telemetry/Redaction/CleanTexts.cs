using System.Buffers.Binary;

namespace Faultline.Telemetry.Redaction;

/// <summary>
/// Short texts that were found to hold nothing sensitive. Telemetry repeats itself (routes, statements, agents, hosts), and comparing a text
/// costs a fraction of looking through it.
/// </summary>
/// <remarks>
/// A text is known only when every byte of it is the same: the hash says where to look, never what is there. Each text has one place, and
/// takes it when it comes for the second time in a row of those that fall there, so what never comes again costs no memory. For several
/// threads at a time: an array is never changed once it is in its place, and a place lost to another thread costs one more look at a text.
/// One for each set of rules, since what is sensitive depends on them.
/// </remarks>
internal sealed class CleanTexts
{
    /// <summary>Longer texts are looked through every time.</summary>
    public const int TextBytesMax = 256;

    /// <summary>Texts kept: two mebibytes of them at most.</summary>
    public const int TextsMax = 8192;

    private readonly byte[]?[] _texts = new byte[]?[TextsMax];
    private readonly uint[] _seen = new uint[TextsMax];

    /// <param name="hash">For <see cref="Add"/>.</param>
    public bool Contains(ReadOnlySpan<byte> text, out ulong hash)
    {
        if (text.Length > TextBytesMax)
        {
            hash = 0;
            return false;
        }

        hash = Hash(text);
        return _texts[hash % TextsMax] is { } known && text.SequenceEqual(known);
    }

    /// <summary>Notes that nothing was found in a text.</summary>
    /// <param name="hash">From <see cref="Contains"/>.</param>
    public void Add(ReadOnlySpan<byte> text, ulong hash)
    {
        if (text.Length > TextBytesMax)
        {
            return;
        }

        var tag = (uint)(hash >> 32);
        if (_seen[hash % TextsMax] == tag)
        {
            _texts[hash % TextsMax] = text.ToArray();
        }
        else
        {
            _seen[hash % TextsMax] = tag;
        }
    }

    public void Clear()
    {
        _texts.AsSpan().Clear();
        _seen.AsSpan().Clear();
    }

    /// <summary>Over every byte, as ids differ in few of them. Whoever chooses texts that fall together slows nothing but their own.</summary>
    private static ulong Hash(ReadOnlySpan<byte> text)
    {
        const ulong Odd1 = 0x9E3779B97F4A7C15, Odd2 = 0xC2B2AE3D27D4EB4F;
        var (first, second) = ((ulong)text.Length * Odd1, Odd2);
        if (text.Length >= 16)
        {
            for (var rest = text; rest.Length > 16; rest = rest[16..])
            {
                first = Mix(first, rest, Odd1);
                second = Mix(second, rest[8..], Odd2);
            }

            first = Mix(first, text[^16..], Odd1);
            second = Mix(second, text[^8..], Odd2);
        }
        else if (text.Length >= 8)
        {
            first = Mix(first, text, Odd1);
            second = Mix(second, text[^8..], Odd2);
        }
        else
        {
            foreach (var unit in text)
            {
                first = (first ^ unit) * Odd1;
            }
        }

        var hash = (first ^ (second >> 32) ^ (second << 32)) * Odd1;
        return hash ^ (hash >> 29);
    }

    private static ulong Mix(ulong hash, ReadOnlySpan<byte> eight, ulong odd)
    {
        hash = (hash ^ BinaryPrimitives.ReadUInt64LittleEndian(eight)) * odd;
        return hash ^ (hash >> 32);
    }
}

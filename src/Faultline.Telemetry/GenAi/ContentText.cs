using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>A text that stays the UTF-8 it came as until somebody reads it: ingest looks at every prompt, and keeps none.</summary>
/// <remarks>It points into the buffer of what it was read from, and is good for as long as that is not written to.</remarks>
public readonly struct ContentText : IEquatable<ContentText>
{
    // A string, a byte[] of which this is a part, or a ContentNode that is written as JSON when it is read.
    private readonly object? _source;
    private readonly int _start;
    private readonly int _length;

    private ContentText(object source, int start, int length)
    {
        _source = source;
        _start = start;
        _length = length;
    }

    internal ContentText(byte[] utf8, int start, int length)
        : this((object)utf8, start, length)
    {
    }

    internal static ContentText Json(ContentNode node) => new(node, 0, 1);

    /// <summary>Nothing at all; JSON, even of nothing, is something.</summary>
    public bool IsEmpty => _length == 0;

    /// <summary>UTF-16 code units, as <see cref="string.Length"/> has them.</summary>
    public int Characters => _source is byte[] bytes ? Encoding.UTF8.GetCharCount(bytes, _start, _length) : ToString().Length;

    public ReadOnlySpan<byte> Utf8 => Bytes();

    internal ArraySegment<byte> Bytes() => _source switch
    {
        null => [],
        byte[] bytes => new ArraySegment<byte>(bytes, _start, _length),
        _ => Encoding.UTF8.GetBytes(ToString()),
    };

    /// <summary>Decoded anew each time.</summary>
    public override string ToString() => _source switch
    {
        null => "",
        string text => text,
        byte[] bytes => ContentWords.Text(bytes.AsSpan(_start, _length)),
        _ => ((ContentNode)_source).ToJson(isCanonical: false),
    };

    public bool Equals(ContentText other) => Utf8.SequenceEqual(other.Utf8);

    public override bool Equals(object? obj) => obj is ContentText other && Equals(other);

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    public static bool operator ==(ContentText left, ContentText right) => left.Equals(right);

    public static bool operator !=(ContentText left, ContentText right) => !left.Equals(right);

    public static implicit operator ContentText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new ContentText(text, 0, text.Length);
    }

    public static ContentText FromString(string text) => text;
}

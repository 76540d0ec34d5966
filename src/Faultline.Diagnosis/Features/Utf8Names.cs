using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Faultline.Diagnosis.Features;

/// <summary>Text for names that come again and again as bytes, without making the same string twice.</summary>
internal sealed class Utf8Names
{
    /// <summary>Names kept; later ones are made anew each time.</summary>
    internal const int NamesMax = 20_000;

    private readonly Dictionary<byte[], string> _names = new(Utf8Comparer.Instance);

    public string this[ReadOnlySpan<byte> bytes]
    {
        get
        {
            if (bytes.IsEmpty)
            {
                return "";
            }

            var lookup = _names.GetAlternateLookup<ReadOnlySpan<byte>>();
            if (lookup.TryGetValue(bytes, out var known))
            {
                return known;
            }

            var text = Encoding.UTF8.GetString(bytes);
            if (_names.Count < NamesMax)
            {
                _names.Add(bytes.ToArray(), text);
            }

            return text;
        }
    }
}

/// <summary>Byte strings by their content, looked up by spans.</summary>
internal sealed class Utf8Comparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public static readonly Utf8Comparer Instance = new();

    public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode([DisallowNull] byte[] obj) => GetHashCode(obj.AsSpan());

    public int GetHashCode(ReadOnlySpan<byte> alternate)
    {
        var hash = new HashCode();
        hash.AddBytes(alternate);
        return hash.ToHashCode();
    }

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
}

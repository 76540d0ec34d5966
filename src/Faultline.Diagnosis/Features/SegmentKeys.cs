using System.Text;
using System.Text.Json;
using Faultline.Telemetry.Columns;

namespace Faultline.Diagnosis.Features;

/// <summary>A part of the users that requests say they are of: the tenant acme, the plan free.</summary>
/// <param name="Key">The attribute that says so, e.g. <c>tenant.id</c>; of a member of a JSON object with its name behind a dot.</param>
/// <param name="Word">What the key calls it, e.g. tenant.</param>
internal sealed record Segment(string Key, string Value, string Word)
{
    /// <summary>As a sentence calls it: "tenant acme".</summary>
    public string Words => $"{Word} {Value}";
}

/// <summary>Which attributes of a project's spans name a segment, and whose segment a span is.</summary>
/// <remarks>
/// Attributes are looked at by name now and then only; what is looked for in every request is the few keys that were found, so a project
/// that names no tenants pays nothing. A request has one segment: of several keys that of the closest to a customer.
/// </remarks>
internal sealed class SegmentKeys
{
    /// <summary>Keys looked for at the same time.</summary>
    internal const int KeysMax = 4;

    /// <summary>Segments of a project that are told apart; requests of later ones have none.</summary>
    internal const int SegmentsMax = 10_000;

    /// <summary>Spans whose attributes are looked at by name: all of the first ones, later one in so many.</summary>
    private const int LookedAtFirst = 2_000;

    private const int LookedAtEvery = 64;

    private const int ValueBytesMax = 128;

    /// <summary>The last words of keys that name a segment, the closest to a customer first.</summary>
    private static readonly string[] Words =
        ["tenant", "customer", "organization", "organisation", "org", "company", "workspace", "account", "team", "plan", "tier", "cohort", "region", "country", "locale", "language"];

    private readonly List<(byte[] Key, string Name, string? Member, int Rank)> _keys = [];
    private readonly Dictionary<(string Key, string Value), Segment> _segments = [];
    private readonly Utf8Names _values = new();
    private long _looked;

    public bool Any => _keys.Count > 0;

    /// <summary>The segment that the span names; null when it names none.</summary>
    public Segment? Of(AttributeColumn attributes, int row)
    {
        if (_looked++ < LookedAtFirst || _looked % LookedAtEvery == 0)
        {
            Discover(attributes, row);
        }

        foreach (var (key, name, member, rank) in _keys)
        {
            if (attributes.Find(row, key) is >= 0 and var entry && ValueOf(attributes.Values[entry], member) is { Length: > 0 } value)
            {
                return Named(name, value, rank);
            }
        }

        return null;
    }

    /// <summary>The segment that an earlier process told apart; null when its key names none.</summary>
    public Segment? Of(string key, string value) => RankOf(key) is var rank && rank < Words.Length ? Named(key, value, rank) : null;

    private Segment? Named(string key, string value, int rank)
    {
        if (!_segments.TryGetValue((key, value), out var segment) && _segments.Count < SegmentsMax)
        {
            _segments.Add((key, value), segment = new Segment(key, value, Words[rank]));
        }

        return segment;
    }

    private string? ValueOf(ReadOnlySpan<byte> value, string? member)
    {
        if (member is null)
        {
            return value.Length <= ValueBytesMax ? _values[value] : null;
        }

        return Member(value, member) is { Length: <= ValueBytesMax } text ? text : null;
    }

    private void Discover(AttributeColumn attributes, int row)
    {
        for (var entry = attributes.Start(row); entry < attributes.End(row); entry++)
        {
            var bytes = attributes.Keys[entry];
            if (bytes.Length > ValueBytesMax || attributes.Values[entry].IsEmpty)
            {
                continue;
            }

            var key = Encoding.UTF8.GetString(bytes);
            Add(bytes, key, null, RankOf(key));
            if (key.EndsWith("metadata", StringComparison.Ordinal) && attributes.Values[entry] is [(byte)'{', ..] json)
            {
                DiscoverMembers(bytes, key, json);
            }
        }
    }

    /// <summary>Of several members of one rank the first counts.</summary>
    private void DiscoverMembers(ReadOnlySpan<byte> bytes, string key, ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var seen = 0;
        while (NextText(ref reader, out var member))
        {
            if (RankOf(member) is var rank && rank < Words.Length && (seen & (1 << rank)) == 0 && !reader.ValueSpan.IsEmpty)
            {
                seen |= 1 << rank;
                Add(bytes, $"{key}.{member}", member, rank);
            }
        }
    }

    private void Add(ReadOnlySpan<byte> key, string name, string? member, int rank)
    {
        if (rank == Words.Length || _keys.Exists(known => string.Equals(known.Name, name, StringComparison.Ordinal)))
        {
            return;
        }

        _keys.Add((key.ToArray(), name, member, rank));
        _keys.Sort(static (a, b) => a.Rank.CompareTo(b.Rank));
        if (_keys.Count > KeysMax)
        {
            _keys.RemoveAt(KeysMax);
        }
    }

    /// <summary>Place of the key's last word that is not "id", "name" or the like; behind all words for a key that names no segment.</summary>
    private static int RankOf(string key)
    {
        var rest = key.AsSpan();
        foreach (var end in (ReadOnlySpan<string>)["id", "name", "slug"])
        {
            if (rest.EndsWith(end, StringComparison.OrdinalIgnoreCase) && rest.Length > end.Length + 2)
            {
                rest = rest[..^end.Length].TrimEnd("._-");
                break;
            }
        }

        for (var i = 0; i < Words.Length; i++)
        {
            if (rest.EndsWith(Words[i], StringComparison.OrdinalIgnoreCase) && (rest.Length == Words[i].Length || !char.IsAsciiLetterLower(rest[^(Words[i].Length + 1)])))
            {
                return i;
            }
        }

        return Words.Length;
    }

    /// <summary>The text member of a JSON object by that name; null when there is none, it has escapes, which no tenant's name has, or it is no JSON.</summary>
    private static string? Member(ReadOnlySpan<byte> json, string name)
    {
        var reader = new Utf8JsonReader(json);
        while (NextText(ref reader, out var found))
        {
            if (string.Equals(found, name, StringComparison.Ordinal))
            {
                return reader.ValueIsEscaped ? null : Encoding.UTF8.GetString(reader.ValueSpan);
            }
        }

        return null;
    }

    /// <summary>Goes to the value of the next text member of the outer object; false at its end, or where it is no JSON.</summary>
    private static bool NextText(ref Utf8JsonReader reader, out string name)
    {
        name = "";
        try
        {
            while (reader.Read() && reader.CurrentDepth <= 1)
            {
                if (reader.TokenType == JsonTokenType.PropertyName)
                {
                    name = reader.GetString()!;
                    reader.Read();
                    if (reader.TokenType == JsonTokenType.String)
                    {
                        return true;
                    }

                    reader.Skip();
                }
            }
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            // No JSON, or text that is no UTF-8: nothing can be read of it.
        }

        return false;
    }
}

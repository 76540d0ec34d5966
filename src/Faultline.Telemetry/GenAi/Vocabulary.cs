using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>What one attribute means.</summary>
/// <param name="Rank">Its line in the table: the lower one wins.</param>
/// <param name="NanosPerUnit">For durations; else 1.</param>
internal sealed record Meaning(GenAiField Field, string Dialect, int Rank, double NanosPerUnit);

/// <summary>The table <c>vocabulary.tsv</c>, looked up by the attribute's bytes.</summary>
internal static class Vocabulary
{
    private static readonly Dictionary<byte[], Meaning> Table = Load();

    public static Meaning? Find(ReadOnlySpan<byte> attribute) =>
        Table.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(attribute, out var meaning) ? meaning : null;

    private static Dictionary<byte[], Meaning> Load()
    {
        var fields = Enum.GetValues<GenAiField>().ToDictionary(SnakeCase, StringComparer.Ordinal);
        var table = new Dictionary<byte[], Meaning>(ByteKeys.Instance);
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("vocabulary.tsv")
            ?? throw new InvalidOperationException("The table vocabulary.tsv is not in the assembly.");
        using var reader = new StreamReader(stream);
        for (var rank = 0; reader.ReadLine() is { } line; rank++)
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var parts = line.Split('\t');
            var nanos = parts.Length < 4 ? 1 : parts[3] switch
            {
                "s" => 1e9,
                "ms" => 1e6,
                var unit => throw new InvalidDataException($"vocabulary.tsv, line {rank + 1}: unknown unit '{unit}'."),
            };
            table.Add(Encoding.UTF8.GetBytes(parts[2]), new Meaning(fields[parts[0]], parts[1], rank, nanos));
        }

        return table;
    }

    private static string SnakeCase(GenAiField field) =>
        string.Concat(field.ToString().Select((character, i) => char.IsUpper(character) && i > 0 ? "_" + char.ToLowerInvariant(character) : char.ToLowerInvariant(character).ToString()));

    /// <summary>Compares byte keys by content, and looks them up by span.</summary>
    private sealed class ByteKeys : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly ByteKeys Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode([DisallowNull] byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = default(HashCode);
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Faultline.Telemetry.Samples;

/// <summary>A series' labels: names unique and in ordinal order, no empty values. <c>__name__</c> is one of them.</summary>
public sealed class Labels : IEquatable<Labels>
{
    public const string MetricName = "__name__";

    public static readonly Labels Empty = new([]);

    private readonly KeyValuePair<string, string>[] _pairs;
    private readonly int _hash;
    private UInt128? _fingerprint;

    private Labels(KeyValuePair<string, string>[] pairs)
    {
        _pairs = pairs;
        var hash = new HashCode();
        foreach (var (name, value) in pairs)
        {
            hash.Add(name, StringComparer.Ordinal);
            hash.Add(value, StringComparer.Ordinal);
        }

        _hash = hash.ToHashCode();
    }

    public ReadOnlySpan<KeyValuePair<string, string>> Pairs => _pairs;

    public int Count => _pairs.Length;

    /// <summary>The metric's name, or empty.</summary>
    public string Name => this[MetricName];

    /// <summary>The value of a label, or empty: Prometheus makes no difference between an empty label and none.</summary>
    public string this[string name]
    {
        get
        {
            foreach (var pair in _pairs)
            {
                if (string.Equals(pair.Key, name, StringComparison.Ordinal))
                {
                    return pair.Value;
                }
            }

            return "";
        }
    }

    /// <summary>
    /// First 16 bytes of SHA-256 over the pairs, each string preceded by its length. The same in every process, so it is
    /// the series' id in the store (together with the project).
    /// </summary>
    public UInt128 Fingerprint => _fingerprint ??= ComputeFingerprint();

    /// <summary>Sorts, drops empty values; of two pairs with one name the later wins.</summary>
    public static Labels Of(IEnumerable<KeyValuePair<string, string>> pairs)
    {
        var sorted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs)
        {
            sorted[name] = value;
        }

        return new Labels([.. sorted.Where(pair => pair.Value.Length > 0)]);
    }

    public static Labels Of(params ReadOnlySpan<(string Name, string Value)> pairs)
    {
        var list = new List<KeyValuePair<string, string>>(pairs.Length);
        foreach (var (name, value) in pairs)
        {
            list.Add(new(name, value));
        }

        return Of(list);
    }

    public Labels With(string name, string value) => Of([.. _pairs, new(name, value)]);

    public Labels Without(string name) => new([.. _pairs.Where(pair => !string.Equals(pair.Key, name, StringComparison.Ordinal))]);

    public bool Equals(Labels? other) => other is not null && (ReferenceEquals(this, other) || (_hash == other._hash && _pairs.AsSpan().SequenceEqual(other._pairs)));

    public override bool Equals(object? obj) => Equals(obj as Labels);

    public override int GetHashCode() => _hash;

    /// <summary>As PromQL writes a series: <c>name{a="b"}</c>.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Name);
        var separator = '{';
        foreach (var (name, value) in _pairs)
        {
            if (!string.Equals(name, MetricName, StringComparison.Ordinal))
            {
                text.Append(separator).Append(name).Append("=\"")
                    .Append(value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal))
                    .Append('"');
                separator = ',';
            }
        }

        if (separator == ',')
        {
            text.Append('}');
        }
        else if (text.Length == 0)
        {
            text.Append("{}");
        }

        return text.ToString();
    }

    private UInt128 ComputeFingerprint()
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var (name, value) in _pairs)
        {
            foreach (var text in (ReadOnlySpan<string>)[name, value])
            {
                var bytes = Encoding.UTF8.GetBytes(text);
                BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
                sha.AppendData(length);
                sha.AppendData(bytes);
            }
        }

        return BinaryPrimitives.ReadUInt128BigEndian(sha.GetHashAndReset());
    }
}

using System.Buffers.Binary;
using System.Numerics;

namespace Faultline.Telemetry.GenAi;

/// <summary>A read-only table from UTF-8 names to values, for lookups by bytes: one multiplication and one comparison.</summary>
/// <remarks>Built once at start; names never come from telemetry, so nobody can choose colliding ones.</remarks>
internal sealed class Utf8Table<T>
    where T : class
{
    private readonly byte[]?[] _names;
    private readonly T?[] _values;
    private readonly int _mask;

    public Utf8Table(IReadOnlyCollection<KeyValuePair<byte[], T>> entries)
    {
        // At most a quarter full, so that a miss, the usual case, nearly always ends at the first slot.
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, entries.Count * 4));
        _names = new byte[size][];
        _values = new T[size];
        _mask = size - 1;
        foreach (var (name, value) in entries)
        {
            var slot = Hash(name) & _mask;
            while (_names[slot] is not null)
            {
                slot = (slot + 1) & _mask;
            }

            _names[slot] = name;
            _values[slot] = value;
        }
    }

    public T? Find(ReadOnlySpan<byte> name)
    {
        for (var slot = Hash(name) & _mask; _names[slot] is { } candidate; slot = (slot + 1) & _mask)
        {
            if (name.SequenceEqual(candidate))
            {
                return _values[slot];
            }
        }

        return null;
    }

    /// <summary>Attribute names share their beginnings, so the last bytes, the middle and the length tell most.</summary>
    private static int Hash(ReadOnlySpan<byte> name)
    {
        var hash = (ulong)name.Length * 0x9E3779B97F4A7C15;
        if (name.Length >= 8)
        {
            hash ^= BinaryPrimitives.ReadUInt64LittleEndian(name[^8..]) * 0xC2B2AE3D27D4EB4F;
            hash ^= BinaryPrimitives.ReadUInt64LittleEndian(name[((name.Length - 8) / 2)..]) * 0x165667B19E3779F9;
        }
        else
        {
            foreach (var unit in name)
            {
                hash = (hash ^ unit) * 0xC2B2AE3D27D4EB4F;
            }
        }

        return (int)(hash >> 33);
    }
}

using System.Security.Cryptography;

namespace Faultline.Ledger.Merkle;

/// <summary>The two hashes of a Merkle tree, kept apart by their first byte so that a leaf never passes for a node.</summary>
/// <remarks>Source: RFC 6962 §2.1.</remarks>
public static class MerkleHash
{
    public const int Length = 32;

    /// <summary>Root of the tree without leaves: SHA-256 of nothing.</summary>
    public static byte[] Empty() => SHA256.HashData([]);

    /// <summary>SHA-256 of 0x00 and the entry.</summary>
    public static byte[] Leaf(ReadOnlySpan<byte> entry)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData([0x00]);
        sha.AppendData(entry);
        return sha.GetHashAndReset();
    }

    /// <summary>SHA-256 of 0x01, the left hash and the right hash.</summary>
    public static byte[] Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Span<byte> input = stackalloc byte[1 + Length + Length];
        input[0] = 0x01;
        left.CopyTo(input[1..]);
        right.CopyTo(input[(1 + Length)..]);
        return SHA256.HashData(input);
    }
}

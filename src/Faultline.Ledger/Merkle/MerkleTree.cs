using System.Numerics;

namespace Faultline.Ledger.Merkle;

/// <summary>Roots and proofs over leaf hashes, and the checks that need only the proofs.</summary>
/// <remarks>Source: RFC 6962 §2.1.1 and §2.1.2 (making), RFC 9162 §2.1.3.2 and §2.1.4.2 (checking).</remarks>
public static class MerkleTree
{
    /// <summary>Merkle tree hash over <paramref name="leafHashes"/>.</summary>
    public static byte[] Root(IReadOnlyList<byte[]> leafHashes) => Root(leafHashes, 0, leafHashes.Count);

    /// <summary>Audit path that proves that the leaf at <paramref name="index"/> is in the tree, from the leaf up.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such leaf.</exception>
    public static IReadOnlyList<byte[]> InclusionProof(IReadOnlyList<byte[]> leafHashes, int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, leafHashes.Count);
        var path = new List<byte[]>();
        var (from, to) = (0, leafHashes.Count);
        // Walked from the root down, so the siblings come in the opposite order of the answer.
        while (to - from > 1)
        {
            var middle = from + LargestPowerBelow(to - from);
            if (index < middle)
            {
                path.Add(Root(leafHashes, middle, to));
                to = middle;
            }
            else
            {
                path.Add(Root(leafHashes, from, middle));
                from = middle;
            }
        }

        path.Reverse();
        return path;
    }

    /// <summary>Proof that the tree over the first <paramref name="first"/> leaves is a prefix of the tree over all.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="first"/> is not between 1 and the number of leaves.</exception>
    public static IReadOnlyList<byte[]> ConsistencyProof(IReadOnlyList<byte[]> leafHashes, int first)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(first, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, leafHashes.Count);
        var proof = new List<byte[]>();
        var (from, to, whole) = (0, leafHashes.Count, true);
        while (first != to)
        {
            var middle = from + LargestPowerBelow(to - from);
            if (first <= middle)
            {
                proof.Add(Root(leafHashes, middle, to));
                to = middle;
            }
            else
            {
                proof.Add(Root(leafHashes, from, middle));
                from = middle;
                whole = false;
            }
        }

        if (!whole)
        {
            proof.Add(Root(leafHashes, from, to));
        }

        proof.Reverse();
        return proof;
    }

    /// <summary>Does the path lead from the leaf to the root?</summary>
    public static bool VerifyInclusion(long index, long size, ReadOnlySpan<byte> leafHash, IReadOnlyList<byte[]> proof, ReadOnlySpan<byte> root)
    {
        if (index < 0 || index >= size)
        {
            return false;
        }

        var (node, last) = (index, size - 1);
        var hash = leafHash.ToArray();
        foreach (var sibling in proof)
        {
            if (last == 0)
            {
                return false;
            }

            if ((node & 1) == 1 || node == last)
            {
                hash = MerkleHash.Node(sibling, hash);
                while ((node & 1) == 0 && node != 0)
                {
                    node >>= 1;
                    last >>= 1;
                }
            }
            else
            {
                hash = MerkleHash.Node(hash, sibling);
            }

            node >>= 1;
            last >>= 1;
        }

        return last == 0 && root.SequenceEqual(hash);
    }

    /// <summary>Does the proof show that the second tree begins with the first?</summary>
    public static bool VerifyConsistency(long first, long second, ReadOnlySpan<byte> firstRoot, ReadOnlySpan<byte> secondRoot, IReadOnlyList<byte[]> proof)
    {
        if (first < 1 || first > second)
        {
            return false;
        }

        if (first == second)
        {
            return proof.Count == 0 && firstRoot.SequenceEqual(secondRoot);
        }

        IEnumerable<byte[]> path = BitOperations.IsPow2(first) ? proof.Prepend(firstRoot.ToArray()) : proof;
        var (node, last) = (first - 1, second - 1);
        while ((node & 1) == 1)
        {
            node >>= 1;
            last >>= 1;
        }

        byte[]? old = null;
        byte[]? now = null;
        foreach (var sibling in path)
        {
            if (old is null || now is null)
            {
                (old, now) = (sibling, sibling);
                continue;
            }

            if (last == 0)
            {
                return false;
            }

            if ((node & 1) == 1 || node == last)
            {
                old = MerkleHash.Node(sibling, old);
                now = MerkleHash.Node(sibling, now);
                while ((node & 1) == 0 && node != 0)
                {
                    node >>= 1;
                    last >>= 1;
                }
            }
            else
            {
                now = MerkleHash.Node(now, sibling);
            }

            node >>= 1;
            last >>= 1;
        }

        return last == 0 && old is not null && now is not null && firstRoot.SequenceEqual(old) && secondRoot.SequenceEqual(now);
    }

    private static byte[] Root(IReadOnlyList<byte[]> leafHashes, int from, int to)
    {
        var frontier = new MerkleFrontier();
        for (var i = from; i < to; i++)
        {
            frontier.Append(leafHashes[i]);
        }

        return frontier.Root();
    }

    /// <summary>Largest power of two smaller than <paramref name="count"/>, which is at least 2.</summary>
    private static int LargestPowerBelow(int count) => 1 << (31 - BitOperations.LeadingZeroCount((uint)(count - 1)));
}

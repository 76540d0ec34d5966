using System.Numerics;

namespace Faultline.Ledger.Merkle;

/// <summary>
/// What must be kept of a Merkle tree to go on appending: the roots of its perfect subtrees, one for each one-bit of the
/// size, largest first. Appending costs one hash on average, the root costs at most 63.
/// </summary>
public sealed class MerkleFrontier
{
    private readonly List<byte[]> _subtrees;

    public MerkleFrontier() => _subtrees = [];

    private MerkleFrontier(MerkleFrontier other)
    {
        _subtrees = [.. other._subtrees];
        Size = other.Size;
    }

    /// <summary>Number of leaves appended.</summary>
    public long Size { get; private set; }

    /// <summary>A second one that goes its own way from here.</summary>
    public MerkleFrontier Copy() => new(this);

    public void Append(byte[] leafHash)
    {
        var hash = leafHash;
        // Like adding one in binary: every trailing one-bit of the size is a subtree that the new leaf completes.
        for (var carries = BitOperations.TrailingZeroCount(~Size); carries > 0; carries--)
        {
            hash = MerkleHash.Node(_subtrees[^1], hash);
            _subtrees.RemoveAt(_subtrees.Count - 1);
        }

        _subtrees.Add(hash);
        Size++;
    }

    /// <summary>Root over all leaves appended so far.</summary>
    public byte[] Root()
    {
        if (_subtrees.Count == 0)
        {
            return MerkleHash.Empty();
        }

        var root = _subtrees[^1];
        for (var i = _subtrees.Count - 2; i >= 0; i--)
        {
            root = MerkleHash.Node(_subtrees[i], root);
        }

        return [.. root];
    }
}

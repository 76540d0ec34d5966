using Faultline.Ledger.Checkpoints;

namespace Faultline.Ledger.Verification;

/// <summary>What kind of damage was found.</summary>
public enum BrokenWhat
{
    /// <summary>Bytes are not as they were written.</summary>
    Changed,

    /// <summary>An event, or a file, is not there.</summary>
    Missing,

    /// <summary>An event stands in the place of a later one.</summary>
    Reordered,

    /// <summary>The files end before the last signed checkpoint.</summary>
    CutOff,

    /// <summary>There is more than was ever signed.</summary>
    Unsigned,

    /// <summary>A checkpoint, or the key to check it with, is damaged.</summary>
    Checkpoint,
}

/// <summary>What a verification found.</summary>
public abstract record LedgerVerdict
{
    private LedgerVerdict()
    {
    }

    /// <summary>Every byte is as it was written and signed.</summary>
    /// <param name="Count">Number of events.</param>
    /// <param name="Root">Merkle root over them, 32 bytes.</param>
    /// <param name="Newest">The signed checkpoint that says so.</param>
    /// <param name="Checkpoints">How many checkpoints were checked.</param>
    /// <param name="KeyFingerprint">SHA-256 of the public key they were checked with; compare it with the one noted elsewhere.</param>
    public sealed record Sound(long Count, byte[] Root, Checkpoint Newest, int Checkpoints, string KeyFingerprint) : LedgerVerdict;

    /// <summary>The first thing that is not as it was written.</summary>
    /// <param name="File">Name of the file, within the ledger's directory.</param>
    /// <param name="Sequence">The first event that cannot be trusted, or null when the damage is to the checkpoints.</param>
    /// <param name="What">The kind of damage.</param>
    /// <param name="Words">What was seen, in a sentence without file and event.</param>
    public sealed record Broken(string File, long? Sequence, BrokenWhat What, string Words) : LedgerVerdict
    {
        /// <summary>File, event and what was seen, in one line.</summary>
        public override string ToString() => Sequence is { } sequence ? $"{File}: event {sequence}: {Words}" : $"{File}: {Words}";
    }

    /// <summary>There is no ledger in the directory.</summary>
    public sealed record Absent(string Directory) : LedgerVerdict;
}

using System.Diagnostics;
using Faultline.Ledger.Checkpoints;
using Faultline.Ledger.Segments;

namespace Faultline.Ledger.Verification;

/// <summary>Checks a ledger's files and nothing else: offline, read-only, also while a server is writing them.</summary>
public static class LedgerVerifier
{
    /// <summary>Looks before damage is believed that a writer at work could have feigned.</summary>
    private const int LooksMax = 3;

    /// <summary>How long a writer may take to sign what it has written, before another look.</summary>
    private static readonly TimeSpan SigningMax = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan BetweenPolls = TimeSpan.FromMilliseconds(20);

    /// <param name="directory">The ledger's directory.</param>
    /// <param name="known">A checkpoint of this ledger that was kept elsewhere, as text: proves that history was not rolled back or signed anew since.</param>
    public static async Task<LedgerVerdict> VerifyAsync(string directory, string? known = null, CancellationToken cancel = default)
    {
        // Taken once: a writer signs what lies there now before it writes more, so that however busy it is a second look finds that signed.
        var lengths = SegmentLengths.Now(directory);
        for (var looks = 1; ; looks++)
        {
            var signed = SignedBytes(directory);
            var verdict = VerifyOnce(directory, known, lengths);
            if (verdict is not LedgerVerdict.Broken { What: BrokenWhat.Unsigned or BrokenWhat.Checkpoint } || looks == LooksMax)
            {
                return verdict;
            }

            for (var began = Stopwatch.GetTimestamp(); SignedBytes(directory) == signed && Stopwatch.GetElapsedTime(began) < SigningMax;)
            {
                await Task.Delay(BetweenPolls, cancel);
            }
        }
    }

    private static long SignedBytes(string directory) => new FileInfo(Path.Combine(directory, CheckpointFiles.HistoryName)) is { Exists: true } history ? history.Length : 0;

    internal static LedgerVerdict VerifyOnce(string directory, string? known, SegmentLengths lengths)
    {
        if (IsEmpty(directory))
        {
            return new LedgerVerdict.Absent(directory);
        }

        using var key = CheckpointKey.ReadPublic(directory, out var problem);
        if (key is null)
        {
            return new LedgerVerdict.Broken(CheckpointKey.PublicName, null, BrokenWhat.Checkpoint, problem);
        }

        var reading = CheckpointFiles.Read(directory, key, everySignature: true);
        if (reading.Fault is not null)
        {
            return reading.Fault;
        }

        if (reading.TornBytes > 0)
        {
            return new LedgerVerdict.Broken(
                CheckpointFiles.HistoryName, null, BrokenWhat.Checkpoint,
                $"{reading.TornBytes} bytes after the checkpoint over {reading.History[^1].Size} events are not a checkpoint: a write that a crash cut off, or bytes added by hand. At its next start Faultline sets them aside.");
        }

        var newest = reading.History[^1];
        var walk = LedgerWalk.Run(directory, reading.History, newest.Size, lengths);
        if (walk.Fault is not null)
        {
            return walk.Fault;
        }

        return Contradicts(known, key, reading.History) is { } words
            ? new LedgerVerdict.Broken(CheckpointFiles.HistoryName, null, BrokenWhat.Checkpoint, words)
            : new LedgerVerdict.Sound(newest.Size, newest.Root, newest, reading.History.Count, key.Fingerprint);
    }

    private static string? Contradicts(string? known, CheckpointKey key, IReadOnlyList<Checkpoint> history)
    {
        if (known is null)
        {
            return null;
        }

        if (!Checkpoint.TryRead(System.Text.Encoding.UTF8.GetBytes(known), out var checkpoint, out _))
        {
            return "the checkpoint to compare with is not one.";
        }

        if (!key.Verifies(checkpoint))
        {
            return "the checkpoint to compare with was signed by another key: this is another ledger, or its key was exchanged.";
        }

        // Every batch gets a checkpoint, so one that was given out is in the history, unless history was exchanged.
        return history.Any(mine => mine.Size == checkpoint.Size && mine.Root.AsSpan().SequenceEqual(checkpoint.Root))
            ? null
            : $"the checkpoint to compare with, over {checkpoint.Size} events, is not part of this history: it was rolled back or rewritten.";
    }

    private static bool IsEmpty(string directory) =>
        !Directory.Exists(directory)
        || (!File.Exists(Path.Combine(directory, CheckpointFiles.NewestName))
            && !File.Exists(Path.Combine(directory, CheckpointFiles.HistoryName))
            && SegmentFile.Numbers(directory).Count == 0);
}

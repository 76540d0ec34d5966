using System.Text;
using Faultline.Ledger.Segments;
using Faultline.Ledger.Verification;
using Broken = Faultline.Ledger.Verification.LedgerVerdict.Broken;

namespace Faultline.Ledger.Checkpoints;

/// <summary>
/// <c>checkpoints</c> holds every checkpoint, one note after the other with a blank line between; <c>checkpoint</c> holds
/// the newest alone and is replaced atomically after <c>checkpoints</c> is on the disk.
/// </summary>
internal static class CheckpointFiles
{
    public const string NewestName = "checkpoint";
    public const string HistoryName = "checkpoints";

    /// <param name="History">Readable checkpoints, sizes rising.</param>
    /// <param name="SoundBytes">How much of the history file they fill.</param>
    /// <param name="TornBytes">What follows them: the write of one more that was cut off.</param>
    /// <param name="Fault">Null when the files are as they were written.</param>
    public sealed record Reading(IReadOnlyList<Checkpoint> History, Checkpoint? Newest, long SoundBytes, long TornBytes, Broken? Fault);

    /// <param name="everySignature">False checks those of the newest only, which is what opening needs.</param>
    public static Reading Read(string directory, CheckpointKey key, bool everySignature)
    {
        // Newest first: a writer that works meanwhile can only make the history longer.
        var newestPath = Path.Combine(directory, NewestName);
        var historyPath = Path.Combine(directory, HistoryName);
        if (!File.Exists(newestPath) || !File.Exists(historyPath))
        {
            return new([], null, 0, 0, Damaged(File.Exists(newestPath) ? HistoryName : NewestName, "the file is missing. Restore it from a backup."));
        }

        var newestBytes = SegmentFile.ReadShared(newestPath);
        var bytes = SegmentFile.ReadShared(historyPath);
        var history = new List<Checkpoint>();
        var offset = 0;
        while (Checkpoint.TryRead(bytes.AsSpan(offset), out var checkpoint, out var read) && offset + read < bytes.Length && bytes[offset + read] == '\n')
        {
            if (history.Count > 0 && checkpoint.Size <= history[^1].Size)
            {
                return new(history, null, offset, bytes.Length - offset, Damaged(HistoryName, $"the checkpoint over {checkpoint.Size} events follows one over {history[^1].Size}."));
            }

            history.Add(checkpoint);
            offset += read + 1;
        }

        if (!Checkpoint.TryRead(newestBytes, out var newest, out var newestRead) || newestRead != newestBytes.Length)
        {
            return new(history, null, offset, bytes.Length - offset, Damaged(NewestName, "the newest checkpoint is not as it was written."));
        }

        var fault = history.Contains(newest)
            ? history.Where((_, index) => everySignature || index == history.Count - 1).Append(newest).FirstOrDefault(checkpoint => !key.Verifies(checkpoint)) is { } unsigned
                ? Damaged(HistoryName, $"the signature on the checkpoint over {unsigned.Size} events does not belong to it.")
                : null
            : Damaged(
                HistoryName,
                history.Count > 0 && history[^1].Size >= newest.Size
                    ? $"the checkpoint over {newest.Size} events is not the one that was signed last."
                    : $"the checkpoints are readable up to the one over {(history.Count == 0 ? 0 : history[^1].Size)} events, but the newest covers {newest.Size}.");
        return new(history, newest, offset, bytes.Length - offset, fault);
    }

    public static byte[] HistoryBytes(Checkpoint checkpoint) => Encoding.UTF8.GetBytes(checkpoint.Note + "\n");

    /// <summary>Replaces the newest checkpoint: whoever reads it sees the old one or the new one.</summary>
    public static void WriteNewest(string directory, Checkpoint checkpoint)
    {
        var path = Path.Combine(directory, NewestName);
        var temporary = path + ".tmp";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0))
        {
            file.Write(Encoding.UTF8.GetBytes(checkpoint.Note));
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    private static Broken Damaged(string file, string words) => new(file, null, BrokenWhat.Checkpoint, words);
}

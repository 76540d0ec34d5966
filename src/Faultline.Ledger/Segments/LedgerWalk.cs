using System.Buffers.Binary;
using Faultline.Ledger.Checkpoints;
using Faultline.Ledger.Merkle;
using Faultline.Ledger.Verification;
using Broken = Faultline.Ledger.Verification.LedgerVerdict.Broken;

namespace Faultline.Ledger.Segments;

/// <summary>
/// Reads every segment from the first byte and checks each against the ones before and against the signed checkpoints.
/// Opening and verifying are this one walk, so that what one accepts the other does.
/// </summary>
internal sealed class LedgerWalk
{
    private readonly string _directory;
    private readonly Dictionary<long, byte[]> _rootBySize;
    private readonly SegmentLengths _lengths;
    private readonly MerkleFrontier _frontier = new();
    private byte[] _previousLeafHash = new byte[MerkleHash.Length];
    private long _provenSize;

    private LedgerWalk(string directory, IReadOnlyList<Checkpoint> checkpoints, SegmentLengths lengths)
    {
        _directory = directory;
        _lengths = lengths;
        _rootBySize = checkpoints.ToDictionary(checkpoint => checkpoint.Size, checkpoint => checkpoint.Root);
    }

    /// <summary>What a walk found.</summary>
    /// <param name="Frontier">Over the sound entries.</param>
    /// <param name="LastLeafHash">Leaf hash of the last sound entry; zeros when there is none.</param>
    /// <param name="Segments">What is sound of each segment, in order.</param>
    /// <param name="Fault">The first thing that is not as it was written, or null.</param>
    public sealed record Result(MerkleFrontier Frontier, byte[] LastLeafHash, IReadOnlyList<SegmentIndex> Segments, Broken? Fault);

    /// <summary>What is sound of one segment, and where its entries are.</summary>
    public sealed class SegmentIndex(int number, long firstSequence)
    {
        public int Number { get; } = number;

        public long FirstSequence { get; } = firstSequence;

        /// <summary>Offset of each entry's length field, and last the end of the sound part.</summary>
        public List<long> Offsets { get; } = [SegmentFile.HeaderBytes];

        public int Count => Offsets.Count - 1;

        public long SoundBytes => Offsets[^1];
    }

    /// <param name="size">Entries to accept; what lies behind them is reported as unsigned.</param>
    /// <param name="lengths">Taken before the checkpoints were read; what came after it is a writer's, whose checkpoint was to follow.</param>
    public static Result Run(string directory, IReadOnlyList<Checkpoint> checkpoints, long size, SegmentLengths lengths)
    {
        var walk = new LedgerWalk(directory, checkpoints, lengths);
        var segments = new List<SegmentIndex>();
        var fault = walk.Run(segments, size);
        return new Result(walk._frontier, walk._previousLeafHash, segments, fault);
    }

    private Broken? Run(List<SegmentIndex> segments, long size)
    {
        var numbers = SegmentFile.Numbers(_directory);
        for (var i = 0; i < numbers.Count; i++)
        {
            var name = SegmentFile.Name(numbers[i]);
            if (numbers[i] != i)
            {
                return Missing(SegmentFile.Name(i), $"{SegmentFile.Name(i)} is missing; the next file there is {name}.");
            }

            var bytes = SegmentFile.ReadShared(Path.Combine(_directory, name));
            if (!bytes.AsSpan(0, Math.Min(bytes.Length, SegmentFile.HeaderBytes)).SequenceEqual(SegmentFile.Header(_frontier.Size)))
            {
                return _frontier.Size >= size
                    ? Unsigned(numbers[i], 0, bytes.Length < SegmentFile.HeaderBytes ? "ends inside its header" : "has a header that is not as it was written", size)
                    : new Broken(name, _frontier.Size, BrokenWhat.Changed, $"the header of the file is not as it was written, so event {_frontier.Size} is the first that cannot be trusted.");
            }

            var index = new SegmentIndex(numbers[i], _frontier.Size);
            segments.Add(index);
            if (Entries(name, bytes, index, size) is { } fault)
            {
                return fault;
            }
        }

        return _frontier.Size < size
            ? Missing(
                segments.Count == 0 ? SegmentFile.Name(0) : SegmentFile.Name(segments[^1].Number),
                $"the last signed checkpoint covers {size} events, but the files end after {_frontier.Size}: the tail was cut off.",
                BrokenWhat.CutOff)
            : null;
    }

    private Broken? Entries(string name, byte[] bytes, SegmentIndex index, long size)
    {
        var offset = SegmentFile.HeaderBytes;
        while (offset < bytes.Length)
        {
            var sequence = _frontier.Size;
            if (sequence >= size)
            {
                return Unsigned(index.Number, offset, $"holds {bytes.Length - offset} bytes after event {sequence - 1}", size);
            }

            var left = bytes.Length - offset;
            var length = left >= EntryFormat.LengthBytes ? BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset)) : 0;
            var frameBytes = EntryFormat.LengthBytes + (long)length + MerkleHash.Length;
            if (length is 0 or > EntryFormat.EntryBytesMax || frameBytes > left)
            {
                return new Broken(name, sequence, BrokenWhat.Changed, $"its length field at byte {offset} says {length} bytes, but {left} are left in the file.");
            }

            var entryBytes = bytes.AsMemory(offset + EntryFormat.LengthBytes, (int)length);
            var leafHash = bytes.AsSpan(offset + EntryFormat.LengthBytes + (int)length, MerkleHash.Length).ToArray();
            if (!MerkleHash.Leaf(entryBytes.Span).AsSpan().SequenceEqual(leafHash))
            {
                return new Broken(name, sequence, BrokenWhat.Changed, $"its bytes, from byte {offset} of the file, no longer have the hash that was stored with them.");
            }

            if (!EntryFormat.TryDecode(entryBytes, leafHash, out var entry, out var previous))
            {
                return new Broken(name, sequence, BrokenWhat.Changed, $"its bytes, from byte {offset} of the file, are not an event in a form that this version knows.");
            }

            if (entry.Sequence != sequence)
            {
                return new Broken(
                    name, sequence, entry.Sequence > sequence ? BrokenWhat.Missing : BrokenWhat.Reordered,
                    $"event {entry.Sequence} stands in its place: events were dropped or their order was changed.");
            }

            if (!previous.Span.SequenceEqual(_previousLeafHash))
            {
                // Both ends of the broken link hash well. A signed root over the earlier one clears it; else it is the suspect.
                return sequence > 0 && _provenSize < sequence
                    ? new Broken(name, sequence - 1, BrokenWhat.Changed, $"event {sequence} was chained to another event {sequence - 1} than the one that stands here.")
                    : new Broken(name, sequence, BrokenWhat.Changed, "it is not chained to the event before it.");
            }

            _frontier.Append(leafHash);
            _previousLeafHash = leafHash;
            if (_rootBySize.TryGetValue(_frontier.Size, out var root))
            {
                if (!_frontier.Root().AsSpan().SequenceEqual(root))
                {
                    return new Broken(
                        name, _provenSize, BrokenWhat.Changed,
                        _provenSize == sequence
                            ? "it was rewritten: the tree no longer has the root that was signed after it."
                            : $"one of events {_provenSize} to {sequence} was rewritten: the tree no longer has the root that was signed after event {sequence}.");
                }

                _provenSize = _frontier.Size;
            }

            offset += (int)frameBytes;
            index.Offsets.Add(offset);
        }

        return null;
    }

    private Broken Missing(string file, string words, BrokenWhat what = BrokenWhat.Missing) => new(file, _frontier.Size, what, words);

    /// <summary>Null for what has come since the lengths were taken: the checkpoint over it was to follow.</summary>
    private Broken? Unsigned(int segment, long offset, string words, long size) => _lengths.IsSince(segment, offset) ? null : new(
        SegmentFile.Name(segment), size, BrokenWhat.Unsigned,
        $"the file {words}, which no signed checkpoint covers. It was never acknowledged: a write that a crash cut off, or bytes added by hand. At its next start Faultline sets them aside.");
}

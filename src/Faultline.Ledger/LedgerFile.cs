using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Faultline.Ledger.Checkpoints;
using Faultline.Ledger.Merkle;
using Faultline.Ledger.Segments;
using Faultline.Ledger.Verification;
using Microsoft.Win32.SafeHandles;

namespace Faultline.Ledger;

/// <summary>One event as it lies in the ledger.</summary>
/// <param name="Sequence">From 0, without gaps.</param>
/// <param name="At">When it was appended, by the ledger's clock.</param>
/// <param name="Type">The event's stored name, e.g. <c>case.opened</c>.</param>
/// <param name="Version">Version of the payload's form.</param>
/// <param name="Payload">UTF-8 JSON, exactly as appended; the leaf hash covers these bytes.</param>
/// <param name="LeafHash">RFC 6962: SHA-256 of 0x00 and the entry's stored bytes.</param>
public sealed record LedgerEntry(long Sequence, DateTimeOffset At, string Type, int Version, ReadOnlyMemory<byte> Payload, ReadOnlyMemory<byte> LeafHash);

/// <summary>Append-only Merkle log in segment files under one directory. One writer a directory (a lock file says so).</summary>
public sealed class LedgerFile : IAsyncDisposable
{
    /// <summary>A segment that is larger is followed by a new one.</summary>
    internal const long SegmentBytesMax = 16L << 20;

    private readonly string _directory;
    private readonly TimeProvider _time;
    private readonly long _segmentBytesMax;
    private readonly FileStream _lock;
    private readonly CheckpointKey _key;
    private readonly SemaphoreSlim _writer = new(1, 1);
    private readonly Lock _state = new();
    private readonly List<(LedgerWalk.SegmentIndex Index, SafeFileHandle File)> _segments = [];
    private SafeFileHandle _history = null!;
    private long _historyBytes;
    private MerkleFrontier _frontier = new();
    private byte[] _lastLeafHash = new byte[MerkleHash.Length];
    private Checkpoint _newest = null!;
    private string? _unusable;

    private LedgerFile(string directory, TimeProvider time, long segmentBytesMax, FileStream held, CheckpointKey key)
    {
        _directory = directory;
        _time = time;
        _segmentBytesMax = segmentBytesMax;
        _lock = held;
        _key = key;
    }

    /// <summary>Number of entries.</summary>
    public long Count
    {
        get
        {
            lock (_state)
            {
                return _frontier.Size;
            }
        }
    }

    /// <summary>The signed checkpoint over all entries.</summary>
    public Checkpoint Newest
    {
        get
        {
            lock (_state)
            {
                return _newest;
            }
        }
    }

    /// <summary>SHA-256 of the public key that checks the checkpoints, in hexadecimal.</summary>
    public string KeyFingerprint => _key.Fingerprint;

    /// <summary>What opening set aside because a crash had cut a write off, in words for the log; empty as a rule.</summary>
    public IReadOnlyList<string> SetAside { get; private set; } = [];

    /// <exception cref="InvalidDataException">The files are damaged; the message names the segment and the entry and what to do.</exception>
    /// <exception cref="IOException">Another process has the ledger open, or the directory cannot be written.</exception>
    public static Task<LedgerFile> OpenAsync(string directory, TimeProvider time, CancellationToken cancel = default) =>
        OpenAsync(directory, time, SegmentBytesMax, cancel);

    internal static Task<LedgerFile> OpenAsync(string directory, TimeProvider time, long segmentBytesMax, CancellationToken cancel = default) =>
        Task.Run(() => Open(directory, time, segmentBytesMax), cancel);

    /// <summary>Appends events in one fsynced write: all or none, consecutive. Returns them with their sequence numbers.</summary>
    /// <exception cref="IOException">The disk did not take it; nothing was appended.</exception>
    public async Task<IReadOnlyList<LedgerEntry>> AppendAsync(IReadOnlyList<(string Type, int Version, ReadOnlyMemory<byte> Payload)> events, CancellationToken cancel = default)
    {
        if (events.Count == 0)
        {
            return [];
        }

        await _writer.WaitAsync(cancel);
        try
        {
            // Off the caller's thread: an fsync takes milliseconds. Not cancelled from here on, so that it is all or none.
            return await Task.Run(() => Append(events), CancellationToken.None);
        }
        finally
        {
            _writer.Release();
        }
    }

    /// <summary>Entries from a sequence number on, in order, each read back from the file and checked.</summary>
    /// <exception cref="InvalidDataException">An entry is no longer as it was written.</exception>
    public async IAsyncEnumerable<LedgerEntry> ReadAsync(long from = 0, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        for (var sequence = from; Place(sequence) is { } place; sequence++)
        {
            cancel.ThrowIfCancellationRequested();
            var frame = new byte[place.Bytes];
            var read = await RandomAccess.ReadAsync(place.File, frame, place.Offset, cancel);
            var entryBytes = frame.AsMemory(EntryFormat.LengthBytes, frame.Length - EntryFormat.LengthBytes - MerkleHash.Length);
            var leafHash = frame.AsMemory(frame.Length - MerkleHash.Length);
            if (read != frame.Length
                || !MerkleHash.Leaf(entryBytes.Span).AsSpan().SequenceEqual(leafHash.Span)
                || !EntryFormat.TryDecode(entryBytes, leafHash, out var entry, out _)
                || entry.Sequence != sequence)
            {
                throw Damaged(_directory, new LedgerVerdict.Broken(SegmentFile.Name(place.Segment), sequence, BrokenWhat.Changed, "it changed on the disk while the ledger was open."));
            }

            yield return entry;
        }
    }

    /// <summary>Root hash of the Merkle tree over the first <paramref name="size"/> entries (RFC 6962 §2.1).</summary>
    /// <remarks>Cheap for the current size; an older one costs a read of every leaf hash before it.</remarks>
    public byte[] RootHash(long size)
    {
        lock (_state)
        {
            if (size == _frontier.Size)
            {
                return _frontier.Root();
            }
        }

        return MerkleTree.Root(LeafHashes(size));
    }

    /// <summary>Audit path for one entry in the tree over the first <paramref name="size"/> entries (RFC 6962 §2.1.1).</summary>
    public IReadOnlyList<byte[]> InclusionProof(long sequence, long size) => MerkleTree.InclusionProof(LeafHashes(size), checked((int)sequence));

    /// <summary>Proof that the tree over <paramref name="second"/> entries begins with that over <paramref name="first"/> (RFC 6962 §2.1.2).</summary>
    public IReadOnlyList<byte[]> ConsistencyProof(long first, long second) => MerkleTree.ConsistencyProof(LeafHashes(second), checked((int)first));

    public async ValueTask DisposeAsync()
    {
        await _writer.WaitAsync();
        lock (_state)
        {
            _unusable = "it was closed";
        }

        Close();
        _writer.Dispose();
    }

    private static LedgerFile Open(string directory, TimeProvider time, long segmentBytesMax)
    {
        Directory.CreateDirectory(directory);
        var held = TakeLock(directory);
        CheckpointKey? key = null;
        LedgerFile? ledger = null;
        try
        {
            var isNew = IsNew(directory);
            key = CheckpointKey.OpenPrivate(directory, isNew);
            ledger = new LedgerFile(directory, time, segmentBytesMax, held, key);
            if (isNew)
            {
                ledger.Create();
            }

            ledger.Load();
            return ledger;
        }
        catch
        {
            if (ledger is not null)
            {
                ledger.Close();
            }
            else
            {
                key?.Dispose();
                held.Dispose();
            }

            throw;
        }
    }

    private static FileStream TakeLock(string directory)
    {
        var path = Path.Combine(directory, "lock");
        FileStream held;
        try
        {
            held = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (File.Exists(path))
        {
            throw new IOException($"{path}: another Faultline has this ledger open. Stop it, or start this one with another --data directory.", exception);
        }

        held.SetLength(0);
        held.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"));
        held.Flush();
        return held;
    }

    /// <summary>New, or its making was cut off before the first event.</summary>
    private static bool IsNew(string directory)
    {
        var history = Path.Combine(directory, CheckpointFiles.HistoryName);
        return !File.Exists(Path.Combine(directory, CheckpointFiles.NewestName))
            && SegmentFile.Numbers(directory).Count == 0
            && (!File.Exists(history) || !Checkpoint.TryRead(SegmentFile.ReadShared(history), out var first, out var read) || read + 1 >= new FileInfo(history).Length && first.Size == 0);
    }

    private void Create()
    {
        // A signed checkpoint over nothing comes first, so that from the first event on there is one to compare with.
        var empty = _key.Sign(0, MerkleHash.Empty());
        using (var history = new FileStream(Path.Combine(_directory, CheckpointFiles.HistoryName), FileMode.Create, FileAccess.Write))
        {
            history.Write(CheckpointFiles.HistoryBytes(empty));
            history.Flush(flushToDisk: true);
        }

        CheckpointFiles.WriteNewest(_directory, empty);
    }

    private void Load()
    {
        using (var published = CheckpointKey.ReadPublic(_directory, out var problem))
        {
            if (published is null || !string.Equals(published.Fingerprint, _key.Fingerprint, StringComparison.Ordinal))
            {
                throw new InvalidDataException($"{Path.Combine(_directory, CheckpointKey.PublicName)}: {(published is null ? problem : "the public key does not belong to the private one beside it. Restore both from a backup.")}");
            }
        }

        var lengths = SegmentLengths.Now(_directory);
        var reading = CheckpointFiles.Read(_directory, _key, everySignature: false);
        if (reading.Fault is not null)
        {
            throw Damaged(_directory, reading.Fault);
        }

        var setAside = new List<string>();
        if (reading.TornBytes > 0)
        {
            setAside.Add(TornTail.SetAside(_directory, CheckpointFiles.HistoryName, reading.SoundBytes));
        }

        _newest = reading.History[^1];
        var walk = LedgerWalk.Run(_directory, reading.History, _newest.Size, lengths);
        if (walk.Fault is { What: BrokenWhat.Unsigned } unsigned)
        {
            foreach (var number in SegmentFile.Numbers(_directory))
            {
                var name = SegmentFile.Name(number);
                var sound = walk.Segments.FirstOrDefault(segment => segment.Number == number)?.SoundBytes ?? 0;
                if (string.CompareOrdinal(name, unsigned.File) >= 0)
                {
                    setAside.Add(TornTail.SetAside(_directory, name, sound));
                }
            }
        }
        else if (walk.Fault is not null)
        {
            throw Damaged(_directory, walk.Fault);
        }

        _frontier = walk.Frontier;
        _lastLeafHash = walk.LastLeafHash;
        foreach (var segment in walk.Segments)
        {
            _segments.Add((segment, OpenForWriting(SegmentFile.Name(segment.Number))));
        }

        _history = OpenForWriting(CheckpointFiles.HistoryName);
        _historyBytes = reading.SoundBytes;
        if (reading.Newest != _newest)
        {
            CheckpointFiles.WriteNewest(_directory, _newest);
        }

        SetAside = setAside;
    }

    private SafeFileHandle OpenForWriting(string name) =>
        File.OpenHandle(Path.Combine(_directory, name), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);

    private List<LedgerEntry> Append(IReadOnlyList<(string Type, int Version, ReadOnlyMemory<byte> Payload)> events)
    {
        if (_unusable is not null)
        {
            throw new IOException($"{_directory}: the ledger takes no more events since {_unusable}. Restart Faultline; what was acknowledged is safe.");
        }

        var frontier = _frontier.Copy();
        var previous = _lastLeafHash;
        var now = _time.GetUtcNow();
        var entries = new List<LedgerEntry>(events.Count);
        using var frames = new MemoryStream();
        var lengths = new List<int>(events.Count);
        Span<byte> length = stackalloc byte[EntryFormat.LengthBytes];
        foreach (var (type, version, payload) in events)
        {
            var bytes = EntryFormat.Encode(frontier.Size, now, previous, type, version, payload.Span);
            previous = MerkleHash.Leaf(bytes);
            frontier.Append(previous);
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(length, (uint)bytes.Length);
            frames.Write(length);
            frames.Write(bytes);
            frames.Write(previous);
            lengths.Add(EntryFormat.LengthBytes + bytes.Length + MerkleHash.Length);
            if (!EntryFormat.TryDecode(bytes, previous, out var entry, out _))
            {
                throw new System.Diagnostics.UnreachableException($"event {type} cannot be read back");
            }

            entries.Add(entry);
        }

        var checkpoint = _key.Sign(frontier.Size, frontier.Root());
        var (index, file) = SegmentFor(frames.Length);
        var start = index.SoundBytes;
        try
        {
            RandomAccess.Write(file, frames.GetBuffer().AsSpan(0, (int)frames.Length), start);
            RandomAccess.FlushToDisk(file);
            var note = CheckpointFiles.HistoryBytes(checkpoint);
            RandomAccess.Write(_history, note, _historyBytes);
            RandomAccess.FlushToDisk(_history);
            CheckpointFiles.WriteNewest(_directory, checkpoint);
            lock (_state)
            {
                foreach (var bytes in lengths)
                {
                    index.Offsets.Add(index.SoundBytes + bytes);
                }

                _frontier = frontier;
                _lastLeafHash = previous;
                _newest = checkpoint;
                _historyBytes += note.Length;
            }

            return entries;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            TakeBack(file, start, exception);
            throw;
        }
    }

    /// <summary>A write failed: what may lie on the disk was acknowledged to nobody and must not be found later.</summary>
    private void TakeBack(SafeFileHandle file, long segmentBytes, Exception cause)
    {
        try
        {
            // The checkpoint first: without it the entries are an unsigned tail, which the next start sets aside.
            RandomAccess.SetLength(_history, _historyBytes);
            RandomAccess.FlushToDisk(_history);
            RandomAccess.SetLength(file, segmentBytes);
            RandomAccess.FlushToDisk(file);
            CheckpointFiles.WriteNewest(_directory, _newest);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _unusable = $"a write failed ({cause.Message}) and could not be taken back ({exception.Message})";
        }
    }

    private (LedgerWalk.SegmentIndex Index, SafeFileHandle File) SegmentFor(long bytes)
    {
        if (_segments.Count > 0 && (_segments[^1].Index.Count == 0 || _segments[^1].Index.SoundBytes + bytes <= _segmentBytesMax))
        {
            return _segments[^1];
        }

        var index = new LedgerWalk.SegmentIndex(_segments.Count, _frontier.Size);
        // The name of a new file is on the disk with its first fsync on ext4, XFS and Btrfs.
        var file = File.OpenHandle(Path.Combine(_directory, SegmentFile.Name(index.Number)), FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.Write(file, SegmentFile.Header(index.FirstSequence), 0);
        RandomAccess.FlushToDisk(file);
        lock (_state)
        {
            _segments.Add((index, file));
        }

        return (index, file);
    }

    private (SafeFileHandle File, int Segment, long Offset, int Bytes)? Place(long sequence)
    {
        lock (_state)
        {
            for (var i = _segments.Count - 1; i >= 0 && sequence < _frontier.Size; i--)
            {
                var (index, file) = _segments[i];
                if (sequence >= index.FirstSequence)
                {
                    var entry = (int)(sequence - index.FirstSequence);
                    return (file, index.Number, index.Offsets[entry], (int)(index.Offsets[entry + 1] - index.Offsets[entry]));
                }
            }

            return null;
        }
    }

    private List<byte[]> LeafHashes(long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, Count);
        var hashes = new List<byte[]>(checked((int)size));
        for (var sequence = 0L; sequence < size; sequence++)
        {
            var place = Place(sequence) ?? throw new System.Diagnostics.UnreachableException($"event {sequence} of {size}");
            var hash = new byte[MerkleHash.Length];
            if (RandomAccess.Read(place.File, hash, place.Offset + place.Bytes - hash.Length) != hash.Length)
            {
                throw Damaged(_directory, new LedgerVerdict.Broken(SegmentFile.Name(place.Segment), sequence, BrokenWhat.CutOff, "it was cut off while the ledger was open."));
            }

            hashes.Add(hash);
        }

        return hashes;
    }

    private void Close()
    {
        foreach (var (_, file) in _segments)
        {
            file.Dispose();
        }

        _history?.Dispose();
        _key.Dispose();
        _lock.Dispose();
    }

    private static InvalidDataException Damaged(string directory, LedgerVerdict.Broken broken) => new(
        $"{Path.Combine(directory, broken.File)}: {(broken.Sequence is { } sequence ? $"event {sequence}: " : "")}{broken.Words}"
        + (broken.Sequence is > 0 and { } first ? $" Events 0 to {first - 1} are intact." : "")
        + " Run `faultline audit verify` for the details, and restore the ledger's directory from a backup.");
}

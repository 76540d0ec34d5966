using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Faultline.Ingest.Forwarding;

/// <summary>Why items never reach a backend.</summary>
public enum ForwardDrop
{
    /// <summary>The queue was full; the oldest went.</summary>
    QueueFull,

    /// <summary>One request is larger than the whole queue.</summary>
    TooLarge,

    /// <summary>The queue's file could not be written.</summary>
    Disk,

    /// <summary>The file is damaged there; what could be read of it was set aside.</summary>
    Unreadable,

    /// <summary>The backend will never take it.</summary>
    Refused,

    /// <summary><see cref="RetryOptions.MaxElapsedTime"/> passed, or retries are off.</summary>
    Expired,
}

/// <summary>Records of one segment that are sent as one request: protobuf requests behind each other are one request.</summary>
/// <param name="Start">Offset in the segment.</param>
/// <param name="End">Offset just behind.</param>
/// <param name="OldestUnixMillis">When the first of them was queued.</param>
internal sealed record ForwardGroup(long Segment, long Start, long End, byte[] Body, int Records, long Items, long OldestUnixMillis);

/// <summary>What a queue holds and what became of the rest.</summary>
internal sealed record QueueFigures(long Bytes, long Items, long? OldestUnixMillis, long TornBytes, long SetAside, IReadOnlyDictionary<ForwardDrop, long> Dropped);

/// <summary>
/// Requests on disk between an acknowledgement and a backend's answer: appended in order, sent in order, bounded in bytes, whole after any
/// end of the process. When it is full the oldest segment goes: who looks at a backend after an outage looks for what is newest.
/// </summary>
/// <remarks>
/// What is appended is written before the call returns, so it survives the process; a power cut may take the last seconds. Sent segments stay
/// for <see cref="Remembered"/>: the requests in them are how a start knows which of the last ones were queued already.
/// </remarks>
internal sealed class ForwardQueue : IDisposable
{
    /// <summary>Longer than a store remembers a request, so that one that is sent again is known here too.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromMinutes(2);

    private const int AsideFilesMax = 16;
    private static readonly TimeSpan TidyInterval = TimeSpan.FromMinutes(1);
    private const long SegmentBytesMin = 256 << 10;
    private const long SegmentBytesMax = 64L << 20;

    private readonly Lock _gate = new();
    private readonly string _directory;
    private readonly long _bytesMax;
    private readonly long _segmentBytes;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly QueueCursor _cursor;
    private readonly List<QueueSegment> _segments = [];
    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<ForwardDrop, long> _dropped = Enum.GetValues<ForwardDrop>().ToDictionary(reason => reason, _ => 0L);
    private readonly long _startedUnixMillis;
    private readonly SparseLine _notWritten;
    private HashSet<UInt128>? _known = [];
    private QueueSegment? _active;
    private ForwardGroup? _underWay;
    private long _tornBytes;
    private long _setAside;

    private ForwardQueue(string directory, long bytesMax, TimeProvider time, ILogger log)
    {
        (_directory, _bytesMax, _time, _log) = (directory, bytesMax, time, log);
        _segmentBytes = Math.Clamp(bytesMax / 16, SegmentBytesMin, SegmentBytesMax);
        _startedUnixMillis = Now;
        _notWritten = new SparseLine(time);
        _cursor = QueueCursor.Open(Path.Combine(directory, "cursor"));
    }

    private string AsideDirectory => Path.Combine(_directory, "aside");

    private long Now => _time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Opens what an earlier process left; nothing that it finds in there stops it.</summary>
    public static ForwardQueue Open(string directory, long bytesMax, TimeProvider time, ILogger log)
    {
        Directory.CreateDirectory(directory);
        var queue = new ForwardQueue(directory, bytesMax, time, log);
        foreach (var segment in QueueSegment.Find(directory))
        {
            queue.Take(segment);
        }

        queue.DeleteSent();
        return queue;
    }

    public QueueFigures Figures()
    {
        lock (_gate)
        {
            Span<byte> header = stackalloc byte[QueueRecord.HeaderBytes];
            long? oldest = FindUnsent() is (var segment, var offset) && segment.TryReadHeader(offset, header, out var record) ? record.UnixMillis : null;
            return new QueueFigures(_segments.Sum(Unsent), _segments.Sum(one => one.UnsentItems), oldest, _tornBytes, _setAside, new Dictionary<ForwardDrop, long>(_dropped));
        }
    }

    /// <summary>Queues a request; what does not fit is counted, here as everywhere.</summary>
    /// <param name="requestHash">The same for a request that is sent again.</param>
    /// <param name="isRepeat">The store had it already: it is queued only when the process that stored it ended before it was queued.</param>
    public void Append(UInt128 requestHash, ReadOnlyMemory<byte> body, int items, bool isRepeat)
    {
        lock (_gate)
        {
            if (!IsNew(requestHash, isRepeat))
            {
                return;
            }

            var record = QueueRecord.Of(body.Span, items, requestHash, Now);
            if (MakeRoom(record.Length) is { } reason)
            {
                Drop(reason, items);
                return;
            }

            try
            {
                Writable(record.Length).Append(record, body);
                _active!.UnsentItems += items;
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
            {
                Drop(ForwardDrop.Disk, items);
                if (_notWritten.MayBeWritten(out var unsaid))
                {
                    _log.QueueNotWritten(_directory, failed.Message, unsaid);
                }

                return;
            }
        }

        _news.Writer.TryWrite(true);
    }

    /// <summary>The next records to send; null when there is none. What was under way when the last process ended comes first and exactly as it was.</summary>
    public ForwardGroup? Next(int bytesMax, int recordsMax = int.MaxValue)
    {
        lock (_gate)
        {
            while (FindUnsent() is (var segment, var start))
            {
                var isUnderWay = _underWay is null && segment.Number == _cursor.Sent.Segment && _cursor.UnderWayEnd > start && _cursor.UnderWayEnd <= segment.Length;
                var underWayEnd = isUnderWay ? _cursor.UnderWayEnd : 0;
                if (Read(segment, start, underWayEnd, bytesMax, recordsMax) is { } group)
                {
                    return group;
                }
            }

            return null;
        }
    }

    /// <summary>Notes that a request is about to be sent, so that after any end the same bytes are sent again.</summary>
    public void Begin(ForwardGroup group)
    {
        lock (_gate)
        {
            _underWay = group;
            _cursor.Write(new QueuePlace(group.Segment, group.Start), group.End);
        }
    }

    /// <summary>Notes that a request was answered.</summary>
    /// <param name="drop">Why its items are lost; null: they arrived.</param>
    public void Confirm(ForwardGroup group, ForwardDrop? drop = null)
    {
        lock (_gate)
        {
            _underWay = null;
            if (drop is { } reason)
            {
                Drop(reason, group.Items);
            }

            Advance(group.Segment, group.End, group.Items);
            DeleteSent();
        }
    }

    /// <summary>Returns when something was appended since the last call, or after a minute.</summary>
    public async Task WaitAsync(CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(TidyInterval);
        try
        {
            await _news.Reader.ReadAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            Tidy();
        }
    }

    /// <summary>Deletes what was sent and need not be remembered: nothing lies on the disk longer than it is of use.</summary>
    internal void Tidy()
    {
        lock (_gate)
        {
            if (_active is not null && Unsent(_active) == 0)
            {
                _active = null;
            }

            DeleteSent();
        }
    }

    /// <summary>Deletes damaged parts that were set aside: nobody can tell whose they are, and the store has what they were copies of.</summary>
    /// <exception cref="IOException">A file could not be deleted.</exception>
    public void DropAside()
    {
        lock (_gate)
        {
            foreach (var file in AsideFiles())
            {
                File.Delete(file);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _cursor.Dispose();
            _segments.ForEach(segment => segment.Dispose());
        }
    }

    /// <summary>Takes up a segment of an earlier process.</summary>
    private void Take(QueueSegment segment)
    {
        var known = _startedUnixMillis - (long)Remembered.TotalMilliseconds;
        try
        {
            segment.Walk((record, offset) =>
            {
                if (record.UnixMillis >= known)
                {
                    _known!.Add(record.RequestHash);
                }

                var isSent = segment.Number < _cursor.Sent.Segment || (segment.Number == _cursor.Sent.Segment && offset < _cursor.Sent.Offset);
                segment.UnsentItems += isSent ? 0 : record.Items;
            });
            if (segment.TornBytes > 0)
            {
                CutTail(segment);
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            _setAside++;
            _log.QueueSegmentUnreadable(segment.Path, unreadable.Message);
            segment.Dispose();
            return;
        }

        segment.Dispose();
        _segments.Add(segment);
    }

    /// <summary>A header that is not one, with enough bytes to be one, is damage; anything else is the end of the process in the middle of a write.</summary>
    private void CutTail(QueueSegment segment)
    {
        if (segment.TornBytes >= QueueRecord.HeaderBytes && !segment.TryReadHeader(segment.Length, stackalloc byte[QueueRecord.HeaderBytes], out _))
        {
            SetAside(segment, segment.Length, segment.TornBytes);
        }
        else
        {
            _tornBytes += segment.TornBytes;
            _log.QueueTailCut(segment.Path, segment.TornBytes, segment.Length);
        }

        segment.CutTorn();
    }

    private bool IsNew(UInt128 requestHash, bool isRepeat)
    {
        if (_known is not null && Now - _startedUnixMillis > Remembered.TotalMilliseconds)
        {
            // By now whatever the store knows, it knows from this process, which queued it.
            _known = null;
        }

        return _known is null ? !isRepeat : _known.Add(requestHash);
    }

    /// <returns>Why there is none, or null.</returns>
    private ForwardDrop? MakeRoom(long length)
    {
        if (length > _bytesMax)
        {
            return ForwardDrop.TooLarge;
        }

        while (_segments.Sum(segment => segment.Length) + length > _bytesMax)
        {
            var oldest = _segments.Find(segment => segment != _active && segment.Number != _underWay?.Segment);
            if (oldest is null)
            {
                return ForwardDrop.QueueFull;
            }

            if (oldest.UnsentItems > 0)
            {
                Drop(ForwardDrop.QueueFull, oldest.UnsentItems);
                _log.QueueFull(_directory, oldest.UnsentItems, _bytesMax);
            }

            _segments.Remove(oldest);
            oldest.Delete();
        }

        return null;
    }

    private QueueSegment Writable(long length)
    {
        if (_active is null || (_active.Length > 0 && _active.Length + length > _segmentBytes))
        {
            var newest = Math.Max(_segments.Count == 0 ? 0 : _segments[^1].Number, _cursor.Sent.Segment);
            _active = QueueSegment.Create(_directory, newest + 1);
            _segments.Add(_active);
            DeleteSent();
        }

        return _active;
    }

    /// <summary>Where the next record to send begins; null when there is none.</summary>
    private (QueueSegment Segment, long Offset)? FindUnsent()
    {
        var sent = _cursor.Sent;
        foreach (var segment in _segments)
        {
            var offset = segment.Number == sent.Segment ? sent.Offset : 0;
            if (segment.Number >= sent.Segment && offset < segment.Length)
            {
                return (segment, offset);
            }
        }

        return null;
    }

    /// <returns>Null when the first record cannot be read and was passed over.</returns>
    private ForwardGroup? Read(QueueSegment segment, long start, long underWayEnd, int bytesMax, int recordsMax)
    {
        var body = new MemoryStream();
        var (at, records, items, oldest) = (start, 0, 0L, 0L);
        Span<byte> header = stackalloc byte[QueueRecord.HeaderBytes];
        while (at < segment.Length && (underWayEnd > 0 ? at < underWayEnd : records < recordsMax))
        {
            if (!segment.TryReadHeader(at, header, out var record))
            {
                if (records == 0)
                {
                    SetAside(segment, at, segment.Length - at);
                    Drop(ForwardDrop.Unreadable, segment.UnsentItems);
                    Advance(segment.Number, segment.Length, segment.UnsentItems);
                }

                break;
            }

            if (underWayEnd == 0 && records > 0 && body.Length + record.BodyBytes > bytesMax)
            {
                break;
            }

            var bytes = new byte[record.BodyBytes];
            if (!segment.TryRead(at + QueueRecord.HeaderBytes, bytes) || !record.IsBody(bytes))
            {
                if (records == 0)
                {
                    SetAside(segment, at, record.Length);
                    Drop(ForwardDrop.Unreadable, record.Items);
                    Advance(segment.Number, at + record.Length, record.Items);
                }

                break;
            }

            oldest = records == 0 ? record.UnixMillis : oldest;
            body.Write(bytes);
            (at, records, items) = (at + record.Length, records + 1, items + record.Items);
        }

        return records == 0 ? null : new ForwardGroup(segment.Number, start, at, body.ToArray(), records, items, oldest);
    }

    private void Advance(long segment, long end, long items)
    {
        if (_segments.Find(one => one.Number == segment) is { } found)
        {
            found.UnsentItems -= items;
        }

        _cursor.Write(new QueuePlace(segment, end), end);
    }

    private void DeleteSent()
    {
        var before = Now - (long)Remembered.TotalMilliseconds;
        foreach (var segment in _segments.Where(segment => segment != _active && Unsent(segment) == 0 && segment.NewestUnixMillis < before).ToList())
        {
            _segments.Remove(segment);
            segment.Delete();
        }
    }

    private long Unsent(QueueSegment segment) =>
        segment.Number < _cursor.Sent.Segment ? 0 : segment.Number == _cursor.Sent.Segment ? Math.Max(0, segment.Length - _cursor.Sent.Offset) : segment.Length;

    /// <summary>Keeps damaged bytes where somebody can look at them, the newest few.</summary>
    private void SetAside(QueueSegment segment, long offset, long length)
    {
        var path = Path.Combine(AsideDirectory, $"{segment.Number:d16}-{offset}");
        _setAside++;
        try
        {
            Directory.CreateDirectory(AsideDirectory);
            foreach (var old in AsideFiles().Order(StringComparer.Ordinal).SkipLast(AsideFilesMax - 1))
            {
                File.Delete(old);
            }

            var bytes = new byte[Math.Min(length, SegmentBytesMax)];
            segment.TryRead(offset, bytes);
            File.WriteAllBytes(path, bytes);
        }
        catch (IOException full)
        {
            path = $"nowhere ({full.Message})";
        }

        _log.QueueSetAside(segment.Path, length, offset, path);
    }

    private string[] AsideFiles() => Directory.Exists(AsideDirectory) ? Directory.GetFiles(AsideDirectory) : [];

    private void Drop(ForwardDrop reason, long items) => _dropped[reason] += items;
}

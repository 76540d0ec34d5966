using System.Buffers.Binary;
using Faultline.Store;
using Microsoft.Win32.SafeHandles;

namespace Faultline.Ingest.Forwarding;

/// <summary>A place in a queue: a segment and an offset in it.</summary>
internal readonly record struct QueuePlace(long Segment, long Offset);

/// <summary>
/// How far a queue was sent, and what was being sent when the process ended: those bytes are sent again exactly as they were. Kept in one small
/// file with two slots, written in turn, so that one is whole whenever the process ends.
/// </summary>
internal sealed class QueueCursor : IDisposable
{
    private const int SlotBytes = 40;

    private readonly SafeFileHandle _file;
    private ulong _sequence;

    private QueueCursor(SafeFileHandle file) => _file = file;

    /// <summary>Everything before this was answered.</summary>
    public QueuePlace Sent { get; private set; }

    /// <summary>Offset, in the same segment, up to which a request was under way; equal to <see cref="Sent"/>'s when none was.</summary>
    public long UnderWayEnd { get; private set; }

    public static QueueCursor Open(string path)
    {
        var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        var cursor = new QueueCursor(file);
        Span<byte> slots = stackalloc byte[SlotBytes * 2];
        var read = RandomAccess.Read(file, slots, 0);
        for (var slot = 0; slot < 2 && (slot + 1) * SlotBytes <= read; slot++)
        {
            cursor.Read(slots.Slice(slot * SlotBytes, SlotBytes));
        }

        return cursor;
    }

    public void Write(QueuePlace sent, long underWayEnd)
    {
        (Sent, UnderWayEnd) = (sent, underWayEnd);
        _sequence++;
        Span<byte> slot = stackalloc byte[SlotBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(slot[8..], _sequence);
        BinaryPrimitives.WriteInt64LittleEndian(slot[16..], sent.Segment);
        BinaryPrimitives.WriteInt64LittleEndian(slot[24..], sent.Offset);
        BinaryPrimitives.WriteInt64LittleEndian(slot[32..], underWayEnd);
        BinaryPrimitives.WriteUInt32LittleEndian(slot, Crc32C.Of(slot[8..]));
        RandomAccess.Write(_file, slot, (long)(_sequence % 2) * SlotBytes);
    }

    public void Dispose() => _file.Dispose();

    private void Read(ReadOnlySpan<byte> slot)
    {
        var sequence = BinaryPrimitives.ReadUInt64LittleEndian(slot[8..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(slot) == Crc32C.Of(slot[8..]) && sequence > _sequence)
        {
            _sequence = sequence;
            Sent = new QueuePlace(BinaryPrimitives.ReadInt64LittleEndian(slot[16..]), BinaryPrimitives.ReadInt64LittleEndian(slot[24..]));
            UnderWayEnd = BinaryPrimitives.ReadInt64LittleEndian(slot[32..]);
        }
    }
}

using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Faultline.Ingest.Forwarding;

/// <summary>One file of a queue: records behind each other. Written by the process that made it, read by that one and by later ones.</summary>
internal sealed class QueueSegment : IDisposable
{
    private const string Ending = ".seg";

    private SafeFileHandle? _file;

    private QueueSegment(long number, string path) => (Number, Path) = (number, path);

    /// <summary>Rising with age; 1 is the first.</summary>
    public long Number { get; }

    public string Path { get; }

    /// <summary>Bytes of whole records.</summary>
    public long Length { get; private set; }

    /// <summary>Items of records that are not sent yet.</summary>
    public long UnsentItems { get; set; }

    /// <summary>When its last record was written.</summary>
    public long NewestUnixMillis { get; private set; }

    /// <summary>Bytes behind the last whole record when it was opened.</summary>
    public long TornBytes { get; private set; }

    public static QueueSegment Create(string directory, long number) =>
        new(number, System.IO.Path.Combine(directory, number.ToString("d16", CultureInfo.InvariantCulture) + Ending));

    /// <summary>The segments of a directory, by number.</summary>
    public static IReadOnlyList<QueueSegment> Find(string directory) =>
        [.. Directory.EnumerateFiles(directory, "*" + Ending)
            .Select(path => (Path: path, IsNumber: long.TryParse(System.IO.Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number), Number: number))
            .Where(file => file.IsNumber)
            .OrderBy(file => file.Number)
            .Select(file => new QueueSegment(file.Number, file.Path))];

    /// <summary>Walks over the headers; the bodies are looked at when they are sent.</summary>
    /// <param name="see">Gets each whole record and its offset.</param>
    public void Walk(Action<QueueRecord, long> see)
    {
        var fileBytes = RandomAccess.GetLength(File());
        Span<byte> header = stackalloc byte[QueueRecord.HeaderBytes];
        while (TryReadHeader(Length, header, out var record) && Length + record.Length <= fileBytes)
        {
            see(record, Length);
            Count(record);
        }

        TornBytes = fileBytes - Length;
    }

    /// <summary>Cuts off what is behind the last whole record.</summary>
    public void CutTorn() => RandomAccess.SetLength(File(), Length);

    /// <summary>Appends a record. When that fails the file is as it was.</summary>
    /// <exception cref="IOException">It could not be written; the disk may be full.</exception>
    public void Append(QueueRecord record, ReadOnlyMemory<byte> body)
    {
        var header = new byte[QueueRecord.HeaderBytes];
        record.WriteTo(header);
        try
        {
            RandomAccess.Write(File(), [header, body], Length);
        }
        catch (IOException)
        {
            CutTorn();
            throw;
        }

        Count(record);
    }

    public bool TryReadHeader(long offset, Span<byte> header, out QueueRecord record) =>
        QueueRecord.TryRead(header[..RandomAccess.Read(File(), header, offset)], out record);

    /// <returns>False when the file has not so much.</returns>
    public bool TryRead(long offset, Span<byte> into)
    {
        var read = 0;
        while (read < into.Length && RandomAccess.Read(File(), into[read..], offset + read) is > 0 and var more)
        {
            read += more;
        }

        return read == into.Length;
    }

    public void Delete()
    {
        Dispose();
        System.IO.File.Delete(Path);
    }

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private SafeFileHandle File() => _file ??= System.IO.File.OpenHandle(Path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);

    private void Count(QueueRecord record)
    {
        Length += record.Length;
        NewestUnixMillis = Math.Max(NewestUnixMillis, record.UnixMillis);
    }
}

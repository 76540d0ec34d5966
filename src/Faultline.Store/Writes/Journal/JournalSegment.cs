using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Faultline.Store.Writes.Journal;

/// <summary>A file of the journal: the requests that go into the tables together. It is deleted when they are there.</summary>
internal sealed class JournalSegment : IDisposable
{
    public const string Ending = ".journal";

    private readonly bool _synced;
    private SafeFileHandle? _file;

    private JournalSegment(string path, long number, bool synced) => (Path, Number, _synced) = (path, number, synced);

    public string Path { get; }

    /// <summary>Rising with age.</summary>
    public long Number { get; }

    /// <summary>Bytes of whole records that this process wrote.</summary>
    public long Length { get; private set; }

    /// <param name="synced">Whether what is written is on the disk before <see cref="Append"/> returns, so that it outlives a power cut.</param>
    public static JournalSegment Create(string directory, long number, bool synced) =>
        new(System.IO.Path.Combine(directory, number.ToString("d16", CultureInfo.InvariantCulture) + Ending), number, synced);

    /// <summary>What earlier processes left, oldest first.</summary>
    public static IEnumerable<JournalSegment> Find(string directory) =>
        Directory.EnumerateFiles(directory, "*" + Ending)
            .Select(path => (Path: path, IsNumber: long.TryParse(System.IO.Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number), Number: number))
            .OrderBy(file => file.IsNumber ? file.Number : 0)
            .ThenBy(file => file.Path, StringComparer.Ordinal)
            .Select(file => new JournalSegment(file.Path, file.Number, synced: false));

    /// <summary>Appends records in one write. When that fails the file holds what it held.</summary>
    /// <exception cref="IOException">It could not be written; the disk may be full.</exception>
    public void Append(ReadOnlySpan<byte> records)
    {
        // The name of a new file is on the disk with its first sync on ext4, XFS and Btrfs.
        _file ??= File.OpenHandle(Path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);
        try
        {
            RandomAccess.Write(_file, records, Length);
            if (_synced)
            {
                RandomAccess.FlushToDisk(_file);
            }
        }
        catch (IOException)
        {
            RandomAccess.SetLength(_file, Length);
            throw;
        }

        Length += records.Length;
    }

    /// <summary>The whole records of a file that an earlier process left, and what is behind them.</summary>
    /// <exception cref="IOException">It cannot be read, or is a link: what that leads to may never end, and is not ours.</exception>
    public async Task<(IReadOnlyList<JournalRecord> Records, JournalTail Tail)> ReadAsync(CancellationToken cancel)
    {
        var file = new FileInfo(Path);
        if (file.LinkTarget is { } target)
        {
            throw new IOException($"{Path} is a link to {target}; the journal has none.");
        }

        // What is empty is not opened: a pipe would be waited for.
        ReadOnlyMemory<byte> left = file.Length == 0 ? ReadOnlyMemory<byte>.Empty : await File.ReadAllBytesAsync(Path, cancel);
        List<JournalRecord> records = [];
        while (JournalRecord.TryRead(left) is { } record)
        {
            records.Add(record);
            left = left[record.Bytes.Length..];
        }

        return (records, new JournalTail(left.Length, IsDamage: !JournalRecord.IsCut(left.Span)));
    }

    /// <summary>Deletes a file into which nothing could be written.</summary>
    public void Abandon()
    {
        if (_file is null)
        {
            return;
        }

        Dispose();
        try
        {
            File.Delete(Path);
        }
        catch (IOException)
        {
            // Empty, so the next start deletes it.
        }
    }

    public void Delete()
    {
        Dispose();
        File.Delete(Path);
    }

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }
}

/// <param name="Bytes">Bytes behind the last whole record.</param>
/// <param name="IsDamage">False for the beginning of a record: the process ended in the middle of its write, so nobody heard that it was acknowledged.</param>
internal readonly record struct JournalTail(long Bytes, bool IsDamage, bool IsReadable = true);

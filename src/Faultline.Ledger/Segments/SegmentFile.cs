using System.Buffers.Binary;
using System.Globalization;

namespace Faultline.Ledger.Segments;

/// <summary>Names and headers of segment files. A header is <c>FLTLSEG1</c> and the sequence number of its first entry.</summary>
internal static class SegmentFile
{
    public const int HeaderBytes = 16;

    private static ReadOnlySpan<byte> Magic => "FLTLSEG1"u8;

    public static string Name(int number) => number.ToString("D6", CultureInfo.InvariantCulture) + ".seg";

    public static byte[] Header(long firstSequence)
    {
        var header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(8), firstSequence);
        return header;
    }

    /// <summary>Numbers of the segment files in a directory, rising.</summary>
    public static IReadOnlyList<int> Numbers(string directory)
    {
        if (!Directory.Exists(directory))
        {
            return [];
        }

        var numbers = new List<int>();
        foreach (var path in Directory.EnumerateFiles(directory, "*.seg"))
        {
            if (int.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                numbers.Add(number);
            }
        }

        numbers.Sort();
        return numbers;
    }

    /// <summary>Reads a file that another process may be writing.</summary>
    public static byte[] ReadShared(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        var bytes = new byte[file.Length];
        return bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
    }
}

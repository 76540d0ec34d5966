namespace Faultline.Ledger.Segments;

/// <summary>How long each segment was at one moment.</summary>
internal sealed class SegmentLengths
{
    private readonly Dictionary<int, long> _bytes;

    private SegmentLengths(Dictionary<int, long> bytes) => _bytes = bytes;

    public static SegmentLengths Now(string directory) =>
        new(SegmentFile.Numbers(directory).ToDictionary(static number => number, number => new FileInfo(Path.Combine(directory, SegmentFile.Name(number))).Length));

    /// <summary>Whether what lies at an offset has come later. A file's beginning came with the file, empty as it may have been.</summary>
    public bool IsSince(int segment, long offset) => !_bytes.TryGetValue(segment, out var bytes) || (offset > 0 && offset >= bytes);
}

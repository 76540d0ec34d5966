namespace Faultline.Ledger.Segments;

/// <summary>How long each segment was at one moment.</summary>
internal sealed class SegmentLengths
{
    private readonly Dictionary<int, long> _bytes = [];

    private SegmentLengths()
    {
    }

    public static SegmentLengths Now(string directory)
    {
        var lengths = new SegmentLengths();
        foreach (var number in SegmentFile.Numbers(directory))
        {
            lengths._bytes[number] = new FileInfo(Path.Combine(directory, SegmentFile.Name(number))).Length;
        }

        return lengths;
    }

    /// <summary>Null for a segment that was not there, whose header too is to come yet.</summary>
    public long? Of(int number) => _bytes.TryGetValue(number, out var bytes) ? bytes : null;
}

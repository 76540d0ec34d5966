using System.Numerics;
using System.Runtime.InteropServices;

namespace Faultline.Store;

/// <summary>The checksum of what we keep in files of our own: CRC-32C, for which processors have an instruction.</summary>
/// <remarks>Source: RFC 3720, appendix B.4.</remarks>
public static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var left in bytes[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, left);
        }

        return ~crc;
    }
}

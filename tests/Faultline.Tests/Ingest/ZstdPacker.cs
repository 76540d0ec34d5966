using System.Runtime.InteropServices;

namespace Faultline.Tests.Ingest;

/// <summary>Packs with the system's libzstd: a real sender's bytes.</summary>
internal static unsafe class ZstdPacker
{
    public static byte[] Pack(ReadOnlySpan<byte> bytes, int level = 3)
    {
        var library = NativeLibrary.Load("libzstd.so.1");
        var bound = (delegate* unmanaged<nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_compressBound");
        var compress = (delegate* unmanaged<byte*, nuint, byte*, nuint, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_compress");
        var packed = new byte[bound((nuint)bytes.Length)];
        fixed (byte* to = packed)
        fixed (byte* from = bytes)
        {
            return packed[..(int)compress(to, (nuint)packed.Length, from, (nuint)bytes.Length, level)];
        }
    }
}

using System.Runtime.InteropServices;

namespace Faultline.Ingest.Receivers;

/// <summary>Zstandard by the system's library. Where there is none, <see cref="IsPresent"/> is false and senders are told to use gzip.</summary>
/// <remarks>Source: RFC 8878; zstd.h, "Simple API" and "Streaming decompression", stable since 1.4.0. Every native handle is in this file.</remarks>
internal sealed unsafe class Zstd : IDisposable
{
    /// <summary>Log2 of the largest window that is taken: 8 MiB, which RFC 8878 asks every decoder for and every level up to 19 keeps to.</summary>
    public const int WindowLogMax = 23;

    private const int WindowLogMaxParameter = 100;
    private const int PackLevel = 1;

    private static readonly Functions? s_functions = Functions.Load();

    private readonly Functions _functions = s_functions ?? throw new InvalidOperationException("libzstd is not installed.");
    private nint _stream;

    public Zstd()
    {
        _stream = _functions.Create();
        if (_stream == 0 || _functions.IsError(_functions.SetParameter(_stream, WindowLogMaxParameter, WindowLogMax)) != 0)
        {
            throw new InvalidOperationException("libzstd gave no decoder.");
        }
    }

    public static bool IsPresent => s_functions is not null;

    /// <summary>Packs as one frame; quick rather than small.</summary>
    public static byte[] Pack(ReadOnlySpan<byte> source)
    {
        var functions = s_functions ?? throw new InvalidOperationException("libzstd is not installed.");
        var packed = new byte[functions.CompressBound((nuint)source.Length)];
        fixed (byte* from = source)
        fixed (byte* to = packed)
        {
            var length = functions.Compress(to, (nuint)packed.Length, from, (nuint)source.Length, PackLevel);
            return functions.IsError(length) == 0 ? packed[..(int)length] : throw new InvalidOperationException("libzstd did not pack.");
        }
    }

    /// <summary>Unpacks what fits.</summary>
    /// <param name="consumed">Bytes of <paramref name="source"/> that were read.</param>
    /// <param name="written">Bytes of <paramref name="destination"/> that were filled.</param>
    /// <param name="isFrameEnd">Whether a frame ended exactly there and everything of it was written.</param>
    /// <returns>False when it is no zstd, is damaged, or wants a larger window.</returns>
    public bool TryUnpack(ReadOnlySpan<byte> source, Span<byte> destination, out int consumed, out int written, out bool isFrameEnd)
    {
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            var input = new Buffer { Bytes = from, Size = (nuint)source.Length };
            var output = new Buffer { Bytes = to, Size = (nuint)destination.Length };
            var left = _functions.Decompress(_stream, &output, &input);
            (consumed, written, isFrameEnd) = ((int)input.Position, (int)output.Position, left == 0);
            return _functions.IsError(left) == 0;
        }
    }

    public void Dispose()
    {
        _ = _functions.Free(Interlocked.Exchange(ref _stream, 0));
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Buffer
    {
        public byte* Bytes;
        public nuint Size;
        public nuint Position;
    }

    private sealed class Functions(nint library)
    {
        public readonly delegate* unmanaged<nint> Create = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
        public readonly delegate* unmanaged<nint, nuint> Free = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");
        public readonly delegate* unmanaged<nint, int, int, nuint> SetParameter = (delegate* unmanaged<nint, int, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_DCtx_setParameter");
        public readonly delegate* unmanaged<nint, Buffer*, Buffer*, nuint> Decompress = (delegate* unmanaged<nint, Buffer*, Buffer*, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressStream");
        public readonly delegate* unmanaged<nuint, nuint> CompressBound = (delegate* unmanaged<nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_compressBound");
        public readonly delegate* unmanaged<byte*, nuint, byte*, nuint, int, nuint> Compress = (delegate* unmanaged<byte*, nuint, byte*, nuint, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_compress");
        public readonly delegate* unmanaged<nuint, uint> IsError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");

        public static Functions? Load()
        {
            foreach (var name in (ReadOnlySpan<string>)["libzstd.so.1", "libzstd.1.dylib", "libzstd"])
            {
                if (NativeLibrary.TryLoad(name, out var library) && NativeLibrary.TryGetExport(library, "ZSTD_DCtx_setParameter", out _))
                {
                    return new Functions(library);
                }
            }

            return null;
        }
    }
}

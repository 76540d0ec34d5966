using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Runtime.InteropServices;

namespace Faultline.Ingest.Receivers;

/// <summary>A request's bytes in a pooled buffer. Whoever made it returns the buffer by <see cref="Dispose"/>.</summary>
internal sealed class RequestBody(BytesBudget budget) : IDisposable
{
    /// <summary>A compressed body may not grow by more than this: text compresses by 10 to 30, bombs by 1,000.</summary>
    public const int RatioMax = 200;

    /// <summary>Below this size a body may grow by any ratio: a small repetitive request is no bomb.</summary>
    public const int RatioFreeBytes = 64 * 1024;

    private const int BufferBytesMin = 4096;
    private const int BelievedPart = 64;
    private const int ZstdWindowBytesMax = 1 << Zstd.WindowLogMax;

    private byte[] _buffer = [];
    private int _length;
    private int _declared;

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    public void Dispose()
    {
        var buffer = Interlocked.Exchange(ref _buffer, []);
        if (buffer.Length > 0)
        {
            budget.Release(buffer.Length);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads the whole body.</summary>
    /// <param name="declared">How long the body that begins so is said to be; null where that is not said.</param>
    /// <param name="readMax">How long it may take.</param>
    /// <returns>Why it cannot be taken, or <see cref="BodyFault.None"/>.</returns>
    public async Task<BodyFault> ReadAsync(PipeReader reader, DeclaredLength declared, int bytesMax, TimeSpan readMax, CancellationToken cancel)
    {
        if (!budget.MayBegin())
        {
            return BodyFault.NoMemory;
        }

        // Not by a token given to the read: Kestrel holds a read that ended so for one under way, and logs each as an error.
        using var deadline = new CancellationTokenSource(readMax);
        await using var late = deadline.Token.UnsafeRegister(static pending => ((PipeReader)pending!).CancelPendingRead(), reader);
        while (true)
        {
            var read = await reader.ReadAsync(cancel);
            if (read.IsCanceled)
            {
                reader.AdvanceTo(read.Buffer.Start);
                return BodyFault.TooSlow;
            }

            var fault = BodyFault.None;
            foreach (var segment in read.Buffer)
            {
                fault = _length + (long)segment.Length > bytesMax ? BodyFault.TooLarge : Append(segment.Span);
                if (fault != BodyFault.None)
                {
                    break;
                }
            }

            reader.AdvanceTo(read.Buffer.End);
            _declared = (int)Math.Min(declared(Bytes.Span) ?? 0, bytesMax);
            if (fault != BodyFault.None || read.IsCompleted)
            {
                return fault;
            }
        }
    }

    /// <summary>Fills this with what <paramref name="compressed"/> stands for.</summary>
    public BodyFault Unpack(Packing packing, ReadOnlyMemory<byte> compressed, int bytesMax) => packing switch
    {
        Packing.Gzip => Gunzip(compressed, bytesMax),
        Packing.Zstd => UnpackZstd(compressed.Span, bytesMax),
        _ => throw new System.Diagnostics.UnreachableException(packing.ToString()),
    };

    internal BodyFault Gunzip(ReadOnlyMemory<byte> compressed, int bytesMax)
    {
        if (!MemoryMarshal.TryGetArray(compressed, out var bytes) || !LooksLikeGzip(compressed.Span))
        {
            return BodyFault.NotPacked;
        }

        var limit = UnpackedMax(compressed.Length, bytesMax);
        using var source = new MemoryStream(bytes.Array!, bytes.Offset, bytes.Count, writable: false);
        using var gzip = new GZipStream(source, CompressionMode.Decompress);
        try
        {
            while (true)
            {
                if (_length == _buffer.Length && Grow(_length + 1) is var full and not BodyFault.None)
                {
                    return full;
                }

                // One byte more than may come is asked for, so that exactly the limit is no fault.
                var read = gzip.Read(_buffer, _length, (int)Math.Min(_buffer.Length - _length, limit - _length + 1));
                if (read == 0)
                {
                    return GzipTrailer.Fits(compressed.Span, Bytes.Span) ? BodyFault.None : BodyFault.NotPacked;
                }

                _length += read;
                if (_length > limit)
                {
                    return BodyFault.TooLarge;
                }
            }
        }
        catch (InvalidDataException)
        {
            return BodyFault.NotPacked;
        }
    }

    private BodyFault UnpackZstd(ReadOnlySpan<byte> compressed, int bytesMax)
    {
        // The decoder's own memory, known only once it has seen the header, counts like the buffers.
        if (!budget.TryTake(ZstdWindowBytesMax))
        {
            return BodyFault.NoMemory;
        }

        try
        {
            using var zstd = new Zstd();
            return UnpackZstd(zstd, compressed, UnpackedMax(compressed.Length, bytesMax));
        }
        finally
        {
            budget.Release(ZstdWindowBytesMax);
        }
    }

    private BodyFault UnpackZstd(Zstd zstd, ReadOnlySpan<byte> compressed, long limit)
    {
        while (true)
        {
            if (_length == _buffer.Length && Grow(_length + 1) is var full and not BodyFault.None)
            {
                return full;
            }

            // One byte more than may come is asked for, as above.
            var room = _buffer.AsSpan(_length, (int)Math.Min(_buffer.Length - _length, limit - _length + 1));
            if (!zstd.TryUnpack(compressed, room, out var consumed, out var written, out var isFrameEnd))
            {
                return BodyFault.NotPacked;
            }

            compressed = compressed[consumed..];
            _length += written;
            if (_length > limit)
            {
                return BodyFault.TooLarge;
            }

            if (compressed.IsEmpty && isFrameEnd)
            {
                return BodyFault.None;
            }

            // With room left and nothing more to read or write, the rest of a frame is missing.
            if (written < room.Length && (compressed.IsEmpty || consumed + written == 0))
            {
                return BodyFault.NotPacked;
            }
        }
    }

    private static long UnpackedMax(int compressedBytes, int bytesMax) => Math.Min(bytesMax, Math.Max(RatioFreeBytes, (long)compressedBytes * RatioMax));

    // Ten bytes of header and eight of trailer at least.
    private static bool LooksLikeGzip(ReadOnlySpan<byte> bytes) => bytes is [0x1f, 0x8b, 8, ..] && bytes.Length >= 18;

    private BodyFault Append(ReadOnlySpan<byte> bytes)
    {
        if (_length + bytes.Length > _buffer.Length && Grow(_length + bytes.Length) is var full and not BodyFault.None)
        {
            return full;
        }

        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
        return BodyFault.None;
    }

    private BodyFault Grow(int bytesMin)
    {
        // What a client says that it will send is believed when a part of it is there: doubling copies a large body twice.
        var believed = bytesMin >= _declared / BelievedPart ? _declared : 0;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(bytesMin, believed), Math.Max(BufferBytesMin, _buffer.Length * 2)));
        if (!budget.TryTake(larger.Length))
        {
            ArrayPool<byte>.Shared.Return(larger);
            return BodyFault.NoMemory;
        }

        Bytes.Span.CopyTo(larger);
        var old = _buffer;
        _buffer = larger;
        if (old.Length > 0)
        {
            budget.Release(old.Length);
            ArrayPool<byte>.Shared.Return(old);
        }

        return BodyFault.None;
    }
}

/// <summary>How many bytes a body is said to have that begins so.</summary>
internal delegate long? DeclaredLength(ReadOnlySpan<byte> begun);

/// <summary>Why a body cannot be taken.</summary>
internal enum BodyFault
{
    None,
    TooLarge,

    /// <summary>Not what its encoding says, or not all of it.</summary>
    NotPacked,

    /// <summary>Too much is being read already; the same may be sent again.</summary>
    NoMemory,

    /// <summary>It took too long to arrive.</summary>
    TooSlow,
}

using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;

namespace Faultline.Ingest.Receivers;

/// <summary>A request's bytes in a pooled buffer. Whoever got it returns it by <see cref="Dispose"/>.</summary>
internal sealed class RequestBody : IDisposable
{
    /// <summary>A compressed body may not grow by more than this: text compresses by 10 to 30, bombs by 1,000.</summary>
    public const int RatioMax = 200;

    private byte[] _buffer = [];
    private int _length;

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    public void Dispose()
    {
        var buffer = Interlocked.Exchange(ref _buffer, []);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads the whole body.</summary>
    /// <returns>Why it cannot be taken, or <see cref="BodyFault.None"/>.</returns>
    public async Task<BodyFault> ReadAsync(PipeReader reader, int bytesMax, CancellationToken cancel)
    {
        while (true)
        {
            var read = await reader.ReadAsync(cancel);
            foreach (var segment in read.Buffer)
            {
                if (_length + (long)segment.Length > bytesMax)
                {
                    reader.AdvanceTo(read.Buffer.End);
                    return BodyFault.TooLarge;
                }

                Append(segment.Span);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return BodyFault.None;
            }
        }
    }

    /// <summary>Replaces <paramref name="compressed"/> by what it stands for.</summary>
    public BodyFault Gunzip(ReadOnlyMemory<byte> compressed, int bytesMax)
    {
        var limit = Math.Min(bytesMax, Math.Max(64 * 1024, (long)compressed.Length * RatioMax));
        try
        {
            using var source = new MemoryStream(compressed.ToArray(), writable: false);
            using var gzip = new GZipStream(source, CompressionMode.Decompress);
            var chunk = ArrayPool<byte>.Shared.Rent(64 * 1024);
            try
            {
                int read;
                while ((read = gzip.Read(chunk)) > 0)
                {
                    if (_length + (long)read > limit)
                    {
                        return BodyFault.TooLarge;
                    }

                    Append(chunk.AsSpan(0, read));
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(chunk);
            }

            return _length == 0 && compressed.Length > 0 && !IsEmptyGzip(compressed.Span) ? BodyFault.NotGzip : BodyFault.None;
        }
        catch (InvalidDataException)
        {
            return BodyFault.NotGzip;
        }
    }

    // .NET reads nothing, and says nothing, where a stream ends before its header does.
    private static bool IsEmptyGzip(ReadOnlySpan<byte> bytes) => bytes.Length >= 18 && bytes[0] == 0x1f && bytes[1] == 0x8b;

    private void Append(ReadOnlySpan<byte> bytes)
    {
        if (_length + bytes.Length > _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_length + bytes.Length, Math.Max(4096, _buffer.Length * 2)));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            if (_buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
            }

            _buffer = larger;
        }

        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
    }
}

/// <summary>Why a body cannot be taken.</summary>
internal enum BodyFault
{
    None,
    TooLarge,
    NotGzip,
}

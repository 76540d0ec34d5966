using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Faultline.Load;

/// <summary>OTLP/gRPC: unary calls on one HTTP/2 connection, one at a time.</summary>
/// <remarks>
/// As much of HTTP/2 as that takes (RFC 9113; headers as in RFC 7541 without the dynamic table, which it tells the server not to use; PROTOCOL-HTTP2.md of gRPC). The
/// usual client costs several times as much as the same over HTTP/1.1, and would be what is measured: here a message goes out in a few gathered writes, with no copy.
/// </remarks>
internal sealed class OtlpGrpcClient : IClient
{
    private const int FrameHeaderBytes = 9;
    private const int PrefixBytes = 5;
    private const int FrameBytesMax = 16_384;
    private const int FramesAtOnce = 256;

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly Uri _endpoint;
    private readonly byte[] _headers;
    private readonly byte[] _buffer;
    private readonly byte[] _frameHeaders;
    private readonly List<ArraySegment<byte>> _gathered = new(2 * FramesAtOnce);
    private readonly byte[] _received = new byte[64 * 1024];
    private int _receivedFrom;
    private int _receivedTo;
    private int _stream = -1;
    private long _connectionWindow = 65_535;
    private long _streamWindow;
    private long _initialStreamWindow = 65_535;
    private bool? _taken;

    public OtlpGrpcClient(Uri endpoint, string apiKey, int length)
    {
        _endpoint = endpoint;
        _headers = Headers(endpoint.Authority, apiKey);
        _buffer = new byte[PrefixBytes + length];
        _frameHeaders = new byte[FrameHeaderBytes * (1 + (_buffer.Length / FrameBytesMax))];
        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(1), length);
    }

    private enum Frame : byte
    {
        Data = 0,
        Headers = 1,
        Reset = 3,
        Settings = 4,
        Ping = 6,
        GoAway = 7,
        WindowUpdate = 8,
    }

    public Span<byte> Message => _buffer.AsSpan(PrefixBytes);

    public async Task<TimeSpan?> SendAsync()
    {
        if (_stream < 0)
        {
            await ConnectAsync();
        }

        _stream += 2;
        _streamWindow = _initialStreamWindow;
        _taken = null;
        await WriteAsync(FrameOf(Frame.Headers, flags: 4, _stream, _headers));
        for (var sent = 0; sent < _buffer.Length;)
        {
            while (Math.Min(_connectionWindow, _streamWindow) <= 0 && _taken is null)
            {
                await ReadFrameAsync();
            }

            if (_taken is not null)
            {
                // Refused before it was read to its end: the rest need not be sent.
                await WriteAsync(FrameOf(Frame.Reset, 0, _stream, [0, 0, 0, 8]));
                break;
            }

            sent += await SendSomeAsync(sent);
        }

        while (_taken is null)
        {
            await ReadFrameAsync();
        }

        return _taken == true ? null : IClient.RetryDelay;
    }

    public void Dispose() => _socket.Dispose();

    private async Task ConnectAsync()
    {
        await _socket.ConnectAsync(_endpoint.Host, _endpoint.Port);

        // SETTINGS_HEADER_TABLE_SIZE (1) is 0.
        await WriteAsync([.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. FrameOf(Frame.Settings, 0, 0, [0, 1, 0, 0, 0, 0])]);
        while (await ReadFrameAsync() != Frame.Settings)
        {
        }
    }

    /// <summary>Sends as many frames as the windows allow, at once.</summary>
    /// <returns>Bytes of the message.</returns>
    private async Task<int> SendSomeAsync(int from)
    {
        var bytes = 0;
        _gathered.Clear();
        for (var i = 0; i < FramesAtOnce && from + bytes < _buffer.Length; i++)
        {
            var length = (int)Math.Min(Math.Min(FrameBytesMax, _buffer.Length - from - bytes), Math.Min(_connectionWindow, _streamWindow));
            if (length <= 0 || (i + 1) * FrameHeaderBytes > _frameHeaders.Length)
            {
                break;
            }

            var header = new ArraySegment<byte>(_frameHeaders, i * FrameHeaderBytes, FrameHeaderBytes);
            WriteFrameHeader(header, Frame.Data, (byte)(from + bytes + length == _buffer.Length ? 1 : 0), _stream, length);
            _gathered.Add(header);
            _gathered.Add(new ArraySegment<byte>(_buffer, from + bytes, length));
            bytes += length;
            _connectionWindow -= length;
            _streamWindow -= length;
        }

        var left = _gathered.Sum(segment => segment.Count);
        while (true)
        {
            left -= await _socket.SendAsync(_gathered);
            if (left == 0)
            {
                return bytes;
            }

            DropSent(left);
        }
    }

    /// <summary>Leaves what was not sent yet.</summary>
    private void DropSent(int left)
    {
        var at = _gathered.Count;
        while (left > 0)
        {
            at--;
            left -= _gathered[at].Count;
        }

        _gathered.RemoveRange(0, at);
        if (left < 0)
        {
            _gathered[0] = _gathered[0][^(_gathered[0].Count + left)..];
        }
    }

    private async Task WriteAsync(byte[] bytes)
    {
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += await _socket.SendAsync(bytes.AsMemory(sent));
        }
    }

    /// <returns>What it was.</returns>
    private async Task<Frame> ReadFrameAsync()
    {
        await ReceiveAsync(FrameHeaderBytes);
        var header = _received.AsMemory(_receivedFrom, FrameHeaderBytes);
        var length = (header.Span[0] << 16) | (header.Span[1] << 8) | header.Span[2];
        await ReceiveAsync(FrameHeaderBytes + length);
        var (type, flags) = ((Frame)_received[_receivedFrom + 3], _received[_receivedFrom + 4]);
        var stream = BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(_receivedFrom + 5)) & int.MaxValue;
        var payload = _received.AsMemory(_receivedFrom + FrameHeaderBytes, length);
        _receivedFrom += FrameHeaderBytes + length;
        switch (type)
        {
            case Frame.Settings when (flags & 1) == 0:
                for (var at = 0; at < length; at += 6)
                {
                    if (BinaryPrimitives.ReadUInt16BigEndian(payload.Span[at..]) == 4)
                    {
                        _initialStreamWindow = BinaryPrimitives.ReadUInt32BigEndian(payload.Span[(at + 2)..]);
                    }
                }

                await WriteAsync(FrameOf(Frame.Settings, flags: 1, 0, []));
                break;
            case Frame.WindowUpdate when stream == 0:
                _connectionWindow += BinaryPrimitives.ReadInt32BigEndian(payload.Span) & int.MaxValue;
                break;
            case Frame.WindowUpdate when stream == _stream:
                _streamWindow += BinaryPrimitives.ReadInt32BigEndian(payload.Span) & int.MaxValue;
                break;
            case Frame.Headers when stream == _stream && payload.Span.IndexOf("grpc-status"u8) is var at and >= 0:
                _taken = payload.Span[(at + "grpc-status".Length)..] is [1, (byte)'0', ..];
                break;
            case Frame.Reset when stream == _stream:
                _taken ??= false;
                break;
            case Frame.Ping when (flags & 1) == 0:
                await WriteAsync(FrameOf(Frame.Ping, flags: 1, 0, payload.ToArray()));
                break;
            case Frame.GoAway:
                throw new IOException("The server ended the connection.");
        }

        return type;
    }

    private async Task ReceiveAsync(int bytes)
    {
        if (_receivedFrom > 0 && _receivedTo - _receivedFrom < bytes)
        {
            _received.AsSpan(_receivedFrom, _receivedTo - _receivedFrom).CopyTo(_received);
            (_receivedFrom, _receivedTo) = (0, _receivedTo - _receivedFrom);
        }

        while (_receivedTo - _receivedFrom < bytes)
        {
            var read = await _socket.ReceiveAsync(_received.AsMemory(_receivedTo));
            _receivedTo += read > 0 ? read : throw new IOException("The server closed the connection.");
        }
    }

    private static byte[] FrameOf(Frame type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[FrameHeaderBytes + payload.Length];
        WriteFrameHeader(frame, type, flags, stream, payload.Length);
        payload.CopyTo(frame.AsSpan(FrameHeaderBytes));
        return frame;
    }

    private static void WriteFrameHeader(Span<byte> header, Frame type, byte flags, int stream, int length)
    {
        BinaryPrimitives.WriteInt32BigEndian(header, (length << 8) | (byte)type);
        header[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(header[5..], stream);
    }

    /// <summary>The same for every call: :method POST (3) and :scheme http (6) of the static table, the rest as literals.</summary>
    private static byte[] Headers(string authority, string apiKey)
    {
        List<byte> block = [0x83, 0x86];
        Named(0x04, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
        Named(0x01, authority);
        Literal("content-type", "application/grpc");
        Literal("te", "trailers");
        Literal("x-api-key", apiKey);
        return [.. block];

        void Named(byte index, string value)
        {
            block.Add(index);
            Text(value);
        }

        void Literal(string name, string value)
        {
            block.Add(0);
            Text(name);
            Text(value);
        }

        // Shorter than 127, as all of these are, a length is one byte.
        void Text(string text)
        {
            block.Add(checked((byte)(text.Length < 127 ? text.Length : throw new ArgumentException("a header that is longer than 126", nameof(text)))));
            block.AddRange(Encoding.ASCII.GetBytes(text));
        }
    }
}

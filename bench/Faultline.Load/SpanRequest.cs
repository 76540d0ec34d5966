using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Faultline.Load;

/// <summary>
/// One OTLP/protobuf trace request, made once; each send patches ids and times in place, so that making load costs a copy and
/// a few stores a span.
/// </summary>
/// <remarks>Source: opentelemetry/proto/trace/v1/trace.proto. Written by hand here so that the generator shares no code with what it measures.</remarks>
internal sealed class SpanRequest
{
    private readonly byte[] _template;
    private readonly List<int> _traceIds = [];
    private readonly List<int> _spanIds = [];
    private readonly List<int> _times = [];

    public SpanRequest(int spans, bool genAi, string service)
    {
        Spans = spans;
        var scopeSpans = new Writer();
        scopeSpans.Message(1, scope => scope.Text(1, "faultline.load"));
        for (var i = 0; i < spans; i++)
        {
            WriteSpan(scopeSpans, i, genAi);
        }

        // The nested lengths in front move what was noted, so the offsets are made absolute here.
        var resource = new Writer();
        resource.Message(1, message => message.Message(1, pair => Pair(pair, "service.name", service)));
        var scopeHeader = new Writer();
        scopeHeader.Tag(2, 2);
        scopeHeader.Varint((ulong)scopeSpans.Length);
        var inner = resource.Length + scopeHeader.Length + scopeSpans.Length;
        var outer = new Writer();
        outer.Tag(1, 2);
        outer.Varint((ulong)inner);
        var shift = outer.Length + resource.Length + scopeHeader.Length;
        _template = [.. outer.Bytes, .. resource.Bytes, .. scopeHeader.Bytes, .. scopeSpans.Bytes];
        for (var i = 0; i < spans; i++)
        {
            _traceIds[i] += shift;
            _spanIds[i] += shift;
            _times[i] += shift;
        }
    }

    public int Spans { get; }

    public int Length => _template.Length;

    /// <summary>Writes the request with ids that follow from <paramref name="sequence"/>; ten spans make a trace.</summary>
    public void Fill(Span<byte> destination, ulong run, ulong sequence, long nowUnixNanos)
    {
        _template.CopyTo(destination);
        for (var i = 0; i < Spans; i++)
        {
            var span = (sequence * (ulong)Spans) + (ulong)i + 1;
            BinaryPrimitives.WriteUInt64BigEndian(destination[_traceIds[i]..], run);
            BinaryPrimitives.WriteUInt64BigEndian(destination[(_traceIds[i] + 8)..], ((span - 1) / 10) + 1);
            BinaryPrimitives.WriteUInt64BigEndian(destination[_spanIds[i]..], span);
            BinaryPrimitives.WriteInt64LittleEndian(destination[_times[i]..], nowUnixNanos - 200_000_000 - (i * 1000));
            BinaryPrimitives.WriteInt64LittleEndian(destination[(_times[i] + 9)..], nowUnixNanos - (i * 977));
        }
    }

    private void WriteSpan(Writer scopeSpans, int index, bool genAi)
    {
        var span = new Writer();
        span.Tag(1, 2);
        span.Varint(16);
        var traceId = span.Length;
        span.Raw(new byte[16]);
        span.Tag(2, 2);
        span.Varint(8);
        var spanId = span.Length;
        span.Raw(new byte[8]);
        span.Text(5, genAi ? "chat gpt-4o-mini" : Operations[index % Operations.Length]);
        span.Tag(6, 0);
        span.Varint((ulong)(index % 10 == 0 ? 2 : 3));
        span.Tag(7, 1);
        var times = span.Length;
        span.Raw(new byte[8]);
        span.Tag(8, 1);
        span.Raw(new byte[8]);
        foreach (var (key, value) in genAi ? GenAiAttributes(index) : PlainAttributes(index))
        {
            span.Message(9, pair => Pair(pair, key, value));
        }

        scopeSpans.Tag(2, 2);
        scopeSpans.Varint((ulong)span.Length);
        _traceIds.Add(scopeSpans.Length + traceId);
        _spanIds.Add(scopeSpans.Length + spanId);
        _times.Add(scopeSpans.Length + times);
        scopeSpans.Raw(span.Bytes);
    }

    private static readonly string[] Operations = ["GET /api/orders", "SELECT orders", "publish order-events", "GET /api/customers", "cache get", "POST /api/payments"];

    private static IEnumerable<(string Key, string Value)> PlainAttributes(int index) =>
    [
        ("http.request.method", "GET"),
        ("http.route", "/api/orders/{id}"),
        ("url.full", $"https://shop.example.org/api/orders/{1_000_000 + index}?expand=lines,customer&page=2"),
        ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"),
        ("server.address", "shop.example.org"),
        ("network.peer.address", $"10.20.{index % 250}.{index / 250 % 250}"),
        ("db.statement", "SELECT id, total FROM orders WHERE id = $1"),
        ("thread.name", $"worker-{index % 16}"),
    ];

    private static IEnumerable<(string Key, string Value)> GenAiAttributes(int index)
    {
        var question = $"Question {index}: " + string.Concat(Enumerable.Repeat("How does the retention of hot and cold data interact with case-linked traces? ", 19));
        var answer = $"Answer {index}: " + string.Concat(Enumerable.Repeat("Every span stays for the hot window, and what matters outlives it. ", 14));
        return
        [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "gpt-4o-mini"),
            ("gen_ai.response.model", "gpt-4o-mini-2024-07-18"),
            ("gen_ai.response.id", $"chatcmpl-{index:D6}"),
            ("gen_ai.usage.input_tokens", "321"),
            ("gen_ai.usage.output_tokens", "187"),
            ("gen_ai.input.messages", "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"" + question + "\"}]}]"),
            ("gen_ai.output.messages", "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"" + answer + "\"}],\"finish_reason\":\"stop\"}]"),
        ];
    }

    private static void Pair(Writer pair, string key, string value)
    {
        pair.Text(1, key);
        pair.Message(2, any => any.Text(1, value));
    }

    private sealed class Writer
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();

        public int Length => _bytes.WrittenCount;

        public byte[] Bytes => _bytes.WrittenSpan.ToArray();

        public void Tag(int field, int wireType) => Varint((ulong)((field << 3) | wireType));

        public void Varint(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                _bytes.Write([(byte)(value | 0x80)]);
            }

            _bytes.Write([(byte)value]);
        }

        public void Raw(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);

        public void Text(int field, string value)
        {
            var bytes = Encoding.UTF8.GetBytes(value);
            Tag(field, 2);
            Varint((ulong)bytes.Length);
            Raw(bytes);
        }

        public void Message(int field, Action<Writer> write)
        {
            var message = new Writer();
            write(message);
            Tag(field, 2);
            Varint((ulong)message.Length);
            Raw(message.Bytes);
        }
    }
}

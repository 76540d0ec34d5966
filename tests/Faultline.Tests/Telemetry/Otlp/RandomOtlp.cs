using System.Text;

namespace Faultline.Tests.Otlp;

/// <summary>Random requests as a sender could write them, the same for the same seed.</summary>
internal sealed class RandomOtlp(int seed)
{
    public const long Now = 1_800_000_000_000_000_000;

    private readonly Random _random = new(seed);

    public byte[] Traces() => Request((span, _) =>
    {
        Id(span, 1, 16);
        Id(span, 2, 8);
        Maybe(() => Id(span, 4, 8));
        Maybe(() => span.Text(3, Text()));
        span.Text(5, Text()).Varint(6, (ulong)_random.Next(6)).Fixed64(7, (ulong)(Now - _random.Next(1_000_000))).Fixed64(8, (ulong)(Now + _random.Next(1_000_000)));
        Attributes(span, 9);
        Maybe(() => span.Varint(10, (ulong)_random.Next(9)).Varint(12, (ulong)_random.Next(9)).Varint(14, (ulong)_random.Next(9)).Fixed32(16, (uint)_random.Next()));
        Times(3, () => span.Message(11, happened =>
        {
            happened.Fixed64(1, (ulong)Now).Text(2, Text());
            Attributes(happened, 3);
            Maybe(() => happened.Varint(4, 7));
        }));
        Times(2, () => span.Message(13, link =>
        {
            Id(link, 1, 16);
            Id(link, 2, 8);
            Maybe(() => link.Text(3, Text()).Fixed32(6, 1).Varint(5, 3));
            Attributes(link, 4);
        }));
        Maybe(() => span.Message(15, status => status.Text(2, Text()).Varint(3, (ulong)_random.Next(3))));
    });

    public byte[] Logs() => Request((record, _) =>
    {
        record.Fixed64(1, (ulong)Now).Varint(2, (ulong)_random.Next(25)).Text(3, Text());
        Maybe(() => record.Message(5, any => Value(any, 3)));
        Attributes(record, 6);
        Maybe(() => Id(record, 9, 16));
        Maybe(() => Id(record, 10, 8));
        Maybe(() => record.Text(12, Text()).Fixed32(8, 1).Varint(7, 2).Fixed64(11, (ulong)Now));
    });

    public byte[] Metrics() => Request((metric, _) =>
    {
        metric.Text(1, Text()).Text(2, Text()).Text(3, _random.Next(2) == 0 ? "s" : "By");
        var kinds = (int[])[5, 7, 9, 10, 11];
        var kind = kinds[_random.Next(kinds.Length)];
        metric.Message(kind, data =>
        {
            data.Varint(2, (ulong)_random.Next(1, 3)).Varint(3, (ulong)_random.Next(2));
            Times(4, () => data.Message(1, point => Point(kind, point.Fixed64(2, (ulong)Now - 1_000_000_000).Fixed64(3, (ulong)Now))));
        });
    });

    private void Point(int kind, ProtoWriter point)
    {
        switch (kind)
        {
            case 9:
                Attributes(point, 9);
                point.Fixed64(4, 3).Double(5, 1.5).Fixed64(6, 1);
                Maybe(() => point.Fixed64(6, 2).Double(7, 0.5));
                break;
            case 10:
                Attributes(point, 1);
                point.Fixed64(4, 4).Double(5, 2.5).Varint(6, (ulong)_random.Next(40)).Fixed64(7, 1);
                Maybe(() => point.Message(8, buckets => buckets.Varint(1, (ulong)_random.Next(9)).Bytes(2, [1, 0, 0x80, 1])));
                Maybe(() => point.Message(9, buckets => buckets.Varint(1, 3).Varint(2, 7)));
                break;
            case 11:
                Attributes(point, 7);
                point.Fixed64(4, 4).Double(5, 2.5);
                Times(3, () => point.Message(6, quantile => quantile.Double(1, _random.NextDouble() * 1.1).Double(2, 3)));
                break;
            default:
                Attributes(point, 7);
                Maybe(() => point.Double(4, _random.NextDouble()));
                Maybe(() => point.Fixed64(6, (ulong)_random.Next(100)));
                break;
        }
    }

    private byte[] Request(Action<ProtoWriter, int> row)
    {
        var request = new ProtoWriter();
        Times(2, () => request.Message(1, resource =>
        {
            resource.Message(1, inner => Attributes(inner, 1));
            Times(2, () => resource.Message(2, scope =>
            {
                Maybe(() => scope.Message(1, inner =>
                {
                    inner.Text(1, Text()).Text(2, "1");
                    Attributes(inner, 3);
                }));
                Times(3, () => scope.Message(2, one => row(one, 0)));
                Maybe(() => scope.Text(3, Text()));
            }));
            Maybe(() => resource.Text(3, Text()));
        }));
        return request.ToArray();
    }

    private void Attributes(ProtoWriter into, int field) => Times(4, () =>
    {
        string[] keys = ["service.name", "gen_ai.input.messages", "gen_ai.usage.input_tokens", "gen_ai.operation.name", "llm.input_messages.0.message.content", "x"];
        into.Attribute(field, _random.Next(2) == 0 ? keys[_random.Next(keys.Length)] : Text(), any => Value(any, 4));
    });

    private void Value(ProtoWriter any, int depth)
    {
        switch (_random.Next(depth == 0 ? 6 : 8))
        {
            case 0:
                break;
            case 1:
                any.Text(1, Text());
                break;
            case 2:
                any.Varint(2, (ulong)_random.Next(2));
                break;
            case 3:
                any.Varint(3, (ulong)_random.NextInt64(long.MinValue, long.MaxValue));
                break;
            case 4:
                double[] numbers = [0.1, -0.0, double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.Epsilon, double.MaxValue, _random.NextDouble()];
                any.Double(4, numbers[_random.Next(numbers.Length)]);
                break;
            case 5:
                var bytes = new byte[_random.Next(20)];
                _random.NextBytes(bytes);
                any.Bytes(7, bytes);
                break;
            case 6:
                any.Message(5, list => Times(3, () => list.Message(1, item => Value(item, depth - 1))));
                break;
            default:
                any.Message(6, map => Times(3, () => map.Attribute(1, Text(), item => Value(item, depth - 1))));
                break;
        }
    }

    private string Text()
    {
        if (_random.Next(40) == 0)
        {
            return new string('x', 2_000);
        }

        var text = new StringBuilder();
        int[] runes = ['a', '"', '\\', '\n', '\0', '<', ' ', 0x7f, 0xe9, 0x2028, 0x1f600, 0x10ffff, '{', '['];
        Times(8, () => text.Append(char.ConvertFromUtf32(runes[_random.Next(runes.Length)])));
        return text.ToString();
    }

    private void Id(ProtoWriter into, int field, int length)
    {
        var id = new byte[length];
        _random.NextBytes(id);
        id[0] |= 1;
        into.Bytes(field, id);
    }

    private void Maybe(Action write) => Times(1, write);

    private void Times(int max, Action write)
    {
        for (var times = _random.Next(max + 1); times > 0; times--)
        {
            write();
        }
    }
}

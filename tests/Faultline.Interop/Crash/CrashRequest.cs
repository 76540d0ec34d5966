using System.Globalization;
using Faultline.Load;
using Faultline.Tests.Otlp;

namespace Faultline.Interop.Crash;

/// <summary>One export request of the crash runs. All of its rows carry one trace id of its own, by which they are counted afterwards.</summary>
/// <param name="Spans">Rows that it must have in each table once it is acknowledged.</param>
public sealed record CrashRequest(string TraceId, bool IsLogs, byte[] Bytes, int Spans, int Logs, int Scores)
{
    private const int ItemsPerRequest = 30;
    private const int ScoreEvery = 5;

    /// <summary>The load of the benchmarks, ten spans, which are one trace.</summary>
    private static readonly SpanRequest s_load = new(spans: 10, genAi: true, "crash");

    /// <summary>In turn: spans alone, spans with scores, log records with scores. The last two are rows of two tables.</summary>
    public static CrashRequest Make(ulong run, ulong sequence)
    {
        var now = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;
        var traceId = string.Create(CultureInfo.InvariantCulture, $"{run:x16}{sequence + 1:x16}");
        switch (sequence % 3)
        {
            case 0:
                var bytes = new byte[s_load.Length];
                s_load.Fill(bytes, run, sequence, now);
                return new CrashRequest(traceId, IsLogs: false, bytes, s_load.Spans, 0, 0);
            case 1:
                return new CrashRequest(traceId, IsLogs: false, Items((item, i) => Span(item, i, traceId, now)), ItemsPerRequest, 0, ItemsPerRequest / ScoreEvery);
            default:
                return new CrashRequest(traceId, IsLogs: true, Items((item, i) => Record(item, i, traceId, now)), 0, ItemsPerRequest, ItemsPerRequest / ScoreEvery);
        }
    }

    private static byte[] Items(Action<ProtoWriter, int> write) => new ProtoWriter().Message(1, resource => resource
        .Message(1, inner => inner.Attribute(1, "service.name", "crash"))
        .Message(2, scope =>
        {
            for (var i = 0; i < ItemsPerRequest; i++)
            {
                scope.Message(2, item => write(item, i));
            }
        })).ToArray();

    private static void Span(ProtoWriter span, int i, string traceId, long now)
    {
        span.Bytes(1, Convert.FromHexString(traceId)).Bytes(2, SpanId(i)).Text(5, "step").Fixed64(7, (ulong)now).Fixed64(8, (ulong)now + 1_000_000);
        if (i % ScoreEvery == 0)
        {
            span.Message(11, happened => Evaluation(happened.Fixed64(1, (ulong)now).Text(2, "gen_ai.evaluation.result"), 3));
        }
    }

    private static void Record(ProtoWriter record, int i, string traceId, long now)
    {
        record.Fixed64(1, (ulong)now).Bytes(9, Convert.FromHexString(traceId)).Bytes(10, SpanId(i)).Message(5, body => body.Text(1, "something happened"));
        if (i % ScoreEvery == 0)
        {
            Evaluation(record.Text(12, "gen_ai.evaluation.result"), 6);
        }
    }

    private static void Evaluation(ProtoWriter item, int attributesField) =>
        item.Attribute(attributesField, "gen_ai.evaluation.name", "relevance").Attribute(attributesField, "gen_ai.evaluation.score.value", any => any.Double(4, 0.5));

    private static byte[] SpanId(int i) => BitConverter.GetBytes((ulong)i + 1);
}

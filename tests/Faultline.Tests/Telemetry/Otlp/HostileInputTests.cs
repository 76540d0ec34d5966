using System.Buffers;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Otlp;

/// <summary>Requests with bytes flipped, cut, doubled and moved: an answer always comes, an exception or an endless loop never.</summary>
public class HostileInputTests(ITestOutputHelper output)
{
    private const int Rounds = 20_000;

    [Fact]
    public void Damaged_protobuf_is_answered() => Run(random =>
    {
        var seed = random.Next();
        Decode(Damage(new RandomOtlp(seed).Traces(), random), Damage(new RandomOtlp(seed).Logs(), random), Damage(new RandomOtlp(seed).Metrics(), random), isJson: false);
    });

    [Fact]
    public void Damaged_json_is_answered()
    {
        var spans = new SpanBatch();
        for (var seed = 0; spans.Count < 5; seed++)
        {
            OtlpDecoder.DecodeTraces(new RandomOtlp(seed).Traces(), spans, TraceDecoderTests.Limits);
        }

        var json = new ArrayBufferWriter<byte>();
        OtlpJson.WriteTraces(Enumerable.Range(0, 5).Select(row => OtlpSpan.Of(spans, row)), json);
        var valid = json.WrittenSpan.ToArray();
        Run(random =>
        {
            var damaged = Damage(valid, random);
            Decode(damaged, damaged, damaged, isJson: true);
        });
    }

    [Fact]
    public void Damaged_content_is_read_as_far_as_it_goes() => Run(random =>
    {
        var messages = Damage("""[{"role":"user","parts":[{"type":"text","content":"Where is \u00e9 my order?"},{"type":"tool_call","id":"1","name":"f","arguments":{"a":[1,2,{"b":null}]}}]},{"role":"x","content":[{"type":"image_url","image_url":{"url":"u"}}],"tool_calls":[{"function":{"name":"n","arguments":"{}"}}]}]"""u8.ToArray(), random);
        var text = System.Text.Encoding.UTF8.GetString(messages);
        OtlpAttribute[] attributes =
        [
            new("gen_ai.input.messages", text, Faultline.Telemetry.Columns.AttributeType.String),
            new("gen_ai.output.messages", text, Faultline.Telemetry.Columns.AttributeType.KeyValues),
            new("gen_ai.retrieval.documents", text, Faultline.Telemetry.Columns.AttributeType.Array),
            new("gen_ai.tool.definitions", text, Faultline.Telemetry.Columns.AttributeType.String),
        ];
        var content = GenAiContent.Read(attributes, [], "retrieval");
        Assert.True(content.InputPreview("chat").Length <= GenAiContent.PreviewCharactersMax);
        Assert.True(content.OutputPreview("chat").Length <= GenAiContent.PreviewCharactersMax);
    });

    private static void Decode(byte[] traces, byte[] logs, byte[] metrics, bool isJson)
    {
        var limits = TraceDecoderTests.Limits;
        var spanBatch = new SpanBatch();
        var logBatch = new LogBatch();
        var sampleBatch = new SampleBatch();
        var scores = new ScoreBatch();
        var decoding = isJson ? OtlpDecoder.DecodeTracesJson(traces, spanBatch, limits) : OtlpDecoder.DecodeTraces(traces, spanBatch, limits);
        Assert.Equal(decoding.Malformed, decoding.Reason is not null);
        if (!decoding.Malformed)
        {
            Assert.Equal(decoding.Accepted, spanBatch.Count);
            Assert.Equal(spanBatch.Count, spanBatch.Attributes.Count);
            Assert.Equal(spanBatch.Count, spanBatch.Events.Ends.Count);
            GenAiNormaliser.Fill(spanBatch, new CountedSpans());
            Assert.Equal(spanBatch.Count, spanBatch.GenAi.Count);
            ScoreExtractor.Extract(spanBatch, scores);
        }

        decoding = isJson ? OtlpDecoder.DecodeLogsJson(logs, logBatch, limits) : OtlpDecoder.DecodeLogs(logs, logBatch, limits);
        if (!decoding.Malformed)
        {
            Assert.Equal(decoding.Accepted, logBatch.Count);
            ScoreExtractor.Extract(logBatch, scores);
        }

        decoding = isJson ? OtlpDecoder.DecodeMetricsJson(metrics, sampleBatch, limits) : OtlpDecoder.DecodeMetrics(metrics, sampleBatch, limits);
        if (!decoding.Malformed)
        {
            Assert.True(sampleBatch.Count >= decoding.Accepted);
        }
    }

    private static byte[] Damage(byte[] valid, Random random)
    {
        List<byte> bytes = [.. valid];
        for (var times = random.Next(1, 5); times > 0 && bytes.Count > 0; times--)
        {
            var at = random.Next(bytes.Count);
            var length = Math.Min(random.Next(1, 12), bytes.Count - at);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }

    private void Run(Action<Random> round)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        for (var i = 0; i < Rounds; i++)
        {
            try
            {
                round(new Random(seed + i));
            }
            catch (Exception problem)
            {
                throw new InvalidOperationException($"seed {seed}, round {i}: {problem.Message}", problem);
            }
        }
    }
}

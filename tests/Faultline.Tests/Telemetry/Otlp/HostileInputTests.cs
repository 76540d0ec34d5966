using Faultline.Ingest.Receivers;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Ingest;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Otlp;

/// <summary>Requests with bytes flipped, cut, doubled and moved: an answer always comes, an exception or an endless loop never.</summary>
public class HostileInputTests(ITestOutputHelper output)
{
    private const int Rounds = 20_000;
    private const int FirstSeed = 20_261_121;
    private const int Inputs = 40_000;

    /// <summary>The same inputs in every run; <c>bench/run fuzz --inputs N --seed S</c> sends others.</summary>
    [Fact]
    public void Every_damaged_request_is_answered()
    {
        output.WriteLine($"seeds {FirstSeed} to {FirstSeed + Inputs - 1}{(Zstd.IsPresent ? "" : "; libzstd is not installed, so zstd is left out")}");
        var fuzzer = new OtlpFuzzer(Zstd.IsPresent ? bytes => ZstdPacker.Pack(bytes) : null);
        for (var seed = FirstSeed; seed < FirstSeed + Inputs; seed++)
        {
            fuzzer.Send(seed);
        }

        Assert.All(Enum.GetValues<OtlpFuzzer.Answer>(), answer => Assert.True(fuzzer.Answers[(int)answer] > 100, $"{answer}: {fuzzer.Answers[(int)answer]}"));
    }

    [Fact]
    public void Odd_but_valid_spans_are_kept_as_docs_otlp_says()
    {
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(
            new ProtoWriter().Varint(90, 1).Message(1, resource => resource.Message(2, scope => scope.Text(77, "of a newer sender").Message(2, span => span
                .Bytes(1, Convert.FromHexString("000102030405060708090a0b0c0d0e0f")).Bytes(2, Convert.FromHexString("0001020304050607"))
                .Fixed64(7, (ulong)RandomOtlp.Now).Fixed64(8, (ulong)RandomOtlp.Now - 5).Varint(6, 99).Message(99, unknown => unknown.Varint(1, 1))
                .Attribute(9, "k", any => any.Text(1, "first")).Attribute(9, "k", any => any.Varint(3, 2)).Attribute(9, "empty", _ => { })))).ToArray(),
            batch,
            TraceDecoderTests.Limits);

        Assert.Equal(new OtlpDecoding(false, null, 1, 0, null, 0), decoding);
        Assert.Equal("unknown_service", batch.ServiceName(0));
        Assert.Equal(-5, batch.EndUnixNanos[0] - batch.StartUnixNanos[0]);
        Assert.Equal(SpanKind.Unspecified, batch.Kind[0]);
        Assert.Equal(["k=first s", "k=2 i", "empty= e"], Enumerable.Range(0, batch.Attributes.End(0)).Select(entry => $"{batch.Attributes.Keys.Text(entry)}={batch.Attributes.Values.Text(entry)} {(char)batch.Attributes.Types[entry]}"));
        Assert.Equal("first", batch.Attributes.Text(0, "k"u8));
    }

    [Fact]
    public void Damaged_content_is_read_as_far_as_it_goes() => Run(random =>
    {
        var messages = OtlpFuzzer.Damage("""[{"role":"user","parts":[{"type":"text","content":"Where is \u00e9 my order?"},{"type":"tool_call","id":"1","name":"f","arguments":{"a":[1,2,{"b":null}]}}]},{"role":"x","content":[{"type":"image_url","image_url":{"url":"u"}}],"tool_calls":[{"function":{"name":"n","arguments":"{}"}}]}]"""u8.ToArray(), random);
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

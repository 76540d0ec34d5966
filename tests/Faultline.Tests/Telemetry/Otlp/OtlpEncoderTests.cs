using System.Text;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Redaction;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Faultline.Tests.Otlp;

/// <summary>A request that is read and written again says what it said.</summary>
public class OtlpEncoderTests
{
    private static readonly Redactor s_keepsAll = new(new RedactionOptions { Enabled = false });

    // FsCheck names the failing seed and the replay values when a property does not hold.
    [Fact]
    public void Spans_that_are_written_and_read_again_are_the_same_in_the_same_order() => ForSeeds(seed =>
    {
        var sent = Traces(new RandomOtlp(seed).Traces());
        var (request, spans) = OtlpEncoder.EncodeTraces(sent);
        Assert.Equal(sent.Count, spans);
        var read = Traces(request);
        Assert.Equal(RoundTripTests.Describe(sent), RoundTripTests.Describe(read));
        Assert.Equal(sent.SpanId.Values.ToArray(), read.SpanId.Values.ToArray());
        Assert.Equal(request, OtlpEncoder.EncodeTraces(read).Request);
    });

    [Fact]
    public void Log_records_that_are_written_and_read_again_are_the_same_in_the_same_order() => ForSeeds(seed =>
    {
        var sent = Logs(new RandomOtlp(seed).Logs());
        var (request, records) = OtlpEncoder.EncodeLogs(sent);
        Assert.Equal(sent.Count, records);
        var read = Logs(request);
        Assert.Equal(Describe(sent), Describe(read));
        Assert.Equal(request, OtlpEncoder.EncodeLogs(read).Request);
    });

    [Fact]
    public void Only_the_rows_that_are_wanted_are_written_and_keep_their_resource() => ForSeeds(seed =>
    {
        var sent = Traces(new RandomOtlp(seed).Traces());
        var (request, spans) = OtlpEncoder.EncodeTraces(sent, row => row % 2 == 1);
        var read = Traces(request);
        Assert.Equal(sent.Count / 2, spans);
        Assert.Equal(
            Enumerable.Range(0, sent.Count).Where(row => row % 2 == 1).Select(row => (sent.SpanId[row], sent.ServiceName(row))),
            Enumerable.Range(0, read.Count).Select(row => (read.SpanId[row], read.ServiceName(row))));
    });

    [Fact]
    public void Metrics_with_nothing_to_redact_go_on_byte_by_byte_and_mean_the_same() => ForSeeds(seed =>
    {
        var sent = new RandomOtlp(seed).Metrics();
        var (request, _) = MetricCopy.Make(sent, s_keepsAll);
        Assert.Equal(Samples(sent), Samples(request));
        Assert.Equal(request, MetricCopy.Make(request, s_keepsAll).Request);
    });

    [Theory]
    [InlineData(5, 7)]
    [InlineData(7, 7)]
    [InlineData(9, 9)]
    [InlineData(10, 1)]
    [InlineData(11, 7)]
    public void A_secret_in_a_metric_s_attributes_exemplars_description_resource_or_scope_never_goes_on_and_the_rest_does(int kind, int attributes)
    {
        const string Secret = "4111 1111 1111 1111";
        var exemplars = kind switch { 9 => 8, 10 => 11, _ => 5 };
        var sent = new ProtoWriter().Message(1, resource => resource
            .Message(1, inner => inner.Attribute(1, "service.name", "pay").Attribute(1, "owner", "card " + Secret).Varint(2, 3))
            .Message(2, scope => scope
                .Message(1, inner => inner.Text(1, "lib").Attribute(3, "note", Secret))
                .Message(2, metric => metric.Text(1, "spent").Text(2, "of " + Secret).Text(3, "s").Message(kind, data => data.Varint(2, 2).Message(1, point =>
                {
                    point.Fixed64(2, 1).Fixed64(3, RandomOtlp.Now).Attribute(attributes, "card", Secret).Attribute(attributes, "shop", "north").Varint(999, 42);
                    if (kind != 11)
                    {
                        point.Message(exemplars, exemplar => exemplar.Double(3, 1.5).Attribute(7, "user", "paid with " + Secret));
                    }
                })))));
        var (request, points) = MetricCopy.Make(sent.ToArray(), new Redactor(new RedactionOptions()));
        var text = Encoding.UTF8.GetString(request);
        Assert.Equal(1, points);
        Assert.DoesNotContain(Secret, text, StringComparison.Ordinal);
        Assert.Contains("card [card]", text, StringComparison.Ordinal);
        Assert.Contains("of [card]", text, StringComparison.Ordinal);
        Assert.Contains("north", text, StringComparison.Ordinal);
        Assert.Contains(Encoding.UTF8.GetString(new ProtoWriter().Varint(999, 42).ToArray()), text, StringComparison.Ordinal);
        Assert.Equal(kind != 11, text.Contains("paid with [card]", StringComparison.Ordinal));
    }

    [Fact]
    public void Metrics_of_resources_that_are_not_wanted_stay()
    {
        var sent = new ProtoWriter();
        foreach (var service in (ReadOnlySpan<string>)["a", "b"])
        {
            sent.Message(1, resource => resource.Message(1, inner => inner.Attribute(1, "service.name", service)).Message(2, scope => scope
                .Message(2, metric => metric.Text(1, "m").Message(5, data => data.Message(1, point => point.Fixed64(3, RandomOtlp.Now).Double(4, 1)).Message(1, point => point.Fixed64(3, RandomOtlp.Now).Double(4, 2))))));
        }

        var (request, points) = MetricCopy.Make(sent.ToArray(), s_keepsAll, (resources, row) => resources.ServiceName(row) == "b");
        Assert.Equal(2, points);
        Assert.All(Samples(request), sample => Assert.Contains("service_name=\"b\"", sample, StringComparison.Ordinal));
    }

    private static void ForSeeds(Action<int> holds) => Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), holds).QuickCheckThrowOnFailure();

    private static SpanBatch Traces(byte[] request)
    {
        var batch = new SpanBatch();
        var decoding = OtlpDecoder.DecodeTraces(request, batch, TraceDecoderTests.Limits);
        Assert.False(decoding.Malformed, decoding.Reason);
        Assert.Equal(0, decoding.Rejected);
        return batch;
    }

    private static LogBatch Logs(byte[] request)
    {
        var batch = new LogBatch();
        var decoding = OtlpDecoder.DecodeLogs(request, batch, TraceDecoderTests.Limits);
        Assert.False(decoding.Malformed, decoding.Reason);
        Assert.Equal(0, decoding.Rejected);
        return batch;
    }

    private static List<string> Samples(byte[] request)
    {
        var batch = new SampleBatch();
        var decoding = OtlpDecoder.DecodeMetrics(request, batch, TraceDecoderTests.Limits, new DeltaSeries());
        Assert.False(decoding.Malformed, decoding.Reason);
        return [.. Enumerable.Range(0, batch.Count).Select(row => $"{batch.Series[batch.SeriesIndex[row]]} {batch.UnixMillis[row]} {batch.Value[row]:R}")];
    }

    private static List<string> Describe(LogBatch logs) => [.. Enumerable.Range(0, logs.Count).Select(row => string.Join('\u0001',
        Of(logs.Resources.Attributes, logs.Resource[row]), logs.Resources.DroppedAttributes[logs.Resource[row]], logs.Resources.SchemaUrl.Text(logs.Resource[row]),
        logs.Scopes.Name.Text(logs.Scope[row]), logs.Scopes.Version.Text(logs.Scope[row]), Of(logs.Scopes.Attributes, logs.Scope[row]), logs.Scopes.SchemaUrl.Text(logs.Scope[row]),
        logs.UnixNanos[row], logs.ObservedUnixNanos[row], logs.SeverityNumber[row], logs.SeverityText.Text(row), logs.Body.Text(row), logs.BodyType[row], logs.EventName.Text(row),
        Of(logs.Attributes, row), logs.DroppedAttributes[row], logs.Flags[row], logs.TraceId[row], logs.SpanId[row]))];

    private static string Of(AttributeColumn attributes, int row) => RoundTripTests.Describe(OtlpAttribute.Of(attributes, row));
}

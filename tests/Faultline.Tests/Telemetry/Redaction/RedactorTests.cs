using System.Text;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Redaction;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Otlp;
using Xunit;

namespace Faultline.Tests.Redaction;

/// <summary>What a batch holds after redaction.</summary>
public sealed class RedactorTests
{
    private const string Card = "4111 1111 1111 1111";

    [Fact]
    public void Every_text_of_a_span_is_looked_at()
    {
        var batch = Batch();
        Decode(batch, new ProtoWriter().Message(1, resource => resource
            .Message(1, inner => inner.Attribute(1, "owner", any => any.Text(1, "card " + Card)))
            .Message(2, scope => scope
                .Message(1, inner => inner.Text(1, "lib").Attribute(3, "s", any => any.Text(1, Card)))
                .Message(2, span => Span(span, "pay " + Card)
                    .Message(15, status => status.Text(2, "declined: " + Card).Varint(3, 2))
                    .Attribute(9, "short", any => any.Text(1, "a " + Card))
                    .Attribute(9, "gen_ai.prompt", any => any.Text(1, "my card is " + Card))
                    .Attribute(9, "list", any => any.Message(5, list => list.Message(1, inner => inner.Text(1, Card)).Message(1, inner => inner.Varint(3, 4111111111111111))))
                    .Attribute(9, "number", any => any.Varint(3, 4111111111111111))
                    .Attribute(9, "count", any => any.Varint(3, 4111111111111112))
                    .Message(11, happened => happened.Text(2, "event " + Card).Attribute(3, "e", any => any.Text(1, Card)))
                    .Message(13, link => link.Bytes(1, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }).Bytes(2, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 }).Attribute(4, "l", any => any.Text(1, Card)))))));

        new Redactor(new RedactionOptions()).Redact(batch);

        var spans = batch.Spans;
        Assert.Equal("pay [card]", spans.Name.Text(0));
        Assert.Equal("declined: [card]", spans.StatusMessage.Text(0));
        Assert.Equal("a [card]", spans.Attributes.Text(0, "short"u8));
        Assert.Equal("my card is [card]", spans.Bodies.Text(0, "gen_ai.prompt"u8));
        Assert.Equal("""{"values":[{"stringValue":"[card]"},{"stringValue":"[card]"}]}""", spans.Attributes.Text(0, "list"u8));
        Assert.Equal(("[card]", AttributeType.String), Attribute(spans.Attributes, "number"));
        Assert.Equal(("4111111111111112", AttributeType.Int), Attribute(spans.Attributes, "count"));
        Assert.Equal("event [card]", spans.Events.Name.Text(0));
        Assert.Equal("[card]", spans.Events.Attributes.Text(0, "e"u8));
        Assert.Equal("[card]", spans.Links.Attributes.Text(0, "l"u8));
        Assert.Equal("card [card]", spans.Resources.Attributes.Text(0, "owner"u8));
        Assert.Equal("[card]", spans.Scopes.Attributes.Text(0, "s"u8));
    }

    [Fact]
    public void Log_bodies_and_attributes_are_looked_at()
    {
        var batch = Batch();
        OtlpDecoder.DecodeLogs(
            new ProtoWriter().Message(1, resource => resource.Message(2, scope => scope.Message(2, record => record
                .Fixed64(1, (ulong)TraceDecoderTests.Now).Message(5, any => any.Text(1, "paid with " + Card)).Attribute(6, "pan", any => any.Text(1, Card))))).ToArray(),
            batch.Logs,
            TraceDecoderTests.Limits);

        new Redactor(new RedactionOptions()).Redact(batch);

        Assert.Equal("paid with [card]", batch.Logs.Body.Text(0));
        Assert.Equal("[card]", batch.Logs.Attributes.Text(0, "pan"u8));
    }

    [Fact]
    public void Metric_labels_are_looked_at_and_the_name_is_not()
    {
        var batch = Batch();
        batch.Samples.Add(Labels.Of((Labels.MetricName, "payments_total"), ("pan", "4111111111111111"), ("http_request_header_cookie", "a=b")), 1, 1);

        new Redactor(new RedactionOptions { Attributes = [new("http.request.header.cookie", RedactionMode.Mask)] }).Redact(batch);

        Assert.Equal("""payments_total{http_request_header_cookie="[redacted]",pan="[card]"}""", Assert.Single(batch.Samples.Series).ToString());
    }

    [Fact]
    public void A_hash_is_the_same_however_the_value_is_written_and_another_with_another_key()
    {
        RedactionOptions With(byte key) => new() { Kinds = new Dictionary<SensitiveKind, RedactionMode> { [SensitiveKind.Email] = RedactionMode.Hash, [SensitiveKind.Card] = RedactionMode.Hash }, HashKey = Enumerable.Repeat(key, 32).ToArray() };

        var once = Redacted(With(1), "Ann@Example.com paid 4111111111111111");
        var again = Redacted(With(1), "ann@example.com paid 4111-1111-1111-1111");

        Assert.Equal(once, again);
        Assert.Matches(@"^\[email:[0-9a-f]{16}\] paid \[card:[0-9a-f]{16}\]$", once);
        Assert.NotEqual(once, Redacted(With(2), "ann@example.com paid 4111111111111111"));
    }

    [Theory]
    [InlineData("sk-", "rk_live_", "whsec_", "ghp_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xapp-", "hf_", "npm_", "pypi-", "dckr_pat_", "dop_v1_", "shpat_")]
    [InlineData("sk_live_", "sk_test_", "rk_test_", "gho_", "lin_api_", "gsk_", "pplx-", "xai-", "r8_", "sq0atp-", "sq0csp-", "GOCSPX-", "AGE-SECRET-KEY-")]
    public void A_key_is_known_by_its_prefix(params string[] prefixes)
    {
        foreach (var prefix in prefixes)
        {
            var key = prefix + "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0bC3dE6gH9jK2mN5";
            Assert.Equal("key=[cloud_key], next", Redacted(new RedactionOptions(), $"key={key}, next"));
            Assert.Equal($"key=x{key}, next", Redacted(new RedactionOptions(), $"key=x{key}, next"));
        }
    }

    [Fact]
    public void Drop_takes_the_whole_attribute_and_counts_it()
    {
        var options = new RedactionOptions { Kinds = new Dictionary<SensitiveKind, RedactionMode> { [SensitiveKind.Card] = RedactionMode.Drop } };
        var batch = SpanWith(("before", "1"), ("secret", "my " + Card), ("after", "2"));
        var redactor = new Redactor(options);

        redactor.Redact(batch);

        Assert.Equal(-1, batch.Spans.Attributes.Find(0, "secret"u8));
        Assert.Equal(("1", "2"), (batch.Spans.Attributes.Text(0, "before"u8), batch.Spans.Attributes.Text(0, "after"u8)));
        Assert.Equal(1u, batch.Spans.DroppedAttributes[0]);
        Assert.Equal(("card", RedactionMode.Drop, 1L), redactor.Figures.All().Single(count => count.Class is "card"));
    }

    [Fact]
    public void Attribute_rules_go_before_detectors_and_the_exact_one_before_the_wide_one()
    {
        var options = new RedactionOptions
        {
            Attributes = [new("*.authorization", RedactionMode.Mask), new("user.*", RedactionMode.Drop), new("user.tier", RedactionMode.Keep), new("card.example", RedactionMode.Keep), new("user.id", RedactionMode.Hash)],
            HashKey = new byte[32],
        };
        var batch = SpanWith(("http.request.header.authorization", "x"), ("user.tier", "gold"), ("user.name", "Ann"), ("user.id", "7"), ("card.example", Card), ("other", "stays"));

        new Redactor(options).Redact(batch);

        var attributes = batch.Spans.Attributes;
        Assert.Equal("[redacted]", attributes.Text(0, "http.request.header.authorization"u8));
        Assert.Equal("gold", attributes.Text(0, "user.tier"u8));
        Assert.Null(attributes.Text(0, "user.name"u8));
        Assert.StartsWith("[redacted:", attributes.Text(0, "user.id"u8), StringComparison.Ordinal);
        Assert.Equal(Card, attributes.Text(0, "card.example"u8));
        Assert.Equal("stays", attributes.Text(0, "other"u8));
    }

    [Fact]
    public void An_event_rule_takes_the_events_attributes_and_a_log_events_body()
    {
        var batch = Batch();
        Decode(batch, new ProtoWriter().Message(1, resource => resource.Message(2, scope => scope.Message(2, span => Span(span, "s")
            .Message(11, happened => happened.Text(2, "gen_ai.content.prompt").Attribute(3, "gen_ai.prompt", any => any.Text(1, "anything at all")))
            .Message(11, happened => happened.Text(2, "other").Attribute(3, "k", any => any.Text(1, "v")))))));
        OtlpDecoder.DecodeLogs(
            new ProtoWriter().Message(1, resource => resource.Message(2, scope => scope.Message(2, record => record
                .Fixed64(1, (ulong)TraceDecoderTests.Now).Text(12, "gen_ai.content.prompt").Message(5, any => any.Text(1, "anything at all"))))).ToArray(),
            batch.Logs,
            TraceDecoderTests.Limits);

        new Redactor(new RedactionOptions { Events = [new("gen_ai.content.*", RedactionMode.Drop)] }).Redact(batch);

        Assert.Null(batch.Spans.Events.Attributes.Text(0, "gen_ai.prompt"u8));
        Assert.Equal(1u, batch.Spans.Events.DroppedAttributes[0]);
        Assert.Equal("v", batch.Spans.Events.Attributes.Text(1, "k"u8));
        Assert.Equal("", batch.Logs.Body.Text(0));
    }

    [Fact]
    public void An_operators_pattern_is_found_also_behind_characters_of_several_bytes()
    {
        var options = new RedactionOptions { Patterns = [new("employee", "E-[0-9]{6}"), new("project", "Projekt [A-Z]+", RedactionMode.Mask)] };

        Assert.Equal("für 🚀 [employee] und [employee] im [project].", Redacted(options, "für 🚀 E-123456 und E-654321 im Projekt ATLAS."));
    }

    [Theory]
    [InlineData("\\ude80", "a🚀b", "a[mine]b")]
    [InlineData("[^a-z ]", "x 🚀🚀 y", "x [mine][mine] y")]
    public void A_pattern_that_matches_half_a_character_takes_it_whole(string expression, string text, string expected)
    {
        Assert.Equal(expected, Redacted(new RedactionOptions { Patterns = [new("mine", expression)] }, text));
    }

    [Fact]
    public void Mail_is_found_within_quotation_marks_and_within_scripts_without_spaces()
    {
        var options = new RedactionOptions { Kinds = new Dictionary<SensitiveKind, RedactionMode> { [SensitiveKind.Email] = RedactionMode.Mask } };

        Assert.Equal("„[email]“ 请联系[email]谢谢", Redacted(options, "„anna@example.de“ 请联系müller@example.com谢谢"));
    }

    [Theory]
    [InlineData("(a+)+\\1", "backreference")]
    [InlineData("(?=x)", "lookahead")]
    [InlineData("a*", "matches nothing")]
    [InlineData("[", "no expression")]
    public void A_pattern_that_needs_backtracking_or_matches_everywhere_is_refused(string expression, string why)
    {
        var problem = Assert.Single(new RedactionOptions { Patterns = [new("mine", expression)] }.Problems());

        Assert.True(problem.StartsWith("redaction.patterns: 'mine'", StringComparison.Ordinal), why);
    }

    [Fact]
    public void Switched_off_it_changes_nothing()
    {
        Assert.Equal(Card, Redacted(new RedactionOptions { Enabled = false }, Card));
    }

    [Fact]
    public void Mail_phones_and_addresses_stay_by_default_and_secrets_do_not()
    {
        Assert.Equal("ann@example.com +49 30 1234567 10.0.0.7", Redacted(new RedactionOptions(), "ann@example.com +49 30 1234567 10.0.0.7"));
        Assert.Equal("Authorization: Bearer [credential]", Redacted(new RedactionOptions(), "Authorization: Bearer aB3dE6gH9jK2mN5pQ8sT1uV4"));
    }

    private static string Redacted(RedactionOptions options, string text)
    {
        var batch = SpanWith(("k", text));
        new Redactor(options).Redact(batch);
        return batch.Spans.Attributes.Text(0, "k"u8)!;
    }

    private static (string Text, AttributeType Type) Attribute(AttributeColumn attributes, string key)
    {
        var entry = attributes.Find(0, Encoding.UTF8.GetBytes(key));
        return (attributes.Values.Text(entry), attributes.Types[entry]);
    }

    private static TelemetryBatch SpanWith(params (string Key, string Value)[] attributes)
    {
        var batch = Batch();
        Decode(batch, new ProtoWriter().Message(1, resource => resource.Message(2, scope => scope.Message(2, span =>
        {
            Span(span, "s");
            foreach (var (key, value) in attributes)
            {
                span.Attribute(9, key, any => any.Text(1, value));
            }
        }))));
        return batch;
    }

    private static ProtoWriter Span(ProtoWriter span, string name) => span
        .Bytes(1, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }).Bytes(2, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 })
        .Text(5, name).Fixed64(7, (ulong)TraceDecoderTests.Now).Fixed64(8, (ulong)TraceDecoderTests.Now);

    private static TelemetryBatch Batch() => new() { Project = "default", ReceivedUnixNanos = TraceDecoderTests.Now, RequestHash = 1 };

    private static void Decode(TelemetryBatch batch, ProtoWriter request) =>
        Assert.Equal((false, 1), OtlpDecoder.DecodeTraces(request.ToArray(), batch.Spans, TraceDecoderTests.Limits) is var decoding ? (decoding.Malformed, decoding.Accepted) : default);
}

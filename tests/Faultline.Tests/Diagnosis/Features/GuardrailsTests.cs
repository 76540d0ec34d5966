using System.Text;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Diagnosis.Causes;
using Faultline.Tests.GenAi;
using Xunit;

namespace Faultline.Tests.Diagnosis.Features;

public sealed class GuardrailsTests
{
    [Theory]
    [InlineData("guardrail", SpanKind.Client, false, "check", true)]
    [InlineData("guardrail", SpanKind.Internal, true, "check", true)]
    [InlineData("", SpanKind.Internal, false, "pii_filter input", true)]
    [InlineData("step", SpanKind.Internal, false, "Moderation", true)]
    [InlineData("", SpanKind.Internal, true, "pii_filter input", false)]
    [InlineData("", SpanKind.Client, false, "POST /moderation", false)]
    [InlineData("chat", SpanKind.Internal, false, "moderation-model", false)]
    [InlineData("", SpanKind.Internal, false, "safeguarded answer", false)]
    public void A_guardrail_is_known_by_its_operation_wherever_it_stands_and_by_its_name_only_as_a_step(string operation, SpanKind kind, bool isRoot, string name, bool isOne)
    {
        var guardrails = new Guardrails();
        Assert.Equal(isOne, guardrails.IsOne(Encoding.UTF8.GetBytes(operation), kind, isRoot, Encoding.UTF8.GetBytes(name)));
        // The second answer is remembered.
        Assert.Equal(isOne, guardrails.IsOne(Encoding.UTF8.GetBytes(operation), kind, isRoot, Encoding.UTF8.GetBytes(name)));
    }

    [Theory]
    [InlineData("openlit.guard", "guard.name", "pii", "pii")]
    [InlineData("input_guard.task", "traceloop.entity.name", "input_guard", "input_guard")]
    [InlineData("pii_filter input", "guard.verdict", "block", "pii_filter input")]
    public void A_guardrail_is_called_what_its_instrumentation_calls_it_or_else_as_its_span(string span, string key, string value, string name)
    {
        var spans = SpanOf.Filled([new SpanOf("01") { Name = span, Attributes = new Dictionary<object, object> { [key] = value } }]);
        Assert.Equal(name, Encoding.UTF8.GetString(Guardrails.NameOf(spans, 0)));
        Assert.Equal(name, Guardrails.NameOf(KnownFacts.Span(span, KnownFacts.Nothing) with { Attributes = [KnownFacts.Attribute(key, value)] }));
    }
}

using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;
using Xunit;

namespace Faultline.Tests.Store;

/// <summary>What must have come back for a span that went in.</summary>
public static class StoredSpans
{
    public static void AssertSame(SpanSpec sent, StoredSpan stored)
    {
        var summary = stored.Summary;
        Assert.Equal(sent.Trace, summary.TraceId);
        Assert.Equal(sent.Span, summary.SpanId);
        Assert.Equal(sent.Parent, summary.ParentSpanId);
        Assert.Equal(sent.Service, summary.Service);
        Assert.Equal(sent.Name, summary.Name);
        Assert.Equal(sent.Kind, summary.Kind);
        Assert.Equal(sent.Start, summary.StartUnixNanos);
        Assert.Equal(sent.DurationNanos, summary.DurationNanos);
        Assert.Equal(sent.Start + sent.DurationNanos, stored.EndUnixNanos);
        Assert.Equal(sent.Status, summary.Status);
        Assert.Equal(sent.StatusMessage, summary.StatusMessage);
        Assert.Equal(sent.TraceState, stored.TraceState);
        Assert.Equal(sent.Flags, stored.Flags);
        Assert.InRange(stored.ReceivedUnixNanos, SpanSpecs.Noon + (60 * SpanSpecs.Second), SpanSpecs.Noon + (60 * SpanSpecs.Second) + 1_000_000);
        Assert.Equal(sent.Attributes, summary.Attributes);
        Assert.Equal(sent.Bodies, stored.Bodies);
        Assert.Equal([SpanSpecs.Text("service.name", sent.Service), .. sent.Resource], stored.Resource);
        Assert.Equal("https://example.test/resource", stored.ResourceSchemaUrl);
        Assert.Equal(sent.Dropped + 1, stored.ResourceDroppedAttributes);
        Assert.Equal("scope of " + sent.Service, stored.ScopeName);
        Assert.Equal("1.2.3", stored.ScopeVersion);
        Assert.Equal(sent.Scope, stored.ScopeAttributes);
        Assert.Equal(sent.Dropped + 2, stored.ScopeDroppedAttributes);
        Assert.Equal("https://example.test/scope", stored.ScopeSchemaUrl);
        Assert.Equal((sent.Dropped + 3, sent.Dropped + 4, sent.Dropped + 5), (stored.DroppedAttributes, stored.DroppedEvents, stored.DroppedLinks));

        Assert.Equal(sent.Events.Count, stored.Events.Count);
        foreach (var (expected, actual) in sent.Events.Zip(stored.Events))
        {
            Assert.Equal(expected with { Attributes = [] }, actual with { Attributes = [] });
            Assert.Equal(expected.Attributes, actual.Attributes);
        }

        Assert.Equal(sent.Links.Count, stored.Links.Count);
        foreach (var (expected, actual) in sent.Links.Zip(stored.Links))
        {
            Assert.Equal(expected with { Attributes = [] }, actual with { Attributes = [] });
            Assert.Equal(expected.Attributes, actual.Attributes);
        }

        AssertSameGenAi(sent, summary.GenAi);
    }

    private static void AssertSameGenAi(SpanSpec sent, GenAiFields genAi)
    {
        Assert.Equal(sent.FinishReasons.Length == 0 ? [] : sent.FinishReasons.Split(','), genAi.FinishReasons);
        Assert.Equal(
            new GenAiFields(
                sent.Operation, sent.Operation.Length > 0 ? "openai" : "", sent.Model.Length > 0 ? sent.Model + "-alias" : "", sent.Model, sent.ResponseId, genAi.FinishReasons,
                sent.InputTokens, sent.OutputTokens, null, 0, 7, "inclusive", sent.Counted, sent.FirstChunkNanos, "agent", "tool", "0123456789abcdef", "kb", "greeting", "v3",
                sent.Session, sent.User, 4, sent.TopScore, 0.25, sent.Input, sent.Output, "otel"),
            genAi);
    }
}

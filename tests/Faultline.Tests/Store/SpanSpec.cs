using System.Globalization;
using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Tests.Store;

/// <summary>One span in words, for tests that want few spans rather than many.</summary>
public sealed record SpanSpec(TraceId Trace, SpanId Span)
{
    public SpanId Parent { get; init; }

    public string Name { get; init; } = "work";

    public string Service { get; init; } = "shop";

    public SpanKind Kind { get; init; } = SpanKind.Internal;

    public long Start { get; init; } = SpanSpecs.Noon;

    public long DurationNanos { get; init; } = 1_000_000;

    public SpanStatus Status { get; init; }

    public string StatusMessage { get; init; } = "";

    public string TraceState { get; init; } = "";

    public uint Flags { get; init; }

    public IReadOnlyList<StoredAttribute> Attributes { get; init; } = [];

    public IReadOnlyList<StoredAttribute> Bodies { get; init; } = [];

    public IReadOnlyList<StoredAttribute> Resource { get; init; } = [];

    public IReadOnlyList<StoredAttribute> Scope { get; init; } = [];

    public IReadOnlyList<StoredEvent> Events { get; init; } = [];

    public IReadOnlyList<StoredLink> Links { get; init; } = [];

    public uint Dropped { get; init; }

    public string Operation { get; init; } = "";

    public string Model { get; init; } = "";

    public string ResponseId { get; init; } = "";

    public string FinishReasons { get; init; } = "";

    public long? InputTokens { get; init; }

    public long? OutputTokens { get; init; }

    public bool Counted { get; init; }

    public long? FirstChunkNanos { get; init; }

    public double? TopScore { get; init; }

    public string Session { get; init; } = "";

    public string User { get; init; } = "";

    public string Input { get; init; } = "";

    public string Output { get; init; } = "";
}

public static class SpanSpecs
{
    /// <summary>2026-11-20 12:00 UTC.</summary>
    public const long Noon = 1_795_176_000_000_000_000;

    public const long Second = 1_000_000_000;

    private static long s_hash;

    public static UInt128 NewHash() => new(0xABCD, (ulong)Interlocked.Increment(ref s_hash));

    public static StoredAttribute Text(string key, string value) => new(key, value, AttributeType.String);

    public static TraceId Trace(UInt128 value) => new(value);

    public static SpanId Span(ulong value) => new(value);

    public static TelemetryBatch Batch(params ReadOnlySpan<SpanSpec> spans) => Batch("default", NewHash(), spans);

    public static TelemetryBatch Batch(string project, UInt128 hash, params ReadOnlySpan<SpanSpec> spans)
    {
        var batch = new TelemetryBatch { Project = project, ReceivedUnixNanos = Noon + (60 * Second), RequestHash = hash };
        foreach (var span in spans)
        {
            Add(batch.Spans, span);
        }

        return batch;
    }

    public static void Add(SpanBatch batch, SpanSpec span)
    {
        var resource = batch.Resources;
        Add(resource.Attributes, [Text("service.name", span.Service), .. span.Resource]);
        resource.DroppedAttributes.Add(span.Dropped + 1);
        resource.SchemaUrl.Add("https://example.test/resource");
        batch.Scopes.Name.Add("scope of " + span.Service);
        batch.Scopes.Version.Add("1.2.3");
        Add(batch.Scopes.Attributes, span.Scope);
        batch.Scopes.DroppedAttributes.Add(span.Dropped + 2);
        batch.Scopes.SchemaUrl.Add("https://example.test/scope");

        batch.Resource.Add(resource.Count - 1);
        batch.Scope.Add(batch.Scopes.Count - 1);
        batch.TraceId.Add(span.Trace);
        batch.SpanId.Add(span.Span);
        batch.ParentSpanId.Add(span.Parent);
        batch.TraceState.Add(span.TraceState);
        batch.Flags.Add(span.Flags);
        batch.Name.Add(span.Name);
        batch.Kind.Add(span.Kind);
        batch.StartUnixNanos.Add(span.Start);
        batch.EndUnixNanos.Add(span.Start + span.DurationNanos);
        batch.Status.Add(span.Status);
        batch.StatusMessage.Add(span.StatusMessage);
        Add(batch.Attributes, span.Attributes);
        Add(batch.Bodies, span.Bodies);
        batch.DroppedAttributes.Add(span.Dropped + 3);
        batch.DroppedEvents.Add(span.Dropped + 4);
        batch.DroppedLinks.Add(span.Dropped + 5);

        foreach (var item in span.Events)
        {
            batch.Events.UnixNanos.Add(item.UnixNanos);
            batch.Events.Name.Add(item.Name);
            Add(batch.Events.Attributes, item.Attributes);
            batch.Events.DroppedAttributes.Add(item.DroppedAttributes);
        }

        batch.Events.Ends.Add(batch.Events.UnixNanos.Count);
        foreach (var link in span.Links)
        {
            batch.Links.TraceId.Add(link.TraceId);
            batch.Links.SpanId.Add(link.SpanId);
            batch.Links.TraceState.Add(link.TraceState);
            batch.Links.Flags.Add(link.Flags);
            Add(batch.Links.Attributes, link.Attributes);
            batch.Links.DroppedAttributes.Add(link.DroppedAttributes);
        }

        batch.Links.Ends.Add(batch.Links.TraceId.Count);
        AddGenAi(batch.GenAi, span);
    }

    private static void Add(AttributeColumn column, IReadOnlyList<StoredAttribute> attributes)
    {
        foreach (var attribute in attributes)
        {
            column.Add(System.Text.Encoding.UTF8.GetBytes(attribute.Key), System.Text.Encoding.UTF8.GetBytes(attribute.Value), attribute.Type);
        }

        column.EndRow();
    }

    private static void AddGenAi(GenAiColumns genAi, SpanSpec span)
    {
        genAi.Operation.Add(span.Operation);
        genAi.Provider.Add(span.Operation.Length > 0 ? "openai" : "");
        genAi.ModelRequested.Add(span.Model.Length > 0 ? span.Model + "-alias" : "");
        genAi.ModelResponded.Add(span.Model);
        genAi.ResponseId.Add(span.ResponseId);
        genAi.FinishReasons.Add(span.FinishReasons);
        genAi.InputTokens.Add(span.InputTokens ?? GenAiColumns.Absent);
        genAi.OutputTokens.Add(span.OutputTokens ?? GenAiColumns.Absent);
        genAi.CacheReadTokens.Add(GenAiColumns.Absent);
        genAi.CacheWriteTokens.Add(0);
        genAi.ReasoningTokens.Add(7);
        genAi.UsageBasis.Add("inclusive");
        genAi.Counted.Add(span.Counted ? (byte)1 : (byte)0);
        genAi.FirstChunkNanos.Add(span.FirstChunkNanos ?? GenAiColumns.Absent);
        genAi.Agent.Add("agent");
        genAi.Tool.Add("tool");
        genAi.ToolArgumentsHash.Add("0123456789abcdef");
        genAi.DataSource.Add("kb");
        genAi.PromptName.Add("greeting");
        genAi.PromptVersion.Add("v3");
        genAi.Session.Add(span.Session);
        genAi.User.Add(span.User);
        genAi.DocumentCount.Add(4);
        genAi.DocumentTopScore.Add(span.TopScore ?? double.NaN);
        genAi.DocumentMeanScore.Add(0.25);
        genAi.InputPreview.Add(span.Input);
        genAi.OutputPreview.Add(span.Output);
        genAi.Source.Add("otel");
    }

    public static void Score(this TelemetryBatch batch, string name, double value, TraceId trace = default, SpanId span = default, string responseId = "", long? at = null) =>
        batch.Scores.Add("shop", "prod", trace, span, responseId, name, value, "label of " + name, "because", "app", at ?? Noon);

    /// <summary>Any text, control characters, quotes, NUL and every plane of Unicode included.</summary>
    public static string RandomText(Random random, int lengthMax = 24)
    {
        var text = new System.Text.StringBuilder();
        for (var left = random.Next(lengthMax); left > 0; left--)
        {
            text.Append(random.Next(6) switch
            {
                0 => ((char)random.Next(0, 32)).ToString(),
                1 => "\\'\"`\t\n\0{}[]"[random.Next(11)].ToString(),
                2 => char.ConvertFromUtf32(random.Next(0x10000, 0x10FFFF)),
                3 => ((char)random.Next(0x80, 0xD7FF)).ToString(),
                _ => ((char)random.Next(32, 127)).ToString(),
            });
        }

        return text.ToString();
    }

    public static StoredAttribute RandomAttribute(Random random) => random.Next(8) switch
    {
        0 => new("empty", "", AttributeType.Empty),
        1 => new("flag", random.Next(2) == 0 ? "true" : "false", AttributeType.Bool),
        2 => new("count" + random.Next(3), random.NextInt64().ToString(CultureInfo.InvariantCulture), AttributeType.Int),
        3 => new("ratio", random.Next(3) == 0 ? "NaN" : random.NextDouble().ToString("R", CultureInfo.InvariantCulture), AttributeType.Double),
        4 => new("list", """{"values":[{"stringValue":"a"}]}""", AttributeType.Array),
        5 => new("map", """{"values":[]}""", AttributeType.KeyValues),
        6 => new("bytes", "AAEC", AttributeType.Bytes),
        _ => new(RandomText(random, 8), RandomText(random), AttributeType.String),
    };

    public static SpanSpec RandomSpan(Random random, TraceId trace)
    {
        StoredAttribute[] Attributes(int max) => [.. Enumerable.Range(0, random.Next(max)).Select(_ => RandomAttribute(random))];
        var start = Noon + random.NextInt64(Second * 100);
        return new SpanSpec(trace, Span((ulong)random.NextInt64(1, long.MaxValue)))
        {
            Parent = Span((ulong)(random.Next(2) * random.NextInt64())),
            Name = RandomText(random),
            Service = "svc" + random.Next(3),
            Kind = (SpanKind)random.Next(6),
            Start = start,
            DurationNanos = random.NextInt64(Second),
            Status = (SpanStatus)random.Next(3),
            StatusMessage = RandomText(random),
            TraceState = random.Next(3) == 0 ? "a=b,c=d" : "",
            Flags = (uint)random.Next(),
            Attributes = Attributes(6),
            Bodies = Attributes(3),
            Resource = Attributes(4),
            Scope = Attributes(3),
            Events = [.. Enumerable.Range(0, random.Next(4)).Select(_ => new StoredEvent(start + random.Next(1000), RandomText(random), Attributes(4), (uint)random.Next(9)))],
            Links = [.. Enumerable.Range(0, random.Next(3)).Select(_ => new StoredLink(Trace(new UInt128((ulong)random.NextInt64(), 5)), Span((ulong)random.NextInt64()), "k=v", (uint)random.Next(), Attributes(3), 1))],
            Dropped = (uint)random.Next(5),
            Operation = random.Next(2) == 0 ? "chat" : "",
            Model = random.Next(2) == 0 ? "gpt-5" : "",
            FinishReasons = random.Next(2) == 0 ? "stop,length" : "",
            InputTokens = random.Next(2) == 0 ? random.Next(1000) : null,
            OutputTokens = random.Next(2) == 0 ? 0 : null,
            Counted = random.Next(2) == 0,
            FirstChunkNanos = random.Next(2) == 0 ? random.Next() : null,
            TopScore = random.Next(2) == 0 ? random.NextDouble() : null,
            Session = RandomText(random),
            User = RandomText(random),
            Input = RandomText(random),
            Output = RandomText(random),
        };
    }
}

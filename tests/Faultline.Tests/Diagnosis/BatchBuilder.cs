using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Tests.Diagnosis;

/// <summary>One GenAI span as a test states it; what is not stated was not sent.</summary>
internal sealed record TestSpan(TraceId Trace, SpanId Span, SpanId Parent, string Name, long StartNanos, long EndNanos)
{
    public SpanKind Kind { get; init; } = SpanKind.Internal;

    public SpanStatus Status { get; init; }

    public string StatusMessage { get; init; } = "";

    public string Operation { get; init; } = "";

    public string Provider { get; init; } = "";

    public string OutputPreview { get; init; } = "";

    public string Model { get; init; } = "";

    public string ModelResponded { get; init; } = "";

    public string Finish { get; init; } = "";

    public long InputTokens { get; init; } = GenAiColumns.Absent;

    public long OutputTokens { get; init; } = GenAiColumns.Absent;

    public double FirstChunkSeconds { get; init; } = double.NaN;

    public string Agent { get; init; } = "";

    public string Tool { get; init; } = "";

    public string ArgumentsHash { get; init; } = "";

    public string DataSource { get; init; } = "";

    public string Prompt { get; init; } = "";

    public string PromptVersion { get; init; } = "";

    public long Documents { get; init; } = GenAiColumns.Absent;

    public double TopScore { get; init; } = double.NaN;

    public double MeanScore { get; init; } = double.NaN;

    public IReadOnlyList<(string Key, string Value)> Attributes { get; init; } = [];

    /// <summary>Texts: what was sent to a model, what it or a tool answered.</summary>
    public IReadOnlyList<(string Key, string Value)> Bodies { get; init; } = [];
}

/// <summary>Builds batches as the pipeline would hand them to the readers: decoded and normalised.</summary>
internal sealed class BatchBuilder
{
    private static long s_requests;
    private readonly TelemetryBatch _batch;
    private readonly Dictionary<(string Service, string Environment, string Release), int> _resources = [];

    public BatchBuilder(DateTimeOffset received, string project = "default")
    {
        _batch = new TelemetryBatch
        {
            Project = project,
            ReceivedUnixNanos = received.ToUnixTimeMilliseconds() * 1_000_000,
            RequestHash = (UInt128)Interlocked.Increment(ref s_requests),
        };
        var scopes = _batch.Spans.Scopes;
        scopes.Name.Add("test");
        scopes.Version.Add("1");
        scopes.Attributes.EndRow();
        scopes.DroppedAttributes.Add(0);
        scopes.SchemaUrl.Add("");
    }

    public int Spans => _batch.Spans.Count;

    public TelemetryBatch Build() => _batch;

    private static void Fill(AttributeColumn column, IReadOnlyList<(string Key, string Value)> texts)
    {
        foreach (var (key, value) in texts)
        {
            column.Add(System.Text.Encoding.UTF8.GetBytes(key), System.Text.Encoding.UTF8.GetBytes(value), AttributeType.String);
        }

        column.EndRow();
    }

    public BatchBuilder Add(TestSpan span, string service, string environment = "production", string release = "1.0.0")
    {
        var spans = _batch.Spans;
        spans.Resource.Add(Resource(service, environment, release));
        spans.Scope.Add(0);
        spans.TraceId.Add(span.Trace);
        spans.SpanId.Add(span.Span);
        spans.ParentSpanId.Add(span.Parent);
        spans.TraceState.Add("");
        spans.Flags.Add(1);
        spans.Name.Add(span.Name);
        spans.Kind.Add(span.Kind);
        spans.StartUnixNanos.Add(span.StartNanos);
        spans.EndUnixNanos.Add(span.EndNanos);
        spans.Status.Add(span.Status);
        spans.StatusMessage.Add(span.StatusMessage);
        Fill(spans.Attributes, span.Attributes);
        Fill(spans.Bodies, span.Bodies);
        spans.DroppedAttributes.Add(0);
        spans.DroppedEvents.Add(0);
        spans.DroppedLinks.Add(0);
        spans.Events.Ends.Add(spans.Events.UnixNanos.Count);
        spans.Links.Ends.Add(spans.Links.TraceId.Count);

        var genAi = spans.GenAi;
        genAi.Operation.Add(span.Operation);
        genAi.Provider.Add(span.Provider);
        genAi.ModelRequested.Add(span.Model);
        genAi.ModelResponded.Add(span.ModelResponded);
        genAi.ResponseId.Add("");
        genAi.FinishReasons.Add(span.Finish);
        genAi.InputTokens.Add(span.InputTokens);
        genAi.OutputTokens.Add(span.OutputTokens);
        genAi.CacheReadTokens.Add(GenAiColumns.Absent);
        genAi.CacheWriteTokens.Add(GenAiColumns.Absent);
        genAi.ReasoningTokens.Add(GenAiColumns.Absent);
        genAi.UsageBasis.Add(span.InputTokens == GenAiColumns.Absent ? "" : "inclusive");
        genAi.Counted.Add((byte)(span.Operation is "chat" ? 1 : 0));
        genAi.FirstChunkNanos.Add(double.IsNaN(span.FirstChunkSeconds) ? GenAiColumns.Absent : (long)(span.FirstChunkSeconds * 1e9));
        genAi.Agent.Add(span.Agent);
        genAi.Tool.Add(span.Tool);
        genAi.ToolArgumentsHash.Add(span.ArgumentsHash);
        genAi.DataSource.Add(span.DataSource);
        genAi.PromptName.Add(span.Prompt);
        genAi.PromptVersion.Add(span.PromptVersion);
        genAi.Session.Add("");
        genAi.User.Add("");
        genAi.DocumentCount.Add(span.Documents);
        genAi.DocumentTopScore.Add(span.TopScore);
        genAi.DocumentMeanScore.Add(span.MeanScore);
        genAi.InputPreview.Add("");
        genAi.OutputPreview.Add(span.OutputPreview);
        genAi.Source.Add(span.Operation.Length > 0 ? "otel" : "");
        return this;
    }

    public BatchBuilder Score(string service, TraceId trace, SpanId span, string name, double value, long unixNanos, string environment = "production")
    {
        _batch.Scores.Add(service, environment, trace, span, "", name, value, "", "", "app", unixNanos);
        return this;
    }

    private int Resource(string service, string environment, string release)
    {
        if (_resources.TryGetValue((service, environment, release), out var row))
        {
            return row;
        }

        var resources = _batch.Spans.Resources;
        foreach (var (key, value) in (ReadOnlySpan<(string, string)>)[("service.name", service), ("deployment.environment.name", environment), ("service.version", release)])
        {
            resources.Attributes.Add(System.Text.Encoding.UTF8.GetBytes(key), System.Text.Encoding.UTF8.GetBytes(value), AttributeType.String);
        }

        resources.Attributes.EndRow();
        resources.DroppedAttributes.Add(0);
        resources.SchemaUrl.Add("");
        row = resources.SchemaUrl.Count - 1;
        _resources.Add((service, environment, release), row);
        return row;
    }
}

using Faultline.Telemetry.Spans;

namespace Faultline.Tests.Diagnosis;

/// <summary>What the simulated system does at a moment: the healthy values, and what a fault makes of them.</summary>
internal sealed record Behaviour
{
    public double Relevance { get; init; } = 0.87;

    /// <summary>Share of answers that are wrong: their relevance is 0.4, whatever that of the others is.</summary>
    public double WrongShare { get; init; }

    public double TopScore { get; init; } = 0.84;

    public int Documents { get; init; } = 4;

    public double EmptyShare { get; init; }

    public double ModelSeconds { get; init; } = 1.1;

    /// <summary>Share of model calls that take five times as long.</summary>
    public double SlowShare { get; init; }

    public double FirstChunkSeconds { get; init; } = 0.35;

    public double ErrorShare { get; init; } = 0.004;

    public double ToolSeconds { get; init; } = 0.12;

    public double ToolErrorShare { get; init; }

    public int InputTokens { get; init; } = 900;

    public int OutputTokens { get; init; } = 120;

    public double LengthShare { get; init; } = 0.01;

    public int SameCalls { get; init; } = 1;

    public string ModelRequested { get; init; } = "gpt-4o-mini";

    public string ModelResponded { get; init; } = "gpt-4o-mini-2024-07-18";

    public string EmbeddingModel { get; init; } = "text-embedding-3-small";

    public string PromptVersion { get; init; } = "12";

    public string Release { get; init; } = "2.4.0";

    public string MaxTokens { get; init; } = "400";
}

/// <summary>
/// A support bot of one service, as spans and scores: embeddings, retrieval, one tool, a model call, two scores. With a daily
/// rhythm, slow drift of its own (an AR(1) process), long-tailed latencies and Poisson arrivals.
/// </summary>
internal sealed class SimulatedBot(int seed, string service = "support-bot", double perSecond = 1.0, double roughness = 1)
{
    private readonly Random _random = new(seed);
    private double _drift;
    private ulong _ids = (ulong)(uint)seed << 32;

    public string Service => service;

    /// <summary>Whose requests it serves, by how often they come; none: no span says.</summary>
    public IReadOnlyList<(string Name, double Share)> Tenants { get; init; } = [];

    /// <summary>The attribute of a request's first span that names the tenant.</summary>
    public string TenantKey { get; init; } = "tenant.id";

    /// <summary>What the system does for one tenant, of what it does for all.</summary>
    public Func<string, Behaviour, Behaviour> ForTenant { get; set; } = static (_, all) => all;

    /// <summary>Everything that ends from <paramref name="from"/> on within <paramref name="length"/>.</summary>
    public BatchBuilder Stretch(DateTimeOffset from, TimeSpan length, Behaviour behaviour, BatchBuilder? into = null)
    {
        var batch = into ?? new BatchBuilder(from + length);
        var rate = perSecond * (0.75 + (0.5 * Day(from)));
        for (var at = from + Wait(rate); at < from + length; at += Wait(rate))
        {
            Request(batch, at, behaviour);
        }

        return batch;
    }

    private string NextTenant()
    {
        var at = _random.NextDouble() * Tenants.Sum(tenant => tenant.Share);
        return Tenants.First(tenant => (at -= tenant.Share) < 0).Name;
    }

    public TraceId Request(BatchBuilder batch, DateTimeOffset end, Behaviour b)
    {
        var tenant = Tenants.Count == 0 ? null : NextTenant();
        b = tenant is null ? b : ForTenant(tenant, b);
        _drift = (0.99 * _drift) + (0.02 * roughness * Normal());
        var slow = Math.Exp((0.15 * Day(end)) + (0.3 * _drift));
        var trace = new TraceId(new UInt128((ulong)seed + 1, ++_ids));
        var root = new SpanId(++_ids);
        var endNanos = end.ToUnixTimeMilliseconds() * 1_000_000;
        var embed = Long(Latency(0.03, 0.3) * slow);
        var search = Long(Latency(0.06, 0.35) * slow);
        var model = Long(Latency(b.ModelSeconds, 0.35) * slow * (b.SlowShare > 0 && _random.NextDouble() < b.SlowShare ? 5 : 1));
        var tools = Enumerable.Range(0, b.SameCalls).Select(_ => Long(Latency(b.ToolSeconds, 0.3) * slow)).ToArray();
        var start = endNanos - embed - search - model - tools.Sum();
        var failed = _random.NextDouble() < b.ErrorShare;
        var at = start;

        batch.Add(new TestSpan(trace, Next(), root, "embeddings", at, at += embed) { Operation = "embeddings", Model = b.EmbeddingModel, ModelResponded = b.EmbeddingModel }, service, release: b.Release);
        var empty = _random.NextDouble() < b.EmptyShare;
        var top = Score(b.TopScore + (0.01 * _drift), 0.04);
        batch.Add(
            new TestSpan(trace, Next(), root, "retrieval help-centre", at, at += search)
            {
                Operation = "retrieval",
                Kind = SpanKind.Client,
                Model = b.EmbeddingModel,
                DataSource = "help-centre",
                Documents = empty ? 0 : b.Documents,
                TopScore = empty ? double.NaN : top,
                MeanScore = empty ? double.NaN : top * 0.85,
                Attributes = [("gen_ai.retrieval.top_k", b.Documents.ToString(System.Globalization.CultureInfo.InvariantCulture))],
            },
            service, release: b.Release);
        foreach (var tool in tools)
        {
            var toolFailed = _random.NextDouble() < b.ToolErrorShare;
            batch.Add(
                new TestSpan(trace, Next(), root, "execute_tool account", at, at += tool)
                {
                    Operation = "tool",
                    Tool = "account",
                    Agent = "helper",
                    ArgumentsHash = b.SameCalls > 1 ? "00000000000000aa" : _ids.ToString("x16", null),
                    Status = toolFailed ? SpanStatus.Error : SpanStatus.Unset,
                    StatusMessage = toolFailed ? "connection refused" : "",
                },
                service, release: b.Release);
        }

        var chat = Next();
        var cut = _random.NextDouble() < b.LengthShare;
        batch.Add(
            new TestSpan(trace, chat, root, "chat " + b.ModelRequested, at, at + model)
            {
                Operation = "chat",
                Kind = SpanKind.Client,
                Provider = "openai",
                Model = b.ModelRequested,
                ModelResponded = failed ? "" : b.ModelResponded,
                Prompt = "support-answer",
                PromptVersion = b.PromptVersion,
                Finish = failed ? "" : cut ? "length" : "stop",
                InputTokens = failed ? Faultline.Telemetry.GenAi.GenAiColumns.Absent : (long)(b.InputTokens * Math.Exp(0.1 * Normal())),
                OutputTokens = failed ? Faultline.Telemetry.GenAi.GenAiColumns.Absent : (long)(b.OutputTokens * Math.Exp(0.2 * Normal())),
                FirstChunkSeconds = failed ? double.NaN : Latency(b.FirstChunkSeconds, 0.3) * slow,
                Status = failed ? SpanStatus.Error : SpanStatus.Unset,
                Attributes = [("gen_ai.request.temperature", "0.2"), ("gen_ai.request.max_tokens", b.MaxTokens)],
            },
            service, release: b.Release);
        if (!failed)
        {
            var relevance = b.WrongShare > 0 && _random.NextDouble() < b.WrongShare ? 0.4 : b.Relevance;
            batch.Score(service, trace, chat, "relevance", Score(relevance + (0.01 * _drift), relevance < 0.7 ? 0.09 : 0.05), endNanos);
            batch.Score(service, trace, chat, "groundedness", Score(0.91, 0.04), endNanos);
        }

        batch.Add(
            new TestSpan(trace, root, default, "POST /ask", start, endNanos) { Kind = SpanKind.Server, Status = failed ? SpanStatus.Error : SpanStatus.Unset, Attributes = tenant is null ? [] : [(TenantKey, tenant)] },
            service, release: b.Release);
        return trace;
    }

    private static double Day(DateTimeOffset at) => Math.Sin(2 * Math.PI * ((at.TimeOfDay.TotalHours - 8) / 24));

    private static long Long(double seconds) => (long)(seconds * 1e9);

    private SpanId Next() => new(++_ids);

    private TimeSpan Wait(double rate) => TimeSpan.FromSeconds(-Math.Log(1 - _random.NextDouble()) / rate);

    private double Latency(double median, double sigma) => median * Math.Exp(sigma * Normal()) * (_random.NextDouble() < 0.01 ? 4 : 1);

    private double Score(double mean, double sigma) => Math.Clamp(mean + (sigma * Normal()), 0, 1);

    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
}

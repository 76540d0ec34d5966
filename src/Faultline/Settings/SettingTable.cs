using System.Globalization;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Store.Schema;

namespace Faultline.Settings;

/// <summary>One key that users can set.</summary>
/// <param name="Key">As in the YAML file, e.g. <c>metrics.derived.buckets_seconds</c>.</param>
/// <param name="Help">What it is, in a line.</param>
/// <param name="Apply">Sets it from its text values (several only where it is a list); null text values never come.</param>
/// <param name="IsSecret">Taken from the environment and the <c>.env</c> file only: settings files are shared and command lines are seen.</param>
internal sealed record Setting(string Key, string Help, Func<FaultlineSettings, IReadOnlyList<string>, FaultlineSettings> Apply, bool IsList = false, bool IsSecret = false)
{
    /// <summary><c>a.b_c</c> is <c>FAULTLINE_A_B_C</c>.</summary>
    public string Variable => "FAULTLINE_" + Key.Replace('.', '_').ToUpperInvariant();
}

/// <summary>Every key, its meaning and how its text becomes a value.</summary>
internal static class SettingTable
{
    private static readonly double[] InfraBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
    private static readonly double[] GenAiBuckets = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];

    public static readonly IReadOnlyList<Setting> All =
    [
        new("data", "Data directory.", (s, v) => s with { DataDirectory = One(v) }),
        new("profile", "Which parts run; this version: full.", (s, v) => s with { Profile = One(v) }),
        new("listen.otlp_grpc", "OTLP over gRPC.", (s, v) => s with { OtlpGrpc = Listen(v) }),
        new("listen.otlp_http", "OTLP over HTTP.", (s, v) => s with { OtlpHttp = Listen(v) }),
        new("listen.prometheus", "Prometheus HTTP API.", (s, v) => s with { Prometheus = Listen(v) }),
        new("listen.victoriametrics", "The same API where VictoriaMetrics would be.", (s, v) => s with { VictoriaMetrics = Listen(v) }),
        new("listen.internals", "Faultline's own metrics.", (s, v) => s with { Internals = Listen(v) }),
        new("listen.derived", "Metrics derived from traces.", (s, v) => s with { Derived = Listen(v) }),
        new("listen.health", "Health.", (s, v) => s with { Health = Listen(v) }),
        new("listen.ui", "Pages and REST.", (s, v) => s with { Ui = Listen(v) }),
        new("listen.connections_max", "Most open connections of one listener; one more is closed at once.", (s, v) => s with { ConnectionsMax = Count(v) }),
        new("tls.certificate", "PEM file with the server's certificate and those above it; read again on change and SIGHUP.", (s, v) => s with { Tls = s.Tls with { Certificate = One(v) } }),
        new("tls.key", "PEM file with its private key.", (s, v) => s with { Tls = s.Tls with { Key = One(v) } }),
        new("tls.client_ca", "PEM file with the authorities of clients' certificates; makes clients show one.", (s, v) => s with { Tls = s.Tls with { ClientCa = One(v) } }),
        new("tls.listeners", "Listeners that speak TLS, e.g. otlp_grpc, ui (default all).", (s, v) => s with { Tls = s.Tls with { Listeners = v } }, IsList: true),
        new("tls.mutual_listeners", "Listeners that let only clients with a certificate in (default all but health and ui).", (s, v) => s with { Tls = s.Tls with { MutualListeners = v } }, IsList: true),
        new("gateway.method", "api-key or basic-auth.", (s, v) => s with { GatewayMethod = One(v) }),
        new("gateway.api_keys", "Keys for 4317, 4318, 9090 and 8428; KEY or KEY=PROJECT.", (s, v) => s with { ApiKeys = v }, IsList: true),
        new("gateway.basic_credentials", "user:password, several.", (s, v) => s with { BasicCredentials = v }, IsList: true),
        new("ingest.max_age", "Older spans are refused, e.g. 365d.", (s, v) => s with { IngestMaxAge = Duration(v) }),
        new("ingest.message_bytes_max", "Largest request after decompression, e.g. 32MiB.", (s, v) => s with { MessageBytesMax = checked((int)Bytes(v)) }),
        new("ingest.read_timeout", "How long a request may take to arrive, e.g. 60s.", (s, v) => s with { ReadTimeout = ReadTimeout(v) }),
        new("ingest.commit_delay", "How long a request waits for company before it is written to the journal and acknowledged, e.g. 5ms.", (s, v) => s with { CommitDelay = Duration(v) }),
        new("ingest.insert_delay", "How long acknowledged requests wait in the journal for company before they can be read, e.g. 250ms.", (s, v) => s with { InsertDelay = Duration(v) }),
        new("ingest.queue_bytes_max", "Most bytes waiting for a commit; more is answered with 'try later'.", (s, v) => s with { QueueBytesMax = Bytes(v) }),
        new("redaction.enabled", "Whether sensitive text is taken out before anything is stored: true or false.", (s, v) => s with { Redaction = s.Redaction with { Enabled = Bool(v) } }),
        new("redaction.classes", "What is looked for, each CLASS or CLASS=MODE (mask, hash, drop), or none.", (s, v) => s with { Redaction = s.Redaction with { Kinds = RedactionWriting.Kinds(v) } }, IsList: true),
        new("redaction.attributes", "Attributes by key, KEY=MODE (keep, mask, hash, drop), * in front or at the end.", (s, v) => s with { Redaction = s.Redaction with { Attributes = RedactionWriting.Rules(v) } }, IsList: true),
        new("redaction.events", "Events by name, NAME=MODE: their attributes, and a log event's body.", (s, v) => s with { Redaction = s.Redaction with { Events = RedactionWriting.Rules(v) } }, IsList: true),
        new("redaction.patterns", "Patterns of your own, NAME=EXPRESSION or NAME:MODE=EXPRESSION.", (s, v) => s with { Redaction = s.Redaction with { Patterns = RedactionWriting.Patterns(v) } }, IsList: true),
        new("redaction.hash_key", "Key of the hashes, 16 characters or more (default: made at first use).", (s, v) => s with { Redaction = s.Redaction with { HashKey = RedactionWriting.Key(One(v)) } }),
        new("memory.bytes_max", "Most memory the whole process may hold, e.g. 3GiB (default: three quarters of the machine's or container's); near it senders are told to try later.", (s, v) => s with { MemoryBytesMax = Bytes(v) }),
        new("store.memory_bytes_max", "Most memory the ClickHouse engine may take, e.g. 2GiB.", (s, v) => s with { EngineMemoryBytesMax = Bytes(v) }),
        new("store.durability", "What an acknowledgement outlives: process (its end, kill -9 included) or power (a power cut; every insert is synced).", (s, v) => s with { Durability = DurabilityOf(v) }),
        new("retention.hot", "How long everything stays, e.g. 3d; not set: for ever.", (s, v) => s with { Retention = s.Retention with { Hot = Duration(v) } }),
        new("retention.rules", "What outlives it, each NAME = CONDITION for DURATION, or none; see docs/retention.md.", (s, v) => s with { Retention = s.Retention with { Rules = RetentionWriting.Rules(v) } }, IsList: true),
        new("retention.metrics", "How long samples of metrics stay, e.g. 395d; not set: for ever.", (s, v) => s with { Retention = s.Retention with { Metrics = Duration(v) } }),
        new("metrics.derived.namespace", "First word of the derived metrics' names; may be empty.", (s, v) => s with { DerivedNamespace = One(v) }),
        new("metrics.derived.buckets_seconds", "Latency bounds, or the word infra or genai.", (s, v) => s with { BucketsSeconds = Buckets(v) }, IsList: true),
        new("metrics.derived.dimensions", "Attributes that become labels.", (s, v) => s with { Dimensions = v }, IsList: true),
        new("metrics.derived.max_lateness", "Spans that end longer ago are only counted as late.", (s, v) => s with { MaxLateness = Duration(v) }),
        new("metrics.derived.series_per_metric_max", "More series of one metric go into an overflow series.", (s, v) => s with { SeriesPerMetricMax = checked((int)Number(v)) }),
        new("metrics.scrape_interval", "How often derived metrics and internals are sampled into the store.", (s, v) => s with { ScrapeInterval = Duration(v) }),
        new("canary.interval", "How often a span of our own is sent and read back to measure the lag, e.g. 30s; 0s: never.", (s, v) => s with { Canary = s.Canary with { Interval = Duration(v) } }),
        new("evaluators.enabled", "Evaluators that judge calls by themselves, or none.", (s, v) => s with { Evaluators = s.Evaluators with { Enabled = v is [EvaluatorOptions.None] ? [] : v } }, IsList: true),
        new("evaluators.sample", "Share of traces that they judge, 0 to 1.", (s, v) => s with { Evaluators = s.Evaluators with { Sample = Number(v) } }),
        new("evaluators.core_share", "Share of one core that they may take; what does not fit is skipped and counted.", (s, v) => s with { Evaluators = s.Evaluators with { CoreShare = Number(v) } }),
        new("evaluators.settle", "How long a call waits for the rest of its trace before it is judged.", (s, v) => s with { Evaluators = s.Evaluators with { Settle = Duration(v) } }),
        new("evaluators.topics", "Whether topics and drift of prompts and answers are watched too: true or false.", (s, v) => s with { Evaluators = s.Evaluators with { Topics = Bool(v) } }),
        new("llm.endpoint", "Base address of an OpenAI-compatible API, e.g. http://127.0.0.1:11434/v1; without one no language model is asked.", (s, v) => s with { Llm = s.Llm with { Endpoint = One(v) } }),
        new("llm.model", "The model that it is asked for.", (s, v) => s with { Llm = s.Llm with { Model = One(v) } }),
        new("llm.key", "Its key, when it wants one; from the environment only.", (s, v) => s with { Llm = s.Llm with { Key = One(v) } }, IsSecret: true),
        new("llm.call_timeout", "How long one request to it may take.", (s, v) => s with { Llm = s.Llm with { CallTimeout = Duration(v) } }),
        new("reasoning.enabled", "Whether it is asked about cases: true or false.", (s, v) => s with { Reasoning = s.Reasoning with { Enabled = Bool(v) } }),
        new("reasoning.calls_max", "Requests for one case.", (s, v) => s with { Reasoning = s.Reasoning with { CallsMax = checked((int)Number(v)) } }),
        new("reasoning.tokens_max", "Tokens, in and out, for one case.", (s, v) => s with { Reasoning = s.Reasoning with { TokensMax = checked((long)Number(v)) } }),
        new("reasoning.time_max", "How long one case may take it.", (s, v) => s with { Reasoning = s.Reasoning with { TimeMax = Duration(v) } }),
        new("reasoning.tool_bytes_max", "Bytes of stored telemetry that it may read for one case.", (s, v) => s with { Reasoning = s.Reasoning with { ToolBytesMax = Bytes(v) } }),
        new("reasoning.tokens_per_day", "Tokens for all cases of one day (UTC).", (s, v) => s with { Reasoning = s.Reasoning with { TokensPerDay = checked((long)Number(v)) } }),
        new("judge.rubrics", "Rubrics by which it judges calls, or none.", (s, v) => s with { Judge = s.Judge with { Rubrics = v is [EvaluatorOptions.None] ? [] : v } }, IsList: true),
        new("judge.folder", "Folder with rubrics of your own, one YAML file each.", (s, v) => s with { Judge = s.Judge with { Folder = One(v) } }),
        new("judge.sample", "Share of traces that it judges, 0 to 1.", (s, v) => s with { Judge = s.Judge with { Sample = Number(v) } }),
        new("judge.tokens_per_hour", "Tokens for judging in an hour; what does not fit is skipped and counted.", (s, v) => s with { Judge = s.Judge with { TokensPerHour = checked((long)Number(v)) } }),
        new("rules.files", "YAML files with rules on scores and features; see docs/detection.md.", (s, v) => s with { RuleFiles = v }, IsList: true),
        new("knowledge.half_life", "After so long a resolved case counts half in a diagnosis, e.g. 180d.", (s, v) => s with { Knowledge = s.Knowledge with { HalfLife = Duration(v) } }),
    ];

    /// <summary>Names that pipelines of this kind already have in their <c>.env</c>.</summary>
    public static readonly IReadOnlyDictionary<string, string> Aliases = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["ENVOY_AUTH_METHOD"] = "gateway.method",
        ["ENVOY_API_KEYS"] = "gateway.api_keys",
        ["ENVOY_BASIC_AUTH_CREDENTIALS"] = "gateway.basic_credentials",
    };

    /// <summary>The known name that <paramref name="name"/> was most likely meant to be.</summary>
    public static string Nearest(string name, IEnumerable<string> known) =>
        known.MinBy(candidate => Distance(name, candidate)) ?? "";

    internal static string One(IReadOnlyList<string> values) => values is [var value] ? value : throw new FormatException("one value is wanted, not a list");

    private static Durability DurabilityOf(IReadOnlyList<string> values) => One(values) switch
    {
        "process" => Durability.Process,
        "power" => Durability.Power,
        var other => throw new FormatException($"'{other}' is neither process nor power"),
    };

    private static ListenAddress Listen(IReadOnlyList<string> values) =>
        ListenAddress.TryParse(One(values), out var address) ? address : throw new FormatException($"'{One(values)}' is not host:port (for example 127.0.0.1:4318)");

    private static double Number(IReadOnlyList<string> values) =>
        double.TryParse(One(values), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw new FormatException($"'{One(values)}' is not a number");

    internal static bool Bool(IReadOnlyList<string> values) =>
        bool.TryParse(One(values), out var yes) ? yes : throw new FormatException($"'{One(values)}' is neither true nor false");

    internal static TimeSpan Duration(IReadOnlyList<string> values)
    {
        var text = One(values);
        ReadOnlySpan<(string Unit, double Seconds)> units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("y", 31_536_000)];
        foreach (var (unit, seconds) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal) && double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= 0)
            {
                return TimeSpan.FromSeconds(number * seconds);
            }
        }

        throw new FormatException($"'{text}' is not a duration (for example 25ms, 10s, 15m, 12h, 365d)");
    }

    private static TimeSpan ReadTimeout(IReadOnlyList<string> values) =>
        Duration(values) is var time && time >= TimeSpan.FromSeconds(1) && time <= TimeSpan.FromHours(1) ? time : throw new FormatException($"'{One(values)}' is not between 1s and 1h");

    private static int Count(IReadOnlyList<string> values) =>
        int.TryParse(One(values), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 ? count : throw new FormatException($"'{One(values)}' is not a number above 0");

    internal static long Bytes(IReadOnlyList<string> values)
    {
        var text = One(values);
        ReadOnlySpan<(string Unit, long Factor)> units = [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1), ("", 1)];
        foreach (var (unit, factor) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal) && double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number > 0)
            {
                return checked((long)(number * factor));
            }
        }

        throw new FormatException($"'{text}' is not a size (for example 32MiB, 2GiB)");
    }

    private static double[] Buckets(IReadOnlyList<string> values) => values switch
    {
        ["infra"] => InfraBuckets,
        ["genai"] => GenAiBuckets,
        _ => [.. values.Select(value => Number([value]))],
    };

    private static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var current = new int[b.Length + 1];
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitute = previous[j - 1] + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                current[j] = Math.Min(substitute, Math.Min(previous[j], current[j - 1]) + 1);
            }

            previous = current;
        }

        return previous[^1];
    }
}

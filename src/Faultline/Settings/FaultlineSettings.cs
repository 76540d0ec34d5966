using Faultline.Diagnosis.Evaluators.Judge;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Diagnosis.Knowledge;
using Faultline.Diagnosis.Reasoning;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Diagnosis.Rules;
using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Pipeline;
using Faultline.Store.Schema;
using Faultline.Store.Tiers;
using Faultline.Telemetry;
using Faultline.Telemetry.Redaction;

namespace Faultline.Settings;

/// <summary>Everything that can be set, with defaults that work. <see cref="SettingTable"/> names each as users write it.</summary>
public sealed record FaultlineSettings
{
    public string DataDirectory { get; init; } = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share", "faultline");

    public string Profile { get; init; } = "full";

    public ListenAddress OtlpGrpc { get; init; } = Loopback(4317);

    public ListenAddress OtlpHttp { get; init; } = Loopback(4318);

    public ListenAddress Prometheus { get; init; } = Loopback(9090);

    public ListenAddress VictoriaMetrics { get; init; } = Loopback(8428);

    public ListenAddress Internals { get; init; } = Loopback(8888);

    public ListenAddress Derived { get; init; } = Loopback(8889);

    public ListenAddress Health { get; init; } = Loopback(13133);

    public ListenAddress Ui { get; init; } = Loopback(4300);

    /// <summary><c>api-key</c> or <c>basic-auth</c>.</summary>
    public string GatewayMethod { get; init; } = "api-key";

    /// <summary>Each is <c>KEY</c> (project <c>default</c>) or <c>KEY=PROJECT</c>.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [PlaceholderKey];

    /// <summary>Each is <c>user:password</c>.</summary>
    public IReadOnlyList<string> BasicCredentials { get; init; } = [];

    public TimeSpan IngestMaxAge { get; init; } = TimeSpan.FromDays(365);

    public int MessageBytesMax { get; init; } = 32 << 20;

    /// <summary>Of one listener.</summary>
    public int ConnectionsMax { get; init; } = 2048;

    /// <summary>Six times what an exporter waits by default: enough for any client that is still there.</summary>
    public TimeSpan ReadTimeout { get; init; } = TimeSpan.FromSeconds(60);

    public TimeSpan CommitDelay { get; init; } = TimeSpan.FromMilliseconds(5);

    public TimeSpan InsertDelay { get; init; } = TimeSpan.FromMilliseconds(250);

    public long QueueBytesMax { get; init; } = 256L << 20;

    public TlsSettings Tls { get; init; } = new();

    public RedactionOptions Redaction { get; init; } = new();

    /// <summary>Of the whole process. A container that goes beyond its limit is killed, so the default stays below.</summary>
    public long MemoryBytesMax { get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4 * 3;

    /// <summary>Never more than half of <see cref="MemoryBytesMax"/>.</summary>
    public long EngineMemoryBytesMax { get; init; } = 2L << 30;

    public Durability Durability { get; init; } = Durability.Process;

    public RetentionOptions Retention { get; init; } = new();

    public string DerivedNamespace { get; init; } = "llm";

    /// <summary>Upper bounds in seconds, rising; +Inf is implied. The presets <c>infra</c> and <c>genai</c> stand for lists of their own.</summary>
    public IReadOnlyList<double> BucketsSeconds { get; init; } = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];

    public IReadOnlyList<string> Dimensions { get; init; } = ["env", "component", "model"];

    /// <summary>What a pasted <c>connectors: spanmetrics:</c> says; in the place of the three above. From the settings file only.</summary>
    public SpanMetricsSettings? SpanMetrics { get; init; }

    public TimeSpan MaxLateness { get; init; } = TimeSpan.FromMinutes(10);

    public int SeriesPerMetricMax { get; init; } = 20_000;

    public TimeSpan ScrapeInterval { get; init; } = TimeSpan.FromSeconds(10);

    public CanaryOptions Canary { get; init; } = new();

    public EvaluatorOptions Evaluators { get; init; } = new();

    /// <summary>Without an endpoint no language model is asked anything.</summary>
    public LlmOptions Llm { get; init; } = new();

    public ReasoningOptions Reasoning { get; init; } = new();

    public JudgeOptions Judge { get; init; } = new();

    /// <summary>YAML files with rules.</summary>
    public IReadOnlyList<string> RuleFiles { get; init; } = [];

    /// <summary>What <see cref="RuleFiles"/> say.</summary>
    public IReadOnlyList<UserRule> Rules { get; init; } = [];

    public KnowledgeOptions Knowledge { get; init; } = new();

    /// <summary>Backends that get a copy; from the settings file only.</summary>
    public IReadOnlyList<ExporterOptions> Exporters { get; init; } = [];

    /// <summary>The key of a fresh installation. Accepted on loopback only.</summary>
    public const string PlaceholderKey = "placeholder_api_key";

    /// <summary>The listeners by the key that sets each.</summary>
    public IReadOnlyDictionary<string, ListenAddress> Listeners => new Dictionary<string, ListenAddress>(StringComparer.Ordinal)
    {
        ["listen.otlp_grpc"] = OtlpGrpc,
        ["listen.otlp_http"] = OtlpHttp,
        ["listen.prometheus"] = Prometheus,
        ["listen.victoriametrics"] = VictoriaMetrics,
        ["listen.internals"] = Internals,
        ["listen.derived"] = Derived,
        ["listen.health"] = Health,
        ["listen.ui"] = Ui,
    };

    /// <summary>What cannot work, in the settings' own words; all of it at once.</summary>
    public IEnumerable<string> Problems()
    {
        if (!string.Equals(Profile, "full", StringComparison.Ordinal))
        {
            yield return $"profile: '{Profile}' is not available in this version; the only profile is 'full'.";
        }

        if (GatewayMethod is not ("api-key" or "basic-auth"))
        {
            yield return $"gateway.method: '{GatewayMethod}' is neither 'api-key' nor 'basic-auth'.";
        }

        if (ApiKeys.Count == 0 && string.Equals(GatewayMethod, "api-key", StringComparison.Ordinal))
        {
            yield return "gateway.api_keys: the list is empty, so nobody could send telemetry. Give at least one key.";
        }

        if (ApiKeys.Any(key => key.EndsWith("=" + TelemetryBatch.CanaryProject, StringComparison.Ordinal)))
        {
            yield return $"gateway.api_keys: the project {TelemetryBatch.CanaryProject} is Faultline's own; give the key another one.";
        }

        if (BasicCredentials.Count == 0 && string.Equals(GatewayMethod, "basic-auth", StringComparison.Ordinal))
        {
            yield return "gateway.basic_credentials: the method is 'basic-auth', but no user:password is given.";
        }

        foreach (var credential in BasicCredentials.Where(credential => credential.IndexOf(':', StringComparison.Ordinal) <= 0))
        {
            yield return $"gateway.basic_credentials: entry {BasicCredentials.ToList().IndexOf(credential) + 1} is not of the form user:password.";
        }

        if (ApiKeys.Any(key => string.Equals(key.Split('=')[0], PlaceholderKey, StringComparison.Ordinal)))
        {
            foreach (var (key, address) in Listeners.Where(listener => !listener.Value.IsLoopback))
            {
                yield return $"{key}: {address} is open to other machines, but the key '{PlaceholderKey}' is known to everybody. Set gateway.api_keys (or ENVOY_API_KEYS) to keys of your own first.";
            }
        }

        if (MemoryBytesMax < MemoryBytesLeast)
        {
            yield return $"memory.bytes_max: {MemoryBytesMax >> 20} MiB is too little; an idle server holds some 350 MiB. Give it {MemoryBytesLeast >> 20} MiB or more.";
        }

        foreach (var (before, after) in BucketsSeconds.Zip(BucketsSeconds.Skip(1)))
        {
            if (after <= before)
            {
                yield return $"metrics.derived.buckets_seconds: bounds must rise, but {after} follows {before}.";
            }
        }

        foreach (var problem in (IEnumerable<string>)[.. Tls.Problems(), .. Redaction.Problems(), .. Retention.Problems(), .. Canary.Problems(), .. Evaluators.Problems(), .. Llm.Problems(), .. Reasoning.Problems(), .. Judge.Problems(), .. Knowledge.Problems()])
        {
            yield return problem;
        }

        var fixedPorts = Listeners.Where(listener => listener.Value.Port != 0).GroupBy(listener => listener.Value.ToString(), StringComparer.Ordinal);
        foreach (var clash in fixedPorts.Where(group => group.Count() > 1))
        {
            yield return $"{string.Join(" and ", clash.Select(listener => listener.Key))}: both are {clash.Key}; give each its own port.";
        }
    }

    private const long MemoryBytesLeast = 512L << 20;

    private static ListenAddress Loopback(int port) => new(System.Net.IPAddress.Loopback, port);
}

using System.Globalization;
using System.Text.RegularExpressions;
using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Receivers;
using YamlDotNet.RepresentationModel;

namespace Faultline.Settings;

/// <summary>
/// Reads <c>exporters:</c> of the settings file, under the OpenTelemetry collector's own key names. Everything that is wrong is said at once,
/// with file and line. <c>${env:NAME}</c> stands for a variable, so that keys need not stand in the file.
/// </summary>
internal sealed partial class ExporterReader(string file, IReadOnlyDictionary<string, string> variables, List<string> problems)
{
    private const string Headers = "headers.";

    private static readonly Dictionary<string, Func<Draft, IReadOnlyList<string>, Draft>> s_keys = new(StringComparer.Ordinal)
    {
        ["endpoint"] = (d, v) => d with { Endpoint = SettingTable.One(v) },
        ["traces_endpoint"] = (d, v) => d.At(Ingest.Pipeline.Signal.Traces, SettingTable.One(v)),
        ["metrics_endpoint"] = (d, v) => d.At(Ingest.Pipeline.Signal.Metrics, SettingTable.One(v)),
        ["logs_endpoint"] = (d, v) => d.At(Ingest.Pipeline.Signal.Logs, SettingTable.One(v)),
        ["protocol"] = (d, v) => d.With(o => o with { Protocol = Protocol(SettingTable.One(v)) }),
        ["signals"] = (d, v) => d.With(o => o with { Signals = [.. v.Select(Signal).Distinct()] }),
        ["compression"] = (d, v) => d.With(o => o with { Compression = Compression(SettingTable.One(v)) }),
        ["timeout"] = (d, v) => d.With(o => o with { Timeout = AboveZero(v) }),
        ["tls.insecure"] = (d, v) => d with { IsInsecure = SettingTable.Bool(v) },
        ["tls.insecure_skip_verify"] = (d, v) => d.With(o => o with { Tls = o.Tls with { InsecureSkipVerify = SettingTable.Bool(v) } }),
        ["tls.ca_file"] = (d, v) => d.With(o => o with { Tls = o.Tls with { CaFile = d.Existing(v) } }),
        ["tls.cert_file"] = (d, v) => d.With(o => o with { Tls = o.Tls with { CertFile = d.Existing(v) } }),
        ["tls.key_file"] = (d, v) => d.With(o => o with { Tls = o.Tls with { KeyFile = d.Existing(v) } }),
        ["tls.server_name_override"] = (d, v) => d.With(o => o with { Tls = o.Tls with { ServerNameOverride = SettingTable.One(v) } }),
        ["retry_on_failure.enabled"] = (d, v) => d.Retry(r => r with { Enabled = SettingTable.Bool(v) }),
        ["retry_on_failure.initial_interval"] = (d, v) => d.Retry(r => r with { InitialInterval = AboveZero(v) }),
        ["retry_on_failure.randomization_factor"] = (d, v) => d.Retry(r => r with { RandomizationFactor = Between(v, 0, 1) }),
        ["retry_on_failure.multiplier"] = (d, v) => d.Retry(r => r with { Multiplier = Between(v, 1, 100) }),
        ["retry_on_failure.max_interval"] = (d, v) => d.Retry(r => r with { MaxInterval = AboveZero(v) }),
        ["retry_on_failure.max_elapsed_time"] = (d, v) => d.Retry(r => r with { MaxElapsedTime = SettingTable.One(v) == "0" ? TimeSpan.Zero : SettingTable.Duration(v) }),
        ["sending_queue.sizer"] = (d, v) => SettingTable.One(v) == "bytes" ? d : throw new FormatException("queues are bounded in bytes here; leave it out or write 'bytes'"),
        ["sending_queue.queue_size"] = (d, v) => d.With(o => o with { QueueBytesMax = QueueBytes(v) }),
        ["sending_queue.batch.max_size"] = (d, v) => d.With(o => o with { BatchBytesMax = checked((int)Math.Min(SettingTable.Bytes(v), 256 << 20)) }),
        ["filter.projects"] = (d, v) => d.Filter(f => f with { Projects = Patterns(v) }),
        ["filter.services"] = (d, v) => d.Filter(f => f with { Services = Patterns(v) }),
        ["filter.attributes"] = (d, v) => d.Filter(f => f with { Attributes = [.. v.Select(text => new AttributeMatch(text))] }),
        ["filter.only_errors"] = (d, v) => d.Filter(f => f with { OnlyErrors = SettingTable.Bool(v) }),
    };

    /// <summary>What is known of an exporter before all of its keys are read.</summary>
    /// <param name="Folder">Of the settings file: a file named in it lies beside it.</param>
    private sealed record Draft(ExporterOptions Options, string Folder, string Endpoint = "", bool IsInsecure = false)
    {
        public Draft With(Func<ExporterOptions, ExporterOptions> change) => this with { Options = change(Options) };

        public Draft Retry(Func<RetryOptions, RetryOptions> change) => With(options => options with { Retry = change(options.Retry) });

        public Draft Filter(Func<ForwardFilter, ForwardFilter> change) => With(options => options with { Filter = change(options.Filter) });

        public Draft At(Ingest.Pipeline.Signal signal, string address) => With(options => options with
        {
            SignalEndpoints = new Dictionary<Ingest.Pipeline.Signal, Uri>(options.SignalEndpoints) { [signal] = Address(address) },
        });

        public string Existing(IReadOnlyList<string> values)
        {
            var path = Path.Combine(Folder, SettingTable.One(values));
            return File.Exists(path) ? path : throw new FormatException($"there is no file {path}");
        }
    }

    public IReadOnlyList<ExporterOptions> Read(YamlNode node)
    {
        if (node is not YamlMappingNode exporters)
        {
            problems.Add($"{file}:{node.Start.Line}: exporters: is a list of names, such as otlp/tempo, each with its keys.");
            return [];
        }

        List<ExporterOptions> read = [];
        foreach (var (key, value) in exporters.Children)
        {
            var name = key.ToString();
            if (!Name().IsMatch(name))
            {
                problems.Add($"{file}:{key.Start.Line}: exporters.{name}: exporters are named otlp or otlphttp, or otlp/NAME with letters, digits, '.', '-' and '_'.");
            }
            else if (value is not YamlMappingNode)
            {
                problems.Add($"{file}:{key.Start.Line}: exporters.{name}: needs at least an endpoint.");
            }
            else if (Exporter(name, value, key.Start.Line) is { } exporter)
            {
                read.Add(exporter);
            }
        }

        return read;
    }

    private ExporterOptions? Exporter(string name, YamlNode node, long nameLine)
    {
        var before = problems.Count;
        var isHttp = name.Split('/')[0] is "otlphttp" or "otlp_http";
        var draft = new Draft(
            new ExporterOptions(name) { Endpoint = new Uri("http://localhost"), Protocol = isHttp ? ExporterProtocol.Http : ExporterProtocol.Grpc },
            Path.GetDirectoryName(Path.GetFullPath(file)) ?? ".");
        List<(string, IReadOnlyList<string>, long)> keys = [];
        SettingsReader.Flatten(node, "", keys);
        foreach (var (key, texts, line) in keys)
        {
            try
            {
                draft = Set(draft, key, [.. texts.Select(Expand)]);
            }
            catch (Exception wrong) when (wrong is FormatException or OverflowException)
            {
                problems.Add($"{file}:{line}: exporters.{name}.{key}: {wrong.Message}.");
            }
        }

        foreach (var problem in problems.Count == before ? Problems(draft) : [])
        {
            problems.Add($"{file}:{nameLine}: exporters.{name}.{problem}");
        }

        return problems.Count == before ? draft.Options with { Endpoint = Endpoint(draft)! } : null;
    }

    private static Draft Set(Draft draft, string key, IReadOnlyList<string> values)
    {
        if (key.StartsWith(Headers, StringComparison.Ordinal))
        {
            return draft.With(options => options with { Headers = [.. options.Headers, Header(key[Headers.Length..], SettingTable.One(values))] });
        }

        return s_keys.TryGetValue(key, out var apply)
            ? apply(draft, values)
            : throw new FormatException($"is not a setting of an exporter. Did you mean {SettingTable.Nearest(key, s_keys.Keys)}?");
    }

    private static IEnumerable<string> Problems(Draft draft)
    {
        var options = draft.Options;
        if (draft.Endpoint.Length == 0 && (options.Protocol == ExporterProtocol.Grpc || options.Signals.Any(signal => !options.SignalEndpoints.ContainsKey(signal))))
        {
            yield return "endpoint: is missing (for example tempo:4317, or https://tempo:4318).";
        }
        else if (draft.Endpoint.Length > 0 && Endpoint(draft) is null)
        {
            yield return $"endpoint: '{draft.Endpoint}' is not host:port and not an address that begins with http:// or https://.";
        }

        if (options.Protocol == ExporterProtocol.Grpc && Endpoint(draft) is { PathAndQuery: not "/" })
        {
            yield return "endpoint: gRPC has no path; with one it is protocol: http.";
        }

        if ((options.Tls.CertFile is null) != (options.Tls.KeyFile is null))
        {
            yield return "tls: give cert_file and key_file, or neither.";
        }

        if (options.Signals.Count == 0)
        {
            yield return $"signals: is empty; there are {string.Join(", ", SignalWords.All)}.";
        }
    }

    /// <summary>As the collector reads it: <c>host:port</c> is TLS unless <c>tls.insecure</c>; a scheme decides by itself.</summary>
    private static Uri? Endpoint(Draft draft)
    {
        var text = draft.Endpoint.Length == 0 ? "http://localhost" : draft.Endpoint;
        text = text.Contains("://", StringComparison.Ordinal) ? text : (draft.IsInsecure ? "http://" : "https://") + text;
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" && address.Host.Length > 0 ? address : null;
    }

    private static Uri Address(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address : throw new FormatException($"'{text}' is not an address that begins with http:// or https://");

    private string Expand(string text) => Variable().Replace(text, match =>
        variables.TryGetValue(match.Groups[1].Value, out var value) ? value : throw new FormatException($"the variable {match.Groups[1].Value} is not set"));

    private static KeyValuePair<string, string> Header(string name, string value)
    {
        using var probe = new HttpRequestMessage();
        return probe.Headers.TryAddWithoutValidation(name, value) && !value.AsSpan().ContainsAny('\r', '\n')
            ? new(name, value)
            : throw new FormatException("is not a header's name and value");
    }

    private static ExporterProtocol Protocol(string word) => word switch
    {
        "grpc" => ExporterProtocol.Grpc,
        "http" or "http/protobuf" => ExporterProtocol.Http,
        _ => throw new FormatException($"'{word}' is neither grpc nor http"),
    };

    private static Ingest.Pipeline.Signal Signal(string word) =>
        SignalWords.TryParse(word, out var signal) ? signal : throw new FormatException($"'{word}' is no signal; there are {string.Join(", ", SignalWords.All)}");

    private static Packing Compression(string word) =>
        word == "none" ? Packing.None
        : PackingWords.TryParse(word, out var packing) && packing != Packing.None ? packing
        : throw new FormatException($"'{word}' is not possible here; there are {PackingWords.Taken}, none");

    private static long QueueBytes(IReadOnlyList<string> values) =>
        SettingTable.Bytes(values) is var bytes && bytes >= ExporterOptions.QueueBytesMin
            ? bytes
            : throw new FormatException($"'{SettingTable.One(values)}' is too small: it is bytes on disk, not requests, and at least {ExporterOptions.QueueBytesMin >> 20}MiB (for example 1GiB)");

    private static TimeSpan AboveZero(IReadOnlyList<string> values) =>
        SettingTable.Duration(values) is var duration && duration > TimeSpan.Zero ? duration : throw new FormatException($"'{SettingTable.One(values)}' must be above 0");

    private static double Between(IReadOnlyList<string> values, double min, double max) =>
        double.TryParse(SettingTable.One(values), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw new FormatException($"'{SettingTable.One(values)}' is not a number from {min} to {max}");

    private static IReadOnlyList<NamePattern> Patterns(IReadOnlyList<string> values) => [.. values.Select(text => new NamePattern(text))];

    [GeneratedRegex(@"^otlp(_grpc|http|_http)?(/[A-Za-z0-9._-]{1,100})?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Name();

    [GeneratedRegex(@"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")]
    private static partial Regex Variable();
}

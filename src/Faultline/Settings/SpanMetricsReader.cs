using System.Globalization;
using System.Text.RegularExpressions;
using Faultline.Metrics.Derived;
using YamlDotNet.RepresentationModel;

namespace Faultline.Settings;

/// <summary>A pasted spanmetrics connector.</summary>
/// <param name="Options">Its keys, and the connector's defaults where it has none.</param>
/// <param name="SeriesPerMetricMax">Its <c>aggregation_cardinality_limit</c>; null: ours holds.</param>
public sealed record SpanMetricsSettings(DerivedMetricsOptions Options, int? SeriesPerMetricMax);

/// <summary>
/// Reads <c>connectors: spanmetrics:</c> of the settings file under the OpenTelemetry collector's own key names, so that a collector's configuration
/// can be pasted. What has no meaning here is said in words and left out; what would make other metrics than the connector's is refused.
/// </summary>
/// <remarks>Source: opentelemetry-collector-contrib, connector/spanmetricsconnector, config.go.</remarks>
internal sealed partial class SpanMetricsReader(string file, List<string> problems, List<string> warnings)
{
    private static readonly double[] DefaultBucketsMs = [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000];
    private static readonly string[] Reserved = ["service.name", "span.name", "span.kind", "status.code"];

    private static readonly Dictionary<string, string> WithoutMeaning = new(StringComparer.Ordinal)
    {
        ["dimensions_cache_size"] = "memory is bounded by metrics.derived.series_per_metric_max",
        ["resource_metrics_cache_size"] = "series are not grouped by resource, so no counter breaks when a cache is full",
        ["resource_metrics_key_attributes"] = "series are told apart by their labels alone, so other resource attributes break no counter",
        ["metrics_flush_interval"] = "metrics are up to date at every scrape; metrics.scrape_interval says how often they are sampled into the store",
        ["metric_timestamp_cache_size"] = "it is for delta temporality",
        ["delta_temporality"] = "metrics are cumulative",
    };

    private DerivedMetricsOptions _options = new() { LatencyName = "duration", Unit = DurationUnit.Milliseconds, Dimensions = [], Exemplars = false };
    private int? _seriesMax;
    private IReadOnlyList<TimeSpan>? _buckets;
    private bool _eventsOn;
    private SpanDimension[] _eventDimensions = [];

    private delegate void Use(string key, YamlNode value);

    /// <returns>Null when there is none, or something of it is wrong.</returns>
    public SpanMetricsSettings? Read(YamlNode node)
    {
        var before = problems.Count;
        var found = 0;
        foreach (var (key, value) in Entries("connectors", node))
        {
            if (key.ToString().Split('/')[0] is not ("spanmetrics" or "span_metrics"))
            {
                warnings.Add($"{file}:{key.Start.Line}: connectors.{key} has no meaning here and was left out; the only connector there is is spanmetrics.");
            }
            else if (++found > 1)
            {
                problems.Add($"{file}:{key.Start.Line}: connectors.{key}: there can be one spanmetrics connector; put the dimensions of both into one.");
            }
            else
            {
                ReadConnector($"connectors.{key}", value);
            }
        }

        return found == 0 || problems.Count > before ? null : new SpanMetricsSettings(_options, _seriesMax);
    }

    private void ReadConnector(string path, YamlNode node)
    {
        Each(path, node, (key, value) =>
        {
            if (WithoutMeaning.TryGetValue(key, out var why))
            {
                Warn(value, $"{path}.{key}", $"has no effect here: {why}");
                return;
            }

            switch (key)
            {
                case "namespace":
                    _options = _options with { SpanNamespace = Text(value) };
                    break;
                case "dimensions":
                    _options = _options with { Dimensions = Dimensions(value, Reserved) };
                    break;
                case "calls_dimensions":
                    _options = _options with { CallsDimensions = Dimensions(value, []) };
                    break;
                case "exclude_dimensions":
                    _options = _options with { Excluded = Texts(value).ToHashSet(StringComparer.Ordinal) };
                    break;
                case "include_instrumentation_scope":
                    _options = _options with { Scopes = Texts(value) };
                    break;
                case "aggregation_cardinality_limit":
                    _seriesMax = Limit(value, $"{path}.{key}");
                    break;
                case "aggregation_temporality":
                    Temporality(value, $"{path}.{key}");
                    break;
                case "metrics_expiration":
                    _options = _options with { ServiceExpiration = Duration(Text(value)) };
                    break;
                case "series_expiration":
                    _options = _options with { SeriesExpiration = Duration(Text(value)) };
                    break;
                case "add_resource_attributes" or "enable_metrics_sampling_method":
                    Switch(value, $"{path}.{key}");
                    break;
                case "histogram":
                    ReadHistogram($"{path}.{key}", value);
                    break;
                case "exemplars":
                    ReadExemplars($"{path}.{key}", value);
                    break;
                case "events":
                    ReadEvents($"{path}.{key}", value);
                    break;
                default:
                    throw new FormatException("is not a key of the spanmetrics connector");
            }
        });
        Complete(path, node);
    }

    private void ReadHistogram(string path, YamlNode node) => Each(path, node, (key, value) =>
    {
        switch (key)
        {
            case "disable":
                _options = _options with { Histogram = !SettingTable.Bool([Text(value)]) };
                break;
            case "unit":
                _options = _options with { Unit = Unit(Text(value)) };
                break;
            case "dimensions":
                _options = _options with { HistogramDimensions = Dimensions(value, []) };
                break;
            case "explicit":
                Each($"{path}.{key}", value, (inner, buckets) => _buckets = inner is "buckets" ? Buckets(buckets) : throw new FormatException("is not a key of an explicit histogram"));
                break;
            case "exponential":
                throw new FormatException("exponential histograms cannot be derived here; write explicit.buckets, for example [10ms, 100ms, 1s, 10s]");
            default:
                throw new FormatException("is not a key of the connector's histogram");
        }
    });

    private void ReadExemplars(string path, YamlNode node) => Each(path, node, (key, value) =>
    {
        switch (key)
        {
            case "enabled":
                _options = _options with { Exemplars = SettingTable.Bool([Text(value)]) };
                break;
            case "max_per_data_point":
                Warn(value, $"{path}.{key}", "has no effect here: each bucket has the newest one, which is what an exposition can carry");
                break;
            default:
                throw new FormatException("is not a key of the connector's exemplars");
        }
    });

    private void ReadEvents(string path, YamlNode node) => Each(path, node, (key, value) =>
    {
        switch (key)
        {
            case "enabled":
                _eventsOn = SettingTable.Bool([Text(value)]);
                break;
            case "dimensions":
                _eventDimensions = Dimensions(value, Reserved);
                break;
            default:
                throw new FormatException("is not a key of the connector's events");
        }
    });

    /// <summary>What needs all keys: their order is the user's.</summary>
    private void Complete(string path, YamlNode node)
    {
        if (_eventsOn && _eventDimensions.Length == 0)
        {
            problems.Add($"{file}:{node.Start.Line}: {path}.events: is enabled, but has no dimensions.");
        }

        var all = (IEnumerable<SpanDimension>)[.. _options.Dimensions, .. _options.CallsDimensions, .. _options.HistogramDimensions, .. _eventDimensions];
        foreach (var (label, names) in DerivedMetricsOptions.AlikeAsLabels(all))
        {
            problems.Add($"{file}:{node.Start.Line}: {path}: the dimensions {string.Join(" and ", names)} would be one label, {label}; keep one.");
        }

        var isSeconds = _options.Unit == DurationUnit.Seconds;
        _options = _options with
        {
            EventDimensions = _eventsOn ? _eventDimensions : null,
            LatencyName = isSeconds ? "duration_seconds" : "duration_milliseconds",
            Buckets = _buckets is null
                ? [.. DefaultBucketsMs.Select(bound => isSeconds ? bound / 1000 : bound)]
                : [.. _buckets.Select(bound => isSeconds ? bound.TotalSeconds : bound.TotalMilliseconds)],
        };
    }

    private void Temporality(YamlNode value, string path)
    {
        // As the connector reads it: everything but delta is cumulative.
        if (Text(value) is "AGGREGATION_TEMPORALITY_DELTA")
        {
            Warn(value, path, "has no effect here: metrics are cumulative, which is what a Prometheus exporter makes of deltas");
        }
    }

    private void Switch(YamlNode value, string path)
    {
        if (SettingTable.Bool([Text(value)]))
        {
            Warn(value, path, path.EndsWith("add_resource_attributes", StringComparison.Ordinal)
                ? "has no effect here: name the resource attributes that are to be labels under dimensions"
                : "has no effect here: spans are counted as they come, whatever their sampling");
        }
    }

    private int? Limit(YamlNode value, string path)
    {
        if (!int.TryParse(Text(value), NumberStyles.None, CultureInfo.InvariantCulture, out var limit))
        {
            throw new FormatException($"'{Text(value)}' is not a number of series");
        }

        if (limit == 0)
        {
            Warn(value, path, "is never without limit here: metrics.derived.series_per_metric_max holds");
        }

        return limit == 0 ? null : limit;
    }

    private static SpanDimension[] Dimensions(YamlNode value, IReadOnlyList<string> taken)
    {
        var names = taken.ToHashSet(StringComparer.Ordinal);
        return [.. Sequence(value).Select(one => Dimension(one, names))];
    }

    private static SpanDimension Dimension(YamlNode node, HashSet<string> names)
    {
        string? name = null;
        string? value = null;
        foreach (var (key, inner) in node is YamlMappingNode mapping ? mapping.Children : throw new FormatException("each dimension is written as name: ATTRIBUTE, and may have a default:"))
        {
            switch (key.ToString())
            {
                case "name":
                    name = Text(inner);
                    break;
                case "default":
                    value = Text(inner);
                    break;
                case "glob":
                    throw new FormatException($"glob ('{inner}') is not possible here; name each attribute");
                default:
                    throw new FormatException($"'{key}' is not a key of a dimension; there are name and default");
            }
        }

        return name is not { Length: > 0 } ? throw new FormatException("a dimension has no name")
            : names.Add(name) ? new SpanDimension(name, value)
            : throw new FormatException($"{name} is a dimension already");
    }

    private static TimeSpan[] Buckets(YamlNode value)
    {
        var texts = Texts(value);
        var bounds = Array.ConvertAll(texts, Duration);
        var fall = Enumerable.Range(1, Math.Max(0, bounds.Length - 1)).FirstOrDefault(i => bounds[i] <= bounds[i - 1]);
        return fall == 0 ? bounds : throw new FormatException($"bounds must rise, but {texts[fall]} follows {texts[fall - 1]}");
    }

    private static DurationUnit Unit(string word) => word switch
    {
        "ms" => DurationUnit.Milliseconds,
        "s" => DurationUnit.Seconds,
        _ => throw new FormatException($"'{word}' is neither ms nor s"),
    };

    /// <summary>As Go writes durations: <c>100us</c>, <c>1.5s</c>, <c>1m30s</c>, <c>0</c>.</summary>
    private static TimeSpan Duration(string text)
    {
        var parts = GoDuration().Match(text);
        if (text is "0")
        {
            return TimeSpan.Zero;
        }

        if (!parts.Success)
        {
            throw new FormatException($"'{text}' is not a duration (for example 100us, 2ms, 1.5s, 1m30s)");
        }

        var seconds = parts.Groups["number"].Captures.Zip(parts.Groups["unit"].Captures).Sum(part => decimal.Parse(part.First.ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) * part.Second.Value switch
        {
            "ns" => 1e-9m,
            "us" or "µs" or "μs" => 1e-6m,
            "ms" => 1e-3m,
            "s" => 1,
            "m" => 60,
            _ => 3600,
        });
        return TimeSpan.FromTicks((long)(seconds * TimeSpan.TicksPerSecond));
    }

    /// <summary>Hands out each key; what is wrong with one is said with its line, and the others are still read.</summary>
    private void Each(string path, YamlNode node, Use use)
    {
        foreach (var (key, value) in Entries(path, node))
        {
            try
            {
                use(key.ToString(), value);
            }
            catch (Exception wrong) when (wrong is FormatException or OverflowException)
            {
                problems.Add($"{file}:{key.Start.Line}: {path}.{key}: {wrong.Message}.");
            }
        }
    }

    /// <summary>A key without a value has no entries.</summary>
    private IEnumerable<KeyValuePair<YamlNode, YamlNode>> Entries(string path, YamlNode node)
    {
        if (node is YamlMappingNode mapping)
        {
            return mapping.Children;
        }

        if (!IsNothing(node))
        {
            problems.Add($"{file}:{node.Start.Line}: {path}: has keys of its own, not a value.");
        }

        return [];
    }

    private void Warn(YamlNode at, string path, string words) => warnings.Add($"{file}:{at.Start.Line}: {path} {words}.");

    private static string Text(YamlNode node) => node is YamlScalarNode { Value: { } text } ? text : throw new FormatException("one value is wanted");

    private static string[] Texts(YamlNode node) => [.. Sequence(node).Select(Text)];

    private static IEnumerable<YamlNode> Sequence(YamlNode node) => node is YamlSequenceNode sequence ? sequence.Children : IsNothing(node) ? [] : throw new FormatException("a list is wanted");

    private static bool IsNothing(YamlNode node) => node is YamlScalarNode { Value: null or "" or "~" or "null" };

    [GeneratedRegex(@"^((?<number>[0-9]+(\.[0-9]+)?)(?<unit>ns|us|µs|μs|ms|s|m|h))+$", RegexOptions.ExplicitCapture)]
    private static partial Regex GoDuration();
}

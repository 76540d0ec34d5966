using System.Text;
using System.Text.Json.Nodes;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Exposition;
using Faultline.Settings;
using Faultline.Telemetry;
using Faultline.Telemetry.Otlp;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Faultline.Tests.Metrics.Derived;

/// <summary>The rules in Data/spanmetrics/rules.yaml: a configuration pasted from a collector, OTLP spans, and the exposition.</summary>
public sealed class SpanMetricsRuleTests : IDisposable
{
    private const long Noon = 1_790_000_000_000_000_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-spanmetrics-").FullName;

    public static TheoryData<string> Rules => [.. Read().Select(rule => Text(rule, "rule"))];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Rules))]
    public void A_pasted_configuration_gives_what_the_connector_s_rule_says(string name)
    {
        var rule = Read().Single(one => Text(one, "rule") == name);
        var metrics = new DerivedMetrics(Options(rule.Children.TryGetValue("config", out var config) ? config : new YamlMappingNode()), NullLogger.Instance);
        var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = Noon, RequestHash = 1 };
        OtlpDecoder.DecodeTracesJson(Encoding.UTF8.GetBytes(Request(List(rule, "spans")).ToJsonString()), batch.Spans, new OtlpLimits { NowUnixNanos = Noon, MaxAgeNanos = long.MaxValue });

        metrics.Committed(batch);

        var lines = Encoding.UTF8.GetString(TextFormat.Write(metrics.Snapshot(), false)).Split('\n');
        var expected = List(rule, "gives").Select(line => line.ToString()).ToList();
        var named = expected.Select(MetricOf).Concat(List(rule, "nothing_of").Select(metric => metric.ToString())).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(expected.Order(StringComparer.Ordinal), lines.Where(line => named.Contains(MetricOf(line))).Order(StringComparer.Ordinal));
    }

    private static string MetricOf(string line) => line[..Math.Max(0, line.IndexOfAny(['{', ' ']))];

    private DerivedMetricsOptions Options(YamlNode config)
    {
        var path = Path.Combine(_folder, "faultline.yaml");
        using (var writer = new StreamWriter(path))
        {
            new YamlStream(new YamlDocument(new YamlMappingNode("connectors", new YamlMappingNode("spanmetrics", config)))).Save(writer, assignAnchors: false);
        }

        var reading = SettingsReader.Read(path, null, new Dictionary<string, string>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));
        Assert.Empty(reading.Problems);
        return reading.Settings.SpanMetrics!.Options with { Namespace = "", SeriesPerMetricMax = reading.Settings.SpanMetrics.SeriesPerMetricMax ?? 20_000 };
    }

    private static JsonObject Request(IEnumerable<YamlNode> spans) => new()
    {
        ["resourceSpans"] = new JsonArray([.. spans.Select((node, index) =>
        {
            var span = (YamlMappingNode)node;
            var resource = Attributes(span, "resource");
            if (Text(span, "service", "shop") is { Length: > 0 } service)
            {
                resource.Add(new JsonObject { ["key"] = "service.name", ["value"] = new JsonObject { ["stringValue"] = service } });
            }

            return (JsonNode)new JsonObject
            {
                ["resource"] = new JsonObject { ["attributes"] = resource },
                ["scopeSpans"] = new JsonArray(new JsonObject
                {
                    ["scope"] = new JsonObject { ["name"] = Text(span, "scope", ""), ["version"] = Text(span, "scope_version", "") },
                    ["spans"] = new JsonArray(Span(span, index)),
                }),
            };
        })]),
    };

    private static JsonObject Span(YamlMappingNode span, int index) => new()
    {
        ["traceId"] = $"{index + 1:x32}",
        ["spanId"] = $"{index + 1:x16}",
        ["traceState"] = Text(span, "trace_state", ""),
        ["name"] = Text(span, "name", "work"),
        ["kind"] = int.Parse(Text(span, "kind", "1")),
        ["startTimeUnixNano"] = (Noon - 60_000_000_000).ToString(),
        ["endTimeUnixNano"] = (Noon - 60_000_000_000 + (long)(decimal.Parse(Text(span, "ms", "1"), System.Globalization.CultureInfo.InvariantCulture) * 1_000_000)).ToString(),
        ["status"] = new JsonObject { ["code"] = int.Parse(Text(span, "status", "0")) },
        ["attributes"] = Attributes(span, "attributes"),
        ["events"] = new JsonArray([.. List(span, "events").Select(one => (JsonNode)new JsonObject
        {
            ["name"] = Text((YamlMappingNode)one, "name"),
            ["timeUnixNano"] = (Noon - 60_000_000_000).ToString(),
            ["attributes"] = Attributes((YamlMappingNode)one, "attributes"),
        })]),
    };

    private static JsonArray Attributes(YamlMappingNode of, string key) =>
        of.Children.TryGetValue(key, out var attributes) ? Entries((YamlMappingNode)attributes) : [];

    private static JsonArray Entries(YamlMappingNode map) => [.. map.Children.Select(pair => (JsonNode)new JsonObject { ["key"] = pair.Key.ToString(), ["value"] = Any(pair.Value) })];

    /// <summary>Plain numbers and booleans are such, all else is text.</summary>
    private static JsonObject Any(YamlNode node) => node switch
    {
        YamlSequenceNode sequence => new JsonObject { ["arrayValue"] = new JsonObject { ["values"] = new JsonArray([.. sequence.Children.Select(Any)]) } },
        YamlMappingNode map => new JsonObject { ["kvlistValue"] = new JsonObject { ["values"] = Entries(map) } },
        YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain, Value: "true" } => new JsonObject { ["boolValue"] = true },
        YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain, Value: { } text } when long.TryParse(text, out _) => new JsonObject { ["intValue"] = text },
        YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain, Value: { } text } when double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number) => new JsonObject { ["doubleValue"] = number },
        _ => new JsonObject { ["stringValue"] = ((YamlScalarNode)node).Value },
    };

    private static IEnumerable<YamlNode> List(YamlMappingNode of, string key) => of.Children.TryGetValue(key, out var list) ? (YamlSequenceNode)list : [];

    private static string Text(YamlMappingNode of, string key, string? otherwise = null) => of.Children.TryGetValue(key, out var text) ? text.ToString() : otherwise ?? throw new InvalidDataException($"{key} is missing");

    private static List<YamlMappingNode> Read()
    {
        using var reader = new StreamReader(Path.Combine(AppContext.BaseDirectory, "Data", "spanmetrics", "rules.yaml"));
        var yaml = new YamlStream();
        yaml.Load(reader);
        return [.. ((YamlSequenceNode)yaml.Documents[0].RootNode).Children.Cast<YamlMappingNode>()];
    }
}

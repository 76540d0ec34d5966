using System.Globalization;
using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Spans;
using Faultline.Tests.GenAi;
using Xunit;
using YamlDotNet.Serialization;

namespace Faultline.Tests.Diagnosis.Features;

/// <summary>
/// The same system, told of by each instrumentation in the words it documents, has the same features: what only some dialects feed could not be
/// detected for users of the others. <c>Data/dialect-features.yaml</c> has the words.
/// </summary>
public sealed class DialectFeatureTests
{
    private static readonly IReadOnlyDictionary<string, double> Expected = new Dictionary<string, double>(StringComparer.Ordinal)
    {
        ["model_latency_p50 m1"] = 1,
        ["time_to_first_token_p50 m1"] = 0.25,
        ["model_error_rate m1"] = 0,
        ["input_tokens"] = 100,
        ["output_tokens"] = 20,
        ["cached_input_share"] = 0.4,
        ["finish_length_share"] = 1,
        ["system_prompt_length"] = 9,
        ["input_messages"] = 1,
        ["unfilled_share"] = 1,
        ["refusal_share"] = 1,
        ["empty_answer_share"] = 0,
        ["retrieval_latency_p50"] = 1,
        ["retrieval_top_score"] = 0.8,
        ["retrieval_mean_score"] = 0.6,
        ["retrieval_documents"] = 2,
        ["chunk_length"] = 15,
        ["retrieval_empty_share"] = 0.5,
        ["rerank_latency_p50"] = 1,
        ["tool_latency_p50 search"] = 1,
        ["tool_error_rate search"] = 0,
        ["tool_useless_share search"] = 1,
        ["max_tool_repeats"] = 1,
        ["agent_turns"] = 1,
        ["plans"] = 1,
        ["guardrail_block_share"] = 1,
        ["retrieval_distance"] = 0.2,

        // Not features, but what attribution and causes go by.
        ["tenant"] = 1,
        ["user"] = 1,
        ["session"] = 1,
        ["prompt_name"] = 1,
        ["prompt_version"] = 1,
        ["provider"] = 1,
        ["temperature"] = 0.2,
        ["max_tokens"] = 20,
        ["data_source"] = 1,
        ["top_k"] = 2,
        ["embedding_model"] = 1,
        ["embedding_dimension"] = 256,
    };

    private static readonly string[] Steps = ["chat", "embed", "retrieval", "nothing", "rerank", "tool", "agent", "plan", "guardrail"];

    public static IEnumerable<object[]> Dialects() => Read().Select(one => new object[] { (string)one["dialect"] });

    [Theory]
    [MemberData(nameof(Dialects))]
    public void Every_dialect_feeds_every_feature_that_it_has_words_for(string dialect)
    {
        var told = Read().Single(one => (string)one["dialect"] == dialect);
        var lacks = List(told, "lacks");
        var wanted = told.ContainsKey("only") ? List(told, "only") : [.. Expected.Keys.Select(Name).Where(name => name != "retrieval_distance").Except(lacks)];
        var seen = Features(told);
        foreach (var (key, value) in Expected.Where(one => wanted.Contains(Name(one.Key))))
        {
            Assert.Equal($"{key}: {value}", $"{key}: {(seen.TryGetValue(key, out var found) ? Math.Round(found, 6).ToString(CultureInfo.InvariantCulture) : "nothing")}");
        }

        // What it is said to lack it does lack, so that the list stays true.
        Assert.Empty(seen.Keys.Select(Name).Intersect(lacks));
    }

    private static string Name(string key) => key.Split(' ')[0];

    /// <summary>By name and dimension; a guardrail by its name alone, since each dialect calls it otherwise.</summary>
    private static Dictionary<string, double> Features(Dictionary<string, object> told)
    {
        var spans = SpanOf.Filled([new SpanOf("01") { Name = "GET /ask", EndNanos = new SpanOf("00").StartNanos + 5_000_000_000 }, .. Steps.Where(told.ContainsKey).Select((step, i) => Span(told, step, i + 2))]);
        var project = new ProjectFeatures("default");
        project.Fold(spans, DateTimeOffset.UnixEpoch);
        project.SettleRoots((_, _) => true);
        var sink = new Sink();
        foreach (var service in project.Services)
        {
            service.Advance(long.MaxValue, (_, _) => true, sink);
        }

        void Has(string what, bool is_)
        {
            if (is_)
            {
                sink.Values[what] = 1;
            }
        }

        if (told.ContainsKey("chat"))
        {
            var genAi = spans.GenAi;
            Has("tenant", new SegmentKeys().Of(spans.Attributes, 1)?.Words == "tenant acme");
            Has("user", genAi.User.Text(1) == "u1");
            Has("session", genAi.Session.Text(1) == "s1");
            Has("prompt_name", genAi.PromptName.Text(1) == "answer");
            Has("prompt_version", genAi.PromptVersion.Text(1) == "7");
            Has("provider", genAi.Provider.Text(1) == "openai");
        }

        for (var row = 1; row < spans.Count; row++)
        {
            var operation = spans.GenAi.Operation.Text(row);
            Has("data_source", operation == "retrieval" && spans.GenAi.DataSource.Text(row) == "docs");
            Has("embedding_model", operation is "embeddings" or "retrieval" && spans.GenAi.ModelRequested.Text(row) == "e1");
            for (var entry = spans.Attributes.Start(row); entry < spans.Attributes.End(row); entry++)
            {
                foreach (var (name, value) in RequestParameters.Of(operation, spans.Attributes.Keys.Text(entry), spans.Attributes.Values.Text(entry)))
                {
                    sink.Values[name.Replace("request.", "", StringComparison.Ordinal).Replace("retrieval.", "", StringComparison.Ordinal).Replace('.', '_')] = double.Parse(value, CultureInfo.InvariantCulture);
                }
            }
        }

        return sink.Values;
    }

    private static SpanOf Span(Dictionary<string, object> told, string step, int id)
    {
        var one = (Dictionary<object, object>)told[step];
        return new SpanOf(id.ToString("x2", CultureInfo.InvariantCulture), "01")
        {
            Name = (string)one.GetValueOrDefault("span", step),
            Attributes = (Dictionary<object, object>)one["attributes"],
            Events = [.. ((List<object>)one.GetValueOrDefault("events", new List<object>())).Cast<Dictionary<object, object>>()
                .Select(happened => ((string)happened["name"], (IReadOnlyDictionary<object, object>)(Dictionary<object, object>)happened["attributes"]))],
            EventSeconds = [.. ((List<object>)one.GetValueOrDefault("events", new List<object>())).Cast<Dictionary<object, object>>()
                .Select(happened => Convert.ToDouble(happened.GetValueOrDefault("afterSeconds", 0), CultureInfo.InvariantCulture))],
        };
    }

    private static List<string> List(Dictionary<string, object> told, string name) => [.. ((List<object>)told.GetValueOrDefault(name, new List<object>())).Cast<string>()];

    private static List<Dictionary<string, object>> Read() =>
        new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build()
            .Deserialize<List<Dictionary<string, object>>>(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "dialect-features.yaml")));

    private sealed class Sink : IWindowSink
    {
        public Dictionary<string, double> Values { get; } = new(StringComparer.Ordinal);

        public void Sample(ServiceFeatures service, FeatureSeries series, long window, double value, double count, bool corrects) =>
            Values[series.Feature.Dimension is "model" or "tool" ? $"{series.Feature.Name} {series.Dimension}" : series.Feature.Name] = value;

        public void Store(FeatureSeries series, long window, double value, double count)
        {
        }

        public void Turned(ServiceFeatures service, FeatureSeries series, Turn turn, long window)
        {
        }

        public void TurnedTogether(ServiceFeatures service, Turn turn)
        {
        }
    }
}

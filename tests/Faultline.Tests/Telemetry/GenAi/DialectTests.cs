using System.Globalization;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;
using Xunit;
using YamlDotNet.Serialization;

namespace Faultline.Tests.GenAi;

/// <summary>Attributes as instrumentations write them, and the columns they must become: <c>Data/dialects/*.yaml</c>.</summary>
public class DialectTests
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "Data", "dialects");

    public static IEnumerable<object[]> Cases() =>
        from file in Directory.GetFiles(s_folder, "*.yaml").Order(StringComparer.Ordinal)
        from one in Read(file)
        select new object[] { Path.GetFileNameWithoutExtension(file), (string)one["name"] };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Attributes_become_the_expected_columns(string file, string name)
    {
        var one = Read(Path.Combine(s_folder, file + ".yaml")).Single(candidate => (string)candidate["name"] == name);
        var batch = SpanOf.Filled(new SpanOf("0a")
        {
            Name = (string)one.GetValueOrDefault("span", "span"),
            Scope = (string)one.GetValueOrDefault("scope", ""),
            Attributes = (Dictionary<object, object>)one.GetValueOrDefault("attributes", new Dictionary<object, object>()),
            Events = [.. ((List<object>)one.GetValueOrDefault("events", new List<object>())).Cast<Dictionary<object, object>>()
                .Select(happened => ((string)happened["name"], (IReadOnlyDictionary<object, object>)(Dictionary<object, object>)happened["attributes"]))],
        });
        foreach (var (column, expected) in (Dictionary<object, object>)one["expect"])
        {
            Assert.Equal($"{column}: {Convert.ToString(expected, CultureInfo.InvariantCulture)}", $"{column}: {Column(batch, (string)column)}");
        }
    }

    private static List<Dictionary<string, object>> Read(string file) =>
        new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize<List<Dictionary<string, object>>>(File.ReadAllText(file));

    private static string Column(SpanBatch batch, string name)
    {
        var gen = batch.GenAi;
        return name switch
        {
            "operation" => gen.Operation.Text(0),
            "provider" => gen.Provider.Text(0),
            "model_requested" => gen.ModelRequested.Text(0),
            "model_responded" => gen.ModelResponded.Text(0),
            "response_id" => gen.ResponseId.Text(0),
            "finish_reasons" => gen.FinishReasons.Text(0),
            "input_tokens" => Number(gen.InputTokens[0]),
            "output_tokens" => Number(gen.OutputTokens[0]),
            "cache_read_tokens" => Number(gen.CacheReadTokens[0]),
            "cache_write_tokens" => Number(gen.CacheWriteTokens[0]),
            "reasoning_tokens" => Number(gen.ReasoningTokens[0]),
            "usage_basis" => gen.UsageBasis.Text(0),
            "counted" => Number(gen.Counted[0]),
            "first_chunk_nanos" => Number(gen.FirstChunkNanos[0]),
            "agent" => gen.Agent.Text(0),
            "tool" => gen.Tool.Text(0),
            "tool_arguments_hash" => gen.ToolArgumentsHash.Text(0),
            "data_source" => gen.DataSource.Text(0),
            "prompt_name" => gen.PromptName.Text(0),
            "prompt_version" => gen.PromptVersion.Text(0),
            "session" => gen.Session.Text(0),
            "user" => gen.User.Text(0),
            "document_count" => Number(gen.DocumentCount[0]),
            "document_top_score" => Number(gen.DocumentTopScore[0]),
            "document_mean_score" => Number(gen.DocumentMeanScore[0]),
            "input_preview" => gen.InputPreview.Text(0),
            "output_preview" => gen.OutputPreview.Text(0),
            "source" => gen.Source.Text(0),
            _ => throw new ArgumentException($"There is no column {name}.", nameof(name)),
        };
    }

    private static string Number(long value) => value == GenAiColumns.Absent ? "absent" : value.ToString(CultureInfo.InvariantCulture);

    private static string Number(double value) => double.IsNaN(value) ? "absent" : value.ToString("0.####", CultureInfo.InvariantCulture);
}

using System.Globalization;
using System.Text;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Redaction;
using Xunit;

namespace Faultline.Tests.Ingest;

/// <summary>What is planted in a request is in no column of no table, and no reader has seen it.</summary>
public sealed class RedactionStepTests
{
    private const string Card = "4111111111111111";
    private const string Password = "Tr0ub4dor-planted";

    [Fact]
    public async Task A_planted_value_is_in_no_column_of_any_table()
    {
        var seen = new RememberingReader();
        var (found, redacted) = await IngestAsync(new RedactionOptions(), seen);

        Assert.Empty(found);
        Assert.True(redacted >= 8, $"{redacted} values were counted as redacted");
        Assert.DoesNotContain(Card, seen.Text, StringComparison.Ordinal);
        Assert.Contains("[card]", seen.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_redaction_the_same_search_finds_it()
    {
        var (found, _) = await IngestAsync(new RedactionOptions { Enabled = false }, new RememberingReader());

        Assert.Contains(found, place => place.StartsWith("spans.", StringComparison.Ordinal));
        Assert.Contains(found, place => place.StartsWith("logs.", StringComparison.Ordinal));
    }

    private static async Task<(IReadOnlyList<string> FoundIn, long Redacted)> IngestAsync(RedactionOptions redaction, RememberingReader reader)
    {
        var store = await TelemetryStore.OpenAsync(await EngineFixture.OpenDatabaseAsync(), new WriterOptions(TimeSpan.FromMilliseconds(5)), TimeProvider.System);
        await using var engine = store.Engine;
        store.Writer.Readers.Add(reader);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)) { Redaction = redaction }, new IngestFigures(), TimeProvider.System);
        var nanos = ((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);
        await AcceptAsync(Signal.Traces, """
            {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"dsn","value":{"stringValue":"postgres://u:PASSWORD@db/x"}}]},
            "scopeSpans":[{"spans":[{"traceId":"000000000000000000000000000000c1","spanId":"00000000000000a1","name":"charge CARD","startTimeUnixNano":"NOW","endTimeUnixNano":"NOW",
            "status":{"code":2,"message":"CARD was declined"},
            "attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.prompt","value":{"stringValue":"my card is CARD"}},
            {"key":"gen_ai.input.messages","value":{"stringValue":"[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"card CARD\"}]}]"}},
            {"key":"session.id","value":{"stringValue":"s-CARD CARD"}},{"key":"user.id","value":{"stringValue":"CARD"}},{"key":"gen_ai.prompt.name","value":{"stringValue":"template CARD"}}],
            "events":[{"timeUnixNano":"NOW","name":"gen_ai.evaluation.result","attributes":[{"key":"gen_ai.evaluation.name","value":{"stringValue":"tone"}},{"key":"gen_ai.evaluation.score.value","value":{"doubleValue":0.5}},{"key":"gen_ai.evaluation.explanation","value":{"stringValue":"it said CARD"}}]}]}]}]}]}
            """);
        await AcceptAsync(Signal.Logs, """
            {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"NOW","body":{"stringValue":"charging CARD"},"attributes":[{"key":"pan","value":{"intValue":"CARD"}}]},
            {"timeUnixNano":"NOW","body":{"kvlistValue":{"values":[{"key":"pan","value":{"stringValue":"CARD"}}]}}}]}]}]}
            """);
        await AcceptAsync(Signal.Metrics, """
            {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"payments","description":"of CARD","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"timeUnixNano":"NOW","asInt":"3","attributes":[{"key":"pan","value":{"stringValue":"CARD"}}]}]}}]}]}]}
            """);
        await store.Writer.StopAsync();
        return (await PlacesAsync(store), pipeline.Redacted.All().Sum(count => count.Values));

        async Task AcceptAsync(Signal signal, string json)
        {
            var body = Encoding.UTF8.GetBytes(json.Replace("CARD", Card, StringComparison.Ordinal).Replace("PASSWORD", Password, StringComparison.Ordinal).Replace("NOW", nanos, StringComparison.Ordinal));
            Assert.IsType<Admission.Durable>(await pipeline.AcceptAsync(new GatewayIdentity("default"), signal, body, json: true, "http", CancellationToken.None));
        }
    }

    /// <summary>Every column of every table that holds one of the planted values.</summary>
    private static async Task<IReadOnlyList<string>> PlacesAsync(TelemetryStore store)
    {
        var found = new List<string>();
        var columns = await store.Engine.QueryAsync("SELECT table, name FROM system.columns WHERE database = currentDatabase() AND position(type, 'String') > 0");
        Assert.True(columns.RowCount > 40);
        foreach (var (table, column) in columns.Rows.Select(row => (row.Text("table"), row.Text("name"))).ToArray())
        {
            var hits = await store.Engine.QueryAsync($"SELECT countIf(position(toString(`{column}`), '{Card}') > 0 OR position(toString(`{column}`), '{Password}') > 0) AS n FROM `{table}`");
            if (hits.Rows.First().Int64("n") > 0)
            {
                found.Add($"{table}.{column}");
            }
        }

        return found;
    }

    private sealed class RememberingReader : IBatchReader
    {
        private readonly StringBuilder _text = new();

        public string Text => _text.ToString();

        public void Committed(TelemetryBatch batch)
        {
            for (var row = 0; row < batch.Spans.Count; row++)
            {
                _text.Append(batch.Spans.Name.Text(row)).Append(Encoding.UTF8.GetString(batch.Spans.Bodies.Values.Buffer)).Append(batch.Spans.GenAi.InputPreview.Text(row));
            }

            _text.Append(Encoding.UTF8.GetString(batch.Logs.Body.Buffer)).Append(Encoding.UTF8.GetString(batch.Scores.Explanation.Buffer)).AppendJoin('\n', batch.Samples.Series);
        }
    }
}

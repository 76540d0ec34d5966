using System.Globalization;
using System.Text.Json;
using Faultline.Cli;
using Faultline.Cli.Bench;
using Faultline.Tests.Ledger;
using Xunit;

namespace Faultline.Tests.Cli.Bench;

/// <summary>The formats of <c>faultline bench</c>, as docs/benchmarks.md says.</summary>
public sealed class BenchTests : IDisposable
{
    private readonly TemporaryDirectory _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Anomaly_scores_every_row_of_every_file_below_the_folder()
    {
        Write("b.csv", Series(300, 0));
        Write("deep/er/a.csv", Series(50, 0));
        var lines = await RunAsync(AnomalyBench.Task);
        Assert.Equal(["b.csv", "deep/er/a.csv"], lines.Select(line => line.GetProperty("id").GetString()));
        Assert.Equal([300, 50], lines.Select(line => line.GetProperty("scores").GetArrayLength()));
        Assert.All(lines[0].GetProperty("scores").EnumerateArray(), score => Assert.InRange(score.GetDouble(), 0, 1));
    }

    [Fact]
    public async Task Anomaly_sees_neither_names_nor_what_comes_later()
    {
        Write("whole.csv", Series(400, 350));
        Write("x/cut.csv", string.Join('\n', Series(400, 350).Split('\n').Take(301)));
        var lines = await RunAsync(AnomalyBench.Task);
        Assert.Equal(
            lines[0].GetProperty("scores").EnumerateArray().Take(300).Select(score => score.GetRawText()),
            lines[1].GetProperty("scores").EnumerateArray().Select(score => score.GetRawText()));
    }

    [Fact]
    public async Task Anomaly_alarms_at_a_planted_shift()
    {
        Write("a.csv", Series(400, 350));
        var scores = (await RunAsync(AnomalyBench.Task))[0].GetProperty("scores").EnumerateArray().Select(score => score.GetDouble()).ToList();
        Assert.Equal(350, scores.FindIndex(100, score => score >= 0.5));
    }

    [Fact]
    public async Task Anomaly_takes_a_row_without_a_number_for_nothing()
    {
        Write("a.csv", "timestamp,value\n2014-04-01 00:00:00,\n2014-04-01 00:05:00,1\n2014-04-01T00:10:00Z,x\n");
        var scores = (await RunAsync(AnomalyBench.Task))[0].GetProperty("scores");
        Assert.Equal("[0,0,0]", scores.GetRawText());
    }

    [Theory]
    [InlineData("time,value\n", "line 1")]
    [InlineData("timestamp,value\nyesterday,1\n", "line 2")]
    public async Task Anomaly_names_the_line_that_is_wrong(string text, string line)
    {
        Write("a.csv", text);
        var failed = await Assert.ThrowsAsync<CommandException>(() => RunAsync(AnomalyBench.Task));
        Assert.Equal(ExitCode.WrongUse, failed.ExitCode);
        Assert.Contains(line, failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attribution_names_the_values_that_explain_the_minute()
    {
        Write("cases.jsonl", """{"id":"一","file":"c.csv","timestamp":180,"dimensions":["isp","app"]}""");
        Write("c.csv", "min,app,isp,value,cnt\n60,a,移动,1,100\n60,a,x,1,100\n60,b,移动,1,100\n180,a,移动,50,100\n180,a,x,1,100\n180,b,移动,1,100\n240,b,x,90,100\n");
        var line = Assert.Single(await RunAsync(AttributionBench.Task));
        Assert.Equal("""{"id":"一","causes":[{"isp":"移动","app":"a"}]}""", line.GetRawText());
    }

    [Theory]
    [InlineData("""{"id":"1"}""", "file")]
    [InlineData("nonsense", "line 1")]
    [InlineData("""{"id":"1","file":"c.csv","timestamp":1.5,"dimensions":["isp"]}""", "Unix seconds")]
    [InlineData("""{"id":"1","file":"c.csv","timestamp":1,"dimensions":["isp","absent"]}""", "header")]
    [InlineData("""{"id":"1","file":"c.csv","timestamp":1,"dimensions":[]}""", "dimension")]
    [InlineData("""{"id":"1","file":"c.csv","timestamp":1,"dimensions":["isp","isp"]}""", "dimension")]
    public async Task Attribution_names_what_is_wrong(string one, string what)
    {
        Write("cases.jsonl", one);
        Write("c.csv", "min,isp,value,cnt\n");
        var failed = await Assert.ThrowsAsync<CommandException>(() => RunAsync(AttributionBench.Task));
        Assert.Contains(what, failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Root_cause_names_the_service_from_metrics_alone()
    {
        Write("cases.jsonl", """{"id":"1","target":{"service":"web","metric":"latency","stat":"p99","timestamp":120},"normal":"n.csv","abnormal":"a.csv","edges":"e.csv"}""");
        Write("e.csv", "caller,callee\nweb,db\n");
        Write("n.csv", "timestamp,web|latency|p99,db|latency|p99\n0,1,0.5\n");
        Write("a.csv", "timestamp,db|latency|p99,web|latency|p99\n0,0.5,1\n60,,1\n120,2.5,3\n180,2.5,3\n");
        var line = Assert.Single(await RunAsync(RootCauseBench.Task));
        Assert.Equal(("db", "latency"), (line.GetProperty("ranked")[0].GetString(), line.GetProperty("causes")[0].GetString()));
    }

    [Fact]
    public async Task Root_cause_reads_spans_and_quoted_logs()
    {
        Write("cases.jsonl", """{"id":"1","target":{"service":"","metric":"","stat":"","timestamp":0},"normal":"n.csv","abnormal":"n.csv","edges":"e.csv","normal_traces":"nt.csv","traces":"nt.csv","normal_logs":"nl.csv","logs":"al.csv"}""");
        Write("e.csv", "caller,callee\n");
        Write("n.csv", "timestamp\n");
        Write("nt.csv", "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano\n"
            + string.Concat(Enumerable.Range(0, 20).Select(i => $"t{i},s,root,my-shop-6f-x1,get,0,100\n")));
        string Logs(string second) => "TimeUnixNano,TraceID,SpanID,Log\n" + string.Concat(Enumerable.Range(0, 20).Select(i =>
            $"1,t{i},s,\"INFO a#1 said \"\"hello\"\",\nand went\"\n2,t{i},s,{second}\n"));
        Write("nl.csv", Logs("INFO a#2"));
        Write("al.csv", Logs("ERROR a#9"));
        var line = Assert.Single(await RunAsync(RootCauseBench.Task));
        Assert.Equal(("my-shop", "a#1 → a#2"), (line.GetProperty("ranked")[0].GetString(), line.GetProperty("causes")[0].GetString()));
    }

    [Theory]
    [InlineData("caller\n", "timestamp\n", "caller, callee")]
    [InlineData("caller,callee\nx\n", "timestamp\n", "line 2")]
    [InlineData("caller,callee\n", "timestamp,a|b\n", "service|metric|stat")]
    [InlineData("caller,callee\n", "timestamp,a|b|c\nnoon,1\n", "line 2")]
    public async Task Root_cause_names_what_is_wrong(string edges, string metrics, string what)
    {
        Write("cases.jsonl", """{"id":"1","target":{},"normal":"n.csv","abnormal":"n.csv","edges":"e.csv"}""");
        Write("e.csv", edges);
        Write("n.csv", metrics);
        var failed = await Assert.ThrowsAsync<CommandException>(() => RunAsync(RootCauseBench.Task));
        Assert.Contains(what, failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trace_errors_names_agent_step_and_category()
    {
        Write("b/run.json", """
            {"id":"b/1","task":"t","agents":["assistant","tool","user"],"steps":[{"step":1,"agent":"user","content":"hi"},
            {"step":2,"agent":"assistant","content":"","tool_calls":[{"name":"cancel_order","arguments":"{}"}]},{"step":3,"agent":"tool","content":"Error: no"}]}
            """);
        Write("a.json", """{"id":"a","task":"t","agents":[],"steps":[]}""");
        var lines = await RunAsync(TraceErrorsBench.Task);
        Assert.Equal(["a", "b/1"], lines.Select(line => line.GetProperty("id").GetString()));
        Assert.Equal(("assistant", 2, "Invalid Invocation"), (
            lines[1].GetProperty("agent").GetString(), lines[1].GetProperty("step").GetInt32(), lines[1].GetProperty("errors")[0].GetProperty("category").GetString()));
        Assert.Equal(JsonValueKind.Null, lines[0].GetProperty("agent").ValueKind);
    }

    [Theory]
    [InlineData("nonsense", "line 1")]
    [InlineData("{\"id\":\"1\"}", "steps")]
    [InlineData("{\"id\":\"1\",\"steps\":[{\"step\":1.5}]}", "whole")]
    public async Task Trace_errors_names_what_is_wrong(string text, string what)
    {
        Write("a.json", text);
        Assert.Contains(what, (await Assert.ThrowsAsync<CommandException>(() => RunAsync(TraceErrorsBench.Task))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_cases_there_is_nothing_to_run() =>
        Assert.Contains("cases.jsonl", (await Assert.ThrowsAsync<CommandException>(() => RunAsync(AttributionBench.Task))).Message, StringComparison.Ordinal);

    /// <summary>Runs a task twice, the second time where numbers are written with commas: same input, same bytes.</summary>
    private async Task<List<JsonElement>> RunAsync(BenchTask task)
    {
        var first = await WrittenAsync(task);
        var culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = ",", NumberGroupSeparator = "." } };
            Assert.Equal(first, await WrittenAsync(task));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }

        return [.. first.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
    }

    private async Task<string> WrittenAsync(BenchTask task)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        await task.RunAsync([_folder.Path], output, CancellationToken.None);
        return output.ToString();
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_folder.Path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    /// <summary>Noise of a fixed seed every five minutes, with a shift from a row on (0 for none).</summary>
    private static string Series(int rows, int shiftAt)
    {
        var random = new Random(11);
        var start = new DateTime(2014, 4, 1, 0, 0, 0, DateTimeKind.Utc);
        return "timestamp,value\n" + string.Join('\n', Enumerable.Range(0, rows).Select(row => string.Create(
            CultureInfo.InvariantCulture, $"{start.AddMinutes(5 * row):yyyy-MM-dd HH:mm:ss},{random.NextDouble() + (shiftAt > 0 && row >= shiftAt ? 20 : 0):R}")));
    }
}

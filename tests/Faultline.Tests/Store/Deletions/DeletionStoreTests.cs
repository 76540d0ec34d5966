using System.Text;
using Faultline.Store;
using Faultline.Store.Deletions;
using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Xunit;
using static Faultline.Tests.Store.LogSpecs;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store.Deletions;

public sealed class DeletionStoreTests : StoreTest
{
    private static readonly string[] Planted = ["pl4nted-prompt-81c2", "pl4nted-user-93f1", "pl4nted-session-07aa", "pl4nted-log-5d1e", "pl4nted-comment-c44b", "pl4nted-resource-e019", "pl4nted-label-2b7d"];

    [Fact]
    public async Task A_users_traces_go_from_every_table_whole_and_nobody_elses()
    {
        var store = await OpenAsync(Engine, Soon);
        var (hers, his, theirs) = (Trace(1), Trace(2), Trace(3));
        var batch = Batch(
            new SpanSpec(hers, Span(1)) { User = "ann" }, new SpanSpec(hers, Span(2)) { Parent = Span(1), ResponseId = "resp-1" },
            new SpanSpec(his, Span(1)) { User = "bob", ResponseId = "resp-2" });
        batch.Score("relevance", 0.5, hers);
        batch.Score("relevance", 0.6, responseId: "resp-1");
        batch.Score("relevance", 0.7, responseId: "resp-2");
        Logs(batch, "of hers", hers);
        Logs(batch, "alone", default, "ann");
        Logs(batch, "of his", his);
        Logs(batch, "alone too", default, "bob");
        await WriteAsync(store, batch);
        await WriteAsync(store, Batch("other", NewHash(), new SpanSpec(theirs, Span(1)) { User = "ann" }, new SpanSpec(hers, Span(9))));
        await SamplesAsync(store, "default", ("user_id", "ann"));
        await SamplesAsync(store, "default", ("user_id", "bob"));

        var scope = DeletionScope.OfUser("default", "ann");
        var counted = await store.Deletions.CountAsync(scope);
        var deleted = (await store.Deletions.DeleteAsync([("del-1", scope)]))["del-1"];

        Assert.True(deleted.IsProven);
        Assert.Equal(hers, Assert.Single(deleted.Traces));
        Assert.Equal((2, 2, 2, 1, 1), (deleted.Found["spans"], deleted.Found["logs"], deleted.Found["scores"], deleted.Found["metric_series"], deleted.Found["metric_samples"]));
        Assert.Equal((2, 2), (counted["spans"], counted["logs"]));
        Assert.Empty(await store.Traces.SpansOfAsync("default", hers));
        Assert.Single(await store.Traces.SpansOfAsync("other", hers));
        Assert.Equal((1, 2), (await CountAsync("spans", "countIf(project = 'default')"), await CountAsync("spans", "countIf(project = 'other')")));
        Assert.Equal("alone too|of his", string.Join('|', (await store.Logs.SearchAsync("default", null, null, 0, 0, long.MaxValue, 10)).Select(log => log.Body).Order(StringComparer.Ordinal)));
        Assert.Equal(0.7, Assert.Single(await store.Scores.ScoresAsync("default", null, null, 0, long.MaxValue, 10)).Value);
        Assert.Equal("bob", Assert.Single(await store.Samples.SelectAsync("default", [], 0, long.MaxValue / 2)).Labels["user_id"]);
    }

    [Fact]
    public async Task Many_deletions_at_once_delete_what_they_name_and_tell_each_its_own_rows()
    {
        var store = await OpenAsync(Engine, Soon);
        const int Traces = 300;
        await WriteAsync(store, Batch([.. Enumerable.Range(1, Traces).SelectMany(trace => Enumerable.Range(1, 1 + (trace % 3)).Select(span => new SpanSpec(Trace((UInt128)trace), Span((ulong)span))))]));

        var deletions = Enumerable.Range(1, Traces).Where(trace => trace % 2 == 0).Select(trace => ($"del-{trace}", DeletionScope.OfTraces("default", Trace((UInt128)trace)))).ToList();
        var done = await store.Deletions.DeleteAsync(deletions);

        Assert.All(Enumerable.Range(1, Traces).Where(trace => trace % 2 == 0), trace => Assert.Equal((1 + (trace % 3), true), (done[$"del-{trace}"].Found["spans"], done[$"del-{trace}"].IsProven)));
        Assert.Equal(Enumerable.Range(1, Traces).Where(trace => trace % 2 == 1).Sum(trace => 1 + (trace % 3)), await CountAsync("spans"));
        Assert.Equal(Traces / 2, await CountAsync("spans", "uniqExact(trace_id)"));
    }

    [Fact]
    public async Task A_project_goes_with_its_series_topics_and_signatures_and_what_it_sends_later_is_found()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Batch("gone", NewHash(), new SpanSpec(Trace(1), Span(1))));
        await WriteAsync(store, Batch("stays", NewHash(), new SpanSpec(Trace(1), Span(1))));
        await SamplesAsync(store, "gone", ("job", "a"));
        await SamplesAsync(store, "stays", ("job", "a"));
        await store.Topics.WriteAsync("gone", [new("bot", "production", "prompt", 1, "{}", "learnt")]);
        await store.Signatures.WriteAsync("gone", [new("CASE-1", "bot", "LATENCY_REGRESS", "model", "gpt", DateTimeOffset.UnixEpoch, "d", [1, 2])]);

        var deleted = (await store.Deletions.DeleteAsync([("del-1", DeletionScope.OfProject("gone"))]))["del-1"];

        Assert.True(deleted.IsProven);
        Assert.Equal(["failure_signatures", "kept_traces", "logs", "metric_metadata", "metric_samples", "metric_series", "scores", "spans", "topics"], deleted.Found.Keys.Order(StringComparer.Ordinal));
        foreach (var table in deleted.Found.Keys)
        {
            Assert.Equal(0, await CountAsync(table, "countIf(project = 'gone')"));
        }

        Assert.Equal(1, await CountAsync("spans", "countIf(project = 'stays')"));
        Assert.Single(await store.Samples.SelectAsync("stays", [], 0, long.MaxValue / 2));

        // The same series again: its labels are written again too.
        await SamplesAsync(store, "gone", ("job", "a"));
        Assert.Equal("a", Assert.Single(await store.Samples.SelectAsync("gone", [], 0, long.MaxValue / 2)).Labels["job"]);
    }

    [Fact]
    public async Task By_age_whole_days_are_dropped_and_the_rest_of_a_day_is_deleted()
    {
        var store = await OpenAsync(Engine, Soon);
        var day = TimeSpan.FromDays(1).Ticks * 100;
        foreach (var (trace, received) in new[] { (1, Noon - day), (2, Noon), (3, Noon + (3600 * Second)) })
        {
            var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = received, RequestHash = NewHash() };
            Add(batch.Spans, new SpanSpec(Trace((UInt128)trace), Span(1)));
            await WriteAsync(store, batch);
        }

        var deleted = (await store.Deletions.DeleteAsync([("del-1", DeletionScope.OfAge(DateTimeOffset.UnixEpoch.AddTicks((Noon / 100) + TimeSpan.FromMinutes(30).Ticks)))]))["del-1"];

        Assert.True(deleted.IsProven);
        Assert.Equal(2, deleted.Found["spans"]);
        Assert.Equal(1, await CountAsync("spans"));
        Assert.Equal(0, await CountAsync("system.parts", "countIf(database = currentDatabase() AND table = 'spans' AND active AND partition = '2026-11-19')"));
        Assert.Equal(1, await CountAsync("system.mutations", "countIf(database = currentDatabase() AND table = 'spans')"));
    }

    [Fact]
    public async Task What_comes_late_of_a_deleted_trace_is_swept_and_what_comes_of_others_is_not()
    {
        var store = await OpenAsync(Engine, Soon);
        await WriteAsync(store, Now(new SpanSpec(Trace(1), Span(1))));
        await store.Deletions.DeleteAsync([("del-1", DeletionScope.OfTraces("default", Trace(1)))]);
        await WriteAsync(store, Now(new SpanSpec(Trace(1), Span(2)), new SpanSpec(Trace(2), Span(1))));

        Assert.Equal(1, await store.Deletions.SweepAsync());

        Assert.Equal((0, 1), (await CountAsync("spans", $"countIf(hex(trace_id) = '{Trace(1).ToString().ToUpperInvariant()}')"), await CountAsync("spans")));
        Assert.Equal(0, await store.Deletions.SweepAsync());
    }

    [Fact]
    public async Task After_the_parts_are_written_anew_nothing_of_it_is_in_any_file_of_the_store()
    {
        var store = await OpenAsync(Engine, Soon);

        // So that a search of the files sees what is there: no codec, and parts that were replaced go at once.
        var columns = await Engine.QueryAsync(
            "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table IN ('spans', 'logs', 'scores', 'metric_series') AND type LIKE '%String%' AND default_kind = ''");
        foreach (var table in columns.Rows.GroupBy(row => row.Text("table"), row => row.Text("name")))
        {
            await Engine.ExecuteAsync($"ALTER TABLE {table.Key} {string.Join(", ", table.Select(name => $"MODIFY COLUMN `{name}` CODEC(NONE)"))}");
            await Engine.ExecuteAsync($"ALTER TABLE {table.Key} MODIFY SETTING old_parts_lifetime = 1");
        }

        var batch = Batch(
            new SpanSpec(Trace(1), Span(1)) { User = Planted[1], Session = Planted[2], Input = Planted[0], Bodies = [Text("gen_ai.prompt", "say " + Planted[0])], Resource = [Text("owner", Planted[5])] },
            new SpanSpec(Trace(2), Span(1)) { User = "st4ys-user-11aa", Input = "st4ys-prompt-22bb" });
        batch.Scores.Add("shop", "prod", Trace(1), Span(1), "", "relevance", 0.5, "label", Planted[4], "app", Noon);
        Logs(batch, Planted[3], Trace(1));
        Logs(batch, "alone", default, Planted[1]);
        await WriteAsync(store, batch);
        await SamplesAsync(store, "default", ("user_id", Planted[1]), ("note", Planted[6]));
        var directory = (await Engine.QueryAsync("SELECT arrayJoin(data_paths) AS path FROM system.tables WHERE database = currentDatabase()")).Rows.Select(row => row.Text("path")).ToList();
        Assert.All(Planted, planted => Assert.NotEmpty(FilesWith(directory, planted)));

        await store.Deletions.DeleteAsync([("del-1", DeletionScope.OfUser("default", Planted[1]))]);
        await store.Deletions.EraseAsync();

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        while (Planted.Any(planted => FilesWith(directory, planted).Count > 0))
        {
            Assert.False(patience.IsCancellationRequested, string.Join('\n', Planted.SelectMany(planted => FilesWith(directory, planted).Select(file => $"{planted} in {file}"))));
            await Task.Delay(200);
        }

        Assert.NotEmpty(FilesWith(directory, "st4ys-user-11aa"));
        Assert.NotEmpty(FilesWith(directory, "st4ys-prompt-22bb"));
    }

    private static List<string> FilesWith(IEnumerable<string> directories, string text)
    {
        List<string> found = [];
        foreach (var file in directories.Where(Directory.Exists).SelectMany(directory => Directory.GetFiles(directory, "*", SearchOption.AllDirectories)))
        {
            try
            {
                if (File.ReadAllBytes(file).AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0)
                {
                    found.Add(file);
                }
            }
            catch (IOException)
            {
                // The engine removed it meanwhile.
                continue;
            }
        }

        return found;
    }

    private static TelemetryBatch Now(params SpanSpec[] spans)
    {
        var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100, RequestHash = NewHash() };
        foreach (var span in spans)
        {
            Add(batch.Spans, span);
        }

        return batch;
    }

    private static async Task SamplesAsync(TelemetryStore store, string project, params (string Name, string Value)[] labels)
    {
        var samples = new SampleBatch();
        samples.Add(Labels.Of([(Labels.MetricName, "calls"), .. labels]), 1_000, 1);
        await store.Samples.WriteAsync(project, samples);
    }

    internal static void Logs(TelemetryBatch batch, string body, TraceId trace, string user = "") => Log(
        batch, body, Noon, trace, observed: Noon, attributes: user.Length > 0 ? [new StoredAttribute("user.id", user, AttributeType.String)] : [], name: "", span: default(SpanId));
}

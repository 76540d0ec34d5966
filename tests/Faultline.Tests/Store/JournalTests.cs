using System.Collections.Concurrent;
using System.Diagnostics;
using Faultline.ClickHouse;
using Faultline.Store;
using Faultline.Store.Deletions;
using Faultline.Store.Tiers;
using Faultline.Store.Writes;
using Faultline.Store.Writes.Journal;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store;

/// <summary>The writer with a journal: acknowledged when it is in a file, read when it is in the tables, there once whatever happens in between.</summary>
public sealed class JournalTests : StoreTest, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("faultline-journal-").FullName;

    private WriterOptions Journaled => Soon with { JournalDirectory = _directory, InsertDelay = TimeSpan.FromMilliseconds(1) };

    private string[] Files => Directory.GetFiles(_directory);

    private string[] Aside => Directory.GetFiles(Path.Combine(_directory, "aside"));

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task An_acknowledgement_does_not_wait_for_the_engine_and_readers_see_the_batch_when_it_can_be_read()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Journaled);
        var seen = new Seen();
        store.Writer.Readers.Add(seen);
        var gate = new TaskCompletionSource();
        engine.Gate = () => gate.Task;

        var batch = Batch(new SpanSpec(Trace(1), Span(1)));
        await WriteAsync(store, batch);
        Assert.Empty(seen.Batches);
        Assert.Single(Files);
        Assert.True(store.Writer.Figures.JournalBytes > 0);

        gate.SetResult();
        await store.Writer.FlushAsync();
        Assert.Equal(1, await CountAsync("spans"));
        await Eventually.TrueAsync(() => seen.Batches.Count == 1);
        Assert.Same(batch, seen.Batches.Single());
        Assert.Empty(Files);
        Assert.Equal(0, store.Writer.Figures.JournalBytes);
    }

    [Fact]
    public async Task Many_requests_become_one_insert_and_their_files_are_gone_afterwards()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Journaled with { InsertDelay = TimeSpan.FromHours(1) });
        var before = engine.Inserts;
        for (var i = 1; i <= 30; i++)
        {
            await WriteAsync(store, Batch(new SpanSpec(Trace((UInt128)i), Span(1))));
        }

        Assert.Equal(before, engine.Inserts);
        await store.Writer.FlushAsync();
        Assert.Equal(1, engine.Inserts - before);
        Assert.Equal(30, await CountAsync("spans"));
        Assert.Empty(Files);
    }

    [Fact]
    public async Task Who_has_just_sent_a_trace_may_ask_for_it_at_once()
    {
        var store = await OpenAsync(Engine, Journaled with { InsertDelay = TimeSpan.FromHours(1) });
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(1))));
        Assert.Empty(await store.Traces.SpansOfAsync("default", Trace(1)));
        Assert.Single(await store.SpansOfSentAsync("default", Trace(1)));
        Assert.Empty(await store.SpansOfSentAsync("default", Trace(2)));
    }

    [Fact]
    public async Task Storing_returns_when_the_rows_can_be_read()
    {
        var store = await OpenAsync(Engine, Journaled);
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.StoreAsync(Batch(new SpanSpec(Trace(1), Span(1)))));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task What_an_ended_process_acknowledged_is_in_the_tables_after_the_next_start_column_by_column_the_same()
    {
        var rich = new SpanSpec(Trace(7), Span(1))
        {
            Name = "chat",
            Resource = [Text("service.name", "shop"), Text("deployment.environment.name", "prod")],
            Attributes = [Text("gen_ai.request.model", "m"), Text("user.id", "u-1")],
            Bodies = [Text("gen_ai.prompt", "Where is my parcel?")],
            Model = "m",
            InputTokens = 12,
            TopScore = 0.5,
            User = "u-1",
        };
        var batch = Batch("default", NewHash(), rich, new SpanSpec(Trace(7), Span(2)));
        batch.Score("groundedness", 0.5, Trace(7), Span(1));
        batch.Samples.Add(Labels.Of((Labels.MetricName, "up"), ("job", "bot")), 1000, 1);
        await AcknowledgeOnlyAsync(batch);
        Assert.Equal(0, await CountAsync("spans"));

        var again = await OpenAsync(Engine, Journaled);
        Assert.Equal((2, 1, 1, 1), (await CountAsync("spans"), await CountAsync("scores"), await CountAsync("metric_samples"), await CountAsync("metric_series")));
        Assert.Empty(Files);
        Assert.IsType<WriteOutcome.Repeated>(await again.Writer.WriteAsync(batch));

        // Written again by way of the engine alone, under another project: every column but that one is as the replay made it.
        var direct = await OpenAsync(Engine, Soon);
        Assert.IsType<WriteOutcome.Durable>(await direct.Writer.WriteAsync(new TelemetryBatch
        {
            Project = "direct",
            ReceivedUnixNanos = batch.ReceivedUnixNanos,
            RequestHash = batch.RequestHash,
            Spans = batch.Spans,
            Scores = batch.Scores,
        }));
        foreach (var table in (string[])["spans", "scores"])
        {
            Assert.Equal(
                await CountAsync(table, "count() / 2"),
                await CountAsync($"(SELECT DISTINCT * EXCEPT (project, received_unix_nanos) FROM {table})"));
        }
    }

    [Fact]
    public async Task Readers_are_shown_what_was_replayed_when_they_ask_for_what_they_missed()
    {
        var batch = Batch(new SpanSpec(Trace(7), Span(1)));
        await AcknowledgeOnlyAsync(batch);

        var again = await OpenAsync(Engine, Journaled);
        var seen = new Seen();
        again.Writer.Readers.Add(seen);
        Assert.Equal(batch.ReceivedUnixNanos, again.Writer.NewestStoredAtStart);
        again.Writer.ShowStoredAfter(batch.ReceivedUnixNanos - 1);
        await Eventually.TrueAsync(() => seen.Batches.Count == 1);
        Assert.Equal(batch.RequestHash, seen.Batches.Single().RequestHash);
    }

    [Fact]
    public async Task What_was_inserted_before_the_process_ended_is_not_inserted_again()
    {
        var batch = Batch("default", NewHash(), new SpanSpec(Trace(7), Span(1)));
        batch.Score("groundedness", 0.5, Trace(7), Span(1));
        var other = Batch("default", NewHash(), new SpanSpec(Trace(8), Span(1)));
        await AcknowledgeOnlyAsync(batch, other);

        // As if the process had ended after the scores of both and the spans of one of them.
        var first = await OpenAsync(Engine, Soon);
        var received = batch.ReceivedUnixNanos;
        await first.Writer.WriteAsync(new TelemetryBatch { Project = "default", ReceivedUnixNanos = received, RequestHash = NewHash(), Spans = batch.Spans });
        Assert.Equal((1, 0), (await CountAsync("spans"), await CountAsync("scores")));

        await OpenAsync(Engine, Journaled);
        Assert.Equal((2, 1), (await CountAsync("spans"), await CountAsync("scores")));
        Assert.Empty(Files);
    }

    [Fact]
    public async Task A_write_that_was_cut_short_is_no_request_and_what_stood_before_it_is_stored()
    {
        await AcknowledgeOnlyAsync(Batch(new SpanSpec(Trace(1), Span(1))), Batch(new SpanSpec(Trace(2), Span(1))));
        var file = Assert.Single(Files);
        var bytes = await File.ReadAllBytesAsync(file);
        await File.WriteAllBytesAsync(file, bytes[..^7]);

        await OpenAsync(Engine, Journaled);
        Assert.Equal(1, await CountAsync("spans"));
        Assert.Empty(Files);
        Assert.Empty(Aside);
    }

    [Fact]
    public async Task A_damaged_file_is_kept_apart_and_stops_no_start()
    {
        var bytes = await DamageAsync();
        var store = await OpenAsync(Engine, Journaled);
        Assert.Equal(1, await CountAsync("spans"));
        Assert.Empty(Files);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(Assert.Single(Aside)));
        Assert.Equal(1, store.Writer.Figures.SetAside);
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_stops_no_start_and_no_other_file()
    {
        await AcknowledgeOnlyAsync(Batch(new SpanSpec(Trace(1), Span(1))));
        Directory.CreateSymbolicLink(Path.Combine(_directory, "0000000000000000.journal"), _directory);

        var store = await OpenAsync(Engine, Journaled);
        Assert.Equal(1, await CountAsync("spans"));
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.StoreAsync(Batch(new SpanSpec(Trace(2), Span(1)))));
    }

    [Fact]
    public async Task A_link_to_what_never_ends_and_a_pipe_that_nobody_writes_stop_no_start()
    {
        await AcknowledgeOnlyAsync(Batch(new SpanSpec(Trace(1), Span(1))));
        File.CreateSymbolicLink(Path.Combine(_directory, "0000000000000000.journal"), "/dev/zero");
        using (var made = Process.Start("mkfifo", Path.Combine(_directory, "1.journal")))
        {
            await made.WaitForExitAsync();
        }

        await OpenAsync(Engine, Journaled).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task An_acknowledged_request_that_the_engine_will_never_take_is_set_aside_alone_and_can_be_tried_again()
    {
        var store = await OpenAsync(Engine, Journaled with { InsertDelay = TimeSpan.FromHours(1) });
        await Engine.ExecuteAsync("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'");
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(1))));
        var stored = store.Writer.StoreAsync(Batch(new SpanSpec(Trace(99), Span(1)) { Name = "poison" }));
        await WriteAsync(store, Batch(new SpanSpec(Trace(2), Span(1))));
        await store.Writer.FlushAsync();

        Assert.IsType<WriteOutcome.Refused>(await stored);
        Assert.Equal(2, await CountAsync("spans"));
        Assert.Empty(Files);
        var kept = Assert.Single(Aside);
        Assert.Equal(1, store.Writer.Figures.SetAside);
        await Eventually.TrueAsync(() => store.Writer.Figures is { WaitingBytes: 0, WaitingBatches: 0 });
        await store.Writer.StopAsync();

        // What the log says to do once the reason is gone.
        await Engine.ExecuteAsync("ALTER TABLE spans DROP CONSTRAINT no_poison");
        File.Move(kept, Path.Combine(_directory, "0.journal"));
        await OpenAsync(Engine, Journaled);
        Assert.Equal(3, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_request_that_the_engine_will_never_take_is_set_aside_at_a_start_too()
    {
        await AcknowledgeOnlyAsync(
            Batch(new SpanSpec(Trace(1), Span(1))), Batch(new SpanSpec(Trace(99), Span(1)) { Name = "poison" }), Batch(new SpanSpec(Trace(2), Span(1))));
        await Engine.ExecuteAsync("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'");

        var store = await OpenAsync(Engine, Journaled);
        Assert.Equal(2, await CountAsync("spans"));
        Assert.Empty(Files);
        Assert.Single(Aside);
        await WriteAsync(store, Batch(new SpanSpec(Trace(3), Span(1))));
    }

    [Fact]
    public async Task An_engine_that_cannot_write_now_is_tried_again_until_it_can_and_nothing_is_doubled()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Journaled);
        var failures = 0;
        engine.BeforeInsert = (_, _) =>
        {
            if (Interlocked.Increment(ref failures) <= 2)
            {
                throw FaultyEngine.OutOfMemory();
            }
        };
        engine.AfterInsert = (_, _) =>
        {
            if (Interlocked.Increment(ref failures) == 4)
            {
                throw new IOException("connection reset");
            }
        };
        var batch = Batch("default", NewHash(), new SpanSpec(Trace(1), Span(1)));
        batch.Score("groundedness", 0.5, Trace(1), Span(1));
        await WriteAsync(store, batch);
        await store.Writer.FlushAsync();

        Assert.Equal((1, 1), (await CountAsync("spans"), await CountAsync("scores")));
        Assert.True(store.Writer.Figures.FailedCommits > 0);
    }

    [Fact]
    public async Task Requests_that_the_engine_refuses_at_once_are_acknowledged_and_every_one_is_set_aside()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Journaled with { GroupDelay = TimeSpan.Zero, InsertDelay = TimeSpan.Zero });
        engine.BeforeInsert = (_, _) => throw new ClickHouseException(469, "no such row", "INSERT");
        for (var i = 1; i <= 300; i++)
        {
            Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Batch(new SpanSpec(Trace((UInt128)i), Span(1)))));
        }

        await store.Writer.FlushAsync();
        Assert.Equal(300, Aside.Length);
        Assert.Equal((0, 0), (store.Writer.Figures.WaitingBatches, store.Writer.Figures.WaitingBytes));
    }

    [Fact]
    public async Task A_stop_while_the_engine_cannot_write_leaves_the_journal_to_the_next_start()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Journaled);
        engine.BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory();
        var waiting = store.Writer.StoreAsync(Batch(new SpanSpec(Trace(1), Span(1))));
        await store.Writer.StopAsync();
        Assert.IsType<WriteOutcome.Durable>(await waiting);
        Assert.Single(Files);

        await OpenAsync(Engine, Journaled);
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_start_while_the_disk_is_full_takes_no_request_and_stores_what_waits_when_there_is_room()
    {
        await AcknowledgeOnlyAsync(Batch(new SpanSpec(Trace(1), Span(1))));
        var engine = new FaultyEngine(Engine) { Room = 1 << 20 };
        var store = await OpenAsync(engine, Journaled);
        Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(Batch(new SpanSpec(Trace(2), Span(1)))));
        Assert.Single(Files);

        engine.Room = null;
        await store.Writer.FlushAsync();
        Assert.Equal(1, await CountAsync("spans"));
        await WriteAsync(store, Batch(new SpanSpec(Trace(2), Span(1))));
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_means_try_later()
    {
        var store = await OpenAsync(Engine, Journaled);
        Directory.Delete(_directory, recursive: true);
        Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(Batch(new SpanSpec(Trace(1), Span(1)))));

        Directory.CreateDirectory(_directory);
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.StoreAsync(Batch(new SpanSpec(Trace(2), Span(1)))));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_deletion_reaches_what_is_still_in_the_journal()
    {
        var store = await OpenAsync(Engine, Journaled with { InsertDelay = TimeSpan.FromHours(1) });
        await WriteAsync(store, Batch(new SpanSpec(Trace(1), Span(1))));
        await WriteAsync(store, Batch(new SpanSpec(Trace(2), Span(1))));
        await store.Deletions.DeleteAsync([("one", DeletionScope.OfTraces("default", Trace(1)))]);
        await store.Writer.FlushAsync();
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_deletion_reaches_requests_that_were_set_aside_and_counts_them()
    {
        var store = await OpenAsync(Engine, Journaled);
        await Engine.ExecuteAsync("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'");
        static SpanSpec Poison(ulong trace, string user) => new(Trace(trace), Span(1)) { Name = "poison", User = user };
        await SetAsideAsync(Batch("default", NewHash(), Poison(1, "u-1")));
        await SetAsideAsync(Batch("default", NewHash(), Poison(2, "u-12")));
        await SetAsideAsync(Batch("default", NewHash(), Poison(3, "u-3")));
        await SetAsideAsync(Batch("other", NewHash(), Poison(1, "u-1")));
        Assert.Equal(4, store.Writer.Figures.SetAside);

        // A text with its length in front: u-1 is not u-12.
        var byUser = DeletionScope.OfUser("default", "u-1");
        Assert.Equal(1, (await store.Deletions.CountAsync(byUser))[DeletionStore.SetAsideRequests]);
        Assert.Equal(1, await store.Deletions.OverlapAsync(byUser, DeletionScope.OfTraces("default", Trace(1))));
        Assert.Equal(0, await store.Deletions.OverlapAsync(byUser, DeletionScope.OfTraces("default", Trace(2))));
        var answers = await store.Deletions.DeleteAsync([("user", byUser), ("trace", DeletionScope.OfTraces("default", Trace(2))), ("nobody", DeletionScope.OfUser("default", "u-4"))]);
        Assert.Equal((1, 0), (answers["user"].Found[DeletionStore.SetAsideRequests], answers["user"].Left[DeletionStore.SetAsideRequests]));
        Assert.Equal((1, 0), (answers["trace"].Found[DeletionStore.SetAsideRequests], answers["trace"].Left[DeletionStore.SetAsideRequests]));
        Assert.DoesNotContain(DeletionStore.SetAsideRequests, answers["nobody"].Found.Keys);
        Assert.Equal(2, Aside.Length);

        await store.Deletions.DeleteAsync([("project", DeletionScope.OfProject("other"))]);
        Assert.Contains("u-3", System.Text.Encoding.UTF8.GetString(await File.ReadAllBytesAsync(Assert.Single(Aside))), StringComparison.Ordinal);
        await store.Deletions.DeleteAsync([("age", DeletionScope.OfAge(TimeProvider.System.GetUtcNow().AddDays(1)))]);
        Assert.Empty(Aside);
        Assert.Equal(0, store.Writer.Figures.SetAside);

        async Task SetAsideAsync(TelemetryBatch batch) => Assert.IsType<WriteOutcome.Refused>(await store.Writer.StoreAsync(batch));
    }

    /// <summary>A user's trace that is in the tables, and more of it in a request that is not.</summary>
    [Fact]
    public async Task A_users_deletion_reaches_a_request_set_aside_that_names_only_the_trace()
    {
        var store = await OpenAsync(Engine, Journaled);
        await Engine.ExecuteAsync("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'");
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.StoreAsync(Batch(new SpanSpec(Trace(1), Span(1)) { User = "u-1" })));
        Assert.IsType<WriteOutcome.Refused>(await store.Writer.StoreAsync(Batch(new SpanSpec(Trace(1), Span(2)) { Name = "poison" })));
        var byUser = DeletionScope.OfUser("default", "u-1");
        Assert.Equal(1, (await store.Deletions.CountAsync(byUser))[DeletionStore.SetAsideRequests]);
        await store.Deletions.DeleteAsync([("user", byUser)]);
        Assert.Empty(Aside);
    }

    [Fact]
    public async Task A_damaged_file_that_names_a_trace_goes_with_it()
    {
        await DamageAsync();
        var store = await OpenAsync(Engine, Journaled);
        await store.Deletions.DeleteAsync([("one", DeletionScope.OfTraces("default", Trace(3)))]);
        Assert.Single(Aside);
        await store.Deletions.DeleteAsync([("one", DeletionScope.OfTraces("default", Trace(2)))]);
        Assert.Empty(Aside);
    }

    [Fact]
    public async Task What_was_set_aside_goes_when_it_leaves_the_hot_window_unless_something_of_its_project_is_held()
    {
        var clock = new SetClock { Now = TimeProvider.System.GetUtcNow() };
        var store = await TelemetryStore.OpenAsync(Engine, Journaled, clock);
        await Engine.ExecuteAsync("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'");
        foreach (var project in (string[])["default", "held"])
        {
            var batch = Batch(project, NewHash(), new SpanSpec(Trace(1), Span(1)) { Name = "poison" });
            batch.ReceivedUnixNanos = DeletionScope.Nanos(clock.Now);
            Assert.IsType<WriteOutcome.Refused>(await store.Writer.StoreAsync(batch));
        }

        var options = new RetentionOptions(TimeSpan.FromDays(3), []);
        IReadOnlyList<DeletionScope> held = [DeletionScope.OfUser("held", "u-1")];
        clock.Now = clock.Now.AddDays(3);
        Assert.Equal(0, await store.Retention.DropAsideAsync(options, held));
        clock.Now = clock.Now.AddDays(1);
        Assert.Equal(0, await store.Retention.DropAsideAsync(options, [DeletionScope.OfAge(clock.Now)]));
        Assert.Equal(1, await store.Retention.DropAsideAsync(options, held));
        Assert.Equal(1, await store.Retention.DropAsideAsync(options, []));
        Assert.Empty(Aside);
    }

    [Fact]
    public async Task Synced_files_are_read_the_same()
    {
        var store = await OpenAsync(Engine, Journaled with { Durability = Faultline.Store.Schema.Durability.Power });
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.StoreAsync(Batch(new SpanSpec(Trace(1), Span(1)))));
        Assert.Equal(1, await CountAsync("spans"));
    }

    /// <summary>Traces 1 and 2 in one file, the second one's request damaged.</summary>
    /// <returns>What the file holds.</returns>
    private async Task<byte[]> DamageAsync()
    {
        await AcknowledgeOnlyAsync(Batch(new SpanSpec(Trace(1), Span(1))), Batch(new SpanSpec(Trace(2), Span(1))));
        var file = Assert.Single(Files);
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[^100] ^= 0x40;
        await File.WriteAllBytesAsync(file, bytes);
        return bytes;
    }

    /// <summary>A process that acknowledges, and ends before anything is in the tables.</summary>
    private async Task AcknowledgeOnlyAsync(params TelemetryBatch[] batches)
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Journaled with { InsertDelay = TimeSpan.FromHours(1) });
        foreach (var batch in batches)
        {
            await WriteAsync(store, batch);
        }

        engine.BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory();
        await store.Writer.StopAsync();
        Assert.Single(Files);
    }

    private sealed class Seen : IBatchReader
    {
        public ConcurrentQueue<TelemetryBatch> Batches { get; } = new();

        public bool SeesStored => true;

        public void Committed(TelemetryBatch batch) => Batches.Enqueue(batch);
    }
}

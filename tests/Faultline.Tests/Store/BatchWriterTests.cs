using System.Collections.Concurrent;
using Faultline.ClickHouse;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store;

public sealed class BatchWriterTests : StoreTest
{
    [Fact]
    public async Task Batches_that_wait_together_are_one_insert_a_table()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, new WriterOptions(TimeSpan.FromMilliseconds(300)));
        var before = engine.Inserts;
        var outcomes = await Task.WhenAll(Enumerable.Range(1, 200).Select(i => store.Writer.WriteAsync(Batch(new SpanSpec(Trace((UInt128)i), Span(1))))));

        Assert.All(outcomes, outcome => Assert.IsType<WriteOutcome.Durable>(outcome));
        Assert.Equal(200, await CountAsync("spans"));
        Assert.InRange(engine.Inserts - before, 1, 3);
        Assert.Equal(200, store.Writer.Figures.CommittedRows);
        await store.Writer.StopAsync();
    }

    [Fact]
    public async Task Every_batch_written_at_once_by_many_senders_is_there_once()
    {
        var store = await OpenAsync(Engine, new WriterOptions(TimeSpan.FromMilliseconds(2), GroupRowsMax: 50));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(sender => Task.Run(async () =>
        {
            for (var i = 1; i <= 20; i++)
            {
                var trace = Trace(new UInt128((ulong)sender + 1, (ulong)i));
                Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Batch(new SpanSpec(trace, Span(1)), new SpanSpec(trace, Span(2)))));
            }
        })));

        Assert.Equal(16 * 20 * 2, await CountAsync("spans"));
        Assert.Equal(16 * 20, await CountAsync("spans", "uniqExact(trace_id)"));
        Assert.Equal(16 * 20, await CountAsync("spans", "uniqExact(request_hash)"));
    }

    [Fact]
    public async Task A_batch_that_the_engine_refuses_harms_only_itself()
    {
        var store = await OpenAsync(Engine, new WriterOptions(TimeSpan.FromMilliseconds(200)));
        await Engine.ExecuteAsync("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'");
        var good = Enumerable.Range(1, 5).Select(i => store.Writer.WriteAsync(Batch(new SpanSpec(Trace((UInt128)i), Span(1))))).ToList();
        var bad = store.Writer.WriteAsync(Batch(new SpanSpec(Trace(99), Span(1)) { Name = "poison" }));

        Assert.IsType<WriteOutcome.Refused>(await bad);
        Assert.All(await Task.WhenAll(good), outcome => Assert.IsType<WriteOutcome.Durable>(outcome));
        Assert.Equal(5, await CountAsync("spans"));
        Assert.Equal(2, store.Writer.Figures.FailedCommits);
    }

    [Fact]
    public async Task An_engine_without_memory_means_try_later_and_nothing_written()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        engine.BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory();
        var batch = Batch(new SpanSpec(Trace(1), Span(1)));
        Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(batch));
        Assert.Equal(0, await CountAsync("spans"));

        engine.BeforeInsert = (_, _) => { };
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(batch));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_repeated_request_is_acknowledged_and_stored_once()
    {
        var store = await OpenAsync(Engine, Soon);
        var hash = NewHash();
        var span = new SpanSpec(Trace(7), Span(1));
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Batch("default", hash, span)));
        Assert.IsType<WriteOutcome.Repeated>(await store.Writer.WriteAsync(Batch("default", hash, span)));
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Batch("another", hash, span)));
        Assert.Equal(2, await CountAsync("spans"));
        Assert.Equal(1, store.Writer.Figures.RepeatedBatches);
    }

    [Fact]
    public async Task The_same_request_twice_at_once_is_stored_once()
    {
        var store = await OpenAsync(Engine, new WriterOptions(TimeSpan.FromMilliseconds(100)));
        var hash = NewHash();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => store.Writer.WriteAsync(Batch("default", hash, new SpanSpec(Trace(7), Span(1))))));
        Assert.Single(outcomes.OfType<WriteOutcome.Durable>());
        Assert.Equal(9, outcomes.OfType<WriteOutcome.Repeated>().Count());
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_request_is_remembered_over_a_restart()
    {
        var store = await OpenAsync(Engine, Soon);
        var hash = NewHash();
        var span = new SpanSpec(Trace(7), Span(1));
        await store.Writer.WriteAsync(Batch("default", hash, span));
        await store.Writer.StopAsync();

        var again = await OpenAsync(Engine, Soon);
        Assert.IsType<WriteOutcome.Repeated>(await again.Writer.WriteAsync(Batch("default", hash, span)));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_resent_request_of_which_only_the_scores_got_in_gets_its_spans_and_no_score_twice()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        engine.BeforeInsert = (table, _) =>
        {
            if (table is "spans")
            {
                throw FaultyEngine.OutOfMemory();
            }
        };
        var hash = NewHash();
        TelemetryBatch Request()
        {
            var batch = Batch("default", hash, new SpanSpec(Trace(7), Span(1)));
            batch.Score("groundedness", 0.5, Trace(7), Span(1));
            return batch;
        }

        Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(Request()));
        Assert.Equal((0, 1), (await CountAsync("spans"), await CountAsync("scores")));

        engine.BeforeInsert = (_, _) => { };
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Request()));
        Assert.Equal((1, 1), (await CountAsync("spans"), await CountAsync("scores")));
    }

    [Fact]
    public async Task After_a_crash_between_two_tables_a_resent_request_is_completed_and_not_doubled()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        engine.BeforeInsert = (table, _) =>
        {
            if (table is "spans")
            {
                throw FaultyEngine.OutOfMemory();
            }
        };
        var hash = NewHash();
        var batch = Batch("default", hash, new SpanSpec(Trace(7), Span(1)));
        batch.Score("groundedness", 0.5, Trace(7), Span(1));
        await store.Writer.WriteAsync(batch);

        var restarted = await OpenAsync(Engine, Soon);
        Assert.IsType<WriteOutcome.Durable>(await restarted.Writer.WriteAsync(batch));
        Assert.Equal((1, 1), (await CountAsync("spans"), await CountAsync("scores")));
    }

    [Fact]
    public async Task An_insert_whose_answer_was_lost_is_not_written_again()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        engine.AfterInsert = (_, number) =>
        {
            if (number == 1)
            {
                throw new IOException("connection reset");
            }
        };
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Batch(new SpanSpec(Trace(1), Span(1)))));
        Assert.Equal(1, await CountAsync("spans"));
    }

    [Fact]
    public async Task A_full_queue_says_try_later_and_takes_batches_again_when_it_has_emptied()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon with { QueueBytesMax = 20_000 });
        var gate = new TaskCompletionSource();
        engine.Gate = () => gate.Task;

        var writes = Enumerable.Range(1, 60).Select(i => store.Writer.WriteAsync(Batch(new SpanSpec(Trace((UInt128)i), Span(1))))).ToList();
        var refused = writes.Where(write => write.IsCompleted).Select(write => write.Result).ToList();
        Assert.NotEmpty(refused);
        Assert.All(refused, outcome => Assert.True(Assert.IsType<WriteOutcome.TryLater>(outcome).Delay > TimeSpan.Zero));
        Assert.Equal(refused.Count, store.Writer.Figures.RefusedBatches);
        Assert.InRange(store.Writer.Figures.WaitingBytes, 1, 20_000);

        gate.SetResult();
        var outcomes = await Task.WhenAll(writes);
        Assert.Equal(60 - refused.Count, outcomes.OfType<WriteOutcome.Durable>().Count());
        Assert.Equal(60 - refused.Count, await CountAsync("spans"));
        await Eventually.TrueAsync(() => store.Writer.Figures.WaitingBytes == 0);
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(Batch(new SpanSpec(Trace(1000), Span(1)))));
    }

    [Fact]
    public async Task A_small_request_that_would_blow_up_in_the_store_is_refused()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch();
        Add(batch.Spans, new SpanSpec(Trace(1), Span(1)) { Resource = [Text("big", new string('x', 1 << 20))] });
        for (var i = 0; i < 1000; i++)
        {
            Add(batch.Spans, new SpanSpec(Trace(1), Span((ulong)i + 2)));
            batch.Spans.Resource[i + 1] = 0;
        }

        Assert.IsType<WriteOutcome.Refused>(await store.Writer.WriteAsync(batch));
    }

    [Fact]
    public async Task Readers_see_every_committed_batch_once_in_order_and_a_bad_reader_harms_no_other()
    {
        var engine = new FaultyEngine(Engine);
        var store = await OpenAsync(engine, Soon);
        var seen = new RecordingReader();
        store.Writer.Readers.Add(new ThrowingReader());
        store.Writer.Readers.Add(seen);
        var sent = new List<TelemetryBatch>();
        for (var i = 1; i <= 20; i++)
        {
            sent.Add(Batch(new SpanSpec(Trace((UInt128)i), Span(1))));
            Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(sent[^1]));
        }

        engine.BeforeInsert = (_, _) => throw FaultyEngine.OutOfMemory();
        await store.Writer.WriteAsync(Batch(new SpanSpec(Trace(500), Span(1))));
        await store.Writer.WriteAsync(sent[0]);
        await store.Writer.StopAsync();

        Assert.Equal(sent, seen.Batches);
        Assert.Equal(20, store.Writer.Figures.ReaderFailures);
    }

    [Fact]
    public async Task Stopping_finishes_what_waits()
    {
        var store = await OpenAsync(Engine, new WriterOptions(TimeSpan.FromMilliseconds(200)));
        var writes = Enumerable.Range(1, 10).Select(i => store.Writer.WriteAsync(Batch(new SpanSpec(Trace((UInt128)i), Span(1))))).ToList();
        await store.Writer.StopAsync();
        Assert.All(writes, write => Assert.IsType<WriteOutcome.Durable>(Assert.IsType<WriteOutcome>(write.Result, exactMatch: false)));
        Assert.IsType<WriteOutcome.TryLater>(await store.Writer.WriteAsync(Batch(new SpanSpec(Trace(99), Span(1)))));
    }

    [Fact]
    public async Task A_group_over_midnight_is_two_inserts_of_one_partition_each()
    {
        var store = await OpenAsync(Engine, new WriterOptions(TimeSpan.FromMilliseconds(200)));
        var midnight = 20_778L * 86_400 * Second;
        var writes = new[] { midnight - 1, midnight }.Select((received, i) =>
        {
            var batch = new TelemetryBatch { Project = "default", ReceivedUnixNanos = received, RequestHash = NewHash() };
            Add(batch.Spans, new SpanSpec(Trace((UInt128)i + 1), Span(1)));
            return store.Writer.WriteAsync(batch);
        });
        Assert.All(await Task.WhenAll(writes), outcome => Assert.IsType<WriteOutcome.Durable>(outcome));
        Assert.Equal(2, await CountAsync("spans", "uniqExact(received_date)"));
    }

    [Fact]
    public async Task A_request_of_every_signal_is_in_every_table()
    {
        var store = await OpenAsync(Engine, Soon);
        var batch = Batch(new SpanSpec(Trace(1), Span(1)));
        batch.Score("s", 1, Trace(1));
        batch.Samples.Add(Labels.Of((Labels.MetricName, "up")), 1000, 1);
        Assert.IsType<WriteOutcome.Durable>(await store.Writer.WriteAsync(batch));
        foreach (var table in (string[])["spans", "scores", "metric_samples", "metric_series"])
        {
            Assert.Equal(1, await CountAsync(table));
        }
    }

    private sealed class RecordingReader : IBatchReader
    {
        public ConcurrentQueue<TelemetryBatch> Batches { get; } = new();

        public void Committed(TelemetryBatch batch) => Batches.Enqueue(batch);
    }

    private sealed class ThrowingReader : IBatchReader
    {
        public void Committed(TelemetryBatch batch) => throw new InvalidOperationException("a reader's fault");
    }
}

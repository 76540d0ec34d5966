using System.Text;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;
using Faultline.Tests.Store;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Metrics.Derived;

/// <summary>The same spans give the same metrics, however they come.</summary>
public sealed class DerivedCountProperties : StoreTest
{
    // Whole milliseconds add up to the same sum in any order.
    private static readonly DerivedMetricsOptions Options = new()
    {
        Unit = DurationUnit.Milliseconds,
        LatencyName = "duration_milliseconds",
        Buckets = [2, 10, 100, 1000],
        Exemplars = false,
        Dimensions = ["region"],
        CallsDimensions = ["tier"],
        EventDimensions = ["reason"],
        SeriesPerMetricMax = 1_000_000,
    };

    [Fact]
    public void Spans_reordered_late_or_split_over_requests_give_the_same_counts() => ForSeeds(seed =>
    {
        var random = new Random(seed);
        var spans = Enumerable.Range(1, random.Next(1, 60)).Select(id => Some(random, id)).ToArray();

        var together = new DerivedMetrics(Options, NullLogger.Instance);
        together.Committed(Batch(spans));
        var apart = new DerivedMetrics(Options, NullLogger.Instance);
        random.Shuffle(spans);
        for (var from = 0; from < spans.Length;)
        {
            var size = random.Next(1, 9);
            var batch = Batch(spans.AsSpan(from, Math.Min(size, spans.Length - from)));

            // Late, but not too late to be counted.
            batch.ReceivedUnixNanos += random.NextInt64(0, (long)TimeSpan.FromMinutes(8).TotalNanoseconds);
            apart.Committed(batch);
            from += size;
        }

        Assert.Equal(Lines(together), Lines(apart));
    });

    [Fact]
    public async Task A_request_sent_again_is_not_counted_twice()
    {
        var store = await OpenAsync(Engine, Soon);
        var metrics = new DerivedMetrics(new DerivedMetricsOptions(), NullLogger.Instance);
        store.Writer.Readers.Add(metrics);
        var pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(365)), new IngestFigures(), TimeProvider.System);
        var nanos = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;
        string Request(int first, int second) => $$"""
            {"resourceSpans":[{"scopeSpans":[{"spans":[
              {"traceId":"{{first:x32}}","spanId":"{{first:x16}}","name":"work","startTimeUnixNano":"{{nanos}}","endTimeUnixNano":"{{nanos}}"},
              {"traceId":"{{second:x32}}","spanId":"{{second:x16}}","name":"work","startTimeUnixNano":"{{nanos}}","endTimeUnixNano":"{{nanos}}"}]}]}]}
            """;

        // The first request three times, twice of it at once.
        var sent = new[] { Request(1, 2), Request(1, 2), Request(3, 4) }.Select(body => SendAsync(pipeline, body)).ToList();
        Assert.All(await Task.WhenAll(sent), admission => Assert.IsType<Admission.Durable>(admission));
        Assert.IsType<Admission.Durable>(await SendAsync(pipeline, Request(1, 2)));
        await store.Writer.StopAsync();

        Assert.Equal(4, Assert.Single(metrics.Snapshot()[0].Samples).Value);
        Assert.Equal(4, await CountAsync("spans"));
    }

    private static Task<Admission> SendAsync(IngestPipeline pipeline, string body) =>
        pipeline.AcceptAsync(new GatewayIdentity("default"), Signal.Traces, Encoding.UTF8.GetBytes(body), json: true, "http", CancellationToken.None);

    private static SpanSpec Some(Random random, int id) => new(Trace((UInt128)id), Span((ulong)id))
    {
        Name = "name " + random.Next(3),
        Service = "service " + random.Next(2),
        Kind = (SpanKind)random.Next(6),
        Status = (SpanStatus)random.Next(3),
        DurationNanos = random.Next(0, 2_000) * 1_000_000L,
        Attributes = random.Next(2) == 0 ? [] : [Text("region", "r" + random.Next(2)), Text("tier", "t" + random.Next(2))],
        Resource = random.Next(2) == 0 ? [] : [Text("region", "resource's")],
        Events = [.. Enumerable.Range(0, random.Next(3)).Select(_ => new Faultline.Store.Traces.StoredEvent(Noon, "event", [Text("reason", "e" + random.Next(2))], 0))],
    };

    private static string Lines(DerivedMetrics metrics) =>
        string.Join('\n', Encoding.UTF8.GetString(TextFormat.Write(metrics.Snapshot(), false)).Split('\n').Order(StringComparer.Ordinal));

    private static void ForSeeds(Action<int> holds) => Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), holds).QuickCheckThrowOnFailure();
}

using System.Threading.Channels;
using Faultline.Metrics.Api;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Exposition;
using Faultline.Store;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Microsoft.Extensions.Logging;

namespace Faultline.Metrics.Scrape;

/// <summary>A built-in target as the targets API shows it.</summary>
public sealed record ScrapeTarget(string Job, string Instance, string Path, DateTimeOffset? LastScrape, TimeSpan LastDuration, string? LastError);

/// <summary>
/// Samples our own metrics into the store as a scraper of the two doors would: jobs <c>otel-collector</c> (derived, :8889) and
/// <c>otel-collector-internal</c> (internals, :8888). A new derived series is sampled about a second after it appeared.
/// </summary>
public sealed class SelfScrape(DerivedMetrics derived, Func<IReadOnlyList<MetricFamily>> internals, SampleStore samples, TimeSpan interval, TimeProvider time, ILogger log)
{
    public const string DerivedJob = "otel-collector";
    public const string InternalJob = "otel-collector-internal";
    private const string DefaultProject = "default";

    /// <summary>
    /// Stored with every full scrape of <see cref="DerivedJob"/>: the newest batch that is in it, its
    /// <see cref="Faultline.Telemetry.TelemetryBatch.ReceivedUnixNanos"/> in microseconds, which a double holds.
    /// </summary>
    internal const string ReadThroughMetric = "faultline_derived_read_through_microseconds";

    private static readonly TimeSpan SoonAfterNewSeries = TimeSpan.FromSeconds(1);

    private readonly Dictionary<(string Job, string Project), Dictionary<(string Name, string Suffix, Labels Labels), Labels>> _known = [];
    private readonly Dictionary<string, ScrapeTarget> _targets = new(StringComparer.Ordinal);
    // Who has it may scrape, or change what is scraped.
    private readonly Turn _turn = new();
    private readonly Channel<bool> _fresh = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>host:port of the two doors, known once they listen; becomes the label <c>instance</c>.</summary>
    public string DerivedInstance { get; set; } = "127.0.0.1:8889";

    public string InternalInstance { get; set; } = "127.0.0.1:8888";

    public IReadOnlyList<ScrapeTarget> Targets
    {
        get
        {
            lock (_targets)
            {
                return
                [
                    _targets.GetValueOrDefault(DerivedJob) ?? new ScrapeTarget(DerivedJob, DerivedInstance, "/metrics", null, TimeSpan.Zero, null),
                    _targets.GetValueOrDefault(InternalJob) ?? new ScrapeTarget(InternalJob, InternalInstance, "/metrics", null, TimeSpan.Zero, null),
                ];
            }
        }
    }

    /// <summary>Takes the counters up where the last stored scrape left them, also one of another instance. Called before the first batch.</summary>
    /// <param name="newestStored">The newest <see cref="Faultline.Telemetry.TelemetryBatch.ReceivedUnixNanos"/> in the store.</param>
    /// <returns>Batches received after this are not in the counters yet and have to be shown.</returns>
    public async Task<long> ContinueAsync(long newestStored, CancellationToken cancel)
    {
        var scrapes = from place in await samples.LatestAsync(ReadThroughMetric, cancel)
                      group place by place.Project into places
                      select places.MaxBy(place => place.UnixMillis);
        var from = newestStored;
        foreach (var (project, labels, unixMillis, micros) in scrapes)
        {
            var readThrough = Math.Min((long)micros * 1000, newestStored);
            from = Math.Min(from, readThrough);
            var scrape = await samples.SelectAsync(project, [Equal("job", labels["job"]), Equal("instance", labels["instance"])], unixMillis, unixMillis, cancel);
            log.CountersContinued(derived.Continue(project, readThrough, scrape), project, DateTimeOffset.FromUnixTimeMilliseconds(unixMillis));
        }

        derived.BeginBehind(from);
        return from;
    }

    private static LabelMatcher Equal(string name, string value) => new(name, MatchKind.Equal, value);

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        derived.SeriesAdded += Wake;
        try
        {
            var nextFull = time.GetUtcNow();
            while (!cancel.IsCancellationRequested)
            {
                var wait = nextFull - time.GetUtcNow();
                if (wait > TimeSpan.Zero && await FreshWithinAsync(wait, cancel))
                {
                    // Let the batch's siblings arrive, then take what is new without waiting for the next round.
                    await Task.Delay(SoonAfterNewSeries, time, cancel);
                    _fresh.Reader.TryRead(out _);
                    await _turn.RunAsync(() => ScrapeDerivedAsync(onlyNew: true, cancel), cancel);
                    continue;
                }

                nextFull = time.GetUtcNow() + interval;
                _fresh.Reader.TryRead(out _);
                await StepAsync(cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The server stops; the next one starts new series where these end.
            return;
        }
        finally
        {
            derived.SeriesAdded -= Wake;
        }
    }

    /// <summary>One full scrape of both doors.</summary>
    public async Task StepAsync(CancellationToken cancel = default)
    {
        await _turn.RunAsync(() => ScrapeDerivedAsync(onlyNew: false, cancel), cancel);
        await _turn.RunAsync(() => ScrapeAsync(InternalJob, InternalInstance, DefaultProject, internals(), onlyNew: false, cancel), cancel);
    }

    /// <summary>Exemplars of derived metrics, found by the labels that their series have in the store.</summary>
    public Task<IReadOnlyList<SeriesExemplars>> FindExemplarsAsync(SeriesQuery query, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var series = from family in derived.Snapshot(query.Project)
                     from sample in family.Samples
                     where sample.Exemplar is not null
                     select (Target(sample.Labels, family.Name + sample.Suffix, DerivedJob, DerivedInstance), sample.Exemplar);
        return Task.FromResult(ExemplarSearch.Find(query, series));
    }

    /// <summary>Forgets series while no scrape is under way: afterwards none stores what <paramref name="forget"/> took away.</summary>
    public Task ForgetAsync(Action forget, CancellationToken cancel) => _turn.RunAsync(
        () =>
        {
            forget();
            _known.Clear();
            return Task.CompletedTask;
        },
        cancel);

    private void Wake() => _fresh.Writer.TryWrite(true);

    /// <summary>Waits for a new series, but no longer than until the next round.</summary>
    private async Task<bool> FreshWithinAsync(TimeSpan wait, CancellationToken cancel)
    {
        using var timeout = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        try
        {
            return await _fresh.Reader.WaitToReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <param name="onlyNew">Only series that were never sampled, so that the others keep their regular distance and a stream of
    /// new ones costs no more than themselves.</param>
    private async Task ScrapeDerivedAsync(bool onlyNew, CancellationToken cancel)
    {
        foreach (var (project, families, readThrough) in derived.SnapshotByProject(DefaultProject))
        {
            List<MetricFamily> all = onlyNew ? [.. families] : [.. families, MetricFamily.Gauge(ReadThroughMetric, "The newest telemetry that is in this scrape.", MetricFamily.Of(readThrough / 1000))];
            await ScrapeAsync(DerivedJob, DerivedInstance, project, all, onlyNew, cancel);
        }
    }

    private async Task ScrapeAsync(string job, string instance, string project, IReadOnlyList<MetricFamily> families, bool onlyNew, CancellationToken cancel)
    {
        var at = time.GetUtcNow();
        var started = time.GetTimestamp();
        var millis = at.ToUnixTimeMilliseconds();
        if (!_known.TryGetValue((job, project), out var known))
        {
            _known[(job, project)] = known = [];
        }

        // Series that are gone must not stay known: there is no end to their labels.
        var before = known;
        if (!onlyNew)
        {
            _known[(job, project)] = known = new(before.Count);
        }

        var batch = new SampleBatch();
        foreach (var family in families)
        {
            batch.Metadata.Add(new MetricMetadata(family.Type is "counter" ? family.Name + "_total" : family.Name, family.Type, family.Unit, family.Help));
            foreach (var sample in family.Samples)
            {
                var key = (family.Name, sample.Suffix, sample.Labels);
                var isKnown = before.TryGetValue(key, out var labels);
                if (isKnown && onlyNew)
                {
                    continue;
                }

                labels ??= Target(sample.Labels, family.Name + sample.Suffix, job, instance);
                known[key] = labels;
                batch.Add(labels, millis, sample.Value);
            }
        }

        if (onlyNew && batch.Count == 0)
        {
            return;
        }

        if (!onlyNew)
        {
            var count = batch.Count;
            batch.Add(Target(Labels.Empty, "up", job, instance), millis, 1);
            batch.Add(Target(Labels.Empty, "scrape_samples_scraped", job, instance), millis, count);
            batch.Add(Target(Labels.Empty, "scrape_duration_seconds", job, instance), millis, time.GetElapsedTime(started).TotalSeconds);
        }

        string? error = null;
        var took = time.GetElapsedTime(started);
        try
        {
            await samples.WriteAsync(project, batch, cancel);
        }
        catch (Exception failed) when (!cancel.IsCancellationRequested)
        {
            // The store is busy or away: counters are cumulative, so the next round says what this one would have.
            error = failed.Message;
            log.ScrapeNotStored(job, failed.Message);
        }

        lock (_targets)
        {
            _targets[job] = new ScrapeTarget(job, instance, "/metrics", at, took, error);
        }
    }

    private static Labels Target(Labels labels, string name, string job, string instance) =>
        Labels.Of([.. labels.Pairs, new(Labels.MetricName, name), new("job", job), new("instance", instance)]);
}

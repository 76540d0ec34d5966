using System.Globalization;
using System.Text.Json;
using Faultline.Cases;
using Faultline.Cases.Lifecycle;
using Faultline.Cases.Projections;
using Faultline.ClickHouse;
using Faultline.Diagnosis;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Changes;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Diagnosis.Topics;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Ledger;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Cli.Bench.Worlds;

/// <summary>
/// A recorded world played through the product: the pipeline's decoding, detection, evaluators and topics, the case book and diagnosis, on
/// the telemetry's own clock, into a store of its own.
/// </summary>
/// <remarks>
/// Only the order of commit and detection differs from a live server: a commit a line would take most of the time, so lines are
/// committed together, and always before anything reads the store. Whoever reads it finds what had arrived by then, no less and
/// no more. Evaluators run at their defaults but for the share of a core, which is a share of real time: two days of a world ask for less
/// than that share of two days, so nothing would be skipped for want of it.
/// </remarks>
internal sealed class WorldReplay : IAsyncDisposable
{
    /// <summary>The clock stands still for this long at most: windows close and cases are looked at in between.</summary>
    private const long StepNanos = 5_000_000_000;

    /// <summary>What was due after the last line is over by then.</summary>
    private const long SettledNanos = 180_000_000_000;

    /// <summary>Rows that wait for a commit at most.</summary>
    private const int WaitingRowsMax = 20_000;

    private static readonly GatewayIdentity Identity = new(GatewayAuth.DefaultProject);

    private readonly ReplayClock _clock;
    private readonly TelemetryStore _store;
    private readonly LedgerFile _ledger;
    private readonly CaseBook _cases;
    private readonly CaseWorker _worker;
    private readonly Detection _detection;
    private readonly SeenChanges _seen;
    private readonly LiveEvaluation _evaluation;
    private readonly IngestPipeline _pipeline;
    private readonly List<TelemetryBatch> _waiting = [];
    private SampleBatch _waitingFeatures = new();
    private int _waitingRows;

    private WorldReplay(ReplayClock clock, TelemetryStore store, LedgerFile ledger, CaseBook cases, LanguageResources language)
    {
        _clock = clock;
        _store = store;
        _ledger = ledger;
        _cases = cases;
        _detection = new Detection(KeepFeaturesAsync, store.Samples.SelectAsync, clock);
        cases.ChangeNoted += _detection.Changed;
        _seen = new SeenChanges(KeepFeaturesAsync, store.Samples.SelectAsync, cases.NoteSeenAsync, clock);
        _evaluation = new LiveEvaluation(
            new EvaluatorOptions { CoreShare = 1 }, _ => Task.FromResult(language), (batch, _) => KeepScores(batch), clock, topics: new TopicWatch(TopicKeeping.Of(store.Topics), _detection, clock));
        _pipeline = new IngestPipeline(store.Writer, new IngestOptions(TimeSpan.FromDays(3650)), new IngestFigures(), clock);
        _worker = new CaseWorker(
            cases, _detection.News, new Diagnostician(store, clock).DiagnoseAsync, store, new PromQlEngine(store.Samples.SelectAsync), clock, NullLogger<CaseWorker>.Instance);
    }

    /// <summary>Items that the decoder rejected or lines it could not read.</summary>
    public long Rejected { get; private set; }

    public IReadOnlyList<CaseView> Cases => _cases.List(null);

    /// <param name="engine">A database of the world's own.</param>
    /// <param name="directory">For the ledger and blobs; empty.</param>
    /// <param name="startUnixNanos">When the first line arrives.</param>
    /// <param name="language">What evaluators and topics lean on.</param>
    public static async Task<WorldReplay> OpenAsync(IClickHouse engine, string directory, long startUnixNanos, LanguageResources language, CancellationToken cancel)
    {
        var clock = new ReplayClock(startUnixNanos);
        var store = await TelemetryStore.OpenAsync(engine, new WriterOptions(TimeSpan.Zero), clock, cancel);
        var ledger = await LedgerFile.OpenAsync(Path.Combine(directory, "ledger"), clock, cancel);
        return new WorldReplay(clock, store, ledger, await CaseBook.OpenAsync(ledger, Path.Combine(directory, "blobs"), clock, cancel), language);
    }

    /// <summary>Plays all lines, and on until what they began is settled.</summary>
    public async Task PlayAsync(IEnumerable<WorldLine> lines, CancellationToken cancel)
    {
        long? last = null;
        foreach (var line in lines)
        {
            if (last is { } from)
            {
                await PassAsync(from, line.UnixNanos, cancel);
            }

            last = Math.Max(last ?? line.UnixNanos, line.UnixNanos);
            _clock.MoveTo(line.UnixNanos);
            await TakeAsync(line, cancel);
        }

        if (last is { } end)
        {
            await PassAsync(end, end + SettledNanos, cancel);
            await FlushAsync(cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _store.Writer.StopAsync();
        await _ledger.DisposeAsync();
    }

    /// <summary>One line a case: <c>../faults.md</c>'s form of a prediction.</summary>
    public static void Write(Utf8JsonWriter json, string world, CaseView view)
    {
        json.WriteStartObject();
        json.WriteString("world", world);
        json.WriteString("case_id", view.Id.ToString());
        json.WriteString("service", view.Service);
        json.WriteString("failure_class", view.FailureClass.ToString());
        json.WriteString("detected_at", view.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        json.WriteNumber("confidence", view.Verdict is { Hypotheses: [var first, ..] } ? first.Confidence : 0);
        json.WriteString("title", view.Title);
        CaseJson.WriteSuggestions(json, view.Verdict);
        json.WriteEndObject();
    }

    /// <summary>Time goes by: step by step while something may still happen, then at once to the next line.</summary>
    private async Task PassAsync(long from, long to, CancellationToken cancel)
    {
        var step = (from / StepNanos * StepNanos) + StepNanos;
        for (; step <= to && step <= from + SettledNanos; step += StepNanos)
        {
            _clock.MoveTo(step);
            await _evaluation.AdvanceAsync(cancel: cancel);
            await _detection.AdvanceAsync(cancel: cancel);
            await _seen.AdvanceAsync(cancel);
            if (_worker.HasWork)
            {
                await FlushAsync(cancel);
                await _worker.StepAsync(verify: false, cancel);
            }
        }
    }

    private async Task TakeAsync(WorldLine line, CancellationToken cancel)
    {
        if (line.Signal is not { } signal)
        {
            await RecordChangeAsync(line, cancel);
            return;
        }

        var (batch, decoding) = _pipeline.Prepare(Identity, signal, line.Body.Span, json: true);
        Rejected += decoding.Malformed ? 1 : decoding.Rejected;
        if (batch.Count == 0)
        {
            return;
        }

        Keep(batch);

        // Read at once, so that what is due within the next step is judged in it.
        await _evaluation.AdvanceAsync(cancel: cancel);
        if (_waitingRows >= WaitingRowsMax)
        {
            await FlushAsync(cancel);
        }
    }

    private void Keep(TelemetryBatch batch)
    {
        _detection.Committed(batch);
        _seen.Committed(batch);
        _evaluation.Committed(batch);
        _waiting.Add(batch);
        _waitingRows += batch.Count;
    }

    private Task<WriteOutcome> KeepScores(TelemetryBatch batch)
    {
        Keep(batch);
        return Task.FromResult<WriteOutcome>(new WriteOutcome.Durable());
    }

    private async Task RecordChangeAsync(WorldLine line, CancellationToken cancel)
    {
        using var document = JsonDocument.Parse(line.Body);
        var body = document.RootElement;
        string Text(string name) => body.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        var at = DateTimeOffset.TryParse(Text("at"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var said) ? said : _clock.GetUtcNow();
        Dictionary<string, string> attributes = new(StringComparer.Ordinal);
        if (body.TryGetProperty("attributes", out var given) && given.ValueKind == JsonValueKind.Object)
        {
            foreach (var attribute in given.EnumerateObject())
            {
                attributes[attribute.Name] = attribute.Value.ToString();
            }
        }

        await _cases.RecordChangeAsync(Identity.Project, Text("type"), Text("service"), Text("detail"), at, attributes, "recorded", cancel);
    }

    private Task KeepFeaturesAsync(string project, SampleBatch batch, CancellationToken cancel)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            _waitingFeatures.Add(batch.Series[batch.SeriesIndex[i]], batch.UnixMillis[i], batch.Value[i]);
        }

        _waitingRows += batch.Count;
        return Task.CompletedTask;
    }

    private async Task FlushAsync(CancellationToken cancel)
    {
        var features = _waitingFeatures;
        _waitingFeatures = new SampleBatch();
        var outcomes = _waiting.Select(batch => _store.Writer.WriteAsync(batch, cancel)).ToList();
        _waiting.Clear();
        _waitingRows = 0;
        foreach (var outcome in await Task.WhenAll(outcomes))
        {
            if (outcome is WriteOutcome.TryLater or WriteOutcome.Refused)
            {
                throw new InvalidOperationException($"The store did not take a part of the world: {outcome}. The figures would not be true.");
            }
        }

        if (features.Count > 0)
        {
            await _store.Samples.WriteAsync(Identity.Project, features, cancel);
        }
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using Faultline.Cases;
using Faultline.Cases.Deletions;
using Faultline.Cases.Lifecycle;
using Faultline.ClickHouse;
using Faultline.ClickHouse.Embedded;
using Faultline.Diagnosis;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Changes;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Judge;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Diagnosis.Knowledge;
using Faultline.Diagnosis.Reasoning;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Diagnosis.Topics;
using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Gateway;
using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers.Grpc;
using Faultline.Ingest.Receivers.Http;
using Faultline.Ledger;
using Faultline.Metrics.Api;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Exposition;
using Faultline.Metrics.Internals;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.Scrape;
using Faultline.Settings;
using Faultline.Store;
using Faultline.Store.Tiers;
using Faultline.Store.Writes;
using Faultline.Telemetry.Redaction;
using Faultline.Web;
using Faultline.Web.Live;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Faultline.Composition;

/// <summary>The whole platform, wired. Read from top to bottom it is the way of the data; nothing here decides anything.</summary>
internal sealed class Server : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Doors _doors = new();
    private readonly List<Task> _loops = [];
    private readonly Stack<Func<ValueTask>> _close = new();
    private readonly ILoggerFactory _logs;
    private readonly SettingsWatch? _watch;
    private TlsFiles? _tls;

    private Server(FaultlineSettings settings, SettingsSources? sources)
    {
        Settings = settings;
        _logs = LoggerFactory.Create(Logging.Configure);
        _watch = sources is null ? null : new SettingsWatch(sources, _logs.CreateLogger("Faultline"));
        _close.Push(() =>
        {
            _logs.Dispose();
            return ValueTask.CompletedTask;
        });
    }

    public FaultlineSettings Settings { get; private set; }

    /// <summary>From the start of the process until every door was open.</summary>
    public TimeSpan StartTook { get; private set; }

    public string LoginLink { get; private set; } = "";

    /// <summary>host:port that a door really has.</summary>
    public string Address(string key) => _doors.Addresses[key];

    /// <param name="sources">Where the settings are from, to be read again; null: they stay.</param>
    /// <param name="say">A line for whoever waits.</param>
    public static async Task<Server> StartAsync(FaultlineSettings settings, SettingsSources? sources, Action<string> say, CancellationToken cancel)
    {
        var server = new Server(settings, sources);
        try
        {
            await server.OpenAsync(say, cancel);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Until a signal comes, or a loop that must not end has ended.</summary>
    public async Task WaitAsync(CancellationToken cancel)
    {
        var signal = Task.Delay(Timeout.InfiniteTimeSpan, cancel);
        var first = await Task.WhenAny([signal, .. _loops]);
        if (first != signal)
        {
            // A loop that died quietly looks like a quiet night: better no server than half of one.
            await first;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Doors first, so that nothing new comes in; then what was accepted is finished; then the engine.
        await _doors.DisposeAsync();
        await _stop.CancelAsync();
        await Task.WhenAll(_loops.Select(loop => loop.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default)));
        while (_close.TryPop(out var close))
        {
            await close();
        }

        _stop.Dispose();
    }

    private async Task OpenAsync(Action<string> say, CancellationToken cancel)
    {
        var time = TimeProvider.System;
        Directory.CreateDirectory(Settings.DataDirectory);
        PortsFile.Remove(Settings.DataDirectory);

        if (Settings.Tls.Certificate is not null)
        {
            _tls = TlsFiles.Open(Settings.Tls, time, _logs.CreateLogger("Faultline"));
        }

        ListenToHangUp();

        // Copies to other backends: open before the store, so that what is committed last is still queued.
        var forwarder = OpenForwarder(time);

        // The store.
        var memory = MemoryLimits.Of(Settings);
        var library = await EngineLibrary.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native"), say, cancel);
        var engine = await EmbeddedClickHouse.OpenAsync(new EmbeddedOptions(library, Path.Combine(Settings.DataDirectory, "clickhouse"), MemoryBytesMax: memory.EngineBytesMax), cancel);
        _close.Push(engine.DisposeAsync);
        var startLog = _logs.CreateLogger("Faultline");
        foreach (var statement in engine.RunningAtLastCrash)
        {
            startLog.RunningAtLastCrash(statement);
        }

        foreach (var what in engine.SetAside)
        {
            startLog.EngineFileSetAside(what);
        }

        var writing = new WriterOptions(Settings.CommitDelay, memory.QueueBytesMax, Durability: Settings.Durability)
        {
            JournalDirectory = Path.Combine(Settings.DataDirectory, "journal"),
            InsertDelay = Settings.InsertDelay,
        };
        var store = await TelemetryStore.OpenAsync(engine, writing, time, _logs.CreateLogger("Faultline.Store"), cancel);
        _close.Push(async () => await store.Writer.StopAsync());

        // The ledger, and the cases that its events add up to.
        var ledger = await LedgerFile.OpenAsync(LedgerDirectory, time, cancel);
        _close.Push(ledger.DisposeAsync);
        foreach (var what in ledger.SetAside)
        {
            startLog.LedgerTailSetAside(what);
        }

        var cases = await CaseBook.OpenAsync(ledger, Path.Combine(Settings.DataDirectory, "blobs"), time, cancel);

        // What sees every committed batch.
        var derived = new DerivedMetrics(DerivedOptions(), _logs.CreateLogger("Faultline.Metrics"));
        var detection = new Detection(store, time, _logs.CreateLogger<Detection>(), Settings.Rules);
        cases.ChangeNoted += detection.Changed;
        var seen = new SeenChanges(store.Samples.WriteAsync, store.Samples.SelectAsync, cases.NoteSeenAsync, time, _logs.CreateLogger<SeenChanges>());
        var models = new LlmFigures();
        var model = OpenModel(models, time);
        var topics = Settings.Evaluators is { Topics: true, Enabled.Count: > 0 } ? new TopicWatch(TopicKeeping.Of(store.Topics), detection, time, _logs.CreateLogger<TopicWatch>()) : null;
        var evaluation = new LiveEvaluation(
            Settings.Evaluators, LoadLanguageAsync, store.Writer.StoreAsync, time, _logs.CreateLogger<LiveEvaluation>(),
            model is null || Settings.Judge.Rubrics.Count == 0 ? null : counts => new JudgeEvaluation(Settings.Judge, model, counts, time, _logs.CreateLogger<JudgeEvaluation>()),
            topics);
        var live = new LiveFeed(time);
        _close.Push(() =>
        {
            live.Dispose();
            return ValueTask.CompletedTask;
        });
        store.Writer.Readers.Add(derived);
        store.Writer.Readers.Add(detection);
        store.Writer.Readers.Add(seen);
        store.Writer.Readers.Add(evaluation);
        store.Writer.Readers.Add(live);

        // How telemetry gets in, and what is said about it.
        var auth = new GatewayAuth(GatewayOf(Settings));
        var figures = new IngestFigures();
        var ingest = new IngestOptions(Settings.IngestMaxAge, memory.ReadingBytesMax) { Redaction = Redaction(), Ceiling = memory.Ceiling(engine, _logs.CreateLogger("Faultline"), time) };
        var pipeline = new IngestPipeline(store.Writer, ingest, figures, time, forwarder);
        var canary = Settings.Canary.Interval == TimeSpan.Zero
            ? null
            : new Canary(new IngestPipeline(store.Writer, ingest, new IngestFigures(), time), store.Traces, Settings.Canary, time, _logs.CreateLogger<Canary>());
        var process = new ProcessMetrics(store.Writer, store.Disk, memory.QueueBytesMax, time);
        DeletionDesk? deletions = null;
        RetentionWorker? retention = null;
        IReadOnlyList<MetricFamily> Internals() => [.. process.Families(), .. IngestMetrics.Families(figures, auth), .. IngestMetrics.Families(pipeline.Reading), IngestMetrics.Family(pipeline.Redacted), .. derived.Internals(), .. seen.Families(), .. evaluation.Figures.Families(), .. models.Families(), .. evaluation.Judge?.Agreement.Families() ?? [], .. forwarder?.Families() ?? [], .. _doors.Families(), .. _tls?.Families() ?? [], .. _watch?.Families() ?? [], .. canary?.Figures.Families() ?? [],
            .. deletions is null ? [] : DeletionMetrics.Families(deletions), .. retention is null ? [] : RetentionMetrics.Families(retention.Figures)];
        var promQl = new PromQlEngine(store.Samples.SelectAsync);
        var scrape = new SelfScrape(derived, Internals, store.Samples, Settings.ScrapeInterval, time, _logs.CreateLogger("Faultline.Metrics"));

        // What is deleted goes from memory too. Topics are forgotten by the loop that learns them.
        deletions = new DeletionDesk(
            cases, store.Deletions, HashKeyFile.Ensure(Settings.DataDirectory), time, _logs.CreateLogger<DeletionDesk>(),
            MemoryDeletion.Of(pipeline, forwarder, derived, scrape, detection, seen), MemoryDeletion.Of(topics, store.Deletions, time));
        retention = Settings.Retention is { Hot: null, Metrics: null } ? null : new RetentionWorker(store.Retention, Settings.Retention, () => CasePins.Of(cases, deletions), time, _logs.CreateLogger<RetentionWorker>());

        var prometheus = new PrometheusApi
        {
            Engine = promQl,
            Catalog = SeriesCatalog.Of(store.Samples),
            Targets = () => [.. scrape.Targets.Select(target => ScrapeTargets.ToApi(target, Settings.ScrapeInterval))],
            Exemplars = scrape.FindExemplarsAsync,
            Time = time,
        };

        // Readers go on where they were when the last process ended.
        var uncounted = await scrape.ContinueAsync(store.Writer.NewestStoredAtStart, cancel);
        store.Writer.ShowStoredAfter(Math.Min(uncounted, store.Writer.NewestStoredAtStart - (Detection.OpenWindowsMax.Ticks * 100)));

        // The doors.
        var doorLog = _logs.CreateLogger("Faultline.Ingest");
        await OpenDoorAsync("listen.otlp_grpc", Settings.OtlpGrpc, HttpProtocols.Http2, app =>
        {
            app.UseGateway(auth, doorLog);
            app.MapOtlpGrpc(pipeline, Settings.MessageBytesMax, Settings.ReadTimeout);
        }, cancel);
        await OpenDoorAsync("listen.otlp_http", Settings.OtlpHttp, HttpProtocols.Http1AndHttp2, app =>
        {
            app.UseGateway(auth, doorLog);
            app.MapOtlpHttp(pipeline, Settings.MessageBytesMax, Settings.ReadTimeout);
        }, cancel);
        await OpenDoorAsync("listen.prometheus", Settings.Prometheus, HttpProtocols.Http1AndHttp2, app =>
        {
            app.UseGateway(auth, doorLog);
            app.MapPrometheusApi(prometheus, http => http.Identity().Project);
        }, cancel);
        await OpenDoorAsync("listen.victoriametrics", Settings.VictoriaMetrics, HttpProtocols.Http1AndHttp2, app =>
        {
            app.UseGateway(auth, doorLog);
            app.MapVictoriaMetricsApi(prometheus, http => http.Identity().Project);
        }, cancel);
        await OpenDoorAsync("listen.derived", Settings.Derived, HttpProtocols.Http1AndHttp2, app => app.MapMetrics(() => derived.Snapshot()), cancel);
        await OpenDoorAsync("listen.internals", Settings.Internals, HttpProtocols.Http1AndHttp2, app => app.MapMetrics(Internals), cancel);
        await OpenPagesAsync(store, cases, deletions, ledger, promQl, live, prometheus, time, cancel);
        var health = new Health(stopped => HealthOfAsync(store, stopped), time);
        await OpenDoorAsync("listen.health", Settings.Health, HttpProtocols.Http1AndHttp2, health.Map, cancel);
        scrape.DerivedInstance = Address("listen.derived");
        scrape.InternalInstance = Address("listen.internals");
        PortsFile.Write(Settings.DataDirectory, _doors.Addresses, Settings.Tls.Covers);

        // What works by itself.
        var diagnostician = new Diagnostician(store, time);
        var reasoning = model is null || !Settings.Reasoning.Enabled ? null : new ReasoningWorker(cases, new Reasoner(model, store, Settings.Reasoning, time).ReasonAsync, _logs.CreateLogger<ReasoningWorker>());
        var knowledge = new KnowledgeBase(store.Signatures, Settings.Knowledge, _logs.CreateLogger<KnowledgeBase>());
        Diagnose diagnose = (finding, changes, past, stopped) =>
            diagnostician.DiagnoseAsync(finding, changes, (at, signature, stop) => knowledge.RecallAsync(finding.Project, past, at, signature, stop), stopped);
        var worker = new CaseWorker(cases, detection.News, diagnose, store, promQl, time, _logs.CreateLogger<CaseWorker>(), reasoning);
        Loop("detection", detection.RunAsync);
        Loop("seen changes", seen.RunAsync);
        Loop("evaluators", evaluation.RunAsync);
        Loop("cases", worker.RunAsync);
        Loop("deletions", deletions.RunAsync);
        if (retention is not null)
        {
            Loop("retention", retention.RunAsync);
        }

        if (reasoning is not null)
        {
            Loop("reasoning", reasoning.RunAsync);
        }

        if (evaluation.Judge is { } judge)
        {
            Loop("judge", judge.RunAsync);
        }

        Loop("scrape", scrape.RunAsync);
        Loop("disk", store.Disk.RunAsync);
        if (canary is not null)
        {
            Loop("canary", canary.RunAsync);
        }

        if (forwarder is not null)
        {
            Loop("forwarding", forwarder.RunAsync);
        }

        if (_tls is not null)
        {
            Loop("TLS files", _tls.RunAsync);
        }

        if (_watch is not null)
        {
            Loop("settings", stopped => _watch.RunAsync(read => Use(read, auth, forwarder), stopped));
        }

        StartTook = DateTime.Now - Process.GetCurrentProcess().StartTime;
    }

    private static GatewayOptions GatewayOf(FaultlineSettings settings) => new(settings.GatewayMethod is "basic-auth", settings.ApiKeys, settings.BasicCredentials);

    /// <summary>Keys can change while the server runs; connections stay, and their next request is judged by the new ones.</summary>
    private void Use(FaultlineSettings read, GatewayAuth auth, Forwarder? forwarder)
    {
        Settings = Settings with { GatewayMethod = read.GatewayMethod, ApiKeys = read.ApiKeys, BasicCredentials = read.BasicCredentials };
        auth.Replace(GatewayOf(Settings));
        forwarder?.UseHeaders(read.Exporters);
    }

    private void ListenToHangUp()
    {
        var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            _tls?.LookNow();
            _watch?.LookNow();
        });
        _close.Push(() =>
        {
            hangUp.Dispose();
            return ValueTask.CompletedTask;
        });
    }

    /// <summary>Copies to other backends; null when none is set.</summary>
    private Forwarder? OpenForwarder(TimeProvider time)
    {
        var directory = Path.Combine(Settings.DataDirectory, "forward");
        if (Settings.Exporters.Count == 0 && !Directory.Exists(directory))
        {
            return null;
        }

        var forwarder = Forwarder.Open(Settings.Exporters, directory, time, _logs.CreateLogger<Forwarder>());
        _close.Push(forwarder.DisposeAsync);
        return Settings.Exporters.Count == 0 ? null : forwarder;
    }

    /// <summary>The language model's endpoint; null when none is set.</summary>
    private ChatEndpoint? OpenModel(LlmFigures figures, TimeProvider time)
    {
        if (!Settings.Llm.IsOn)
        {
            return null;
        }

        var model = new ChatEndpoint(Settings.Llm, figures, time);
        _close.Push(() =>
        {
            model.Dispose();
            return ValueTask.CompletedTask;
        });
        _logs.CreateLogger("Faultline").ModelOn(Settings.Llm.Model, Settings.Llm.Host);
        return model;
    }

    // On first need: what never judges a call never fetches the encoder.
    private async Task<LanguageResources> LoadLanguageAsync(CancellationToken cancel)
    {
        var log = _logs.CreateLogger("Faultline");
        try
        {
            return LanguageResources.Load(await LanguagePackage.EnsureAsync(Path.Combine(AppContext.BaseDirectory, "native", "language"), log.Fetching, cancel));
        }
        catch (InvalidOperationException missing)
        {
            return LanguageResources.Unavailable(missing.Message);
        }
    }

    private void Loop(string name, Func<CancellationToken, Task> run) => _loops.Add(Task.Run(async () =>
    {
        try
        {
            await run(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return;
        }
        catch (Exception died)
        {
            throw new InvalidOperationException($"The loop '{name}' ended, so the server stops: {died.Message}", died);
        }
    }));

    private async Task OpenDoorAsync(string key, ListenAddress address, HttpProtocols protocols, Action<WebApplication> map, CancellationToken cancel)
    {
        var app = Doors.NewBuilder(address, protocols, ConnectionsOf(key), TlsOf(key)).Build();
        map(app);
        await _doors.OpenAsync(key, address, app, cancel);
    }

    private async Task OpenPagesAsync(TelemetryStore store, CaseBook cases, DeletionDesk deletions, LedgerFile ledger, PromQlEngine promQl, LiveFeed live, PrometheusApi prometheus, TimeProvider time, CancellationToken cancel)
    {
        var web = new WebDependencies
        {
            Store = store,
            Cases = cases,
            Deletions = deletions,
            KeepOf = (project, trace, stopped) => store.Retention.OfTraceAsync(project, trace, Settings.Retention, () => CasePins.Of(cases, deletions), stopped),
            Ledger = ledger,
            LedgerDirectory = LedgerDirectory,
            PromQl = promQl,
            Live = live,
            AdminToken = AdminToken.Ensure(Settings.DataDirectory),
            Connection = Connection,
            Time = time,
            DataProtectionDirectory = Path.Combine(Settings.DataDirectory, "keys"),
        };
        var builder = Doors.NewBuilder(Settings.Ui, HttpProtocols.Http1AndHttp2, ConnectionsOf("listen.ui"), TlsOf("listen.ui"));
        builder.WebHost.UseStaticWebAssets();
        builder.Services.AddFaultlineWeb(web);
        var app = builder.Build();
        app.MapFaultlineWeb(web);
        app.MapPrometheusApi(prometheus, _ => web.Project, "/prometheus");
        await _doors.OpenAsync("listen.ui", Settings.Ui, app, cancel);
        LoginLink = web.Login.Link(Url("listen.ui"));
    }

    private ConnectionLimit ConnectionsOf(string key) => _doors.Connections[key] = new ConnectionLimit(Settings.ConnectionsMax);

    private DoorTls? TlsOf(string key) => _tls is not null && Settings.Tls.Covers(key) ? new DoorTls(_tls, Settings.Tls.IsMutual(key)) : null;

    private string Url(string key) => (Settings.Tls.Covers(key) ? "https://" : "http://") + Address(key);

    private string LedgerDirectory => Path.Combine(Settings.DataDirectory, "ledger");

    private ConnectionWords Connection() => new(
        Url("listen.otlp_http"),
        Url("listen.otlp_grpc"),
        Url("listen.prometheus"),
        Url("listen.victoriametrics"),
        Settings.ApiKeys.Contains(FaultlineSettings.PlaceholderKey, StringComparer.Ordinal) ? FaultlineSettings.PlaceholderKey : "a key from ENVOY_API_KEYS",
        Settings.DataDirectory);

    // A key of its own where the operator gave none, kept so that hashes stay comparable over restarts.
    private RedactionOptions Redaction() => !Settings.Redaction.Hashes || !Settings.Redaction.HashKey.IsEmpty
        ? Settings.Redaction
        : Settings.Redaction with { HashKey = HashKeyFile.Ensure(Settings.DataDirectory) };

    private DerivedMetricsOptions DerivedOptions() => (Settings.SpanMetrics?.Options ?? new DerivedMetricsOptions { Buckets = Settings.BucketsSeconds, Dimensions = [.. Settings.Dimensions.Select(name => new SpanDimension(name))] }) with
    {
        Namespace = Settings.DerivedNamespace,
        MaxLateness = Settings.MaxLateness,
        SeriesPerMetricMax = Settings.SpanMetrics?.SeriesPerMetricMax ?? Settings.SeriesPerMetricMax,
    };

    private static async Task<string?> HealthOfAsync(TelemetryStore store, CancellationToken cancel)
    {
        try
        {
            await store.PingAsync(cancel);
            return null;
        }
        catch (Exception ill) when (ill is ClickHouseException or OperationCanceledException or InvalidOperationException)
        {
            return $"The store does not answer: {ill.Message}";
        }
    }
}

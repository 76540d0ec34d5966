using Faultline.Cases;
using Faultline.Cases.Deletions;
using Faultline.Cases.Projections;
using Faultline.Ledger;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Tiers;
using Faultline.Telemetry.Spans;
using Faultline.Web.Live;
using Faultline.Web.Shell;

namespace Faultline.Web;

/// <summary>Where senders send, for the snippets on empty pages and under Settings.</summary>
/// <param name="OtlpHttp">E.g. <c>http://127.0.0.1:4318</c>.</param>
/// <param name="OtlpGrpc">E.g. <c>http://127.0.0.1:4317</c>.</param>
/// <param name="Prometheus">E.g. <c>http://127.0.0.1:9090</c>; null when the profile does not start it.</param>
/// <param name="ApiKeyHint">The placeholder key itself, or how a real key is named (never a real key).</param>
/// <param name="DataDirectory">Where everything is stored.</param>
public sealed record ConnectionWords(string OtlpHttp, string OtlpGrpc, string? Prometheus, string? VictoriaMetrics, string ApiKeyHint, string DataDirectory);

/// <summary>What the pages and the REST API are about; made by the executable.</summary>
public sealed record WebDependencies
{
    public required TelemetryStore Store { get; init; }

    public required CaseBook Cases { get; init; }

    public required DeletionDesk Deletions { get; init; }

    /// <summary>Why a trace is still there, or when it goes; null where nothing ever goes.</summary>
    public Func<string, TraceId, CancellationToken, Task<TraceKeep?>> KeepOf { get; init; } = (_, _, _) => Task.FromResult<TraceKeep?>(null);

    /// <summary>What the case book is written to, for the audit pages.</summary>
    public required LedgerFile Ledger { get; init; }

    /// <summary>Where its files are: a proof reads them, not what the process remembers.</summary>
    public required string LedgerDirectory { get; init; }

    public required PromQlEngine PromQl { get; init; }

    /// <summary>Also to be added to the writer's readers.</summary>
    public required LiveFeed Live { get; init; }

    /// <summary>What <c>Authorization: Bearer</c> must carry.</summary>
    public required string AdminToken { get; init; }

    public LoginTokens Login { get; init; } = new();

    /// <summary>Asked when a page is made, because a listener on port 0 knows its port late.</summary>
    public required Func<ConnectionWords> Connection { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>A page that takes longer is given up, and its queries with it.</summary>
    public TimeSpan PatienceMax { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The project that the pages show.</summary>
    public string Project { get; init; } = "default";

    /// <summary>Where the keys that protect cookies are kept; null keeps them in memory.</summary>
    public string? DataProtectionDirectory { get; init; }

    internal int OpenCases() => Cases.List(Project).Count(view => view.State != CaseState.RESOLVED);
}

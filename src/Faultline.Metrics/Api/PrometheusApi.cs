using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.Api;

/// <summary>Everything that answers at Prometheus' port needs.</summary>
public sealed record PrometheusApi
{
    public required PromQlEngine Engine { get; init; }

    public required SeriesCatalog Catalog { get; init; }

    /// <summary>The scrape targets as they are now.</summary>
    public Func<IReadOnlyList<ActiveTarget>> Targets { get; init; } = () => [];

    /// <summary>Exemplars of the series that match one of the selectors. Null: there are none.</summary>
    public FindExemplars? Exemplars { get; init; }

    /// <summary>False while the store is still starting: <c>/-/ready</c> answers 503.</summary>
    public Func<bool> IsReady { get; init; } = () => true;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The metrics page of the screen; <c>/</c> and <c>/graph</c> lead there. Null: a plain query page answers here.</summary>
    public Uri? MetricsPage { get; init; }

    /// <summary>The running configuration as YAML without secrets, for <c>status/config</c>.</summary>
    public Func<string> ConfigurationYaml { get; init; } = () => "";

    /// <summary>Our own version, shown beside the version of the API that is spoken.</summary>
    public string ProductVersion { get; init; } = typeof(PrometheusApi).Assembly.GetName().Version?.ToString(3) ?? "";

    /// <summary>How long samples are kept, for <c>status/runtimeinfo</c>: <c>15d</c>.</summary>
    public string Retention { get; init; } = "";
}

/// <summary>What is known about stored series, without their samples.</summary>
public sealed record SeriesCatalog
{
    public required Func<SeriesQuery, int, CancellationToken, Task<IReadOnlyList<Labels>>> Series { get; init; }

    public required Func<SeriesQuery, CancellationToken, Task<IReadOnlyList<string>>> LabelNames { get; init; }

    public required Func<SeriesQuery, string, CancellationToken, Task<IReadOnlyList<string>>> LabelValues { get; init; }

    public required Func<string, string?, int, CancellationToken, Task<IReadOnlyList<MetricMetadata>>> Metadata { get; init; }

    public static SeriesCatalog Of(SampleStore store) => new()
    {
        Series = (query, limit, cancel) => store.SeriesAsync(query.Project, query.AnyOf, query.FromUnixMillis, query.ToUnixMillis, limit, cancel),
        LabelNames = (query, cancel) => store.LabelNamesAsync(query.Project, query.AnyOf, query.FromUnixMillis, query.ToUnixMillis, cancel),
        LabelValues = (query, label, cancel) => store.LabelValuesAsync(query.Project, label, query.AnyOf, query.FromUnixMillis, query.ToUnixMillis, cancel),
        Metadata = store.MetadataAsync,
    };
}

/// <summary>Series of a project that match any of the selectors (none: all) and have a sample between two times, both included.</summary>
public sealed record SeriesQuery(string Project, IReadOnlyList<IReadOnlyList<LabelMatcher>> AnyOf, long FromUnixMillis, long ToUnixMillis);

/// <summary>One scrape target, as <c>/api/v1/targets</c> shows it.</summary>
/// <param name="Health"><c>up</c>, <c>down</c> or <c>unknown</c>.</param>
public sealed record ActiveTarget(
    string Job, string ScrapeUrl, Labels Labels, Labels DiscoveredLabels, string Health, string LastError,
    DateTimeOffset LastScrape, TimeSpan LastScrapeDuration, TimeSpan Interval, TimeSpan Timeout);

/// <summary>One exemplar with its labels, most often <c>trace_id</c>.</summary>
public sealed record Exemplar(Labels Labels, double Value, long UnixMillis);

public sealed record SeriesExemplars(Labels Series, IReadOnlyList<Exemplar> Exemplars);

/// <summary>Finds exemplars of the series that match any of the selectors between two times.</summary>
public delegate Task<IReadOnlyList<SeriesExemplars>> FindExemplars(SeriesQuery query, CancellationToken cancel);

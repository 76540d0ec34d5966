using Faultline.Metrics.Api;
using Faultline.Metrics.Scrape;
using Faultline.Telemetry.Samples;

namespace Faultline.Composition;

/// <summary>The built-in scrape targets in the form of the targets API.</summary>
internal static class ScrapeTargets
{
    public static ActiveTarget ToApi(ScrapeTarget target, TimeSpan interval) => new(
        target.Job,
        $"http://{target.Instance}{target.Path}",
        Labels.Of(("job", target.Job), ("instance", target.Instance)),
        Labels.Of(("__address__", target.Instance), ("__metrics_path__", target.Path), ("__scheme__", "http"), ("job", target.Job)),
        target.LastScrape is null ? "unknown" : target.LastError is null ? "up" : "down",
        target.LastError ?? "",
        target.LastScrape ?? DateTimeOffset.MinValue,
        target.LastDuration,
        interval,
        interval);
}

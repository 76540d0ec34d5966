using System.ComponentModel;
using System.Text.Json;
using Faultline.Diagnosis.Topics;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Api;

/// <param name="Sides">Prompts and outputs of services, in the order of their names.</param>
/// <param name="Times">Ends of the parts of the range that shares are given for.</param>
public sealed record TopicsAnswer(IReadOnlyList<DateTimeOffset> Times, IReadOnlyList<TopicsOfSide> Sides);

/// <param name="Side">prompt or output.</param>
/// <param name="Calls">In the range.</param>
/// <param name="IsLearnt">Enough was seen to hold windows against.</param>
/// <param name="Drift">The newest look of the range; null when there was none.</param>
/// <param name="Topics">The largest of the range first; what has no name yet is <c>(other)</c>.</param>
/// <param name="Naming">What it waits for while no topic has a name; null once one has.</param>
public sealed record TopicsOfSide(string Service, string Environment, string Side, long Calls, bool IsLearnt, DriftAnswer? Drift, IReadOnlyList<TopicAnswer> Topics, NamingAnswer? Naming);

/// <param name="Calls">Seen so far; the same text at each step of a trace counts once.</param>
/// <param name="CallsMin">Calls after which topics are named.</param>
/// <param name="AlikeMin">Calls that make a topic.</param>
/// <param name="NotBefore">The first time at which topics may be named, by the telemetry's clock.</param>
public sealed record NamingAnswer(long Calls, int CallsMin, int AlikeMin, DateTimeOffset NotBefore);

/// <param name="At">End of the window that was held against what is usual.</param>
/// <param name="Distance">Squared maximum mean discrepancy.</param>
/// <param name="PValue">Of the permutation test.</param>
/// <param name="Limit">Distance from which a window has drifted, as last stored.</param>
/// <param name="Since">When the drift that is open began; null when none is.</param>
public sealed record DriftAnswer(DateTimeOffset At, double Distance, double PValue, int Sessions, double? Limit, DateTimeOffset? Since);

/// <param name="Topic">Three telling words; the label of its series.</param>
/// <param name="Share">Of the calls of the range.</param>
/// <param name="FailedShare">Of its own calls of the range.</param>
/// <param name="Shares">Of each part of the range; null where there was no call.</param>
/// <param name="IsFailing">A finding of it is open.</param>
public sealed record TopicAnswer(
    string Topic, IReadOnlyList<string> Words, long Calls, double Share, double FailedShare, IReadOnlyList<double?> Shares, DateTimeOffset? FirstSeen, DateTimeOffset? LastSeen,
    bool IsFailing, IReadOnlyList<string> Traces, IReadOnlyList<string> FailedTraces);

/// <summary>What services are asked and answer, by topic.</summary>
internal static class TopicsRest
{
    /// <summary>Parts of a range at most; one is five minutes at least.</summary>
    private const int PartsMax = 48;

    public static void MapTopics(this IEndpointRouteBuilder api, WebDependencies web) =>
        api.MapGet("/topics", async (
            HttpContext http, [Description("now-24h, RFC 3339 or Unix milliseconds; default now-24h")] string? from, string? to, string? service, string? environment,
            [Description("prompt or output; both when left out")] string? side) =>
        {
            if (Rest.RangeProblem(from ?? "now-24h", to, web, out var range) is { } refusal)
            {
                return refusal;
            }

            return side is not (null or "" or "prompt" or "output")
                ? Problems.Invalid("side", $"“{side}” is no side: write prompt or output.")
                : Results.Json(await ReadAsync(web, range, service, environment, side, http.RequestAborted), ApiJson.Options);
        }).Produces<TopicsAnswer>().ProducesValidationProblem().WithSummary("Topics of prompts and outputs, their shares over time, how often they fail, and drift").WithTags("topics");

    /// <summary>Reads the store only, so that any control plane can answer.</summary>
    public static async Task<TopicsAnswer> ReadAsync(WebDependencies web, TimeRange range, string? service, string? environment, string? side, CancellationToken cancel)
    {
        List<LabelMatcher> only = [];
        foreach (var (label, value) in new[] { ("service_name", service), ("environment", environment), ("side", side) })
        {
            if (!string.IsNullOrEmpty(value))
            {
                only.Add(new LabelMatcher(label, MatchKind.Equal, value));
            }
        }

        Task<IReadOnlyList<SeriesData>> Series(string metric) =>
            web.Store.Samples.SelectAsync(web.Project, [new(Labels.MetricName, MatchKind.Equal, metric), .. only], range.From.ToUnixTimeMilliseconds(), range.To.ToUnixTimeMilliseconds(), cancel);

        var kept = (await web.Store.Topics.ReadAsync(web.Project, withState: false, cancel)).ToDictionary(row => (row.Service, row.Environment, row.Side), row => JsonSerializer.Deserialize<SideSummary>(row.Summary));
        var failed = (await Series(TopicSeries.FailedMetric)).ToDictionary(series => KeyOf(series.Labels, series.Labels["topic"]), series => (long)series.Values.Sum());
        var looks = (await Series(TopicSeries.DistanceMetric)).ToDictionary(series => KeyOf(series.Labels, ""));
        var pValues = (await Series(TopicSeries.PValueMetric)).ToDictionary(series => KeyOf(series.Labels, ""));
        var sessions = (await Series(TopicSeries.UnitsMetric)).ToDictionary(series => KeyOf(series.Labels, ""));
        var parts = new Parts(range);
        List<TopicsOfSide> sides = [];
        foreach (var one in (await Series(TopicSeries.CallsMetric)).GroupBy(series => KeyOf(series.Labels, "")).OrderBy(group => group.Key))
        {
            var summary = kept.GetValueOrDefault((one.Key.Service, one.Key.Environment, one.Key.Side));
            DriftAnswer? drift = looks.TryGetValue(one.Key, out var distance) && pValues.TryGetValue(one.Key, out var p) && sessions.TryGetValue(one.Key, out var units)
                ? new DriftAnswer(DateTimeOffset.FromUnixTimeMilliseconds(distance.UnixMillis[^1]), distance.Values[^1], p.Values[^1], (int)units.Values[^1], summary?.DriftLimit, summary?.DriftSince)
                : null;
            sides.Add(new TopicsOfSide(
                one.Key.Service, one.Key.Environment, one.Key.Side, (long)one.Sum(series => series.Values.Sum()), summary?.IsLearnt ?? false, drift, TopicsOf([.. one], failed, summary, parts),
                summary?.Naming is { } naming ? new NamingAnswer(naming.Calls, naming.CallsMin, naming.AlikeMin, naming.NotBefore) : null));
        }

        return new TopicsAnswer(parts.Ends, sides);
    }

    private static IReadOnlyList<TopicAnswer> TopicsOf(List<SeriesData> side, Dictionary<(string, string, string, string), long> failed, SideSummary? summary, Parts parts)
    {
        var totals = new double[parts.Ends.Count];
        foreach (var series in side)
        {
            parts.Add(series, totals);
        }

        var all = totals.Sum();
        List<TopicAnswer> topics = [];
        foreach (var series in side)
        {
            var name = series.Labels["topic"];
            var calls = new double[parts.Ends.Count];
            parts.Add(series, calls);
            var known = summary?.Topics.FirstOrDefault(topic => topic.Name == name);
            var own = calls.Sum();
            topics.Add(new TopicAnswer(
                name, known?.Words ?? [], (long)own, own / Math.Max(1, all), failed.GetValueOrDefault(KeyOf(series.Labels, name)) / Math.Max(1, own),
                [.. calls.Zip(totals, (part, total) => total > 0 ? part / total : (double?)null)], known?.FirstSeen, known?.LastSeen, known?.IsFailing ?? false, known?.Traces ?? [], known?.FailedTraces ?? []));
        }

        return [.. topics.OrderByDescending(topic => topic.Calls).ThenBy(topic => topic.Topic, StringComparer.Ordinal)];
    }

    private static (string Service, string Environment, string Side, string Topic) KeyOf(Labels labels, string topic) => (labels["service_name"], labels["environment"], labels["side"], topic);

    /// <summary>Equal parts of a range.</summary>
    private sealed class Parts
    {
        private readonly long _fromMillis;
        private readonly long _partMillis;

        public Parts(TimeRange range)
        {
            _fromMillis = range.From.ToUnixTimeMilliseconds();
            var length = Math.Max(1, range.To.ToUnixTimeMilliseconds() - _fromMillis);
            _partMillis = Math.Max(TopicSeries.TickSeconds * 1000, (length + PartsMax - 1) / PartsMax);
            Ends = [.. Enumerable.Range(1, (int)((length + _partMillis - 1) / _partMillis)).Select(part => DateTimeOffset.FromUnixTimeMilliseconds(_fromMillis + (part * _partMillis)))];
        }

        public IReadOnlyList<DateTimeOffset> Ends { get; }

        public void Add(SeriesData series, double[] sums)
        {
            for (var i = 0; i < series.Values.Length; i++)
            {
                sums[Math.Clamp((series.UnixMillis[i] - 1 - _fromMillis) / _partMillis, 0, sums.Length - 1)] += series.Values[i];
            }
        }
    }
}

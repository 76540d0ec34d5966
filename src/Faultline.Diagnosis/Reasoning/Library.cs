using System.Globalization;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Metrics.PromQL;
using Faultline.Store.Samples;
using Faultline.Store.Traces;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>
/// What is stored about one case, as the tools read it and as claims are checked against it: one project, a bounded range of time, nothing but reading.
/// </summary>
internal sealed class Library
{
    public static readonly TimeSpan Before = TimeSpan.FromDays(7);
    public static readonly TimeSpan After = TimeSpan.FromHours(1);

    /// <summary>Points that a range query is evaluated at.</summary>
    public const int PointsMax = 120;

    private static readonly TimeSpan StepMin = TimeSpan.FromSeconds(10);

    private readonly TelemetrySource _source;
    private readonly PromQlEngine _promQl;

    public Library(TelemetrySource source, ReasoningCase about, DateTimeOffset now)
    {
        _source = source;
        _promQl = new PromQlEngine(source.Series, new PromQlOptions { Timeout = TimeSpan.FromSeconds(10), SamplesMax = 2_000_000 });
        About = about;
        From = about.Finding.OnsetAt - Before;
        var last = about.Finding.DetectedAt + After;
        To = now < last && now > about.Finding.OnsetAt ? now : last;
    }

    public ReasoningCase About { get; }

    /// <summary>Nothing earlier is read.</summary>
    public DateTimeOffset From { get; }

    /// <summary>Nothing later is read.</summary>
    public DateTimeOffset To { get; }

    public long OnsetMillis => About.Finding.OnsetAt.ToUnixTimeMilliseconds();

    private string Project => About.Finding.Project;

    public Task<IReadOnlyList<SpanSummary>> SpansAsync(TraceFilter filter, CancellationToken cancel) => _source.Spans(Project, filter, cancel);

    public Task<IReadOnlyList<StoredSpan>> TracesAsync(IReadOnlyList<TraceId> traces, CancellationToken cancel) => _source.Whole(Project, traces, Nanos(From), Nanos(To), cancel);

    /// <summary>The series of a query in a range, at most <see cref="PointsMax"/> points each.</summary>
    /// <exception cref="PromQlException">The query is wrong, or costs too much.</exception>
    public Task<PromQlResult> SeriesAsync(string query, DateTimeOffset from, DateTimeOffset to, CancellationToken cancel)
    {
        var step = Math.Max((to - from).TotalMilliseconds / PointsMax, StepMin.TotalMilliseconds);
        return _promQl.RangeAsync(Project, query, from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds(), (long)step, cancel);
    }

    /// <summary>The stored series of every feature of a service.</summary>
    public Task<IReadOnlyList<SeriesData>> FeaturesAsync(string service, DateTimeOffset from, DateTimeOffset to, CancellationToken cancel) => _source.Series(
        Project,
        [
            new(Labels.MetricName, MatchKind.Equal, FeatureWindows.ValueMetric), new("service_name", MatchKind.Equal, service),
            new("environment", MatchKind.Equal, About.Finding.Environment),
        ],
        from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds(), cancel);

    public DateTimeOffset Clamp(DateTimeOffset at) => at < From ? From : at > To ? To : at;

    /// <summary>QUERY@FROM..TO, as everywhere a series is cited.</summary>
    public static string SeriesRef(string query, DateTimeOffset from, DateTimeOffset to) => $"{query}@{Shift.Rfc3339(from)}..{Shift.Rfc3339(to)}";

    public static bool TryParseSeriesRef(string reference, out string query, out DateTimeOffset from, out DateTimeOffset to)
    {
        (query, from, to) = ("", default, default);
        var at = reference.LastIndexOf('@');
        var dots = reference.LastIndexOf("..", StringComparison.Ordinal);
        if (at <= 0 || dots <= at || !TryParseTime(reference[(at + 1)..dots], out from) || !TryParseTime(reference[(dots + 2)..], out to) || to <= from)
        {
            return false;
        }

        query = reference[..at];
        return true;
    }

    public static bool TryParseTime(string text, out DateTimeOffset at) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out at);

    public static long Nanos(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1_000_000;

    public static DateTimeOffset At(long unixNanos) => DateTimeOffset.FromUnixTimeMilliseconds(unixNanos / 1_000_000);
}

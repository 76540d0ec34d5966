using System.Collections.Concurrent;
using Faultline.ClickHouse;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;

namespace Faultline.Store.Samples;

public enum MatchKind
{
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

/// <summary>A label matcher. Regular expressions are anchored at both ends, as in Prometheus; a missing label is empty text.</summary>
public sealed record LabelMatcher(string Name, MatchKind Kind, string Value);

/// <summary>One series with its samples in a range, times rising, one sample a time (the one written last wins).</summary>
public sealed record SeriesData(Labels Labels, long[] UnixMillis, double[] Values);

/// <summary>The store did not take samples, and would not after some tries either.</summary>
public sealed class StoreUnavailableException(string message) : Exception(message);

/// <summary>Prometheus series and samples. The project is part of a series' identity.</summary>
public sealed class SampleStore
{
    /// <summary>Most samples that one selection may read, those that a later write replaced included.</summary>
    public const int SamplesPerSelectMax = 20_000_000;

    /// <summary>How often a write is tried before it counts as failed.</summary>
    public const int WriteTriesMax = 5;

    // Label sets by fingerprint. What they are worth: a query over ten thousand series sorts no label twice.
    private const int KnownLabelsMax = 200_000;

    private static readonly QueryLimits SampleLimits = new(Time: TimeSpan.FromSeconds(60), RowsMax: SamplesPerSelectMax);
    private static readonly QueryLimits SeriesLimits = new(Time: TimeSpan.FromSeconds(30));

    private readonly IClickHouse _engine;
    private readonly BatchWriter _writer;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<UInt128, Labels> _known = new();

    internal SampleStore(IClickHouse engine, BatchWriter writer, TimeProvider time)
    {
        _engine = engine;
        _writer = writer;
        _time = time;
    }

    /// <summary>Writes samples; returns when they are durable. For scrapes and features, which do not come by a receiver.</summary>
    /// <exception cref="StoreUnavailableException">The store was full or failed at every try.</exception>
    public async Task WriteAsync(string project, SampleBatch batch, CancellationToken cancel = default)
    {
        var telemetry = new TelemetryBatch
        {
            Project = project,
            ReceivedUnixNanos = _time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000_000,
            RequestHash = UInt128.Zero,
            Samples = batch,
        };
        for (var tries = 1; ; tries++)
        {
            switch (await _writer.StoreAsync(telemetry, cancel))
            {
                case WriteOutcome.TryLater later when tries < WriteTriesMax:
                    await Task.Delay(later.Delay, _time, cancel);
                    break;
                case WriteOutcome.TryLater later:
                    throw new StoreUnavailableException($"{batch.Count} samples were not stored after {tries} tries. {later.Reason}");
                case WriteOutcome.Refused refused:
                    throw new StoreUnavailableException($"{batch.Count} samples were not stored. {refused.Reason}");
                default:
                    return;
            }
        }
    }

    /// <summary>Labels of series that were deleted must not stay in memory.</summary>
    internal void ForgetLabels() => _known.Clear();

    /// <summary>Series that match, with every sample from <paramref name="fromUnixMillis"/> to <paramref name="toUnixMillis"/>, both included.</summary>
    public async Task<IReadOnlyList<SeriesData>> SelectAsync(string project, IReadOnlyList<LabelMatcher> matchers, long fromUnixMillis, long toUnixMillis, CancellationToken cancel = default)
    {
        var parameters = Parameters(project, fromUnixMillis, toUnixMillis);
        var matching = SeriesFilter.Of([matchers], parameters);

        // Samples first: a series that is written between the two queries then has its labels in the second.
        var samples = await _engine.QueryAsync(
            $$"""
            SELECT series_id, unix_millis, value FROM metric_samples
            WHERE project = {project:String} AND unix_millis BETWEEN {from:Int64} AND {to:Int64}
              AND series_id IN (SELECT series_id FROM metric_series WHERE project = {project:String} AND {{matching}})
            ORDER BY series_id, unix_millis, version
            """,
            parameters,
            SampleLimits,
            cancel);
        if (samples.RowCount == 0)
        {
            return [];
        }

        var labels = (await SeriesOfAsync(matching, parameters, limit: 0, cancel)).ToDictionary(series => series.Id, series => series.Labels);
        return Cut(samples.Column<UInt128>("series_id"), samples.Column<long>("unix_millis"), samples.Column<double>("value"), labels);
    }

    /// <summary>Label sets that match and have a sample in the range. No matcher lists at all: everything.</summary>
    /// <param name="limit">Most label sets; 0 or less for all.</param>
    public async Task<IReadOnlyList<Labels>> SeriesAsync(string project, IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, long fromUnixMillis, long toUnixMillis, int limit, CancellationToken cancel = default)
    {
        var parameters = Parameters(project, fromUnixMillis, toUnixMillis);
        var matching = AliveIn(SeriesFilter.Of(anyOf, parameters));
        return [.. (await SeriesOfAsync(matching, parameters, limit, cancel)).Select(series => series.Labels)];
    }

    /// <summary>The newest sample of every series of a metric, whatever its project; of the last two days on which any sample came.</summary>
    public async Task<IReadOnlyList<(string Project, Labels Labels, long UnixMillis, double Value)>> LatestAsync(string metric, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            """
            SELECT project, any(series_labels) AS labels, max(unix_millis) AS millis, argMax(value, (unix_millis, version)) AS newest
            FROM metric_samples
            INNER JOIN (SELECT project, series_id, any(labels) AS series_labels FROM metric_series WHERE metric = {metric:String} GROUP BY project, series_id) AS series USING (project, series_id)
            WHERE received_date >= (SELECT max(received_date) FROM metric_samples) - 1
              AND (project, series_id) IN (SELECT project, series_id FROM metric_series WHERE metric = {metric:String})
            GROUP BY project, series_id
            """,
            new SqlParameters().Add("metric", metric),
            SeriesLimits,
            cancel);
        return [.. result.Rows.Select(row => (
            row.Text("project"),
            Labels.Of([.. row.TextMap("labels"), KeyValuePair.Create(Labels.MetricName, metric)]),
            row.Int64("millis"),
            row.Float64("newest")))];
    }

    /// <summary>Names of labels, in ordinal order.</summary>
    public async Task<IReadOnlyList<string>> LabelNamesAsync(string project, IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, long fromUnixMillis, long toUnixMillis, CancellationToken cancel = default)
    {
        var parameters = Parameters(project, fromUnixMillis, toUnixMillis);
        var matching = AliveIn(SeriesFilter.Of(anyOf, parameters));
        var result = await _engine.QueryAsync(
            $$"""
            SELECT DISTINCT arrayJoin(arrayConcat(if(metric = '', [], ['{{Labels.MetricName}}']), CAST(mapKeys(labels), 'Array(String)'))) AS label FROM metric_series
            WHERE project = {project:String} AND {{matching}} ORDER BY label
            """,
            parameters,
            SeriesLimits,
            cancel);
        return [.. result.Rows.Select(row => row.Text("label"))];
    }

    /// <summary>Values of one label, in ordinal order.</summary>
    public async Task<IReadOnlyList<string>> LabelValuesAsync(string project, string label, IReadOnlyList<IReadOnlyList<LabelMatcher>> anyOf, long fromUnixMillis, long toUnixMillis, CancellationToken cancel = default)
    {
        var parameters = Parameters(project, fromUnixMillis, toUnixMillis).Add("label", label);
        var matching = AliveIn(SeriesFilter.Of(anyOf, parameters));
        var column = string.Equals(label, Labels.MetricName, StringComparison.Ordinal) ? "toString(metric)" : "labels[{label:String}]";
        var result = await _engine.QueryAsync(
            $$"""
            SELECT DISTINCT {{column}} AS text FROM metric_series WHERE project = {project:String} AND {{matching}} AND text != '' ORDER BY text
            """,
            parameters,
            SeriesLimits,
            cancel);
        return [.. result.Rows.Select(row => row.Text("text"))];
    }

    /// <summary>What metrics are, by name.</summary>
    /// <param name="limit">Most metrics; 0 or less for all.</param>
    public async Task<IReadOnlyList<MetricMetadata>> MetadataAsync(string project, string? metric, int limit, CancellationToken cancel = default)
    {
        var result = await _engine.QueryAsync(
            $$"""
            SELECT metric, argMax(toString(type), version) AS kind, argMax(toString(unit), version) AS last_unit, argMax(help, version) AS last_help FROM metric_metadata
            WHERE project = {project:String} {{(metric is null ? "" : "AND metric = {metric:String}")}}
            GROUP BY metric ORDER BY metric {{(limit > 0 ? "LIMIT {limit:UInt64}" : "")}}
            """,
            new SqlParameters().Add("project", project).Add("metric", metric ?? "").Add("limit", limit),
            SeriesLimits,
            cancel);
        return [.. result.Rows.Select(row => new MetricMetadata(row.Text("metric"), row.Text("kind"), row.Text("last_unit"), row.Text("last_help")))];
    }

    private static SqlParameters Parameters(string project, long fromUnixMillis, long toUnixMillis) =>
        new SqlParameters().Add("project", project).Add("from", fromUnixMillis).Add("to", toUnixMillis);

    private static string AliveIn(string matching) => $$"""
        {{matching}} AND series_id IN
        (
          SELECT series_id FROM metric_samples
          WHERE project = {project:String} AND unix_millis BETWEEN {from:Int64} AND {to:Int64}
            AND series_id IN (SELECT series_id FROM metric_series WHERE project = {project:String} AND {{matching}})
          GROUP BY series_id
        )
        """;

    private async Task<List<(UInt128 Id, Labels Labels)>> SeriesOfAsync(string matching, SqlParameters parameters, int limit, CancellationToken cancel)
    {
        var result = await _engine.QueryAsync(
            $$"""
            SELECT series_id, metric, labels FROM metric_series
            WHERE project = {project:String} AND {{matching}}
            ORDER BY metric, series_id LIMIT 1 BY series_id {{(limit > 0 ? "LIMIT {limit:UInt64}" : "")}}
            """,
            parameters.Add("limit", limit),
            SeriesLimits,
            cancel);
        var ids = result.Column<UInt128>("series_id");
        var metrics = result.Column<byte[]>("metric");
        var maps = result.Column<KeyValuePair<byte[], byte[]>[]>("labels");
        if (_known.Count > KnownLabelsMax)
        {
            _known.Clear();
        }

        var series = new List<(UInt128, Labels)>(ids.Length);
        for (var row = 0; row < ids.Length; row++)
        {
            if (!_known.TryGetValue(ids[row], out var labels))
            {
                labels = Labels.Of(maps[row]
                    .Select(pair => KeyValuePair.Create(Stored.Text(pair.Key), Stored.Text(pair.Value)))
                    .Append(KeyValuePair.Create(Labels.MetricName, Stored.Text(metrics[row]))));
                _known.TryAdd(ids[row], labels);
            }

            series.Add((ids[row], labels));
        }

        return series;
    }

    /// <summary>Cuts sorted rows into series; of rows at one time only the last stays.</summary>
    private static List<SeriesData> Cut(UInt128[] ids, long[] times, double[] values, Dictionary<UInt128, Labels> labels)
    {
        var series = new List<SeriesData>(labels.Count);
        for (var begin = 0; begin < ids.Length;)
        {
            var (end, distinct) = (begin + 1, 1);
            for (; end < ids.Length && ids[end] == ids[begin]; end++)
            {
                distinct += times[end] == times[end - 1] ? 0 : 1;
            }

            if (labels.TryGetValue(ids[begin], out var name))
            {
                var (kept, keptTimes, keptValues) = (0, new long[distinct], new double[distinct]);
                for (var row = begin; row < end; row++)
                {
                    if (row + 1 == end || times[row + 1] != times[row])
                    {
                        (keptTimes[kept], keptValues[kept]) = (times[row], values[row]);
                        kept++;
                    }
                }

                series.Add(new SeriesData(name, keptTimes, keptValues));
            }

            begin = end;
        }

        return series;
    }
}

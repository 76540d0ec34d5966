using System.Runtime.InteropServices;
using System.Text;
using Faultline.ClickHouse;
using Faultline.Telemetry;
using Faultline.Telemetry.Samples;

namespace Faultline.Store.Writes;

/// <summary>
/// Samples of a group on their way into <c>metric_samples</c>, and the series and metadata that the store has not seen today
/// into <c>metric_series</c> and <c>metric_metadata</c>. Those two go first: a sample without its series could not be found, a
/// series without a sample hurts nobody.
/// </summary>
internal sealed class SampleRows(TimeProvider time) : IRows
{
    /// <summary>Most series remembered as written today. Beyond it all are forgotten and written once more, which changes nothing.</summary>
    public const int SeenSeriesMax = 1_000_000;

    private readonly StringRows _project = new();
    private readonly FixedRows<UInt128> _seriesId = new();
    private readonly FixedRows<long> _unixMillis = new();
    private readonly FixedRows<double> _value = new();
    private readonly Dictionary<(string Project, UInt128 Series, long UnixMillis), int> _rowOf = [];

    private readonly HashSet<(string Project, UInt128 Series)> _seen = [];
    private readonly Dictionary<(string Project, UInt128 Series), Labels> _newSeries = [];
    private readonly Dictionary<(string Project, string Metric), MetricMetadata> _seenMetadata = [];
    private readonly Dictionary<(string Project, string Metric), MetricMetadata> _newMetadata = [];
    private ushort _seenDay;
    private volatile bool _forgets;
    private long _version;

    public string Table => "metric_samples";

    public int Count => _value.Count;

    public bool KeepsRequestHash => false;

    /// <summary>Series are written again with their next sample, as rows of them may have been deleted. From any thread.</summary>
    public void ForgetSeen() => _forgets = true;

    public int RowsOf(TelemetryBatch batch) => batch.Samples.Count + batch.Samples.Metadata.Count;

    public void Append(TelemetryBatch batch)
    {
        var samples = batch.Samples;
        var project = Encoding.UTF8.GetBytes(batch.Project);
        ForgetSeenOfAnotherDay(Days.Of(batch.ReceivedUnixNanos));
        Span<UInt128> ids = samples.Series.Count <= 1024 ? stackalloc UInt128[samples.Series.Count] : new UInt128[samples.Series.Count];
        for (var i = 0; i < ids.Length; i++)
        {
            var labels = samples.Series[i];
            ids[i] = labels.Fingerprint;
            if (!_seen.Contains((batch.Project, ids[i])))
            {
                _newSeries.TryAdd((batch.Project, ids[i]), labels);
            }
        }

        foreach (var metadata in samples.Metadata)
        {
            if (!_seenMetadata.TryGetValue((batch.Project, metadata.Name), out var known) || known != metadata)
            {
                _newMetadata[(batch.Project, metadata.Name)] = metadata;
            }
        }

        for (var i = 0; i < samples.Count; i++)
        {
            var id = ids[samples.SeriesIndex[i]];

            // Rows of one group have one version, so of two samples at one time only the later may become a row.
            ref var row = ref CollectionsMarshal.GetValueRefOrAddDefault(_rowOf, (batch.Project, id, samples.UnixMillis[i]), out var there);
            if (there)
            {
                _value[row] = samples.Value[i];
                continue;
            }

            row = _value.Count;
            _project.Add(project);
            _seriesId.Add(id);
            _unixMillis.Add(samples.UnixMillis[i]);
            _value.Add(samples.Value[i]);
        }
    }

    public IEnumerable<TableBlock> Blocks(ushort receivedDay)
    {
        if (_newSeries.Count > 0)
        {
            yield return new("metric_series", SeriesBlock(receivedDay));
            _seen.UnionWith(_newSeries.Keys);
        }

        if (_newMetadata.Count > 0)
        {
            yield return new("metric_metadata", MetadataBlock());
            foreach (var (key, metadata) in _newMetadata)
            {
                _seenMetadata[key] = metadata;
            }
        }

        if (Count > 0)
        {
            yield return new(Table, SampleBlock(receivedDay));
        }
    }

    public void Clear()
    {
        _project.Clear();
        _seriesId.Clear();
        _unixMillis.Clear();
        _value.Clear();
        _rowOf.Clear();
        _newSeries.Clear();
        _newMetadata.Clear();
    }

    /// <summary>A series is written once a day, so that a day can be dropped without losing the series of the days that stay.</summary>
    private void ForgetSeenOfAnotherDay(ushort day)
    {
        if (_forgets || day != _seenDay || _seen.Count > SeenSeriesMax || _seenMetadata.Count > SeenSeriesMax)
        {
            _forgets = false;
            _seen.Clear();
            _seenMetadata.Clear();
            _seenDay = day;
        }
    }

    private NativeBlock SampleBlock(ushort receivedDay)
    {
        var block = new NativeBlock(Count);
        _project.WriteTo(block, "project");
        block.Fixed("series_id", "UInt128", _seriesId.Values);
        block.Fixed("unix_millis", "Int64", _unixMillis.Values);
        block.Fixed("value", "Float64", _value.Values);
        block.FixedConstant("version", "Int64", NextVersion());
        block.FixedConstant("received_date", "Date", receivedDay);
        return block;
    }

    private NativeBlock SeriesBlock(ushort receivedDay)
    {
        var projects = new StringRows();
        var metrics = new StringRows();
        var ids = new FixedRows<UInt128>();
        var keys = new StringRows();
        var values = new StringRows();
        var ends = new FixedRows<int>();
        foreach (var ((project, id), labels) in _newSeries)
        {
            projects.Add(project);
            metrics.Add(labels.Name);
            ids.Add(id);
            foreach (var (name, value) in labels.Pairs)
            {
                // The metric's name has a column of its own.
                if (!string.Equals(name, Labels.MetricName, StringComparison.Ordinal))
                {
                    keys.Add(name);
                    values.Add(value);
                }
            }

            ends.Add(keys.Count);
        }

        var block = new NativeBlock(ids.Count);
        projects.WriteTo(block, "project");
        metrics.WriteTo(block, "metric");
        block.Fixed("series_id", "UInt128", ids.Values);
        block.StringMaps("labels", ends.Values, keys.Buffer, keys.Ends, values.Buffer, values.Ends);
        block.FixedConstant("received_date", "Date", receivedDay);
        return block;
    }

    private NativeBlock MetadataBlock()
    {
        var columns = (Project: new StringRows(), Metric: new StringRows(), Type: new StringRows(), Unit: new StringRows(), Help: new StringRows());
        foreach (var ((project, metric), metadata) in _newMetadata)
        {
            columns.Project.Add(project);
            columns.Metric.Add(metric);
            columns.Type.Add(metadata.Type);
            columns.Unit.Add(metadata.Unit);
            columns.Help.Add(metadata.Help);
        }

        var block = new NativeBlock(_newMetadata.Count);
        columns.Project.WriteTo(block, "project");
        columns.Metric.WriteTo(block, "metric");
        columns.Type.WriteTo(block, "type");
        columns.Unit.WriteTo(block, "unit");
        columns.Help.WriteTo(block, "help");
        block.FixedConstant("version", "Int64", NextVersion());
        return block;
    }

    /// <summary>Milliseconds of the commit, made to rise: two commits within one millisecond still have an order.</summary>
    private long NextVersion() => _version = Math.Max(_version + 1, time.GetUtcNow().ToUnixTimeMilliseconds());
}

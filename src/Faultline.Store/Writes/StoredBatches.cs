using Faultline.ClickHouse;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Writes;

/// <summary>
/// Committed spans and scores read back as the batches they came in, in the order of their commits: for readers that had not seen them
/// when the process ended. What no such reader asks for stays where it is: bodies, links, scopes but for their names and versions, logs and samples.
/// </summary>
internal sealed class StoredBatches(IClickHouse engine)
{
    /// <summary>Rows a query, not counting the rest of its last batch.</summary>
    internal const int RowsPerRead = 20_000;

    private static readonly QueryLimits Limits = new(Time: TimeSpan.FromSeconds(60));

    private static readonly string SpanColumns = string.Join(", ", (IEnumerable<string>)
    [
        "service_name", "resource_attributes", "resource_attribute_types", "trace_id", "span_id", "parent_span_id", "name", "kind", "start_unix_nanos", "end_unix_nanos", "status",
        "attributes", "attribute_types", "scope_name", "scope_version", "event_unix_nanos", "event_names", "event_attributes", "event_attribute_types", "genai_counted", .. GenAiTable.Texts.Select(column => column.Name), .. GenAiTable.Integers.Select(column => column.Name), .. GenAiTable.Doubles.Select(column => column.Name),
    ]);

    private const string ScoreColumns = "service_name, environment, trace_id, span_id, response_id, name, value, label, explanation, evaluator, unix_nanos";

    /// <summary>The newest <see cref="TelemetryBatch.ReceivedUnixNanos"/> of a span or a score; 0 when there is none.</summary>
    public static async Task<long> NewestAsync(IClickHouse engine, CancellationToken cancel)
    {
        var newest = await engine.QueryAsync(
            """
            SELECT greatest(
              (SELECT max(received_unix_nanos) FROM spans WHERE received_date = (SELECT max(received_date) FROM spans)),
              (SELECT max(received_unix_nanos) FROM scores WHERE received_date = (SELECT max(received_date) FROM scores))) AS newest
            """,
            limits: Limits,
            cancel: cancel);
        return newest.Rows.First().NullableInt64("newest") ?? 0;
    }

    /// <param name="after">Received later than this, Unix nanoseconds.</param>
    /// <param name="through">But not later than this.</param>
    public async IAsyncEnumerable<TelemetryBatch> ReadAsync(long after, long through)
    {
        while (after < through)
        {
            var spans = await RowsAsync("spans", SpanColumns, after, through);
            var scores = await RowsAsync("scores", ScoreColumns, after, through);

            // A table with more to come says how far both may go, so that a batch's spans and scores are shown together.
            var end = Math.Min(EndOf(spans, through), EndOf(scores, through));
            var batches = new SortedDictionary<(long Received, string Project, UInt128 Hash), TelemetryBatch>();
            AppendSpans(spans, end, batches);
            AppendScores(scores, end, batches);
            foreach (var batch in batches.Values)
            {
                yield return batch;
            }

            after = end;
        }
    }

    private Task<QueryResult> RowsAsync(string table, string columns, long after, long through) => engine.QueryAsync(
        $$"""
        SELECT project, received_unix_nanos, request_hash, {{columns}} FROM {{table}}
        WHERE received_date BETWEEN {first:Date} AND {last:Date} AND received_unix_nanos > {after:Int64} AND received_unix_nanos <= {through:Int64}
        ORDER BY received_unix_nanos LIMIT {{RowsPerRead}} WITH TIES
        """,
        new SqlParameters().Add("first", Days.Text(Days.Of(after))).Add("last", Days.Text(Days.Of(through))).Add("after", after).Add("through", through),
        Limits);

    private static long EndOf(QueryResult rows, long through) => rows.RowCount < RowsPerRead ? through : rows.Column<long>("received_unix_nanos")[^1];

    /// <summary>The batch of each row, up to <paramref name="end"/>.</summary>
    private static IEnumerable<(int Row, TelemetryBatch Batch)> InBatches(QueryResult rows, long end, SortedDictionary<(long, string, UInt128), TelemetryBatch> batches)
    {
        var (projects, received, hashes) = (rows.Column<byte[]>("project"), rows.Column<long>("received_unix_nanos"), rows.Column<byte[]>("request_hash"));
        for (var row = 0; row < rows.RowCount && received[row] <= end; row++)
        {
            var key = (received[row], Stored.Text(projects[row]), TraceId.FromBytes(hashes[row]).Value);
            if (!batches.TryGetValue(key, out var batch))
            {
                batches.Add(key, batch = new TelemetryBatch { ReceivedUnixNanos = key.Item1, Project = key.Item2, RequestHash = key.Value });
            }

            yield return (row, batch);
        }
    }

    private static void AppendSpans(QueryResult rows, long end, SortedDictionary<(long, string, UInt128), TelemetryBatch> batches)
    {
        if (rows.RowCount == 0)
        {
            return;
        }

        var (traces, ids, parents, names) = (rows.Column<byte[]>("trace_id"), rows.Column<byte[]>("span_id"), rows.Column<byte[]>("parent_span_id"), rows.Column<byte[]>("name"));
        var (kinds, starts, ends, statuses) = (rows.Column<byte>("kind"), rows.Column<long>("start_unix_nanos"), rows.Column<long>("end_unix_nanos"), rows.Column<byte>("status"));
        var (resources, resourceTypes) = (rows.Column<KeyValuePair<byte[], byte[]>[]>("resource_attributes"), rows.Column<byte[]>("resource_attribute_types"));
        var (attributes, attributeTypes) = (rows.Column<KeyValuePair<byte[], byte[]>[]>("attributes"), rows.Column<byte[]>("attribute_types"));
        var (scopes, versions) = (rows.Column<byte[]>("scope_name"), rows.Column<byte[]>("scope_version"));
        var (eventTimes, eventNames) = (rows.Column<long[]>("event_unix_nanos"), rows.Column<byte[][]>("event_names"));
        var (eventAttributes, eventTypes) = (rows.Column<KeyValuePair<byte[], byte[]>[][]>("event_attributes"), rows.Column<byte[][]>("event_attribute_types"));
        var counted = rows.Column<byte>("genai_counted");
        var texts = Array.ConvertAll(GenAiTable.Texts, column => (column.Of, Values: rows.Column<byte[]>(column.Name)));
        var integers = Array.ConvertAll(GenAiTable.Integers, column => (column.Of, Values: rows.Column<long?>(column.Name)));
        var doubles = Array.ConvertAll(GenAiTable.Doubles, column => (column.Of, Values: rows.Column<double?>(column.Name)));
        foreach (var (row, batch) in InBatches(rows, end, batches))
        {
            var spans = batch.Spans;
            AppendResource(spans.Resources, resources[row], resourceTypes[row]);
            spans.Resource.Add(spans.Resources.Count - 1);
            AppendScope(spans.Scopes, scopes[row], versions[row]);
            spans.Scope.Add(spans.Scopes.Count - 1);
            AppendEvents(spans.Events, eventTimes[row], eventNames[row], eventAttributes[row], eventTypes[row]);
            spans.TraceId.Add(Stored.Trace(traces[row]));
            spans.SpanId.Add(Stored.Span(ids[row]));
            spans.ParentSpanId.Add(Stored.Span(parents[row]));
            spans.Name.Add(names[row]);
            spans.Kind.Add((SpanKind)kinds[row]);
            spans.StartUnixNanos.Add(starts[row]);
            spans.EndUnixNanos.Add(ends[row]);
            spans.Status.Add((SpanStatus)statuses[row]);
            Append(spans.Attributes, attributes[row], attributeTypes[row]);
            spans.GenAi.Counted.Add(counted[row]);
            foreach (var (of, values) in texts)
            {
                of(spans.GenAi).Add(values[row]);
            }

            foreach (var (of, values) in integers)
            {
                of(spans.GenAi).Add(values[row] ?? GenAiColumns.Absent);
            }

            foreach (var (of, values) in doubles)
            {
                of(spans.GenAi).Add(values[row] ?? double.NaN);
            }
        }
    }

    private static void AppendScores(QueryResult rows, long end, SortedDictionary<(long, string, UInt128), TelemetryBatch> batches)
    {
        if (rows.RowCount == 0)
        {
            return;
        }

        string Text(string column, int row) => Stored.Text(rows.Column<byte[]>(column)[row]);
        foreach (var (row, batch) in InBatches(rows, end, batches))
        {
            batch.Scores.Add(
                Text("service_name", row), Text("environment", row), Stored.Trace(rows.Column<byte[]>("trace_id")[row]), Stored.Span(rows.Column<byte[]>("span_id")[row]),
                Text("response_id", row), Text("name", row), rows.Column<double>("value")[row], Text("label", row), Text("explanation", row), Text("evaluator", row),
                rows.Column<long>("unix_nanos")[row]);
        }
    }

    /// <summary>Rows of one resource lie side by side, so only a change makes a new one.</summary>
    private static void AppendResource(ResourceColumns resources, KeyValuePair<byte[], byte[]>[] map, byte[] types)
    {
        var last = resources.Count - 1;
        if (last >= 0 && IsRow(resources.Attributes, last, map))
        {
            return;
        }

        Append(resources.Attributes, map, types);
        resources.DroppedAttributes.Add(0);
        resources.SchemaUrl.Add("");
    }

    private static void AppendScope(ScopeColumns scopes, byte[] name, byte[] version)
    {
        var last = scopes.Count - 1;
        if (last >= 0 && scopes.Name[last].SequenceEqual(name) && scopes.Version[last].SequenceEqual(version))
        {
            return;
        }

        scopes.Name.Add(name);
        scopes.Version.Add(version);
        scopes.Attributes.EndRow();
        scopes.DroppedAttributes.Add(0);
        scopes.SchemaUrl.Add("");
    }

    private static void AppendEvents(SpanEventColumns events, long[] times, byte[][] names, KeyValuePair<byte[], byte[]>[][] attributes, byte[][] types)
    {
        for (var one = 0; one < times.Length; one++)
        {
            events.UnixNanos.Add(times[one]);
            events.Name.Add(names[one]);
            Append(events.Attributes, attributes[one], types[one]);
            events.DroppedAttributes.Add(0);
        }

        events.Ends.Add(events.UnixNanos.Count);
    }

    private static bool IsRow(AttributeColumn column, int row, KeyValuePair<byte[], byte[]>[] map)
    {
        var start = column.Start(row);
        if (column.End(row) - start != map.Length)
        {
            return false;
        }

        for (var entry = 0; entry < map.Length; entry++)
        {
            if (!column.Keys[start + entry].SequenceEqual(map[entry].Key) || !column.Values[start + entry].SequenceEqual(map[entry].Value))
            {
                return false;
            }
        }

        return true;
    }

    private static void Append(AttributeColumn column, KeyValuePair<byte[], byte[]>[] map, byte[] types)
    {
        for (var entry = 0; entry < map.Length; entry++)
        {
            column.Add(map[entry].Key, map[entry].Value, entry < types.Length ? (AttributeType)types[entry] : AttributeType.String);
        }

        column.EndRow();
    }
}

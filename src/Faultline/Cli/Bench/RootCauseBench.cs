using System.Globalization;
using System.Text.Json;
using Faultline.Diagnosis.Localisation;

namespace Faultline.Cli.Bench;

/// <summary>Which service is the cause of what was noticed, from metrics, spans and logs of a usual and an abnormal window.</summary>
internal static class RootCauseBench
{
    public static BenchTask Task { get; } = new("rca", "The services that are the cause of a symptom: cases.jsonl with CSV files of calls, metrics, spans and logs.", RunAsync);

    private static Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel) =>
        CaseFiles.PredictAsync(folders, output, Predictor, cancel);

    private static Func<JsonElement, object> Predictor(string folder)
    {
        // Cases share their usual windows, mostly in a row, so the last one is kept.
        (string Key, RecordedWindow Window) usual = ("", new RecordedWindow(MetricWindow.Empty, [], []));
        return one =>
        {
            var key = string.Join('\n', File(one, "normal"), File(one, "normal_traces"), File(one, "normal_logs"));
            if (key != usual.Key)
            {
                usual = (key, Window(folder, File(one, "normal"), File(one, "normal_traces"), File(one, "normal_logs")));
            }

            var suspects = ServiceLocator.Locate(new Incident(
                Calls(Path.Combine(folder, one.Required("edges", JsonValueKind.String).GetString()!)),
                usual.Window, Window(folder, File(one, "abnormal"), File(one, "traces"), File(one, "logs")), Target(one)));
            return new
            {
                id = one.Required("id", JsonValueKind.String).GetString(),
                ranked = suspects.Select(suspect => suspect.Service),
                causes = suspects.Select(suspect => suspect.Cause),
                evidence = suspects.Select(suspect => suspect.Evidence),
            };
        };
    }

    private static string? File(JsonElement one, string name) =>
        one.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static Symptom? Target(JsonElement one)
    {
        var target = one.Required("target", JsonValueKind.Object);
        var noticed = target.TryGetProperty("timestamp", out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var seconds) ? seconds : 0;
        return new Symptom(File(target, "service") ?? "", File(target, "metric") ?? "", File(target, "stat") ?? "", noticed);
    }

    private static RecordedWindow Window(string folder, string? metrics, string? spans, string? logs) => new(
        metrics is null ? MetricWindow.Empty : Metrics(Path.Combine(folder, metrics)),
        spans is null ? [] : Spans(Path.Combine(folder, spans)),
        logs is null ? [] : Logs(Path.Combine(folder, logs)));

    private static List<CallEdge> Calls(string path)
    {
        List<CallEdge> calls = [];
        foreach (var fields in Rows(path, out var column, "caller", "callee"))
        {
            calls.Add(new CallEdge(fields[column[0]], fields[column[1]]));
        }

        return calls;
    }

    private static MetricWindow Metrics(string path)
    {
        List<long> times = [];
        List<List<double>> columns = [];
        List<string> header = [];
        var number = 0;
        foreach (var fields in CsvReader.Records(path))
        {
            if (++number == 1)
            {
                header = [.. fields];
                columns = [.. header.Skip(1).Select(_ => new List<double>())];
                continue;
            }

            if (fields.Count != header.Count || !double.TryParse(fields[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds))
            {
                throw CaseFiles.Malformed(path, number, $"a row needs a time in Unix seconds and {header.Count - 1} values.");
            }

            times.Add((long)seconds);
            for (var i = 0; i < columns.Count; i++)
            {
                columns[i].Add(double.TryParse(fields[i + 1], NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN);
            }
        }

        Dictionary<SeriesName, double[]> series = [];
        for (var i = 0; i < columns.Count; i++)
        {
            if (header[i + 1].Split('|') is not [var service, var metric, var statistic])
            {
                throw CaseFiles.Malformed(path, 1, $"a column is named service|metric|stat, not {header[i + 1]}.");
            }

            series[new SeriesName(service, metric, statistic)] = [.. columns[i]];
        }

        return new MetricWindow(times, series);
    }

    private static List<CallSpan> Spans(string path)
    {
        List<CallSpan> spans = [];
        Dictionary<string, string> services = new(StringComparer.Ordinal);
        var number = 1;
        foreach (var fields in Rows(path, out var column, "TraceID", "SpanID", "ParentID", "PodName", "OperationName", "StartTimeUnixNano", "EndTimeUnixNano"))
        {
            number++;
            if (!long.TryParse(fields[column[5]], CultureInfo.InvariantCulture, out var start) || !long.TryParse(fields[column[6]], CultureInfo.InvariantCulture, out var end))
            {
                throw CaseFiles.Malformed(path, number, "a span needs a start and an end in Unix nanoseconds.");
            }

            var parent = fields[column[2]];
            spans.Add(new CallSpan(fields[column[0]], fields[column[1]], parent == "root" ? "" : parent, Service(services, fields[column[3]]), fields[column[4]], start, end));
        }

        return spans;
    }

    private static List<LoggedEvent> Logs(string path)
    {
        List<LoggedEvent> logs = [];
        Dictionary<string, string> statements = new(StringComparer.Ordinal);
        var number = 1;
        foreach (var fields in Rows(path, out var column, "TimeUnixNano", "TraceID", "SpanID", "Log"))
        {
            number++;
            if (!long.TryParse(fields[column[0]], CultureInfo.InvariantCulture, out var at))
            {
                throw CaseFiles.Malformed(path, number, "a log line needs a time in Unix nanoseconds.");
            }

            var (statement, gravity) = LogStatement.Of(fields[column[3]]);
            statement = statements.TryGetValue(statement, out var known) ? known : statements[statement] = statement;
            logs.Add(new LoggedEvent(fields[column[1]], fields[column[2]], at, statement, gravity));
        }

        return logs;
    }

    /// <summary>Rows below a header that must name these columns.</summary>
    private static IEnumerable<List<string>> Rows(string path, out int[] columns, params string[] names)
    {
        var found = new int[names.Length];
        columns = found;
        return Read();

        IEnumerable<List<string>> Read()
        {
            var (number, width) = (0, 0);
            foreach (var fields in CsvReader.Records(path))
            {
                if (++number == 1)
                {
                    for (var i = 0; i < names.Length; i++)
                    {
                        found[i] = fields.IndexOf(names[i]);
                        width = Math.Max(width, found[i] + 1);
                    }

                    if (found.Min() < 0)
                    {
                        throw CaseFiles.Malformed(path, number, $"the header must name {string.Join(", ", names)}.");
                    }
                }
                else if (fields.Count < width)
                {
                    throw CaseFiles.Malformed(path, number, $"a row needs at least {width} fields.");
                }
                else
                {
                    yield return fields;
                }
            }
        }
    }

    /// <summary>A pod is named service-replicaset-pod.</summary>
    private static string Service(Dictionary<string, string> known, string pod)
    {
        if (!known.TryGetValue(pod, out var service))
        {
            var parts = pod.Split('-');
            known[pod] = service = parts.Length > 2 ? string.Join('-', parts[..^2]) : pod;
        }

        return service;
    }
}

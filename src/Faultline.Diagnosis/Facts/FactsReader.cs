using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Store.Samples;
using Faultline.Store.Traces;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Facts;

/// <summary>Reads from the store what diagnosis needs to know about a finding.</summary>
internal sealed class FactsReader(TelemetrySource source)
{
    private const int SpansMax = 2000;
    private const int ScoresMax = 5000;
    private const int ServicesMax = 6;
    private const int WholeTracesMax = 8;

    /// <summary>Fewer spans before the onset than this, and the comparison looks further back.</summary>
    private const int SpansBeforeMin = 60;

    private static readonly TimeSpan NearBefore = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan FarBefore = TimeSpan.FromDays(7);
    private static readonly TimeSpan FiguresBefore = TimeSpan.FromHours(1);

    /// <summary>What is read after the detection: symptoms that show a little later belong to the same answer.</summary>
    private static readonly TimeSpan After = TimeSpan.FromMinutes(2);

    /// <summary>A change this long after the first abnormal window may still be its cause: windows are ten seconds, clocks differ.</summary>
    private static readonly TimeSpan ChangeAfter = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan ChangeBefore = TimeSpan.FromHours(24);

    public async Task<CaseFacts> ReadAsync(Finding finding, IReadOnlyList<ChangeEvent> changes, CancellationToken cancel)
    {
        var to = finding.DetectedAt + After;
        var abnormal = await EarlierFindingsAsync(finding, cancel);
        var after = await SpansAsync(finding, finding.Service, finding.OnsetAt - TimeSpan.FromSeconds(10), to, cancel);
        var before = await SpansBeforeAsync(finding, finding.Service, NearBefore, abnormal, cancel);
        if (before.Count < SpansBeforeMin)
        {
            before = await SpansBeforeAsync(finding, finding.Service, FarBefore, abnormal, cancel);
        }

        var whole = await WholeAsync(finding, cancel);
        var services = await ServicesAsync(finding, whole, after, before, abnormal, to, cancel);

        var traces = Group(after);
        foreach (var id in finding.BadTraces)
        {
            // A looping trace has more spans than a search reads; the whole one tells.
            if (whole.TryGetValue(id, out var spans) && spans.Count > 0)
            {
                var trace = new TraceFacts(id);
                trace.Spans.AddRange(spans.Select(span => span.Summary));
                traces[id] = trace;
            }
        }

        var shows = await ShowsAsync(finding, to, cancel);
        var named = finding.BadTraces.ToHashSet();
        var bad = traces.Values.Where(trace => named.Contains(trace.Id) || shows(trace) == true).ToList();
        var well = traces.Values.Where(trace => !named.Contains(trace.Id) && shows(trace) == false).ToList();
        if (bad.Count < 3)
        {
            bad = [.. traces.Values];
            well = [];
        }

        var good = Group(before).Values.Concat(well).ToList();
        var distinctions = BubbleUp.Compare(bad, good);
        return new CaseFacts
        {
            Finding = finding,
            Shifts = await ShiftsAsync(finding, services, abnormal, to, cancel),
            Bad = bad,
            Good = good,
            Distinctions = distinctions,
            Changes = [.. changes
                .Where(change => services.Contains(change.Service) && change.At <= finding.OnsetAt + ChangeAfter && change.At >= finding.OnsetAt - ChangeBefore)
                .OrderBy(change => (finding.OnsetAt - change.At).Duration())],
            DocumentDaysBad = MedianOf(whole, finding.BadTraces),
            DocumentDaysGood = MedianOf(whole, finding.GoodTraces),
            SystemMessages = SystemMessagesOf(whole, finding),
        };
    }

    /// <summary>When the services of the environment were under findings before this one.</summary>
    private async Task<AbnormalPeriods> EarlierFindingsAsync(Finding finding, CancellationToken cancel)
    {
        LabelMatcher[] matchers = [new(Labels.MetricName, MatchKind.Equal, OpenFinding.OnsetMetric), new("environment", MatchKind.Equal, finding.Environment)];
        var stored = await source.Series(
            finding.Project, matchers, (finding.OnsetAt - FarBefore).ToUnixTimeMilliseconds(), finding.OnsetAt.ToUnixTimeMilliseconds(), cancel);
        var abnormal = new AbnormalPeriods();
        foreach (var one in stored.Where(one => !string.Equals(one.Labels["finding"], finding.Id, StringComparison.Ordinal)))
        {
            abnormal.Add(one);
        }

        return abnormal;
    }

    private async Task<List<SpanSummary>> SpansAsync(Finding finding, string service, DateTimeOffset from, DateTimeOffset to, CancellationToken cancel)
    {
        var filter = new TraceFilter
        {
            FromUnixNanos = Nanos(from),
            ToUnixNanos = Nanos(to),
            Service = service,
            Environment = finding.Environment.Length > 0 ? finding.Environment : null,
            Limit = SpansMax,
        };
        return [.. await source.Spans(finding.Project, filter, cancel)];
    }

    /// <summary>Spans before the onset, but for those under another finding: they are no picture of health, however near they lie.</summary>
    private async Task<List<SpanSummary>> SpansBeforeAsync(Finding finding, string service, TimeSpan before, AbnormalPeriods abnormal, CancellationToken cancel)
    {
        var spans = await SpansAsync(finding, service, finding.OnsetAt - before, finding.OnsetAt - TimeSpan.FromSeconds(10), cancel);
        spans.RemoveAll(span => abnormal.Contains(finding.Environment, service, span.StartUnixNanos / 1_000_000_000));
        return spans;
    }

    private async Task<Dictionary<TraceId, IReadOnlyList<StoredSpan>>> WholeAsync(Finding finding, CancellationToken cancel)
    {
        Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole = [];
        foreach (var id in finding.BadTraces.Take(WholeTracesMax).Concat(finding.GoodTraces.Take(WholeTracesMax)))
        {
            if (!whole.ContainsKey(id))
            {
                whole.Add(id, await source.Trace(finding.Project, id, cancel));
            }
        }

        return whole;
    }

    /// <summary>The services that took part in the finding's traces; their spans are added to what was read.</summary>
    private async Task<HashSet<string>> ServicesAsync(
        Finding finding, Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole, List<SpanSummary> after, List<SpanSummary> before, AbnormalPeriods abnormal, DateTimeOffset to,
        CancellationToken cancel)
    {
        HashSet<string> services = new(StringComparer.Ordinal) { finding.Service };
        foreach (var span in whole.Values.SelectMany(spans => spans))
        {
            if (services.Count < ServicesMax)
            {
                services.Add(span.Summary.Service);
            }
        }

        foreach (var service in services.Where(service => !string.Equals(service, finding.Service, StringComparison.Ordinal)).ToList())
        {
            after.AddRange(await SpansAsync(finding, service, finding.OnsetAt - TimeSpan.FromSeconds(10), to, cancel));
            before.AddRange(await SpansBeforeAsync(finding, service, NearBefore, abnormal, cancel));
        }

        return services;
    }

    private static Dictionary<TraceId, TraceFacts> Group(IReadOnlyList<SpanSummary> spans)
    {
        Dictionary<TraceId, TraceFacts> traces = [];
        foreach (var span in spans)
        {
            if (!traces.TryGetValue(span.TraceId, out var trace))
            {
                traces.Add(span.TraceId, trace = new TraceFacts(span.TraceId));
            }

            trace.Spans.Add(span);
        }

        return traces;
    }

    /// <summary>Says of a trace whether it shows the first symptom; null when it cannot be told.</summary>
    private async Task<Func<TraceFacts, bool?>> ShowsAsync(Finding finding, DateTimeOffset to, CancellationToken cancel)
    {
        if (finding.Symptoms.Count == 0 || FeatureTable.Find(finding.Symptoms[0].Feature) is not { } feature)
        {
            return _ => null;
        }

        var symptom = finding.Symptoms[0];
        var middle = feature.FromScale((feature.ToScale(symptom.Usual) + feature.ToScale(symptom.Observed)) / 2);
        if (feature.Name.StartsWith(FeatureTable.ScorePrefix, StringComparison.Ordinal))
        {
            var name = feature.Name[FeatureTable.ScorePrefix.Length..];
            Dictionary<TraceId, double> scores = [];
            foreach (var score in await source.Scores(finding.Project, finding.Service, name, Nanos(finding.OnsetAt), Nanos(to), ScoresMax, cancel))
            {
                scores[score.TraceId] = score.Value;
            }

            return trace => scores.TryGetValue(trace.Id, out var score) ? Beyond(score, middle, symptom) : null;
        }

        return feature switch
        {
            _ when ReferenceEquals(feature, FeatureTable.MaxToolRepeats) => trace => trace.MaxToolRepeats() >= symptom.High,
            _ when ReferenceEquals(feature, FeatureTable.LatencyP50) || ReferenceEquals(feature, FeatureTable.LatencyP95) =>
                trace => trace.Root is { } root ? Beyond(root.DurationNanos / 1e9, middle, symptom) : null,
            _ when ReferenceEquals(feature, FeatureTable.RetrievalTopScore) =>
                trace => trace.Spans.Find(span => span.GenAi.DocumentTopScore is not null)?.GenAi.DocumentTopScore is { } top ? Beyond(top, middle, symptom) : null,
            { Statistic: Statistic.Share } when feature.Name.EndsWith("error_rate", StringComparison.Ordinal) => trace => trace.HasError,
            _ => _ => true,     // of the others no single trace can be judged: all since the onset
        };
    }

    private static bool Beyond(double value, double middle, Symptom symptom) => symptom.Observed < symptom.Usual ? value < middle : value > middle;

    private async Task<IReadOnlyList<Shift>> ShiftsAsync(Finding finding, HashSet<string> services, AbnormalPeriods abnormal, DateTimeOffset to, CancellationToken cancel)
    {
        List<Shift> shifts = [];
        foreach (var service in services)
        {
            LabelMatcher[] Matchers(string metric) =>
                [new(Labels.MetricName, MatchKind.Equal, metric), new("service_name", MatchKind.Equal, service), new("environment", MatchKind.Equal, finding.Environment)];

            async Task<FeatureHistory> HistoryAsync(DateTimeOffset from, DateTimeOffset until)
            {
                var history = new FeatureHistory();
                history.Add(
                    await source.Series(finding.Project, Matchers(FeatureWindows.ValueMetric), from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds(), cancel),
                    await source.Series(finding.Project, Matchers(FeatureWindows.CountMetric), from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds(), cancel));
                return history;
            }

            // A window that ends at the onset is still before it.
            var near = await HistoryAsync(finding.OnsetAt - FiguresBefore, finding.OnsetAt);
            var after = await HistoryAsync(finding.OnsetAt.AddMilliseconds(1), to);
            FeatureHistory? far = null;
            foreach (var labels in near.Series.Keys.Union(after.Series.Keys))
            {
                if (FeatureTable.Find(labels["feature"]) is not { } feature)
                {
                    continue;
                }

                var dimension = feature.Dimension is { } name ? labels[name] : "";
                var from = finding.OnsetAt - FiguresBefore;
                bool Usual(long window) => !abnormal.Contains(finding.Environment, service, FeatureWindows.EndSeconds(window));
                var before = Windows(near, labels, feature, Usual);
                if (before.Count < 6)
                {
                    far ??= await HistoryAsync(finding.OnsetAt - FarBefore, finding.OnsetAt);
                    before = Windows(far, labels, feature, Usual);
                    from = finding.OnsetAt - FarBefore;
                }

                shifts.Add(Shift.Between(service, finding.Environment, feature, dimension, before, Windows(after, labels, feature, static _ => true), from, to));
            }
        }

        return shifts;
    }

    private static List<(double, double)> Windows(FeatureHistory history, Labels labels, Feature feature, Func<long, bool> counts) =>
        history.Series.TryGetValue(labels, out var samples)
            ? [.. samples.Where(sample => sample.Count >= feature.CountMin && double.IsFinite(sample.Value) && counts(sample.Window)).Select(sample => (sample.Value, sample.Count))]
            : [];

    private static double? MedianOf(Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole, IReadOnlyList<TraceId> ids)
    {
        List<double> medians = [];
        foreach (var id in ids)
        {
            if (whole.TryGetValue(id, out var spans) && DocumentAges.MedianDays(spans) is { } days)
            {
                medians.Add(days);
            }
        }

        return medians.Count == 0 ? null : Baselines.RobustStatistics.Median(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(medians));
    }

    private static (double Bad, double Good)? SystemMessagesOf(Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole, Finding finding)
    {
        double? Share(IReadOnlyList<TraceId> ids)
        {
            var calls = 0;
            var with = 0;
            foreach (var id in ids)
            {
                foreach (var span in whole.GetValueOrDefault(id) ?? [])
                {
                    if (span.Summary.GenAi.Operation is "chat" or "completion")
                    {
                        calls++;
                        with += span.Bodies.Concat(span.Summary.Attributes).Any(IsSystemMessage) ? 1 : 0;
                    }
                }
            }

            return calls < 3 ? null : with / (double)calls;
        }

        return Share(finding.BadTraces) is { } bad && Share(finding.GoodTraces) is { } good ? (bad, good) : null;
    }

    private static bool IsSystemMessage(StoredAttribute attribute) =>
        (string.Equals(attribute.Key, "gen_ai.system_instructions", StringComparison.Ordinal) && attribute.Value.Length > 4)
        || (attribute.Key.Contains("messages", StringComparison.Ordinal) && (attribute.Value.Contains("\"role\":\"system\"", StringComparison.Ordinal) || string.Equals(attribute.Value, "system", StringComparison.Ordinal)));

    private static long Nanos(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1_000_000;
}

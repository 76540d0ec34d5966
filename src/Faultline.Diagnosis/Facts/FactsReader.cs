using System.Text.RegularExpressions;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Samples;
using Faultline.Store.Scores;
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

    /// <summary>Traces of one side that are compared.</summary>
    private const int TracesMax = 150;

    /// <summary>Of them, those whose texts are read.</summary>
    private const int WholeTracesMax = 8;

    /// <summary>Fewer traces before the onset than this, and the comparison looks further back.</summary>
    private const int TracesBeforeMin = 30;

    /// <summary>Fewer requests of one tenant than this, on either side, are no comparison.</summary>
    private const int PartTracesMin = 8;

    /// <summary>How much longer than its first span a trace may last.</summary>
    private static readonly TimeSpan TraceLengthMax = TimeSpan.FromHours(1);

    private static readonly TimeSpan NearBefore = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan MidBefore = TimeSpan.FromHours(6);
    private static readonly TimeSpan FarBefore = TimeSpan.FromDays(7);
    private static readonly TimeSpan FiguresBefore = TimeSpan.FromHours(1);

    /// <summary>How far back is looked for series with fewer windows in <see cref="FiguresBefore"/> than <see cref="WindowsBeforeMin"/>.</summary>
    private static readonly TimeSpan FiguresFarBefore = TimeSpan.FromHours(24);
    private const int WindowsBeforeMin = 6;

    /// <summary>What is read after the detection at least: symptoms that show a little later belong to the same answer.</summary>
    private static readonly TimeSpan After = TimeSpan.FromMinutes(2);

    /// <summary>What is read after the onset at most: a fault may end, or another begin.</summary>
    private static readonly TimeSpan AfterMax = TimeSpan.FromMinutes(20);

    /// <summary>A change this long after the first abnormal window may still be its cause: windows are ten seconds, clocks differ.</summary>
    private static readonly TimeSpan ChangeAfter = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan ChangeBefore = TimeSpan.FromHours(24);

    /// <summary>How late the first abnormal window may be: a fault that grows has begun before it stands out.</summary>
    private static readonly TimeSpan OnsetLateMax = TimeSpan.FromMinutes(30);

    /// <summary>The same of a fault that somebody's change brought.</summary>
    private static readonly TimeSpan RecordedBefore = TimeSpan.FromMinutes(50);

    /// <param name="now">Nothing later is there yet.</param>
    public async Task<CaseFacts> ReadAsync(Finding finding, IReadOnlyList<ChangeEvent> changes, DateTimeOffset now, CancellationToken cancel)
    {
        var soonest = finding.DetectedAt + After;
        var latest = finding.OnsetAt + AfterMax;
        var to = now <= soonest || latest <= soonest ? soonest : now < latest ? now : latest;
        var abnormal = await EarlierFindingsAsync(finding, cancel);
        var healthyUntil = HealthyUntil(finding, changes);
        // One symptom of a tenant's own is enough: what its service shows besides is thinned out by the others.
        var part = finding.Symptoms.Select(static symptom => symptom.Part).FirstOrDefault(static whose => whose is not null);
        var traces = await TracesAsync(finding, await SpansAsync(finding, part, finding.OnsetAt - TimeSpan.FromSeconds(10), to, cancel), finding.BadTraces, cancel);
        var before = await TracesAsync(finding, await SpansBeforeAsync(finding, part, healthyUntil, abnormal, cancel), [], cancel);
        if (part is not null && (before.Count < PartTracesMin || traces.Count < PartTracesMin))
        {
            // No span that can be asked for names the tenant, or few do: then those among all requests, and when these are too few all of them.
            traces = await TracesAsync(finding, await SpansAsync(finding, null, finding.OnsetAt - TimeSpan.FromSeconds(10), to, cancel), finding.BadTraces, cancel);
            before = await TracesAsync(finding, await SpansBeforeAsync(finding, null, healthyUntil, abnormal, cancel), [], cancel);
            var (ofPart, ofPartBefore) = (Of(traces, part), Of(before, part));
            (part, traces, before) = ofPart.Count >= PartTracesMin && ofPartBefore.Count >= PartTracesMin ? (part, ofPart, ofPartBefore) : (null, traces, before);
        }

        HashSet<string> services = new(StringComparer.Ordinal) { finding.Service };
        foreach (var service in traces.Values.Concat(before.Values).SelectMany(trace => trace.Spans).GroupBy(span => span.Service, StringComparer.Ordinal).OrderByDescending(spans => spans.Count()).ThenBy(spans => spans.Key, StringComparer.Ordinal))
        {
            if (services.Count < ServicesMax)
            {
                services.Add(service.Key);
            }
        }

        var between = finding.OnsetAt - healthyUntil > TimeSpan.FromMinutes(1)
            ? await TracesAsync(finding, await SpansAsync(finding, part, healthyUntil, finding.OnsetAt - TimeSpan.FromSeconds(10), cancel), [], cancel) : [];
        async Task<Func<TraceFacts, bool?>> OfPartAsync(long from, DateTimeOffset until)
        {
            var symptomatic = await ShowsAsync(finding, from, until, cancel);
            return trace => part is not null && !trace.IsOf(part) ? false : symptomatic(trace);
        }

        var shows = await OfPartAsync(Nanos(finding.OnsetAt), to);
        var named = finding.BadTraces.ToHashSet();
        var bad = traces.Values.Where(trace => named.Contains(trace.Id) || shows(trace) == true).ToList();
        var well = traces.Values.Where(trace => !named.Contains(trace.Id) && shows(trace) == false).ToList();
        var ranWell = RanWell.Unknown;
        if (bad.Count < 3)
        {
            bad = [.. traces.Values];
            well = [];
        }
        else if (between.Count > 0 && before.Count > 0)
        {
            var showed = await OfPartAsync(before.Values.Min(static trace => trace.StartUnixNanos), finding.OnsetAt);
            ranWell = RanWell.Of(between.Values, before.Values, showed, since: bad.Count / (double)(bad.Count + well.Count));
        }

        var good = before.Values.Concat(well).ToList();
        var whole = await WholeAsync(finding, bad, good, cancel);
        var distinctions = BubbleUp.Compare(bad, good, Nanos(healthyUntil), [.. between.Values]);
        var shifts = await ShiftsAsync(finding, services, healthyUntil, abnormal, to, cancel);
        if (part is not null)
        {
            shifts = OfPart(shifts, await PartShiftsAsync(finding, part, shifts, before, traces, to, cancel));
        }

        shifts = [.. shifts.Select(shift => shift.AsDetected(finding.Symptoms))];
        var ours = await OursAsync(finding, shifts, to, cancel);
        return new CaseFacts
        {
            Finding = finding,
            Shifts = [.. shifts.Select(shift => shift with { IsOurs = shift.Feature.Evaluation is { } evaluation && ours.Contains((shift.Service, evaluation)) })],
            Bad = bad,
            Good = good,
            Distinctions = distinctions,
            RanWell = ranWell,
            Changes = [.. changes
                .Where(change => services.Contains(change.Service) && change.At <= finding.OnsetAt + ChangeAfter && change.At >= finding.OnsetAt - ChangeBefore)
                .OrderBy(change => (finding.OnsetAt - change.At).Duration())],
            DocumentDaysBad = MedianOf(whole, bad),
            DocumentDaysGood = MedianOf(whole, good),
            ChunksBad = ChunkLengths.Of(SpansOf(whole, bad)),
            ChunksGood = ChunkLengths.Of(SpansOf(whole, good)),
            PromptsBad = PromptFacts.Of(SpansOf(whole, bad)),
            PromptsGood = PromptFacts.Of(SpansOf(whole, good)),
            Runs = FailedRuns(finding, whole, bad),
            Inputs = InputFacts.Of(bad, good, Nanos(finding.OnsetAt)),
            Metrics = await MetricsAsync(finding, to, cancel),
        };
    }

    /// <summary>
    /// Until when there was health for sure: the onset, or the last moment before telemetry began to carry another model, prompt or
    /// index, or before somebody recorded a change. What comes between the two is no picture of either side: what a fault changes besides its
    /// first symptom may have changed long before that stood out. A release that is only seen is no such moment: most do nothing.
    /// </summary>
    private static DateTimeOffset HealthyUntil(Finding finding, IReadOnlyList<ChangeEvent> changes) => changes
        .Where(change => string.Equals(change.Service, finding.Service, StringComparison.Ordinal) && change.At < finding.OnsetAt
            && (change.IsSeen ? change.Type is ("model" or "prompt" or "index") && change.At > finding.OnsetAt - OnsetLateMax : change.At > finding.OnsetAt - RecordedBefore))
        .Select(static change => change.At).DefaultIfEmpty(finding.OnsetAt).Min();

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

    /// <param name="part">Only requests of this part, whichever span of theirs says so; null: those of the finding's service.</param>
    private async Task<List<SpanSummary>> SpansAsync(Finding finding, SymptomPart? part, DateTimeOffset from, DateTimeOffset to, CancellationToken cancel)
    {
        var filter = new TraceFilter
        {
            FromUnixNanos = Nanos(from),
            ToUnixNanos = Nanos(to),
            Service = part is null ? finding.Service : null,
            Environment = finding.Environment.Length > 0 ? finding.Environment : null,
            Attributes = part is null ? [] : [new(part.Attribute, part.Value)],
            Limit = SpansMax,
        };
        return [.. await source.Spans(finding.Project, filter, cancel)];
    }

    /// <summary>Spans before the onset, but for those under another finding: they are no picture of health, however near they lie.</summary>
    private async Task<List<SpanSummary>> SpansBeforeAsync(Finding finding, SymptomPart? part, DateTimeOffset until, AbnormalPeriods abnormal, CancellationToken cancel)
    {
        List<SpanSummary> spans = [];
        foreach (var before in (TimeSpan[])[NearBefore, MidBefore, FarBefore])
        {
            spans = await SpansAsync(finding, part, until - before, until - TimeSpan.FromSeconds(10), cancel);
            spans.RemoveAll(span => abnormal.Contains(finding.Environment, finding.Service, span.StartUnixNanos / 1_000_000_000));
            if (spans.DistinctBy(span => span.TraceId).Skip(TracesBeforeMin - 1).Any())
            {
                break;
            }
        }

        return spans;
    }

    /// <summary>The traces of these spans, complete but for their texts; of many an even choice, and always those in <paramref name="wanted"/>.</summary>
    private async Task<Dictionary<TraceId, TraceFacts>> TracesAsync(Finding finding, List<SpanSummary> spans, IReadOnlyList<TraceId> wanted, CancellationToken cancel)
    {
        var ids = spans.Select(span => span.TraceId).Distinct().ToList();
        var step = Math.Max(1, (ids.Count + TracesMax - 1) / TracesMax);
        List<TraceId> chosen = [.. ids.Where((_, at) => at % step == 0).Union(wanted)];
        if (chosen.Count == 0)
        {
            return [];
        }

        var from = spans.Count == 0 ? finding.OnsetAt - TraceLengthMax : DateTimeOffset.FromUnixTimeMilliseconds(spans.Min(span => span.StartUnixNanos) / 1_000_000) - TraceLengthMax;
        var to = spans.Count == 0 ? finding.DetectedAt + TraceLengthMax : DateTimeOffset.FromUnixTimeMilliseconds(spans.Max(span => span.StartUnixNanos) / 1_000_000) + TraceLengthMax;
        return Group(await source.Traces(finding.Project, chosen, Nanos(from), Nanos(to), cancel));
    }

    /// <summary>Some traces of each side with their texts: those the finding names, and others spread over the side.</summary>
    private async Task<Dictionary<TraceId, IReadOnlyList<StoredSpan>>> WholeAsync(Finding finding, List<TraceFacts> bad, List<TraceFacts> good, CancellationToken cancel)
    {
        static IEnumerable<TraceId> Spread(List<TraceFacts> traces)
        {
            var step = Math.Max(1, (traces.Count + WholeTracesMax - 1) / WholeTracesMax);
            return traces.Where((_, at) => at % step == 0).Select(trace => trace.Id);
        }

        List<TraceId> ids = [.. finding.BadTraces.Take(WholeTracesMax).Union(Spread(bad)).Union(Spread(good))];
        var starts = bad.Concat(good).Select(trace => trace.StartUnixNanos).ToList();
        if (starts.Count == 0)
        {
            return [];
        }

        var margin = TraceLengthMax.Ticks * 100;
        return (await source.Whole(finding.Project, ids, starts.Min() - margin, starts.Max() + margin, cancel))
            .GroupBy(span => span.Summary.TraceId)
            .ToDictionary(trace => trace.Key, trace => (IReadOnlyList<StoredSpan>)[.. trace]);
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
    /// <param name="from">Unix nanoseconds.</param>
    private async Task<Func<TraceFacts, bool?>> ShowsAsync(Finding finding, long from, DateTimeOffset to, CancellationToken cancel)
    {
        if (finding.Symptoms.Count == 0 || FeatureTable.Find(finding.Symptoms[0].Feature) is not { } feature)
        {
            return _ => null;
        }

        var symptom = finding.Symptoms[0];
        var middle = feature.FromScale((feature.ToScale(symptom.Usual) + feature.ToScale(symptom.Observed)) / 2);
        if (feature.Evaluation is { } evaluation)
        {
            Dictionary<TraceId, double> scores = [];
            foreach (var score in await source.Scores(finding.Project, finding.Service, evaluation, from, Nanos(to), ScoresMax, cancel))
            {
                scores[score.TraceId] = score.Value;
            }

            Func<double, bool> shows = value => Beyond(value, middle, symptom);
            if (feature.IsPoorScore)
            {
                var before = await source.Scores(finding.Project, finding.Service, evaluation, Nanos(finding.OnsetAt - FiguresFarBefore), Nanos(finding.OnsetAt), ScoresMax, cancel);
                if (before.Count == 0)
                {
                    return _ => null;
                }

                var (median, distance) = ScoreBound.Of([.. before.Select(static score => score.Value)]);
                shows = value => ScoreBound.IsPoor(FeatureTable.Score(evaluation), value, median, distance);
            }

            return trace => scores.TryGetValue(trace.Id, out var score) ? shows(score) : null;
        }

        return Symptomatic.Of(feature, symptom, (value) => Beyond(value, middle, symptom));
    }

    /// <summary>When the first symptom was there since the onset.</summary>
    private async Task<ActiveWindows> ActiveAsync(Finding finding, DateTimeOffset to, CancellationToken cancel)
    {
        if (finding.Symptoms is not [{ Part: null } symptom, ..] || FeatureTable.Find(symptom.Feature) is not { } feature)
        {
            return ActiveWindows.Always;
        }

        var history = new FeatureHistory();
        var middle = feature.FromScale((feature.ToScale(symptom.Usual) + feature.ToScale(symptom.Observed)) / 2);
        Task<IReadOnlyList<SeriesData>> ReadAsync(string metric) => source.Series(
            finding.Project,
            [new(Labels.MetricName, MatchKind.Equal, metric), new("environment", MatchKind.Equal, finding.Environment), new("feature", MatchKind.Equal, (feature.Of ?? feature).Name)],
            finding.OnsetAt.AddMilliseconds(1).ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds(), cancel);
        history.Add(await ReadAsync(FeatureWindows.ValueMetric), await ReadAsync(FeatureWindows.CountMetric));
        foreach (var labels in history.Series.Keys)
        {
            if (string.Equals(Sentences.Selector(FeatureWindows.ValueMetric, labels["service_name"], finding.Environment, feature.Of ?? feature, feature.Dimension is { } name ? labels[name] : ""), symptom.Query, StringComparison.Ordinal))
            {
                return ActiveWindows.Of(Windows(history, labels, feature, static _ => true), value => Beyond(value, middle, symptom));
            }
        }

        return ActiveWindows.Always;
    }

    /// <summary>
    /// Scores that a built-in evaluator gave since the onset; not asked for where no score got worse, for then nobody wants to know. A language model that judges for us may
    /// change as any other does.
    /// </summary>
    private async Task<HashSet<(string Service, string Evaluation)>> OursAsync(Finding finding, List<Shift> shifts, DateTimeOffset to, CancellationToken cancel)
    {
        HashSet<(string Service, string Evaluation)> ours = [];
        if (!shifts.Exists(static shift => shift is { IsBad: true, Feature.Evaluation: not null }))
        {
            return ours;
        }

        foreach (var (service, evaluation) in shifts.Where(static shift => shift is { IsKnown: true, Feature.Evaluation: not null }).Select(static shift => (shift.Service, shift.Feature.Evaluation!)).Distinct())
        {
            var scores = await source.Scores(finding.Project, service, evaluation, Nanos(finding.OnsetAt), Nanos(to), 1, cancel);
            if (scores is [var score] && StoredScore.IsBuiltIn(score.Evaluator))
            {
                ours.Add((service, evaluation));
            }
        }

        return ours;
    }

    private static bool Beyond(double value, double middle, Symptom symptom) => symptom.Observed < symptom.Usual ? value < middle : value > middle;

    private async Task<List<Shift>> ShiftsAsync(Finding finding, HashSet<string> services, DateTimeOffset healthyUntil, AbnormalPeriods abnormal, DateTimeOffset to, CancellationToken cancel)
    {
        List<Shift> shifts = [];
        var active = await ActiveAsync(finding, to, cancel);
        foreach (var service in services)
        {
            LabelMatcher[] Matchers(string metric, LabelMatcher[] more) =>
                [new(Labels.MetricName, MatchKind.Equal, metric), new("service_name", MatchKind.Equal, service), new("environment", MatchKind.Equal, finding.Environment), .. more];

            async Task<FeatureHistory> HistoryAsync(DateTimeOffset from, DateTimeOffset until, params LabelMatcher[] more)
            {
                var history = new FeatureHistory();
                history.Add(
                    await source.Series(finding.Project, Matchers(FeatureWindows.ValueMetric, more), from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds(), cancel),
                    await source.Series(finding.Project, Matchers(FeatureWindows.CountMetric, more), from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds(), cancel));
                return history;
            }

            // A window that ends at the onset is still before it.
            var near = await HistoryAsync(healthyUntil - FiguresBefore, healthyUntil);
            var after = await HistoryAsync(finding.OnsetAt.AddMilliseconds(1), to);
            bool Usual(long window) => !abnormal.Contains(finding.Environment, service, FeatureWindows.EndSeconds(window));
            var pending = new List<(Labels Labels, Feature Feature)>();
            foreach (var labels in near.Series.Keys.Union(after.Series.Keys))
            {
                if (FeatureTable.Find(labels["feature"]) is not { } feature)
                {
                    continue;
                }

                var before = Windows(near, labels, feature, Usual);
                if (before.Count < WindowsBeforeMin)
                {
                    pending.Add((labels, feature));
                }
                else
                {
                    Add(labels, feature, before, healthyUntil - FiguresBefore);
                }
            }

            // What is rare is compared with more time, and only that is read: most series are not rare, and days of all of them are much.
            if (pending.Count > 0)
            {
                var features = string.Join('|', pending.Select(one => Regex.Escape(one.Feature.Name)).Distinct());
                var far = await HistoryAsync(healthyUntil - FiguresFarBefore, healthyUntil, new LabelMatcher("feature", MatchKind.Regex, features));
                foreach (var (labels, feature) in pending)
                {
                    Add(labels, feature, Windows(far, labels, feature, Usual), healthyUntil - FiguresFarBefore);
                }
            }

            void Add(Labels labels, Feature feature, List<StoredWindow> before, DateTimeOffset from) =>
                shifts.Add(Shift.Between(service, finding.Environment, feature, feature.Dimension is { } name ? labels[name] : "", before, Windows(after, labels, feature, active.Contains), from, to));
        }

        return shifts;
    }

    /// <summary>Features of one tenant's requests, read of their traces: what is stored is of all requests of a service, and hides it.</summary>
    private async Task<List<Shift>> PartShiftsAsync(
        Finding finding, SymptomPart part, List<Shift> whole, Dictionary<TraceId, TraceFacts> before, Dictionary<TraceId, TraceFacts> traces, DateTimeOffset to, CancellationToken cancel)
    {
        var usual = new TraceWindows();
        var now = new TraceWindows();
        foreach (var trace in before.Values)
        {
            usual.Add(trace);
        }

        var since = Nanos(finding.OnsetAt);
        var after = traces.Values.Where(trace => trace.StartUnixNanos >= since && trace.IsOf(part)).ToList();
        foreach (var trace in after)
        {
            now.Add(trace);
        }

        var from = before.Values.Min(static trace => trace.StartUnixNanos);
        var isAfter = after.Select(static trace => trace.Id).ToHashSet();
        foreach (var (service, evaluation) in whole.Where(static shift => shift.Feature.IsScore).Select(static shift => (shift.Service, shift.Feature.Evaluation!)).Distinct())
        {
            foreach (var one in await source.Scores(finding.Project, service, evaluation, from, Nanos(to), ScoresMax, cancel))
            {
                if (before.ContainsKey(one.TraceId))
                {
                    usual.Add(one);
                }
                else if (isAfter.Contains(one.TraceId))
                {
                    now.Add(one);
                }
            }
        }

        var start = DateTimeOffset.FromUnixTimeMilliseconds(from / 1_000_000);
        return [.. now.Series
            .Select(series => Shift.Between(series.Service, finding.Environment, series.Feature, series.Dimension, usual.Of(series), now.Of(series), start, to) with { Part = new ShiftPart(part, Reference(traces[now.Worst(series)])) })
            .Where(static shift => shift.IsKnown)];
    }

    private static Dictionary<TraceId, TraceFacts> Of(Dictionary<TraceId, TraceFacts> traces, SymptomPart part) =>
        traces.Where(trace => trace.Value.IsOf(part)).ToDictionary(static trace => trace.Key, static trace => trace.Value);

    private static string Reference(TraceFacts trace) => $"{trace.Id}/{(trace.Root ?? trace.Spans[0]).SpanId}";

    /// <summary>What is known of the part, and of all requests what is not.</summary>
    private static List<Shift> OfPart(List<Shift> whole, List<Shift> part)
    {
        var known = part.Select(static shift => (shift.Service, shift.Feature, shift.Dimension)).ToHashSet();
        return [.. part, .. whole.Where(shift => !known.Contains((shift.Service, shift.Feature, shift.Dimension)))];
    }

    private static List<StoredWindow> Windows(FeatureHistory history, Labels labels, Feature feature, Func<long, bool> counts) =>
        history.Series.TryGetValue(labels, out var samples)
            ? [.. samples.Where(sample => sample.Count >= feature.CountMin && double.IsFinite(sample.Value) && counts(sample.Window)).Select(sample => new StoredWindow(sample.Window, sample.Value, sample.Count))]
            : [];

    private static double? MedianOf(Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole, List<TraceFacts> traces)
    {
        List<double> medians = [];
        foreach (var trace in traces)
        {
            if (whole.TryGetValue(trace.Id, out var spans) && DocumentAges.MedianDays(spans) is { } days)
            {
                medians.Add(days);
            }
        }

        return medians.Count == 0 ? null : Baselines.RobustStatistics.Median(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(medians));
    }

    private static IEnumerable<StoredSpan> SpansOf(Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole, IReadOnlyList<TraceFacts> traces) =>
        traces.SelectMany(trace => whole.GetValueOrDefault(trace.Id) ?? []);

    /// <summary>Runs that are slower or dearer than others have not failed for it.</summary>
    private static IReadOnlyList<RunFault> FailedRuns(Finding finding, Dictionary<TraceId, IReadOnlyList<StoredSpan>> whole, List<TraceFacts> bad)
    {
        var answersAreBad = finding.FailureClass is not (FailureClass.LATENCY_REGRESS or FailureClass.TOKEN_EXPLOSION or FailureClass.CONTEXT_OVERFLOW);
        return [.. bad
            .Where(trace => (answersAreBad || trace.HasError) && whole.ContainsKey(trace.Id))
            .Take(WholeTracesMax)
            .Select(trace => RunFault.Of(whole[trace.Id]))
            .OfType<RunFault>()];
    }

    private async Task<IReadOnlyList<MetricShift>> MetricsAsync(Finding finding, DateTimeOffset to, CancellationToken cancel)
    {
        var from = finding.OnsetAt - FiguresBefore;
        LabelMatcher[] matchers = [new(Labels.MetricName, MatchKind.Regex, MetricShift.Names), new(Labels.MetricName, MatchKind.NotRegex, "faultline_.*|llm_traces_.*")];
        return MetricShift.Among(await source.Series(finding.Project, matchers, from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds(), cancel), from, finding.OnsetAt, to);
    }

    private static long Nanos(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1_000_000;
}

using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Traces;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Spans;

namespace Faultline.Tests.Diagnosis.Causes;

/// <summary>Facts made by hand: thirty good traces before the onset, and thirty bad ones since.</summary>
internal sealed class KnownFacts
{
    public const string Service = "bot";
    public const int Traces = 30;

    public static readonly DateTimeOffset Onset = new(2026, 3, 10, 14, 0, 0, TimeSpan.Zero);

    private readonly List<Shift> _shifts = [];

    public List<ChangeEvent> Changes { get; } = [];

    public FailureClass FailureClass { get; init; } = FailureClass.HALLUCINATION;

    /// <summary>The spans of one trace; its number, and whether it is a bad one.</summary>
    public required Func<int, bool, IEnumerable<SpanSummary>> Spans { get; init; }

    /// <summary>The spans of as many traces since the onset that are well; null: there are none.</summary>
    public Func<int, IEnumerable<SpanSummary>>? Well { get; init; }

    public static GenAiFields Nothing { get; } = new("", "", "", "", "", [], null, null, null, null, null, "", true, null, "", "", "", "", "", "", "", "", null, null, null, "", "", "");

    public static SpanSummary Span(string name, GenAiFields? genAi = null, params StoredAttribute[] attributes) =>
        new(default, default, new SpanId(1), Service, "", "", name, SpanKind.Internal, 0, 1_000_000, SpanStatus.Unset, "", genAi ?? Nothing, attributes);

    public static StoredAttribute Attribute(string key, string value) => new(key, value, default);

    /// <summary>A feature that was steady at one value for an hour, and has another since.</summary>
    /// <param name="isOurs">A score that one of our evaluators gave.</param>
    public KnownFacts Moved(Feature feature, double before, double after, string dimension = "", bool isOurs = false)
    {
        static List<StoredWindow> Windows(long from, int count, double value) => [.. Enumerable.Range(0, count).Select(i => new StoredWindow(from + i, value * (1 + (0.01 * (i % 3))), 10))];
        _shifts.Add(Shift.Between(Service, "", feature, dimension, Windows(0, 60, before), Windows(60, 20, after), Onset.AddHours(-1), Onset.AddMinutes(4)) with { IsOurs = isOurs });
        return this;
    }

    public KnownFacts Changed(string type, string detail, double minutesBefore = 1)
    {
        Changes.Add(new ChangeEvent($"chg-{Changes.Count}", "default", type, Service, detail, Onset.AddMinutes(-minutesBefore), new Dictionary<string, string>(StringComparer.Ordinal)));
        return this;
    }

    /// <summary>How requests did between a change and the onset.</summary>
    public RanWell RanWell { get; init; } = RanWell.Unknown;

    /// <summary>What the detector saw; null: the first of what moved for the worse.</summary>
    public IReadOnlyList<Symptom>? Noticed { get; init; }

    public static Symptom Symptom(Feature feature, double before, double after, string dimension = "") =>
        Shift.Between(Service, "", feature, dimension, [new StoredWindow(0, before, 10), new StoredWindow(1, before, 10)], [new StoredWindow(2, after, 10)], Onset.AddHours(-1), Onset.AddMinutes(4)).Figure;

    /// <summary>What the critic says of bad traces.</summary>
    public IReadOnlyList<RunFault> Runs { get; init; } = [];

    public Verdict Conclude(params IReadOnlyList<PastCase> past) => Diagnostician.Conclude(Facts(), past);

    private CaseFacts Facts()
    {
        var good = Side(1, Onset.AddMinutes(-Traces), i => Spans(i, false));
        var bad = Side(1000, Onset, i => Spans(i, true));
        if (Well is not null)
        {
            good.AddRange(Side(2000, Onset, Well));
        }

        return new CaseFacts
        {
            Finding = new Finding
            {
                Id = "f-1",
                Project = "default",
                Environment = "",
                Service = Service,
                Trigger = "baseline",
                Title = "Something moved",
                FailureClass = FailureClass,
                OnsetAt = Onset,
                DetectedAt = Onset.AddMinutes(2),
                Symptoms = Noticed ?? [.. _shifts.Where(static shift => shift.IsBad).Take(1).Select(static shift => shift.Figure)],
                BadTraces = [],
                GoodTraces = [],
                VerificationQuery = "",
            },
            Shifts = _shifts,
            Bad = bad,
            Good = good,
            Distinctions = BubbleUp.Compare(bad, good, Onset.ToUnixTimeMilliseconds() * 1_000_000),
            Changes = Changes,
            RanWell = RanWell,
            Inputs = InputFacts.Of(bad, good),
            Runs = Runs,
        };
    }

    public static List<TraceFacts> Side(ulong first, DateTimeOffset from, Func<int, IEnumerable<SpanSummary>> spans)
    {
        List<TraceFacts> traces = [];
        for (var i = 0; i < Traces; i++)
        {
            var trace = new TraceFacts(new TraceId(first + (ulong)i));
            var at = from.AddSeconds(i).ToUnixTimeMilliseconds() * 1_000_000;
            var number = 0UL;
            foreach (var span in spans(i))
            {
                trace.Spans.Add(span with { TraceId = trace.Id, SpanId = new SpanId(++number), StartUnixNanos = at + (long)number });
            }

            traces.Add(trace);
        }

        return traces;
    }

    public static SpanSummary Call(string output = "", string model = "gpt-4o", string input = "") => Span(
        "chat", Nothing with { Operation = "chat", Provider = "openai", ModelRequested = model, ModelResponded = model + "-2024", OutputPreview = output, InputPreview = input });

    public static SpanSummary Retrieval(string source, double score, int documents) => Span(
        "search", Nothing with { Operation = "retrieval", DataSource = source, DocumentTopScore = score, DocumentCount = documents });

    public static string Said(Verdict verdict) => string.Join("; ", verdict.Hypotheses.Select(one => $"{one.Cause}({one.Target}) {one.Confidence}"));
}

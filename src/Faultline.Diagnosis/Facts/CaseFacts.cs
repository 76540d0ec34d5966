using System.Text.RegularExpressions;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Watchers.AgentRuns;
using Faultline.Store.Traces;
using Faultline.Telemetry.Changes;

namespace Faultline.Diagnosis.Facts;

/// <summary>Everything that diagnosis knows about a finding, read from the store once; causes only look at this.</summary>
internal sealed record CaseFacts
{
    public required Finding Finding { get; init; }

    /// <summary>Features of the services in the traces, before and after the onset.</summary>
    public required IReadOnlyList<Shift> Shifts { get; init; }

    /// <summary>Traces that show the symptom.</summary>
    public required IReadOnlyList<TraceFacts> Bad { get; init; }

    /// <summary>Traces of the same services from before, and those after that do not show it.</summary>
    public required IReadOnlyList<TraceFacts> Good { get; init; }

    public required IReadOnlyList<Distinction> Distinctions { get; init; }

    /// <summary>How requests did after what changed before the onset had changed.</summary>
    public RanWell RanWell { get; init; } = RanWell.Unknown;

    /// <summary>Recorded changes of these services from a day before the onset to shortly after, nearest first.</summary>
    public required IReadOnlyList<ChangeEvent> Changes { get; init; }

    /// <summary>Median age of retrieved documents in the bad traces, in days; null when no document says.</summary>
    public double? DocumentDaysBad { get; init; }

    public double? DocumentDaysGood { get; init; }

    /// <summary>Mean characters of a retrieved document, by data source.</summary>
    public IReadOnlyDictionary<string, double> ChunksBad { get; init; } = new Dictionary<string, double>(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, double> ChunksGood { get; init; } = new Dictionary<string, double>(StringComparer.Ordinal);

    /// <summary>What the model calls of bad and good traces were told; null where too few were read.</summary>
    public PromptFacts? PromptsBad { get; init; }

    public PromptFacts? PromptsGood { get; init; }

    /// <summary>What users asked; null when it was not recorded often enough.</summary>
    public InputFacts? Inputs { get; init; }

    /// <summary>Metrics that senders report themselves and that left their range, the furthest first.</summary>
    public IReadOnlyList<MetricShift> Metrics { get; init; } = [];

    /// <summary>Bad traces that are runs of agents, of those whose texts were read; what the critic says of each.</summary>
    public IReadOnlyList<RunFault> Runs { get; init; } = [];

    public bool IsLoop => Finding.Symptoms.Any(symptom => string.Equals(symptom.Feature, FeatureTable.MaxToolRepeats.Name, StringComparison.Ordinal));

    public DateTimeOffset OnsetAt => Finding.OnsetAt;

    /// <summary>A feature's largest shift, over services and dimensions; null when it was never measured.</summary>
    public Shift? Of(Feature feature) => Shifts.Where(shift => ReferenceEquals(shift.Feature, feature)).MaxBy(shift => Rank(shift));

    /// <summary>The same of one dimension's value, e.g. of one stage.</summary>
    public Shift? Of(Feature feature, string dimension) =>
        Shifts.Where(shift => ReferenceEquals(shift.Feature, feature) && string.Equals(shift.Dimension, dimension, StringComparison.Ordinal)).MaxBy(shift => Rank(shift));

    /// <summary>The shift when it is a bad one, else null.</summary>
    public Shift? Worse(Feature feature) => Of(feature) is { IsBad: true } shift ? shift : null;

    public Shift? Rose(Feature feature) => Of(feature) is { Rose: true } shift ? shift : null;

    public Shift? Fell(Feature feature) => Of(feature) is { Fell: true } shift ? shift : null;

    public bool IsBad(Feature feature) => Of(feature) is { IsBad: true };

    /// <summary>Measured on both sides, and no different.</summary>
    public bool IsSteady(Feature feature) => Of(feature) is { IsKnown: true, IsAbnormal: false };

    public IEnumerable<Shift> BadScores => Shifts.Where(shift => shift.IsBad && shift.Feature.Evaluation is not null).OrderByDescending(Rank);

    /// <summary>Those of them that the application's evaluators gave.</summary>
    public IEnumerable<Shift> BadAppScores => BadScores.Where(static score => !score.IsOurs);

    /// <summary>The value that bad traces have and good ones lack, of one of these attributes.</summary>
    public Distinction? Differs(params ReadOnlySpan<string> attributes)
    {
        foreach (var distinction in Distinctions)
        {
            foreach (var attribute in attributes)
            {
                if (distinction.ShareOfBad > distinction.ShareOfGood && string.Equals(distinction.Attribute, attribute, StringComparison.Ordinal) && CameWith(distinction))
                {
                    return distinction;
                }
            }
        }

        return null;
    }

    /// <summary>
    /// Whether requests as a whole have the value more often than before. If they do not, it says where the fault is, not what changed: of two
    /// models in use, one fails, and all bad traces have it.
    /// </summary>
    private bool CameWith(Distinction distinction)
    {
        var onset = OnsetAt.ToUnixTimeMilliseconds() * 1_000_000;
        var value = (distinction.Attribute, distinction.Value);
        int before = 0, having = 0, since = 0, havingSince = 0;
        foreach (var trace in Bad.Concat(Good).Where(trace => trace.Values().Any(one => string.Equals(one.Attribute, distinction.Attribute, StringComparison.Ordinal))))
        {
            // Of requests that say nothing of it, because they needed no model or no search, none has the one value or the other.
            var has = trace.Values().Contains(value) ? 1 : 0;
            if (trace.StartUnixNanos < onset)
            {
                (before, having) = (before + 1, having + has);
            }
            else
            {
                (since, havingSince) = (since + 1, havingSince + has);
            }
        }

        var usual = having / (double)Math.Max(1, before);
        return before == 0 || since == 0 || usual < UsualMin || (havingSince / (double)since) - usual >= Math.Max(GainMin, (distinction.ShareOfBad - usual) / 2);
    }

    /// <summary>Requests that have it more often by less than this have it as often.</summary>
    private const double GainMin = 0.1;

    /// <summary>A value that so many requests had before is nothing new.</summary>
    private const double UsualMin = 0.25;

    /// <summary>A change shortly before whose words name this part.</summary>
    public ChangeEvent? Names(string part) =>
        part.Length < 3 ? null : Changes.FirstOrDefault(change => Nearness(change) > NearMin && Regex.IsMatch(change.Detail, $@"(?<![\w-]){Regex.Escape(part)}(?![\w-])", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant));

    /// <summary>The value that good traces had where bad ones have <paramref name="distinction"/>'s.</summary>
    public string? InsteadOf(Distinction distinction) => Distinctions
        .FirstOrDefault(other => other.ShareOfGood > other.ShareOfBad && string.Equals(other.Attribute, distinction.Attribute, StringComparison.Ordinal) && SameName(other.Value, distinction.Value))?.Value;

    /// <summary>The recorded change of one of these types that is nearest to the onset, and how near: 1 at the onset, 1/e an hour before.</summary>
    public (ChangeEvent Change, double Nearness)? Change(params ReadOnlySpan<string> types)
    {
        foreach (var change in Changes)
        {
            foreach (var type in types)
            {
                if (string.Equals(change.Type, type, StringComparison.Ordinal))
                {
                    return (change, Nearness(change));
                }
            }
        }

        return null;
    }

    /// <summary>A change some 70 minutes before the onset: what lies further back is not said to have been shortly before.</summary>
    public const double NearMin = 0.3;

    /// <summary>1 at the onset, 1/e an hour before.</summary>
    public double Nearness(ChangeEvent change) => Math.Exp(-Math.Max(0, (OnsetAt - change.At).TotalHours));

    public Evidence Cite(ChangeEvent change)
    {
        var before = OnsetAt - change.At;
        var when = before.Duration() < TimeSpan.FromSeconds(45) ? "at the onset"
            : before > TimeSpan.Zero ? $"{Duration(before)} before the onset" : $"{Duration(-before)} after the first abnormal window began";
        return new Evidence("change", change.Id, $"{Sentences.Capital(change.Type)} change of {change.Service}{(change.IsSeen ? ", seen in telemetry" : "")}, {when}: {change.Detail}");
    }

    /// <summary>The first bad trace's span that fits, as evidence.</summary>
    public Evidence? Example(Func<SpanSummary, bool> fits, Func<SpanSummary, string> says)
    {
        foreach (var trace in Bad)
        {
            foreach (var span in trace.Spans)
            {
                if (fits(span))
                {
                    return new Evidence("span", $"{span.TraceId}/{span.SpanId}", says(span));
                }
            }
        }

        return null;
    }

    /// <summary>A span of a bad trace that carries the distinction's value, as evidence with both shares.</summary>
    public Evidence? Cite(Distinction distinction)
    {
        var instead = InsteadOf(distinction) is { } old ? $", instead of {old}" : "";
        var text = $"{distinction.Attribute} {distinction.Value}{instead}: in {AttributeNames.Percent(distinction.ShareOfBad)} of the bad traces, {AttributeNames.Percent(distinction.ShareOfGood)} of the good ones.";
        var trace = Bad.FirstOrDefault(one => one.Values().Contains((distinction.Attribute, distinction.Value)));
        return trace?.Spans.Find(span => TraceFacts.Carries(span, distinction.Attribute, distinction.Value)) is { } carrier ? new Evidence("span", $"{carrier.TraceId}/{carrier.SpanId}", text) : null;
    }

    /// <summary>The service whose spans have the distinction's value; the finding's own where it does, too.</summary>
    public string CarrierOf(Distinction distinction)
    {
        var carriers = Bad.SelectMany(static trace => trace.Spans).Where(span => TraceFacts.Carries(span, distinction.Attribute, distinction.Value)).Select(static span => span.Service).ToHashSet(StringComparer.Ordinal);
        return carriers.Count == 0 || carriers.Contains(Finding.Service) ? Finding.Service : carriers.Order(StringComparer.Ordinal).First();
    }

    /// <summary>What a version is the version of: the attribute of the same span that differs only in its last word, <c>x.version</c> and <c>x.name</c>; null when none is told.</summary>
    public string? NameBeside(Distinction version)
    {
        if (!version.Attribute.EndsWith("version", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var stem = version.Attribute[..^"version".Length];
        return Bad.SelectMany(static trace => trace.Spans)
            .Where(span => TraceFacts.Carries(span, version.Attribute, version.Value))
            .Select(span => span.Attributes.FirstOrDefault(attribute =>
                attribute.Key.StartsWith(stem, StringComparison.Ordinal) && attribute.Key[stem.Length..].ToLowerInvariant() is "name" or "id" or "key" or "template" or "model")?.Value)
            .FirstOrDefault(static name => name is { Length: > 0 });
    }

    /// <summary>Prompts are told apart by name: another version of the same template is "instead", another template is not.</summary>
    private static bool SameName(string one, string other) =>
        !one.Contains('@', StringComparison.Ordinal) || string.Equals(one.Split('@')[0], other.Split('@')[0], StringComparison.Ordinal);

    private static double Rank(Shift shift) => (shift.IsBad ? 1e6 : shift.IsAbnormal ? 1e3 : 0) + Math.Abs(shift.Z) + (shift.IsKnown ? 10 : 0);

    private static string Duration(TimeSpan span) => span.TotalMinutes < 2 ? $"{span.TotalSeconds:0} s" : span.TotalHours < 2 ? $"{span.TotalMinutes:0} min" : $"{span.TotalHours:0} h";
}

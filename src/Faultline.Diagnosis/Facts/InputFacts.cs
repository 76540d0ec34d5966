using System.Text.RegularExpressions;
using Faultline.Diagnosis.Baselines;
using Faultline.Diagnosis.Causes;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Facts;

/// <summary>What users asked in the bad traces, beside what they asked in the good ones.</summary>
/// <param name="NewWordsBad">Median share of a bad input's words that no good input has.</param>
/// <param name="NewWordsGood">The same of good inputs, each against all the others.</param>
/// <param name="NewBad">Share of bad inputs that are mostly new words.</param>
/// <param name="NewGood">The same of good inputs.</param>
/// <param name="InstructionsBad">Share of bad traces whose input tells the model to forget its instructions.</param>
/// <param name="NewExample">A bad span whose input is mostly new words.</param>
/// <param name="InstructionsExample">A bad span with such instructions.</param>
/// <param name="CharactersBad">Median length of bad inputs, as far as previews go.</param>
/// <param name="CharactersGood">The same of good ones.</param>
/// <param name="LongExample">A bad span whose input is among the longest.</param>
/// <param name="Source">The user with the most bad traces, and which share of bad and good traces is theirs; null when no span names a user.</param>
internal sealed partial record InputFacts(
    double NewWordsBad, double NewWordsGood, double NewBad, double NewGood, double InstructionsBad, double InstructionsGood,
    SpanSummary? NewExample, SpanSummary? InstructionsExample, double CharactersBad, double CharactersGood, SpanSummary? LongExample, (string Name, double Bad, double Good, SpanSummary Example)? Source)
{
    /// <summary>Words in a row that many bad inputs share and hardly any good one has: a machine writes them. With the share of the bad ones and one of them.</summary>
    public (string Words, double Bad, SpanSummary Example)? Phrase { get; private init; }

    /// <summary>The one tenant that most requests with such instructions are of; null: they come from several, or from nobody that is named.</summary>
    public string? InstructedBy { get; private init; }

    private const int InstructingMin = 3;
    private const double InstructingOfOne = 0.6;

    /// <summary>Fewer inputs than this on a side are no comparison.</summary>
    public const int InputsMin = 8;

    private const double MostlyNew = 0.6;
    private const int WordCharactersMin = 4;

    /// <summary>The inputs are of another kind: another topic, or another language.</summary>
    public bool AreNew => NewBad - NewGood > 0.25 && NewWordsBad - NewWordsGood > 0.2;

    /// <summary>A bad request that tells the model to leave its instructions; null when hardly more of the bad than of the good ones do.</summary>
    public Evidence? Instructed(double beyond) => InstructionsBad - InstructionsGood > beyond && InstructionsExample is { } span
        ? new Evidence("span", $"{span.TraceId}/{span.SpanId}", $"A request that gives the model new instructions: {span.GenAi.InputPreview}")
        : null;

    /// <param name="onsetUnixNanos">Who sends how much usually is asked of the time before: a source's harmless requests since then are of the same stream.</param>
    public static InputFacts? Of(IReadOnlyList<TraceFacts> bad, IReadOnlyList<TraceFacts> good, long onsetUnixNanos = long.MaxValue)
    {
        var kind = KindOf(bad, good);
        var badInputs = Inputs(bad, kind);
        var goodInputs = Inputs(good, kind);
        if (badInputs.Count < InputsMin || goodInputs.Count < InputsMin)
        {
            return null;
        }

        Dictionary<string, int> known = new(StringComparer.Ordinal);
        foreach (var word in goodInputs.SelectMany(input => input.Words))
        {
            known[word] = known.GetValueOrDefault(word) + 1;
        }

        // A good input's own words are in the vocabulary once by themselves.
        var newBad = badInputs.Select(input => New(input, known, 0)).ToList();
        var newGood = goodInputs.Select(input => New(input, known, 1)).ToList();
        var mostlyNew = newBad.FindIndex(share => share >= MostlyNew);
        var instructing = badInputs.FindAll(static input => input.Instructing is not null);
        var instructed = instructing.Select(static input => input.Instructing).FirstOrDefault();
        return new InputFacts(
            Median(newBad), Median(newGood), Share(newBad, share => share >= MostlyNew), Share(newGood, share => share >= MostlyNew),
            Share(badInputs, input => input.Instructing is not null), Share(goodInputs, input => input.Instructing is not null),
            mostlyNew < 0 ? null : badInputs[mostlyNew].Span, instructed, Median(Characters(badInputs)), Median(Characters(goodInputs)),
            badInputs.MaxBy(static input => input.Span.GenAi.InputPreview.Length)?.Span, SourceOf(bad, [.. good.Where(trace => trace.StartUnixNanos < onsetUnixNanos)]))
        {
            Phrase = SharedPhrase.Of([.. badInputs.Select(static input => input.Span)], [.. goodInputs.Select(static input => input.Span)], static span => span.GenAi.InputPreview),
            InstructedBy = instructing.Count < InstructingMin ? null
                : instructing.SelectMany(static input => input.Trace.Values()).Where(static value => AttributeNames.IsTenant(value.Attribute)).Select(static value => value.Value)
                    .Commonest((int)Math.Ceiling(InstructingOfOne * instructing.Count)),
        };
    }

    private static (string, double, double, SpanSummary)? SourceOf(IReadOnlyList<TraceFacts> bad, IReadOnlyList<TraceFacts> good)
    {
        var users = bad.Select(trace => trace.Spans.Find(span => span.GenAi.User.Length > 0)).OfType<SpanSummary>().GroupBy(span => span.GenAi.User, StringComparer.Ordinal).ToList();
        if (users.Count == 0)
        {
            return null;
        }

        var most = users.OrderByDescending(user => user.Count()).ThenBy(user => user.Key, StringComparer.Ordinal).First();
        var usual = good.Count(trace => trace.Spans.Exists(span => string.Equals(span.GenAi.User, most.Key, StringComparison.Ordinal)));
        return (most.Key, most.Count() / (double)bad.Count, usual / (double)Math.Max(1, good.Count), most.First());
    }

    /// <summary>
    /// The operation whose inputs are compared. A search is asked in other words than a model, which is given what was found as well: were the spans of one of the two
    /// missing on a side, all that is asked would look new. So that which most traces of both sides have; of several, the one that comes first.
    /// </summary>
    private static string? KindOf(IReadOnlyList<TraceFacts> bad, IReadOnlyList<TraceFacts> good)
    {
        Dictionary<string, (int Bad, int Good, int Place)> kinds = new(StringComparer.Ordinal);
        foreach (var (trace, isBad) in bad.Select(static trace => (trace, true)).Concat(good.Select(static trace => (trace, false))))
        {
            var place = 0;
            foreach (var kind in Saying(trace).Select(static span => span.GenAi.Operation).Distinct(StringComparer.Ordinal))
            {
                var known = kinds.GetValueOrDefault(kind);
                kinds[kind] = (known.Bad + (isBad ? 1 : 0), known.Good + (isBad ? 0 : 1), known.Place + place++);
            }
        }

        double Both(KeyValuePair<string, (int Bad, int Good, int Place)> kind) => Math.Min(kind.Value.Bad / (double)bad.Count, kind.Value.Good / (double)good.Count);
        var most = kinds.Select(Both).DefaultIfEmpty(0).Max();
        return kinds.Where(kind => Both(kind) >= AboutAsMany * most)
            .OrderBy(static kind => kind.Value.Place / (double)(kind.Value.Bad + kind.Value.Good)).ThenBy(static kind => kind.Key, StringComparer.Ordinal)
            .Select(static kind => kind.Key).FirstOrDefault();
    }

    private const double AboutAsMany = 0.9;

    /// <summary>Spans that say what was asked, in the order of time.</summary>
    private static List<SpanSummary> Saying(TraceFacts trace) =>
        [.. trace.Spans.Where(static span => span.GenAi.InputPreview.Length > 0 && span.GenAi.Operation is not ("tool" or "memory" or "guardrail" or "mcp")).OrderBy(static span => span.StartUnixNanos)];

    /// <summary>What was asked is in the first span of the kind; instructions may only show in a later one.</summary>
    private static List<Input> Inputs(IReadOnlyList<TraceFacts> traces, string? kind)
    {
        List<Input> inputs = [];
        foreach (var trace in traces)
        {
            var saying = Saying(trace);
            if (saying.Find(span => string.Equals(span.GenAi.Operation, kind, StringComparison.Ordinal)) is { } first && WordsOf(first.GenAi.InputPreview) is { Count: > 0 } words)
            {
                inputs.Add(new Input(trace, first, words, saying.Find(static span => Instructions().IsMatch(span.GenAi.InputPreview))));
            }
        }

        return inputs;
    }

    private static HashSet<string> WordsOf(string text)
    {
        HashSet<string> words = new(StringComparer.Ordinal);
        foreach (var match in Word().EnumerateMatches(text))
        {
            if (match.Length >= WordCharactersMin)
            {
                words.Add(text.Substring(match.Index, match.Length).ToLowerInvariant());
            }
        }

        return words;
    }

    private static double New(Input input, Dictionary<string, int> known, int own) => input.Words.Count(word => known.GetValueOrDefault(word) <= own) / (double)input.Words.Count;

    private static List<double> Characters(List<Input> inputs) => [.. inputs.Select(static input => (double)input.Span.GenAi.InputPreview.Length)];

    private static double Median(List<double> values) => RobustStatistics.Median([.. values]);

    private static double Share<T>(List<T> items, Predicate<T> has) => items.Count(item => has(item)) / (double)items.Count;

    private sealed record Input(TraceFacts Trace, SpanSummary Span, HashSet<string> Words, SpanSummary? Instructing);

    [GeneratedRegex(@"\p{L}+", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    // Backtracks, but over 240 characters at most; the counted gaps make an automaton of thousands of states.
    /// <remarks>Source: the direct injections of Perez and Ribeiro 2022, "Ignore Previous Prompt", and of OWASP LLM01, by their verbs and objects.</remarks>
    [GeneratedRegex(
        @"\b(ignore|disregard|forget|override|bypass|skip)\b.{0,40}\b(instruction|instructions|prompt|rules|guidelines|policy|policies|above|previous|prior|everything)\b|\b(reveal|print|show|repeat|output|leak)\b.{0,30}\b(system prompt|system message|hidden|instructions|secret|password|api key|credentials)\b|\byou are now\b|\b(developer|dan|god|admin|debug) mode\b|\bpretend (to be|you are)\b|\bjailbreak\b",
        RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Instructions();
}

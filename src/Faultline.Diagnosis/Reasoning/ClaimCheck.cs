using System.Text.RegularExpressions;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Knowledge;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Metrics.PromQL;
using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>
/// Holds what a model says against the store. A claim stands when it cites something the model was shown, that is stored now, and that says what the claim
/// says it does: the words stand in the span, the series moved that way at the onset, the change came before, the case was of this cause. What does not
/// stand is dropped with the reason. Confidence is what the facts that stand earn, never more than was stated.
/// </summary>
/// <remarks>
/// Earned confidence is σ(−2 + Σ weights), one weight a kind of fact, the best of its kind; judgement, not fitted. A model alone reaches at most
/// <see cref="AloneMax"/>. Where the deterministic answer has the same cause, its confidence is the bound instead when that is more.
/// </remarks>
internal sealed partial class ClaimCheck(Library library, Shown shown)
{
    /// <summary>The most that facts earn which the deterministic answer did not weigh.</summary>
    public const double AloneMax = 0.7;

    private const double Prior = -2;
    private const double SeriesWeight = 1.2;

    /// <summary>The symptom itself: every cause explains it.</summary>
    private const double SymptomWeight = 0.3;
    private const double ChangeWeight = 1.2;
    private const double TellingSpanWeight = 1.2;
    private const double SpanWeight = 0.3;
    private const double CaseWeight = 1.2;

    private const int QuoteMin = 3;
    private const int QuoteMax = 400;
    private const int WordsMax = 400;

    /// <summary>Traces of each side that a quotation is looked up in.</summary>
    private const int TracesMax = 10;

    /// <summary>Bad traces that a quotation must stand in, and by how much more of them than of the good ones, to tell them apart.</summary>
    private const int TellingMin = 2;
    private const double TellingShare = 0.5;

    /// <summary>As for the deterministic answer: windows are ten seconds, clocks differ.</summary>
    private static readonly TimeSpan ChangeAfter = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ChangeBefore = TimeSpan.FromHours(24);

    private List<string>? _badTexts;
    private List<string>? _goodTexts;

    /// <summary>What of an answer stands, the most confident first, and what does not.</summary>
    public async Task<(IReadOnlyList<CheckedHypothesis> Held, IReadOnlyList<DroppedClaim> Dropped)> CheckAsync(StatedAnswer answer, CancellationToken cancel)
    {
        List<CheckedHypothesis> held = [];
        List<DroppedClaim> dropped = [];
        foreach (var stated in answer.Hypotheses)
        {
            if (Refused(stated, held) is { } reason)
            {
                dropped.Add(new DroppedClaim(stated.Cause, Untrusted.OneLine(stated.Target, WordsMax), reason));
            }
            else
            {
                await CheckAsync(stated, held, dropped, cancel);
            }
        }

        // Competing hypotheses share what there is to be sure of.
        var sum = held.Sum(one => one.Confidence);
        return ([.. held
            .Select(one => one with { Confidence = Math.Round(sum > 1 ? one.Confidence / sum : one.Confidence, 3) })
            .OrderByDescending(one => one.Confidence)], dropped);
    }

    private string? Refused(StatedHypothesis stated, List<CheckedHypothesis> held) =>
        stated.Cause is "unknown" || !Vocabulary.Contains(stated.Cause) ? "it names no cause"
        : stated.Target.Length == 0 || !shown.HasName(stated.Target) ? "its target stands nowhere in what was read"
        : held.Exists(one => one.Cause == stated.Cause && string.Equals(one.Target, stated.Target, StringComparison.OrdinalIgnoreCase)) ? "it was said before"
        : !double.IsFinite(stated.Confidence) || stated.Confidence is < 0 or > 1 ? "its confidence is not between 0 and 1"
        : null;

    private async Task CheckAsync(StatedHypothesis stated, List<CheckedHypothesis> held, List<DroppedClaim> dropped, CancellationToken cancel)
    {
        List<CheckedClaim> claims = [];
        Dictionary<string, double> weights = new(StringComparer.Ordinal);
        HashSet<string> cited = new(StringComparer.Ordinal);
        foreach (var claim in stated.Claims)
        {
            var words = Untrusted.OneLine(claim.Words, WordsMax);
            var result = cited.Add($"{claim.Kind} {claim.Ref}") ? await CheckAsync(stated, claim, cancel) : new Result(null, 0, "the same is cited above");
            if (result.Fact is not { } fact)
            {
                dropped.Add(new DroppedClaim(stated.Cause, words, result.Problem));
                continue;
            }

            claims.Add(new CheckedClaim(claim.Supports, words, fact));
            var key = (claim.Supports ? "+" : "-") + claim.Kind;
            weights[key] = Math.Max(weights.GetValueOrDefault(key), result.Weight);
        }

        if (!claims.Exists(claim => claim.Supports))
        {
            dropped.Add(new DroppedClaim(stated.Cause, Untrusted.OneLine(stated.Target, WordsMax), "nothing that supports it held"));
            return;
        }

        var odds = Prior + weights.Sum(one => one.Key[0] == '+' ? one.Value : -one.Value);
        var earned = Math.Min(AloneMax, 1 / (1 + Math.Exp(-odds)));
        var (rank, weighed) = Deterministic(stated);
        held.Add(new CheckedHypothesis(
            stated.Cause, Untrusted.OneLine(stated.Target, WordsMax), Math.Round(Math.Min(stated.Confidence, Math.Max(earned, weighed)), 3), Math.Round(stated.Confidence, 3), rank, claims));
    }

    private (int? Rank, double Confidence) Deterministic(StatedHypothesis stated)
    {
        for (var rank = 0; rank < library.About.Verdict.Hypotheses.Count; rank++)
        {
            var known = library.About.Verdict.Hypotheses[rank];
            if (known.Cause == stated.Cause)
            {
                return (rank, string.Equals(known.Target, stated.Target, StringComparison.OrdinalIgnoreCase) ? known.Confidence : 0);
            }
        }

        return (null, 0);
    }

    /// <param name="Fact">Null when the claim does not stand; <paramref name="Problem"/> says why.</param>
    private readonly record struct Result(Evidence? Fact, double Weight, string Problem)
    {
        public static Result Not(string problem) => new(null, 0, problem);
    }

    private async Task<Result> CheckAsync(StatedHypothesis stated, StatedClaim claim, CancellationToken cancel) =>
        claim.Ref.Length == 0 ? Result.Not("it cites nothing")
        : !shown.HasRef(claim.Ref) ? Result.Not("it cites something that it was never shown")
        : claim.Kind switch
        {
            "span" => await SpanAsync(claim, cancel),
            "series" => await SeriesAsync(claim, cancel),
            "change" => Change(claim),
            "case" => Case(stated, claim),
            _ => Result.Not("it cites something of no known kind"),
        };

    private async Task<Result> SpanAsync(StatedClaim claim, CancellationToken cancel)
    {
        if (claim.Ref.Split('/') is not [var traceText, var spanText] || !TraceId.TryParse(traceText, out var trace) || !SpanId.TryParse(spanText, out var id))
        {
            return Result.Not("it cites a span without trace and span id");
        }

        var quote = SpanWords.Plain(claim.Quote.Length <= QuoteMax ? claim.Quote : "");
        if (quote.Length < QuoteMin)
        {
            return Result.Not($"it cites a span without words of {QuoteMin} to {QuoteMax} characters that stand in it");
        }

        var found = (await library.TracesAsync([trace], cancel)).FirstOrDefault(span => span.Summary.SpanId == id);
        if (found is null)
        {
            return Result.Not("the span that it cites is not stored");
        }

        if (!SpanWords.Plain(SpanWords.All(found)).Contains(quote, StringComparison.Ordinal))
        {
            return Result.Not("the words that it quotes do not stand in the span");
        }

        var bad = _badTexts ??= await ReadTextsAsync(library.About.Finding.BadTraces, cancel);
        var good = _goodTexts ??= await ReadTextsAsync(library.About.Finding.GoodTraces, cancel);
        var (inBad, inGood) = (bad.Count(text => text.Contains(quote, StringComparison.Ordinal)), good.Count(text => text.Contains(quote, StringComparison.Ordinal)));

        // What somebody asked once stands in no other trace either: it must be common to bad traces to tell them apart.
        var telling = good.Count > 0 && inBad >= TellingMin && (inBad / (double)bad.Count) - (inGood / (double)good.Count) >= TellingShare;
        var fact = new Evidence("span", claim.Ref, $"“{Untrusted.OneLine(claim.Quote, 160)}” stands in this span, in {inBad} of {bad.Count} bad traces and in {inGood} of {good.Count} good ones.");
        return new Result(fact, telling ? TellingSpanWeight : SpanWeight, "");
    }

    private async Task<List<string>> ReadTextsAsync(IReadOnlyList<TraceId> traces, CancellationToken cancel)
    {
        var spans = traces.Count == 0 ? [] : await library.TracesAsync([.. traces.Take(TracesMax)], cancel);
        return [.. spans.GroupBy(span => span.Summary.TraceId).Select(trace => string.Join('\n', trace.Select(span => SpanWords.Plain(SpanWords.All(span)))))];
    }

    private async Task<Result> SeriesAsync(StatedClaim claim, CancellationToken cancel)
    {
        if (!Library.TryParseSeriesRef(claim.Ref, out var query, out var from, out var to))
        {
            return Result.Not("it cites a series without query and time");
        }

        (from, to) = (library.Clamp(from), library.Clamp(to));
        if (claim.Moved.Length == 0)
        {
            return Result.Not("it cites a series without saying how it moved");
        }

        SeriesMove move;
        try
        {
            move = from < to ? SeriesMove.Of(await library.SeriesAsync(query, from, to, cancel), library.OnsetMillis) : default;
        }
        catch (PromQlException wrong) when (!cancel.IsCancellationRequested)
        {
            return Result.Not($"the query that it cites fails: {Untrusted.OneLine(wrong.Message, 160)}");
        }

        var truth = move.Moved switch { Moved.Rose => "rose", Moved.Fell => "fell", Moved.Steady => "steady", _ => "" };
        if (truth != claim.Moved)
        {
            return Result.Not(truth.Length == 0 ? "the series has too few values to say that" : $"the series {(truth == "steady" ? "did not move" : truth)}");
        }

        // The first symptom is what is to be explained: every cause explains it.
        var feature = FeatureOf().Match(query) is { Success: true } match ? match.Groups["name"].Value : "";
        var isSymptom = library.About.Finding.Symptoms is [var first, ..] && (first.Feature == feature || first.Query == query);
        var what = feature.Length > 0 && ServiceOf().Match(query) is { Success: true } service ? $"{feature} of {service.Groups["name"].Value}" : Untrusted.OneLine(query, 200);
        var said = truth == "steady" ? $"stayed at {Sentences.Number(move.After)} (before: {Sentences.Number(move.Before)})" : $"{truth} from {Sentences.Number(move.Before)} to {Sentences.Number(move.After)}";
        return new Result(new Evidence("series", claim.Ref, $"{Sentences.Capital(what)} {said} at the onset."), isSymptom || truth == "steady" ? SymptomWeight : SeriesWeight, "");
    }

    [GeneratedRegex("^faultline_feature\\{[^{}]*feature=\"(?<name>[^\"]+)\"[^{}]*\\}$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex FeatureOf();

    [GeneratedRegex("service_name=\"(?<name>[^\"]+)\"", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex ServiceOf();

    private Result Change(StatedClaim claim)
    {
        var onset = library.About.Finding.OnsetAt;
        if (library.About.Changes.FirstOrDefault(change => string.Equals(change.Id, claim.Ref, StringComparison.Ordinal)) is not { } change)
        {
            return Result.Not("the change that it cites is not recorded");
        }

        if (claim.Supports && (change.At > onset + ChangeAfter || change.At < onset - ChangeBefore))
        {
            return Result.Not(change.At > onset ? "the change that it cites came after the onset" : "the change that it cites came more than a day before");
        }

        var before = onset - change.At;
        var when = before.Duration() < TimeSpan.FromMinutes(1) ? "at the onset" : $"{Math.Abs(before.TotalMinutes):0} min {(before < TimeSpan.Zero ? "after" : "before")} the onset";
        var fact = new Evidence("change", change.Id, $"{Sentences.Capital(change.Type)} change of {change.Service}, {when}: {Untrusted.OneLine(change.Detail, 200)}");
        return new Result(fact, ChangeWeight * Math.Exp(-Math.Max(0, before.TotalHours)), "");
    }

    private Result Case(StatedHypothesis stated, StatedClaim claim)
    {
        if (library.About.Past.FirstOrDefault(past => string.Equals(past.CaseId, claim.Ref, StringComparison.Ordinal)) is not { } past)
        {
            return Result.Not("the case that it cites is not among the resolved ones");
        }

        var similarity = Signature.Cosine(library.About.Verdict.Signature, past.Signature);
        return claim.Supports != string.Equals(past.Cause, stated.Cause, StringComparison.Ordinal) ? Result.Not($"the case that it cites was {past.Cause}")
            : similarity < PastCases.SimilarMin ? Result.Not($"the case that it cites did not look like this one (similarity {similarity:0.00})")
            : past.Helpful < 0 ? Result.Not("what the case that it cites taught was found not helpful")
            : new Result(new Evidence("case", past.CaseId, $"{past.CaseId} of {past.Service} looked like this (similarity {similarity:0.00}) and was {past.Cause}."), CaseWeight * similarity, "");
    }
}

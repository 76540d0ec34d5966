using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Knowledge;
using Faultline.Telemetry.Changes;

namespace Faultline.Diagnosis.Causes;

/// <summary>From a finding to its causes. A function of its arguments and of stored telemetry; it acts on nothing.</summary>
/// <remarks>
/// Every candidate cause has log-odds: a prior, plus a weight for each stored fact that speaks for it, less one for each
/// that speaks against it. Confidence is multinomial logistic over all candidates and "something else":
/// exp(score/T) / (exp(<see cref="UnknownScore"/>/T) + Σ exp(score/T)), and never above <see cref="ConfidenceMax"/>. The weights are
/// judgement; the temperature T is fitted, so that confidence is a frequency (Guo et al. 2017, "On Calibration of Modern Neural
/// Networks"); docs/causes.md says on what, and shows the curve.
/// </remarks>
public sealed class Diagnostician
{
    /// <summary>Below this the answer is "unable to determine".</summary>
    public const double ConfidenceMin = 0.5;

    /// <summary>Log-odds of "a cause that is not among these": what a first candidate must beat.</summary>
    internal const double UnknownScore = 1.0;

    internal const double ConfidenceMax = 0.95;

    /// <summary>
    /// On 156 diagnoses of generated worlds the likelihood is largest at 0.3; but causes were tuned on the same worlds, and on others answers are less often right. So
    /// half-way from what was fitted before the last tuning, 0.7.
    /// </summary>
    internal const double Temperature = 0.5;

    private const int HypothesesMax = 5;

    /// <summary>So many are told however little weight the others have: what the first is mistaken for is worth a look before acting.</summary>
    private const int HypothesesMin = 3;

    /// <summary>That it is where the additional time comes from, or who went wrong first, says little of why.</summary>
    private const double PlaceWeight = 0.3;

    private const double ConfidenceShown = 0.005;

    private readonly TelemetrySource _source;
    private readonly TimeProvider _time;

    public Diagnostician(Store.TelemetryStore store, TimeProvider time)
        : this(TelemetrySource.Of(store), time)
    {
    }

    internal Diagnostician(TelemetrySource source, TimeProvider time)
    {
        _source = source;
        _time = time;
    }

    public Task<Verdict> DiagnoseAsync(Finding finding, IReadOnlyList<ChangeEvent> changes, IReadOnlyList<PastCase> past, CancellationToken cancel = default) =>
        DiagnoseAsync(finding, changes, (_, _, _) => Task.FromResult(past), cancel);

    /// <param name="recall">Asked for the resolved cases that are alike, once the fault's signature is known.</param>
    public async Task<Verdict> DiagnoseAsync(Finding finding, IReadOnlyList<ChangeEvent> changes, RecallCases recall, CancellationToken cancel = default)
    {
        var facts = await new FactsReader(_source).ReadAsync(finding, [.. changes.Where(change => change.At <= _time.GetUtcNow() || change.At <= finding.DetectedAt)], _time.GetUtcNow(), cancel);
        var (chain, signature) = Outline(facts);
        return Conclude(facts, chain, signature, await recall(finding.OnsetAt, signature, cancel));
    }

    /// <summary>The pure part: facts in, verdict out.</summary>
    internal static Verdict Conclude(CaseFacts facts, IReadOnlyList<PastCase> past)
    {
        var (chain, signature) = Outline(facts);
        return Conclude(facts, chain, signature, past);
    }

    private static (IReadOnlyList<StageReading> Chain, IReadOnlyList<double> Signature) Outline(CaseFacts facts)
    {
        var chain = Chain.Of(facts);
        return (chain, Signature.Of(facts, facts.Finding.FailureClass, chain));
    }

    private static Verdict Conclude(CaseFacts facts, IReadOnlyList<StageReading> chain, IReadOnlyList<double> signature, IReadOnlyList<PastCase> past)
    {
        List<Candidate> candidates =
        [
            .. RetrievalCauses.Of(facts), .. PromptCauses.Of(facts), .. ModelCauses.Of(facts), .. ToolCauses.Of(facts), .. AgentCauses.Of(facts), .. OutputCauses.Of(facts),
            .. InfrastructureCauses.Of(facts), .. InputCauses.Of(facts),
        ];
        YieldToSpecific(candidates);
        PastCases.Remember(candidates, facts, signature, past);

        // What nothing stored speaks for is no hypothesis.
        candidates.RemoveAll(candidate => candidate.For.Count == 0);
        IReadOnlyList<Place> places = [.. Place.Requests(facts), .. Place.Services(facts), .. Place.Agents(facts)];
        foreach (var candidate in candidates)
        {
            foreach (var place in places.Where(place => place.Is(candidate.Target)))
            {
                candidate.Supports(PlaceWeight, place.Evidence);
            }
        }

        candidates.Sort(Candidate.LikeliestFirst);
        candidates.AddRange(LookAlikes.Of(facts, candidates).ToList());
        candidates.Sort(Candidate.LikeliestFirst);

        static double Weight(double score) => Math.Exp(score / Temperature);
        var all = Weight(UnknownScore) + candidates.Sum(static candidate => Weight(candidate.Score));
        double Confidence(double score) => Math.Round(Math.Min(ConfidenceMax, Weight(score) / all), 3);
        List<Hypothesis> hypotheses = [.. candidates
            .Select(candidate => ToHypothesis(candidate, Confidence(candidate.Score)))
            .Where((hypothesis, rank) => rank < HypothesesMin || hypothesis.Confidence >= ConfidenceShown)
            .Take(HypothesesMax)];

        string? unable = null;
        if (hypotheses.Count == 0 || hypotheses[0].Confidence < ConfidenceMin)
        {
            // That it is unable is said of the whole; those that are told all the same are where to look next.
            unable = "Unable to determine root cause. " + string.Join(' ', Missing(facts, candidates));
            if (hypotheses.Count == 0)
            {
                var row = Vocabulary.Of("unknown");
                hypotheses = [new Hypothesis(
                    row.Name, facts.Finding.Service, "None of the causes that can be named fits what is stored well enough.", Math.Min(ConfidenceMin - 0.01, Confidence(UnknownScore)),
                    row.Action, row.Effort, row.Risk, null, [], [], row.NextCheck)];
            }
        }

        return new Verdict(ClassOf(facts, unable is null ? hypotheses[0].Cause : null), hypotheses, chain, facts.Distinctions, unable, signature) { Where = [.. places.Select(static place => place.Evidence)] };
    }

    /// <summary>"It was the deploy" is the answer where nothing more specific is: a release brings many changes and most are innocent.</summary>
    private static void YieldToSpecific(List<Candidate> candidates)
    {
        var deploy = candidates.Find(candidate => candidate.Cause is "deploy_regressed");
        if (deploy is not null && candidates.Exists(candidate => candidate is { For.Count: > 0 } && candidate.Score > UnknownScore && Vocabulary.Of(candidate.Cause).Stage is not ("any" or "input") && !ReferenceEquals(candidate, deploy)))
        {
            deploy.Lacks(1.5);
        }
    }

    private static Hypothesis ToHypothesis(Candidate candidate, double confidence)
    {
        var row = Vocabulary.Of(candidate.Cause);
        return new Hypothesis(
            candidate.Cause, candidate.Target, candidate.Words, confidence, row.Action, row.Effort, row.Risk, candidate.SimilarCase, candidate.For, candidate.Against, row.NextCheck);
    }

    /// <summary>
    /// What the symptoms say, unless the cause never shows so: then what it mostly shows as. Figures that say nothing of what users get
    /// (fewer documents, a stage that is skipped) are classed as latency for want of a better: no request being slower, the cause says more.
    /// </summary>
    private static FailureClass ClassOf(CaseFacts facts, string? cause) =>
        cause is null || Vocabulary.Of(cause).ShowsAs is not { Count: > 0 } classes ? facts.Finding.FailureClass
        : classes.Contains(facts.Finding.FailureClass) && (facts.Finding.FailureClass != FailureClass.LATENCY_REGRESS || IsSlow(facts)) ? facts.Finding.FailureClass
        : classes[0];

    private static bool IsSlow(CaseFacts facts) =>
        facts.Finding.Symptoms.Any(static symptom => symptom.Unit is "s" || string.Equals(symptom.Feature, FeatureTable.ErrorRate.Name, StringComparison.Ordinal))
        || facts.IsBad(FeatureTable.LatencyP50) || facts.IsBad(FeatureTable.ErrorRate);

    private static IEnumerable<string> Missing(CaseFacts facts, List<Candidate> candidates)
    {
        if (candidates.Count > 1)
        {
            yield return $"{candidates[0].Cause} and {candidates[1].Cause} explain what is stored about equally well.";
        }

        if (facts.Bad.Count < 5)
        {
            yield return $"Only {facts.Bad.Count} traces show the symptom so far.";
        }

        if (facts.Good.Count < 5)
        {
            yield return $"Only {facts.Good.Count} traces from before are stored to compare with.";
        }

        if (facts.Changes.Count == 0)
        {
            yield return "No change was recorded in the day before (POST /api/v1/changes).";
        }

        var spans = facts.Bad.SelectMany(trace => trace.Spans).ToList();
        if (!spans.Exists(span => span.GenAi.PromptVersion.Length > 0))
        {
            yield return "Spans do not say which prompt version was used (gen_ai.prompt.name, gen_ai.prompt.version).";
        }

        if (!spans.Exists(span => span.GenAi.Operation is "chat" or "completion"))
        {
            yield return "No model call is among the traces that show it.";
        }
        else if (!spans.Exists(span => span.GenAi.ModelResponded.Length > 0))
        {
            yield return "Model calls do not say which model answered (gen_ai.response.model).";
        }

        if (spans.Exists(span => span.GenAi.Operation is "retrieval") && facts.Of(FeatureTable.RetrievalTopScore) is not { IsKnown: true })
        {
            yield return "Retrieval spans carry no document scores.";
        }

        if (!facts.Shifts.Any(shift => shift.Feature.Stage == Stage.Output && shift.IsKnown))
        {
            yield return "No evaluation score of this service is stored.";
        }
    }
}

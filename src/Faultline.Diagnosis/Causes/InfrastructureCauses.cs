using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Telemetry.Changes;

namespace Faultline.Diagnosis.Causes;

/// <summary>What lies under the chain: releases, queues, caches, machines, dependencies, and the telemetry itself.</summary>
internal static class InfrastructureCauses
{
    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        if (Deployed(facts) is { } deployed)
        {
            yield return deployed;
        }

        if (Queueing(facts) is { } queueing)
        {
            yield return queueing;
        }

        if (Saturated(facts) is { } saturated)
        {
            yield return saturated;
        }

        if (CacheLost(facts) is { } cache)
        {
            yield return cache;
        }

        foreach (var candidate in Dependencies(facts).Concat(Missing(facts)))
        {
            yield return candidate;
        }
    }

    private static Candidate? Deployed(CaseFacts facts)
    {
        if (facts.Differs(AttributeNames.Release) is { } release)
        {
            var service = facts.CarrierOf(release);
            var candidate = new Candidate(
                "deploy_regressed", service, $"Bad traces share release {release.Value} of {service}{(facts.InsteadOf(release) is { } old ? $", the good ones had {old}" : "")}.", -0.7)
                .Supports(2.5, facts.Cite(release))
                .Supports(0.7, facts.Worse(FeatureTable.Wait)?.Evidence)
                .Supports(1.5, FailsItself(facts));
            if (facts.Change("deploy") is { } recorded)
            {
                candidate.Supports(1.2 * recorded.Nearness, facts.Cite(recorded.Change));
            }

            // Whatever more special sets the bad traces apart came with the release and says more about it.
            if (facts.Differs(AttributeNames.Prompt, AttributeNames.ModelRequested, AttributeNames.ModelResponded, AttributeNames.EmbeddingModel, RequestParameters.TopK, RequestParameters.MaxTokens, RequestParameters.Temperature) is { } special)
            {
                candidate.Contradicts(1.8, facts.Cite(special));
            }

            var (known, ranWell) = facts.RanWell.With(release);
            return candidate.Contradicts(known, ranWell).Contradicts(2, OnlySilent(facts)).Contradicts(1.5, InTheModel(facts));
        }

        return facts.Change("deploy") is { } change && change.Nearness > CaseFacts.NearMin
            ? new Candidate("deploy_regressed", change.Change.Service, $"{change.Change.Service} was deployed shortly before the onset.", -1)
                .Supports(1.5 * change.Nearness, facts.Cite(change.Change))
                .Supports(1.5 * change.Nearness, FailsItself(facts) ?? ByItself(facts))
                .Supports(0.7 * change.Nearness, facts.Rose(FeatureTable.Calls) is null ? facts.Worse(FeatureTable.Wait)?.Evidence : null)
                .Contradicts(2, OnlySilent(facts))
            : null;
    }

    /// <summary>Requests fail or take longer, and nothing moved of what the service calls and is given: it does so by itself.</summary>
    private static Evidence? ByItself(CaseFacts facts) =>
        facts.Shifts.Any(static shift => shift.IsBad && (shift.Feature.Stage is Stage.Retrieve or Stage.Prompt or Stage.Model or Stage.Tools
            || ReferenceEquals(shift.Feature, FeatureTable.DependencyErrorRate) || ReferenceEquals(shift.Feature, FeatureTable.DependencyLatency)
            || ReferenceEquals(shift.Feature, FeatureTable.CallRate) || ReferenceEquals(shift.Feature, FeatureTable.StageMissing) || ReferenceEquals(shift.Feature, FeatureTable.StageUntold))) ? null
        : (facts.Worse(FeatureTable.ErrorRate) ?? facts.Worse(FeatureTable.LatencyP50))?.Evidence;

    /// <summary>Most of the bad requests fail and nothing that was called for them did. What fails because it could not read an answer fails by the answer.</summary>
    private static Evidence? FailsItself(CaseFacts facts)
    {
        var failing = facts.Bad.Select(static trace => trace.Root).OfType<Store.Traces.SpanSummary>().Where(static root => root.Status == Telemetry.Spans.SpanStatus.Error && !OutputCauses.CouldNotRead(root)).ToList();
        var called = facts.Bad.Count(static trace => trace.Spans.Exists(span => span.Status == Telemetry.Spans.SpanStatus.Error && !ReferenceEquals(span, trace.Root)));
        return facts.IsBad(FeatureTable.ErrorRate) && failing.Count >= FailingMin && called < failing.Count / 3
            ? new Evidence("span", $"{failing[0].TraceId}/{failing[0].SpanId}", $"{failing.Count} of the bad requests fail, and nothing that was called for them does: {failing[0].StatusMessage}")
            : null;
    }

    private const int FailingMin = 3;

    /// <summary>Most of the additional time is spent in calls of the model, which no release of ours makes slower by itself.</summary>
    private static Evidence? InTheModel(CaseFacts facts) =>
        facts.Rose(FeatureTable.LatencyP50) is { } whole
        && facts.Of(FeatureTable.ModelLatency) is { IsKnown: true, Z: >= Shift.ZMin } model && model.After - model.Before > InTheModelMin * (whole.After - whole.Before) ? model.Evidence : null;

    private const double InTheModelMin = 0.6;

    /// <summary>A stage that is silent while requests are answered as before: the release may have silenced it, it broke nothing. Our own scores say little of it: they judge by what is told.</summary>
    private static Evidence? OnlySilent(CaseFacts facts) =>
        !facts.IsBad(FeatureTable.ErrorRate) && !facts.IsBad(FeatureTable.LatencyP50) && !facts.BadAppScores.Any() ? (facts.Worse(FeatureTable.StageUntold) ?? facts.Worse(FeatureTable.StageMissing))?.Evidence : null;

    private static Candidate? Queueing(CaseFacts facts)
    {
        if (facts.Worse(FeatureTable.Wait) is not { } wait)
        {
            return null;
        }

        var candidate = new Candidate("queueing", facts.Finding.Service, $"Requests to {facts.Finding.Service} wait {Findings.Sentences.Figure(wait.Feature, wait.After)} before anything is done for them.", -0.5)
            .Supports(3.7, wait.Evidence)
            .Supports(0.7, Flooded(facts) is null ? facts.Rose(FeatureTable.Calls)?.Evidence : null)
            .Contradicts(2.5, Flooded(facts)?.Evidence)
            .Supports(1, facts.Metrics.FirstOrDefault(metric => metric.Rose && metric.IsOf("queue", "waiting", "pending", "backlog", "inflight", "in_flight"))?.Evidence);
        var scaled = facts.Change("config") is { } change && change.Change.Detail.ContainsAny("worker", "scal", "replica", "concurren", "pool", "thread", "instance", "pods", "capacity", "consumer", "parallel") ? change : ((ChangeEvent Change, double Nearness)?)null;
        if (scaled is { } fewer)
        {
            candidate.Supports(0.7 * fewer.Nearness, facts.Cite(fewer.Change));
        }

        // A release that brings the waiting with it, no more requests coming and nobody having scaled anything, is what does it.
        var grown = scaled is not null || facts.Rose(FeatureTable.Calls) is not null;
        return facts.Differs(AttributeNames.Release) is { } release ? candidate.Contradicts(grown ? 1.5 : 3, facts.Cite(release))
            : !grown && facts.Change("deploy") is { Nearness: > CaseFacts.NearMin } deploy ? candidate.Contradicts(1.2 * deploy.Nearness, facts.Cite(deploy.Change)).Contradicts(1.5, TakesLonger(facts, wait))
            : candidate;
    }

    /// <summary>Requests take longer by much more than they wait, and not in what they call.</summary>
    private static Evidence? TakesLonger(CaseFacts facts, Shift wait) =>
        facts.Rose(FeatureTable.LatencyP50) is { } whole && whole.After - whole.Before > 2 * (wait.After - wait.Before) && ByItself(facts) is not null ? whole.Evidence : null;

    /// <summary>So many times the requests that waiting is what they bring: the load is the cause.</summary>
    internal static Shift? Flooded(CaseFacts facts) => facts.Rose(FeatureTable.Calls) is { } more && more.After > FloodedMin * more.Before ? more : null;

    private const double FloodedMin = 3;

    private static Candidate? Saturated(CaseFacts facts)
    {
        if (facts.Metrics.FirstOrDefault(metric => metric.Rose && metric.IsOf("gpu", "vram", "kv_cache", "kvcache", "accelerator", "cuda", "requests_waiting", "queue_reqs")) is not { } gpu)
        {
            return null;
        }

        return new Candidate("gpu_saturated", gpu.Service.Length > 0 ? gpu.Service : facts.Finding.Service, $"{gpu.Name} of {gpu.Service} is at {Findings.Sentences.Number(gpu.After)}: the model server is at its limit.", -0.5)
            .Supports(3.7, gpu.Evidence)
            .Supports(0.7, facts.Worse(FeatureTable.FirstToken)?.Evidence)
            .Supports(0.3, facts.Worse(FeatureTable.ModelLatency)?.Evidence);
    }

    private static Candidate? CacheLost(CaseFacts facts)
    {
        var cached = facts.Fell(FeatureTable.CachedInput);
        // How many tokens came from a cache is not whether one was hit; the share of them is looked at above.
        var hit = facts.Distinctions.FirstOrDefault(static one => one.ShareOfBad > one.ShareOfGood && one.Attribute.ContainsAny("cache") && !one.Attribute.ContainsAny("token")
            && (one.Value.ContainsAny("miss", "bypass") || one.Value is "0" || string.Equals(one.Value, "false", StringComparison.OrdinalIgnoreCase)));
        var called = facts.Of(FeatureTable.StageMissing, "model") is { Fell: true } more ? more : null;
        var reached = called is null ? facts.Worse(FeatureTable.ReachesModel) : null;
        var rate = facts.Metrics.FirstOrDefault(metric => !metric.Rose && metric.IsOf("cache_hit", "hit_rat"));
        // A share that was next to nothing before is no sign of a cache that still works: small prompts are cached and not counted.
        var prefill = cached is null && facts.Of(FeatureTable.CachedInput) is not { IsKnown: true, Before: > 0.05 } ? PrefillOnly(facts) : null;
        if (cached is null && hit is null && called is null && reached is null && rate is null && prefill is null)
        {
            return null;
        }

        var candidate = new Candidate("cache_lost", facts.Finding.Service, $"{facts.Finding.Service} no longer finds in its cache what it used to find there.", -0.5)
            .Supports(cached is null || cached.After < 0.5 * cached.Before ? 4 : 2, cached?.Evidence)
            .Contradicts(2.5, Shorter(facts)?.Evidence)
            .Contradicts(3, facts.Worse(FeatureTable.ErrorRate)?.Evidence)          // without it a request takes longer and costs more, it does not fail
            .Contradicts(1.5, facts.Worse(FeatureTable.RetrievalTopScore)?.Evidence)
            .Supports(3, hit is null ? null : facts.Cite(hit))
            .Supports(2.5, called is null ? null : new Evidence("series", called.Evidence.Ref, $"Fewer requests are answered without a call of the model: {AttributeNames.Percent(called.Before)} before, {AttributeNames.Percent(called.After)} now."))
            .Supports(2.5, reached?.Evidence)
            .Supports(3, rate?.Evidence)
            .Supports(1.5, prefill);
        // What is sent along with every prompt is ours: without a change of it, a provider that is slow to begin is likelier.
        return facts.Change("deploy", "config", "prompt") is { } change ? candidate.Supports((prefill is null ? 0.3 : 1.8) * change.Nearness, facts.Cite(change.Change)) : candidate;
    }

    /// <summary>
    /// The model begins later and then writes as fast as before, prompts and answers being as long: what it does before the first token, reading the prompt, is
    /// what takes longer. Providers cache the beginnings of prompts to save just that.
    /// </summary>
    private static Evidence? PrefillOnly(CaseFacts facts)
    {
        if (facts.Rose(FeatureTable.FirstToken) is not { } first || facts.Of(FeatureTable.ModelLatency, first.Dimension) is not { IsKnown: true } whole
            || facts.Rose(FeatureTable.InputTokens) is not null || facts.Rose(FeatureTable.OutputTokens) is not null || facts.Worse(FeatureTable.ModelErrorRate) is not null)
        {
            return null;
        }

        double writing = whole.After - first.After, before = whole.Before - first.Before;
        return before > 0 && Math.Abs(writing - before) < WritingSame * before ? first.Evidence : null;
    }

    /// <summary>Part by which the time of writing an answer may differ and be the same.</summary>
    private const double WritingSame = 0.2;

    /// <summary>A shorter prompt has less that could be cached; whole blocks of it go at once.</summary>
    private static Shift? Shorter(CaseFacts facts) =>
        facts.Of(FeatureTable.InputTokens) is { IsKnown: true, Z: < -2 } tokens && tokens.After < 0.9 * tokens.Before ? tokens : facts.Fell(FeatureTable.RetrievalDocuments) ?? facts.Worse(FeatureTable.RetrievalEmpty);

    /// <summary>A call of something that is no part of the chain, slower or failing: the deepest abnormal thing there is.</summary>
    private static IEnumerable<Candidate> Dependencies(CaseFacts facts)
    {
        foreach (var dependency in facts.Shifts.Where(shift => shift.IsBad && (ReferenceEquals(shift.Feature, FeatureTable.DependencyLatency) || ReferenceEquals(shift.Feature, FeatureTable.DependencyErrorRate)))
            .GroupBy(shift => shift.Dimension, StringComparer.Ordinal))
        {
            var slow = dependency.FirstOrDefault(shift => ReferenceEquals(shift.Feature, FeatureTable.DependencyLatency));
            var failing = dependency.FirstOrDefault(shift => ReferenceEquals(shift.Feature, FeatureTable.DependencyErrorRate));
            var words = (slow, failing) switch
            {
                (_, not null) => $"{dependency.Key}, which {failing.Service} calls, fails in {AttributeNames.Percent(failing.After)} of the calls.",
                _ => $"{dependency.Key}, which {slow!.Service} calls, takes {Findings.Sentences.Figure(slow.Feature, slow.After)} instead of {Findings.Sentences.Figure(slow.Feature, slow.Before)}.",
            };
            yield return new Candidate("network_or_dependency", dependency.Key, words, -0.3)
                .Supports(3.6, failing?.Evidence ?? slow!.Evidence)
                .Supports(0.5, failing is null ? facts.Rose(FeatureTable.LatencyP50)?.Evidence : slow?.Evidence);
        }
    }

    /// <summary>A stage that reported before and says nothing now, while requests go on.</summary>
    private static IEnumerable<Candidate> Missing(CaseFacts facts)
    {
        List<Shift> Of(Feature feature) => [.. facts.Shifts.Where(shift => shift.IsBad && ReferenceEquals(shift.Feature, feature)).OrderByDescending(shift => shift.After - shift.Before)];
        var untold = Of(FeatureTable.StageUntold);
        var stages = untold.Count > 0 ? untold : Of(FeatureTable.StageMissing);
        if (stages.Count == 0)
        {
            yield break;
        }

        // A reranker that is gone is a fault of its own; a stage that fails before it reports is no missing telemetry.
        var takesItsTime = untold.Count > 0 ? " and take the time of that stage as before" : "";
        var candidate = new Candidate(
            "telemetry_missing", facts.Finding.Service, $"{Findings.Sentences.Capital(stages[0].Dimension)} spans of {stages[0].Service} stopped at the onset while requests go on{takesItsTime}.", -0.5)
            .Supports(untold.Count > 0 ? 4 : stages.TrueForAll(stage => stage.Dimension is "rerank") ? 1.2 : 3.4, stages[0].Evidence)
            .Contradicts(1.5, untold.Count == 0 && facts.Of(FeatureTable.StageUntold, stages[0].Dimension) is { IsKnown: true } usual ? usual.Evidence : null);
        foreach (var worse in facts.BadAppScores.Take(1))
        {
            candidate.Contradicts(1.5, worse.Evidence);
        }

        yield return candidate.Contradicts(1, facts.Worse(FeatureTable.ErrorRate)?.Evidence).Contradicts(1.5, facts.Worse(FeatureTable.Blocked)?.Evidence);
    }
}

using System.Text.RegularExpressions;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Store.Traces;

namespace Faultline.Diagnosis.Causes;

/// <summary>What can be wrong with how agents work: loops, hand-overs, plans, what they remember.</summary>
internal static partial class AgentCauses
{
    /// <summary>Hand-overs there and back from which two agents are said to play ping-pong.</summary>
    private const int AlternationsMin = 4;

    /// <summary>Same calls in a trace that say "again and again" where good traces do not make them: a second one may be a retry.</summary>
    private const int RepeatsMin = 3;

    public static IEnumerable<Candidate> Of(CaseFacts facts)
    {
        var errors = facts.Worse(FeatureTable.ToolErrorRate);
        if (facts.IsLoop || RepeatsRose(facts))
        {
            yield return Loop(facts, errors);
        }

        if (PingPong(facts) is { } pingPong)
        {
            yield return pingPong;
        }

        if (facts.Rose(FeatureTable.Plans) is { } plans)
        {
            yield return new Candidate("plan_churn", AgentOf(facts, "plan") ?? facts.Finding.Service, $"Plans are made {Findings.Sentences.Number(plans.After)} times in a trace of {plans.Service} instead of {Findings.Sentences.Number(plans.Before)}.", -0.3)
                .Supports(4, plans.Evidence)
                .Supports(0.3, facts.Example(span => span.GenAi.Operation is "plan", _ => "One of the plans of a bad trace."));
        }

        if (Memory(facts) is { } memory)
        {
            yield return memory;
        }
    }

    /// <summary>Many more of the bad traces than of the good ones make a call again and again: fewer times than a loop that is seen by itself.</summary>
    private static bool RepeatsRose(CaseFacts facts)
    {
        static double Share(IReadOnlyList<TraceFacts> traces) => traces.Count(static trace => trace.MaxToolRepeats() >= RepeatsMin) / (double)traces.Count;
        return facts is { Bad.Count: > 0, Good.Count: > 0 } && BubbleUp.IsMore(Share(facts.Bad), facts.Bad.Count, Share(facts.Good), facts.Good.Count);
    }

    /// <summary>What the worst third of the bad traces has at least: of those that show the symptom, not all need be of the fault.</summary>
    private static int OfWorst(IReadOnlyList<TraceFacts> bad, Func<TraceFacts, int> count) => bad.Select(count).Order().ElementAt(bad.Count * 2 / 3);

    /// <summary>What nine of ten good traces do not exceed: some of them may be of a fault that had begun unseen.</summary>
    private static int Usual(IReadOnlyList<TraceFacts> good, Func<TraceFacts, int> count) => good.Count == 0 ? 0 : good.Select(count).Order().ElementAt(good.Count * 9 / 10);

    private static Candidate Loop(CaseFacts facts, Shift? errors)
    {
        var (tool, agent, calls, example) = Repeated(facts);
        var who = agent.Length > 0 ? agent : facts.Finding.Service;
        var candidate = new Candidate(
            "loop_same_call", tool.Length > 0 ? tool : who, $"{who} makes the same call of {(tool.Length > 0 ? tool : "a tool")} up to {calls} times in one trace: nothing tells it to stop.", facts.IsLoop ? 0.5 : 0)
            .Supports(4.5, example)
            .Contradicts(facts.IsLoop ? 2 : 3, errors?.Evidence);
        if (facts.Shifts.FirstOrDefault(shift => ReferenceEquals(shift.Feature, FeatureTable.MaxToolRepeats) && shift.WindowsAfter > 0) is { } repeats)
        {
            candidate.Supports(0.5, new Evidence("series", repeats.Evidence.Ref, $"Most calls of one tool with the same arguments in a trace of {repeats.Service}, window by window."));
        }

        // The change before it is evidence for the loop as well: it says what to revert.
        if (facts.Change("prompt", "deploy", "config", "model") is { } change)
        {
            candidate.Supports(0.8 * change.Nearness, facts.Cite(change.Change));
        }

        return candidate;
    }

    private static (string Tool, string Agent, int Calls, Evidence? Example) Repeated(CaseFacts facts)
    {
        var worst = facts.Bad.MaxBy(trace => trace.MaxToolRepeats());
        var group = worst?.Spans.Where(span => span.GenAi.Operation is "tool").GroupBy(span => (span.GenAi.Tool, span.GenAi.ToolArgumentsHash)).MaxBy(calls => calls.Count());
        if (group is null)
        {
            return ("", "", 0, null);
        }

        // The last of them: by then there was no doubt.
        var last = group.MaxBy(span => span.StartUnixNanos)!;
        var calls = group.Count();
        return (last.GenAi.Tool, last.GenAi.Agent, calls, new Evidence("span", $"{last.TraceId}/{last.SpanId}", $"Call {calls} of {last.GenAi.Tool} with the same arguments in this trace."));
    }

    private static Candidate? PingPong(CaseFacts facts)
    {
        var usual = Usual(facts.Good, static trace => Alternations(trace).Count);
        if (facts.Bad.Count == 0 || OfWorst(facts.Bad, static trace => Alternations(trace).Count) is var most && (most < AlternationsMin || most <= usual + 1))
        {
            return null;
        }

        var worst = facts.Bad.Select(Alternations).MaxBy(static one => one.Count);
        return new Candidate("loop_ping_pong", worst.Last!.GenAi.Agent, $"{worst.First} and {worst.Last.GenAi.Agent} hand over to each other {worst.Count} times in one trace.", -0.2)
            .Supports(4.2, new Evidence("span", $"{worst.Last.TraceId}/{worst.Last.SpanId}", $"Hand-over {worst.Count} between {worst.First} and {worst.Last.GenAi.Agent} in this trace; of ten good traces nine have at most {usual}."))
            .Supports(0.5, facts.Rose(FeatureTable.AgentTurns)?.Evidence);
    }

    /// <summary>Longest run of turns in which two agents alternate.</summary>
    private static (int Count, string First, SpanSummary? Last) Alternations(TraceFacts trace)
    {
        var turns = trace.Spans.Where(span => span.GenAi is { Operation: "agent", Agent.Length: > 0 }).OrderBy(span => span.StartUnixNanos).ToList();
        (int Count, string First, SpanSummary? Last) best = (0, "", null);
        var run = 0;
        for (var i = 2; i < turns.Count; i++)
        {
            var alternates = string.Equals(turns[i].GenAi.Agent, turns[i - 2].GenAi.Agent, StringComparison.Ordinal) && !string.Equals(turns[i].GenAi.Agent, turns[i - 1].GenAi.Agent, StringComparison.Ordinal);
            run = alternates ? run + 1 : 0;
            if (run > best.Count)
            {
                best = (run, turns[i - 1].GenAi.Agent, turns[i]);
            }
        }

        return best;
    }

    /// <summary>A record that most bad traces recall and hardly any good one.</summary>
    private static Candidate? Memory(CaseFacts facts)
    {
        var bad = Recalled(facts.Bad);
        var good = Recalled(facts.Good);
        var badTraces = facts.Bad.Count(trace => trace.Spans.Exists(IsMemory));
        var goodTraces = facts.Good.Count(trace => trace.Spans.Exists(IsMemory));
        if (badTraces < 3 || goodTraces < 3)
        {
            return null;
        }

        (string Record, double Share, SpanSummary Example) worst = bad
            .Select(one => (one.Key, Share: one.Value.Count / (double)badTraces, Example: one.Value[0], Usual: good.GetValueOrDefault(one.Key)?.Count / (double)goodTraces ?? 0))
            .Where(one => one.Share > 0.15 && one.Share > (4 * one.Usual) + 0.05)
            .OrderByDescending(one => one.Share).ThenBy(one => one.Key, StringComparer.Ordinal)
            .Select(one => (one.Key, one.Share, one.Example)).FirstOrDefault();
        if (worst.Example is null)
        {
            return null;
        }

        // A plain step is named after the store; what is told to be a memory, after what is done with it.
        var store = worst.Example.GenAi.DataSource is { Length: > 0 } told ? told : worst.Example.GenAi.Operation is "memory" ? worst.Example.Service : worst.Example.Name;
        return new Candidate("memory_poisoned", store, $"{AttributeNames.Percent(worst.Share)} of the bad traces recall the record {worst.Record} from {store}; hardly any good one does.", -0.3)
            .Supports(4.2, new Evidence("span", $"{worst.Example.TraceId}/{worst.Example.SpanId}", $"Recalls {worst.Record}: {worst.Example.GenAi.OutputPreview}"))
            .Lacks(facts.BadScores.Any() ? 0 : 2.5);      // what is remembered wrongly makes answers wrong
    }

    /// <summary>Few instrumentations have a kind of span for a memory; the others write a plain step that is named so, or whose output is records with ids.</summary>
    private static bool IsMemory(SpanSummary span) => span.GenAi.Operation is "memory"
        || (span is { GenAi: { Operation: "" or "step" or "workflow" or "unknown", OutputPreview.Length: > 0 }, ParentSpanId.IsNone: false } && (span.Name.ContainsAny("memory", "memories") || RecordId().IsMatch(span.GenAi.OutputPreview)));

    private static Dictionary<string, List<SpanSummary>> Recalled(IReadOnlyList<TraceFacts> traces)
    {
        Dictionary<string, List<SpanSummary>> records = new(StringComparer.Ordinal);
        foreach (var trace in traces)
        {
            HashSet<string> ofTrace = new(StringComparer.Ordinal);
            foreach (var span in trace.Spans.Where(IsMemory))
            {
                foreach (var record in RecordsOf(span.GenAi.OutputPreview))
                {
                    if (ofTrace.Add(record))
                    {
                        (records.TryGetValue(record, out var spans) ? spans : records[record] = []).Add(span);
                    }
                }
            }
        }

        return records;
    }

    /// <summary>Ids of what was remembered, where it says them; else the text itself.</summary>
    private static IEnumerable<string> RecordsOf(string preview)
    {
        var ids = RecordId().Matches(preview);
        return ids.Count > 0 ? ids.Select(static match => match.Groups["id"].Value)
            : preview.Split("; ", StringSplitOptions.RemoveEmptyEntries).Select(static record => record.IndexOf(": ", StringComparison.Ordinal) is > 0 and <= 80 and var end ? record[..end] : record);
    }

    private static string? AgentOf(CaseFacts facts, string operation) =>
        facts.Bad.SelectMany(trace => trace.Spans).FirstOrDefault(span => span.GenAi is { Agent.Length: > 0 } && string.Equals(span.GenAi.Operation, operation, StringComparison.Ordinal))?.GenAi.Agent;

    [GeneratedRegex(@"""(id|memory_id|record_id|key)""\s*:\s*""(?<id>[^""]{1,80})""", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex RecordId();
}

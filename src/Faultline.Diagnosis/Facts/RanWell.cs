using Faultline.Diagnosis.Causes;

namespace Faultline.Diagnosis.Facts;

/// <summary>How requests did between a change and the onset: what had changed long before and did no harm is hardly what does it now.</summary>
/// <param name="between">Requests of that time, and whether each shows the first symptom.</param>
/// <param name="usual">Of those before, the part that shows it.</param>
/// <param name="since">The same of those since the onset.</param>
internal sealed class RanWell(IReadOnlyList<(TraceFacts Trace, bool Shows)> between, double usual, double since)
{
    public static readonly RanWell Unknown = new([], 1, 1);

    /// <summary>No share is believed to be rarer, or more certain, than so.</summary>
    private const double ShareMin = 0.02;

    /// <summary>Fewer requests prove nothing.</summary>
    private const int RequestsMin = 4;

    /// <summary>Requests of one minute are alike, and the onset is known to a minute or two, so the likelihood of each counts for a part.</summary>
    private const double Counts = 0.25;

    /// <summary>What it is worth at most: some changes do their harm only after a while.</summary>
    private const double WeightMax = 3.5;

    /// <param name="shows">Whether a request shows the first symptom; null where that cannot be told.</param>
    public static RanWell Of(IEnumerable<TraceFacts> between, IEnumerable<TraceFacts> before, Func<TraceFacts, bool?> shows, double since)
    {
        var usual = before.Select(shows).OfType<bool>().ToList();
        var known = between.Select(trace => (Trace: trace, Shows: shows(trace))).Where(static one => one.Shows is not null);
        return usual.Count == 0 ? Unknown : new([.. known.Select(static one => (one.Trace, one.Shows == true))], usual.Count(static one => one) / (double)usual.Count, since);
    }

    /// <summary>How much likelier it is, in log-odds, that requests with the value did as well as ever because it does no harm; 0 when it may do this.</summary>
    /// <remarks>Only of what requests themselves say: a change that was recorded is often minutes from being in use.</remarks>
    public (double Weight, Evidence? Evidence) With(Distinction changed)
    {
        var those = between.Where(one => one.Trace.Values().Contains((changed.Attribute, changed.Value))).ToList();
        if (those.Count < RequestsMin)
        {
            return (0, null);
        }

        double p = Math.Clamp(since, ShareMin, 1 - ShareMin), q = Math.Clamp(usual, ShareMin, 1 - ShareMin);
        var bad = those.Count(static one => one.Shows);
        var against = (bad * Math.Log(q / p)) + ((those.Count - bad) * Math.Log((1 - q) / (1 - p)));
        if (against <= 0 || those.Find(static one => !one.Shows).Trace is not { } well)
        {
            return (0, null);
        }

        var span = well.Root ?? well.Spans[0];
        return (Math.Min(WeightMax, Counts * against), new Evidence("span", $"{span.TraceId}/{span.SpanId}", Words(changed, bad, those.Count)));
    }

    private string Words(Distinction changed, int bad, int all) =>
        $"Of {all} requests with {changed.Attribute} {changed.Value} before the onset {(bad == 0 ? "none" : AttributeNames.Percent(bad / (double)all))} {(bad == 0 ? "shows" : "show")} it; since then {AttributeNames.Percent(since)} do.";
}

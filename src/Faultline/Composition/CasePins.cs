using Faultline.Cases;
using Faultline.Cases.Deletions;
using Faultline.Store.Tiers;
using Faultline.Telemetry.Spans;

namespace Faultline.Composition;

/// <summary>What cases and legal holds want kept.</summary>
internal static class CasePins
{
    public static Pins Of(CaseBook cases, DeletionDesk deletions) => new(
        [.. cases.List(null).SelectMany(view => view.BadTraces.Concat(view.GoodTraces).Select(trace => (view.Project, trace))).Distinct()
            .Select(one => (one.Project, Trace: TraceId.TryParse(one.trace, out var id) ? id : default))],
        [.. deletions.HeldScopes().Select(one => one.Scope)]);
}

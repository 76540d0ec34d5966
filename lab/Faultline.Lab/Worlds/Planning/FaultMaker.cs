using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Planning;

/// <summary>Makes one definite fault of a kind: how bad, how it begins, and whom it meets.</summary>
internal static class FaultMaker
{
    private const double SeverityLeast = 0.35;

    public static PlannedFault Make(FaultKind kind, GenAiSystem system, long start, long end, Rng rng)
    {
        var (target, accepted) = Targets.Choose(kind, system, rng);
        var share = ShareOf(kind, system, rng);
        var tenant = kind.On == On.Tenant ? target : share == Share.Tenant ? system.Tenants[0] : null;
        return new PlannedFault
        {
            Kind = kind,
            System = system,
            Start = start,
            End = end,
            Severity = Math.Round(rng.Between(SeverityLeast, 1.0), 2),
            Onset = kind.Gradual ? Onset.Ramp : OnsetOf(kind, rng),
            Share = share,
            Tenant = tenant,
            Target = target,
            TargetsAccepted = [.. accepted.Distinct()],
            FlapNanos = rng.Between(8, 18) * 60 * RequestRun.NanosPerSecond,
        };
    }

    /// <summary>What a change switches on comes at a step; what comes by itself may also creep in or come and go.</summary>
    private static Onset OnsetOf(FaultKind kind, Rng rng)
    {
        var step = kind.Change is null ? 0.55 : 0.8;
        return rng.Unit() switch
        {
            var draw when draw < step => Onset.Step,
            var draw when draw < step + ((1 - step) * 0.6) => Onset.Ramp,
            _ => Onset.Flapping,
        };
    }

    private static Share ShareOf(FaultKind kind, GenAiSystem system, Rng rng)
    {
        if (kind.On == On.Tenant)
        {
            return Share.Tenant;
        }

        if (kind.On is not (On.Index or On.Template or On.Tool or On.Guardrail or On.Memory) || rng.Chance(0.65))
        {
            return Share.All;
        }

        return system.Routes.Count > 1 && kind.On == On.Template && rng.Chance(0.5) ? Share.Model
            : system.TenantsShown ? Share.Tenant
            : Share.All;
    }
}

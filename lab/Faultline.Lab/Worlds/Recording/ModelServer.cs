using System.Text.Json;
using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Recording;

/// <summary>Gauges of a self-hosted model server: use of the accelerators, memory of the cache, requests that wait.</summary>
internal static class ModelServer
{
    private const long EveryNanos = 60 * RequestRun.NanosPerSecond;

    public static void Tell(GenAiSystem system, IReadOnlyList<PlannedFault> faults, WorldPlan plan, Rng rng, Action<long, string, Action<Utf8JsonWriter>> add)
    {
        if (!system.Has(Abilities.SelfHosted))
        {
            return;
        }

        var server = system.Services[^1];
        for (var at = plan.Start; at < plan.End; at += EveryNanos)
        {
            var load = faults.Select(fault => LoadOf(fault, at)).Append(0).Max();
            List<(string, string, double)> gauges =
            [
                ("DCGM_FI_DEV_GPU_UTIL", "%", Math.Round(Math.Clamp(rng.Normal(48 + (55 * load), 6), 0, 100))),
                ("vllm:gpu_cache_usage_perc", "1", Math.Round(Math.Clamp(rng.Normal(0.4 + (0.6 * load), 0.06), 0, 1), 3)),
                ("vllm:num_requests_waiting", "{request}", Math.Round(Math.Max(0, rng.Normal(14 * load, 0.5 + load)))),
            ];
            var when = at;
            add(at + (RequestRun.NanosPerSecond / 2), "metrics", json => OtlpWriter.Gauges(json, server, 0, when, gauges));
        }
    }

    private static double LoadOf(PlannedFault fault, long at)
    {
        var strength = fault.StrengthAt(at);
        if (strength <= 0)
        {
            return 0;
        }

        var conditions = new Conditions();
        fault.Kind.Apply(conditions, fault.Severity);
        return conditions.GpuLoad * strength;
    }
}

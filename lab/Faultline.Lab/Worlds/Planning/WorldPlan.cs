using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Topologies;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Planning;

/// <summary>What the worlds of one run have in common.</summary>
/// <param name="Days">Length of a world; parts of a day are allowed.</param>
/// <param name="SpansPerDay">About, for a world without faults.</param>
public sealed record WorldOptions(long Seed, double Days, Split Split, int Worlds, int SpansPerDay = WorldOptions.SpansPerDayDefault)
{
    public const int SpansPerDayDefault = 22_000;
}

/// <summary>Everything about one world but its requests.</summary>
/// <param name="Changes">Of faults, of their ends and innocent ones; in time order.</param>
internal sealed record WorldPlan(
    string Name,
    WorldOptions Options,
    long Start,
    long End,
    IReadOnlyList<GenAiSystem> Systems,
    IReadOnlyList<PlannedFault> Faults,
    IReadOnlyList<PlannedChange> Changes)
{
    private const double HourNanos = 3600.0 * RequestRun.NanosPerSecond;

    /// <summary>Days of services in which nothing was wrong, nor within the hour after.</summary>
    public double HealthyServiceDays => Systems.Sum(system =>
    {
        var ill = Faults.Where(fault => fault.System == system).Sum(fault => Math.Min(fault.End + HourNanos, End) - fault.Start);
        return system.Services.Count * Math.Max(0, End - Start - ill) / (24 * HourNanos);
    });
}

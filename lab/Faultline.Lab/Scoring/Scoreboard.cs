namespace Faultline.Lab.Scoring;

/// <summary>One fault and what was said of it; <paramref name="First"/> is null when nothing was.</summary>
/// <param name="Cases">How many cases it got.</param>
public sealed record JudgedFault(LabelledFault Fault, PredictedCase? First, int Cases)
{
    private const double Sure = 0.5;

    public bool Detected => First is not null;

    public double DelayMinutes => (First!.UnixNanos!.Value - Fault.Start) / 6e10;

    /// <summary>Null: not judged.</summary>
    public bool? ClassRight => First is null || Fault.Classes.Count == 0 ? null : Fault.Classes.Contains(First.Class, StringComparer.Ordinal);

    public PredictedCause? Top => First?.Causes.Count > 0 ? First.Causes[0] : null;

    public bool Abstains => First is not null && !First.Causes.Any(cause => cause.Confidence >= Sure && cause.Cause != "unknown");

    public bool CauseAmong(int count) => First is not null && First.Causes.Take(count).Any(cause => cause.Cause == Fault.Cause);

    public bool CauseAndTargetAmong(int count) => First is not null && First.Causes.Take(count).Any(cause => cause.Cause == Fault.Cause && Fits(cause.Target));

    /// <summary>Equal to an accepted name, or a little longer and containing it.</summary>
    private bool Fits(string target) => target.Length > 0 && Fault.Targets.Select(name => name.Trim().ToLowerInvariant()).Any(name =>
        name.Length > 0 && (target == name || (name.Length > 3 && target.Length < name.Length + 24 && target.Contains(name, StringComparison.Ordinal))));
}

/// <summary>Confidence against truth in one tenth of the scale.</summary>
public sealed record ReliabilityBin(double From, int Count, double Confidence, double Right);

/// <summary>
/// Cases against labels, by the rules of the recorded worlds: a case matches a fault when it opens between the fault's start and an hour
/// after its end and names one of its services; of several, one that is running wins over one that ended, then the later start. The first
/// case of a fault is judged, more are duplicates, and a case without a fault is false.
/// </summary>
public sealed class Scoreboard
{
    private const long HourNanos = 3_600_000_000_000;
    private const int Bins = 10;

    public Scoreboard(IReadOnlyList<LabelledWorld> worlds, IEnumerable<PredictedCase> cases)
    {
        Worlds = worlds.Count;
        ServiceDaysHealthy = worlds.Sum(world => world.ServiceDaysHealthy);
        var byWorld = worlds.ToDictionary(world => world.Name, StringComparer.Ordinal);
        var matched = worlds.SelectMany(world => world.Faults).ToDictionary(fault => fault, _ => new List<PredictedCase>(), ReferenceEqualityComparer.Instance as IEqualityComparer<LabelledFault>);
        foreach (var predicted in cases)
        {
            if (!byWorld.TryGetValue(predicted.World, out var world))
            {
                continue;
            }

            Cases++;
            var fault = predicted.UnixNanos is { } at
                ? world.Faults.Where(fault => at >= fault.Start && at <= fault.End + HourNanos && fault.Services.Contains(predicted.Service, StringComparer.OrdinalIgnoreCase))
                    .MaxBy(fault => (at <= fault.End, fault.Start))
                : null;
            if (fault is null)
            {
                False.Add(predicted);
                continue;
            }

            matched[fault].Add(predicted);
        }

        Faults = [.. matched.Select(pair => new JudgedFault(pair.Key, pair.Value.MinBy(predicted => predicted.UnixNanos), pair.Value.Count))];
    }

    public int Worlds { get; }

    public int Cases { get; }

    public double ServiceDaysHealthy { get; }

    public IReadOnlyList<JudgedFault> Faults { get; }

    public List<PredictedCase> False { get; } = [];

    public IReadOnlyList<JudgedFault> Detected => [.. Faults.Where(fault => fault.Detected)];

    public IReadOnlyList<JudgedFault> KnownDetected => [.. Detected.Where(fault => !fault.Fault.IsUnknown)];

    public double? Recall => Share(Faults, fault => fault.Detected);

    public double? DelayMedianMinutes => Median(Detected.Select(fault => fault.DelayMinutes));

    public double? FalsePerServiceDay => ServiceDaysHealthy > 0 ? False.Count / ServiceDaysHealthy : null;

    public double? CasesPerFault => Detected.Count > 0 ? Detected.Sum(fault => fault.Cases) / (double)Detected.Count : null;

    public double? ClassAccuracy => Share(Detected.Where(fault => fault.ClassRight is not null), fault => fault.ClassRight == true);

    public double? CauseTop1 => Share(KnownDetected, fault => fault.CauseAndTargetAmong(1));

    public double? CauseTop3 => Share(KnownDetected, fault => fault.CauseAndTargetAmong(3));

    public double? CauseOnlyTop1 => Share(KnownDetected, fault => fault.CauseAmong(1));

    public double? CauseOnlyTop3 => Share(KnownDetected, fault => fault.CauseAmong(3));

    /// <summary>Of faults outside the vocabulary that were detected: no cause was named with confidence.</summary>
    public double? UnknownAbstained => Share(Detected.Where(fault => fault.Fault.IsUnknown), fault => fault.Abstains);

    /// <summary>Of the answers "unable to determine": the cause was outside the vocabulary, or the first guess would have been wrong.</summary>
    public double? AbstainedPrecision => Share(Detected.Where(fault => fault.Abstains), fault => fault.Fault.IsUnknown || !fault.CauseAmong(1));

    public IReadOnlyList<ReliabilityBin> Reliability =>
    [
        .. Detected.Where(fault => fault.Top is { Cause: not "unknown" })
            .GroupBy(fault => Math.Min(Bins - 1, (int)((fault.Top!.Confidence * Bins) + 1e-9)))
            .OrderBy(group => group.Key)
            .Select(group => new ReliabilityBin(group.Key / (double)Bins, group.Count(), group.Average(fault => fault.Top!.Confidence), group.Average(fault => fault.CauseAmong(1) ? 1.0 : 0.0))),
    ];

    /// <summary>Expected calibration error over ten bins.</summary>
    /// <remarks>Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".</remarks>
    public double? ExpectedCalibrationError => Reliability is { Count: > 0 } bins
        ? bins.Sum(bin => bin.Count * Math.Abs(bin.Confidence - bin.Right)) / bins.Sum(bin => bin.Count)
        : null;

    /// <summary>True cause, said cause, how often; only where they differ.</summary>
    public IReadOnlyList<(string True, string Said, int Count)> Confusion =>
    [
        .. KnownDetected.Where(fault => !fault.CauseAmong(1))
            .GroupBy(fault => (True: fault.Fault.Cause, Said: fault.Top?.Cause ?? "nothing"))
            .Select(group => (group.Key.True, group.Key.Said, group.Count()))
            .OrderByDescending(entry => entry.Item3).ThenBy(entry => entry.True, StringComparer.Ordinal).ThenBy(entry => entry.Said, StringComparer.Ordinal),
    ];

    public static double? Share(IEnumerable<JudgedFault> faults, Func<JudgedFault, bool> right)
    {
        var (all, good) = (0, 0);
        foreach (var fault in faults)
        {
            all++;
            good += right(fault) ? 1 : 0;
        }

        return all > 0 ? good / (double)all : null;
    }

    public static double? Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count == 0 ? null : (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }
}

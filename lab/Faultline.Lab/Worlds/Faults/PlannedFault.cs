using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Faults;

/// <summary>How a fault begins.</summary>
internal enum Onset
{
    Step,
    Ramp,
    Flapping,
}

/// <summary>Which requests a fault meets.</summary>
internal enum Share
{
    All,
    Tenant,
    Model,
}

/// <summary>Something somebody did to a system. <paramref name="Recorded"/>: telling the change log was not forgotten.</summary>
internal sealed record PlannedChange(long At, string Type, string Service, string Detail, IReadOnlyDictionary<string, string> Attributes, bool Recorded, bool Innocent);

/// <summary>One fault of one world: a kind, made definite.</summary>
internal sealed class PlannedFault
{
    private const long NanosPerMinute = 60 * RequestRun.NanosPerSecond;
    private const double RampPart = 0.35;

    public required FaultKind Kind { get; init; }
    public required GenAiSystem System { get; init; }
    public required long Start { get; init; }
    public required long End { get; init; }
    public required double Severity { get; init; }
    public required Onset Onset { get; init; }
    public required Share Share { get; init; }
    public required string? Tenant { get; init; }
    public required string Target { get; init; }
    public required IReadOnlyList<string> TargetsAccepted { get; init; }
    public required long FlapNanos { get; init; }

    /// <summary>What brought it; null: nothing of ours, or not planned yet.</summary>
    public PlannedChange? Change { get; set; }

    /// <summary>What affected requests carry when the fault came with a new version of a template.</summary>
    public string? TemplateVersion { get; set; }

    /// <summary>The most that <see cref="VolumeAt"/> returns.</summary>
    public double MostVolume
    {
        get
        {
            var conditions = new Conditions();
            Kind.Apply(conditions, Severity);
            return Math.Max(1, conditions.Volume);
        }
    }

    /// <summary>How far the fault has come, 0 to 1.</summary>
    public double StrengthAt(long at)
    {
        if (at < Start || at >= End)
        {
            return 0;
        }

        return Onset switch
        {
            Onset.Ramp => Math.Min(1, (at - Start + NanosPerMinute) / (RampPart * (End - Start))),
            Onset.Flapping => (at - Start) % FlapNanos < FlapNanos * 6 / 10 ? 1 : 0,
            _ => 1,
        };
    }

    /// <summary>Applies the fault to one request, if it meets it.</summary>
    public void Apply(Conditions conditions, long at, string tenant, bool strong, Rng rng)
    {
        var strength = StrengthAt(at);
        if (strength <= 0 || (Share == Share.Tenant && tenant != Tenant) || (Share == Share.Model && !strong))
        {
            return;
        }

        if (!Kind.Gradual && !rng.Chance(strength))
        {
            return;
        }

        conditions.Target = Part();
        Kind.Apply(conditions, Kind.Gradual ? Severity * strength : Severity);
        if (conditions.TemplateVersion is not null)
        {
            conditions.TemplateVersion = TemplateVersion;
        }
    }

    /// <summary>How many times the usual traffic comes.</summary>
    public double VolumeAt(long at)
    {
        var strength = StrengthAt(at);
        return strength <= 0 ? 1 : 1 + ((MostVolume - 1) * strength);
    }

    /// <summary>The name that parts of the system compare themselves with.</summary>
    private string? Part() => Kind.On switch
    {
        On.Index or On.Tool or On.Model or On.Provider or On.Template or On.Database or On.Dependency => Target,
        _ => null,
    };
}

using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Planning;

/// <summary>All changes of a world: those that brought faults, those that took them back, and innocent ones, some of which come just before a fault.</summary>
internal sealed class ChangePlanner(Rng rng)
{
    private const long NanosPerSecond = RequestRun.NanosPerSecond;
    private const double InnocentPerDay = 1.6;
    private const double InnocentRecordedShare = 0.9;
    private const double RecordedShare = 0.75;

    /// <summary>Seconds between a change and the fault it brings, at most.</summary>
    private const double LeadMax = 200;

    /// <summary>A fault that no change of ours brought still often follows one.</summary>
    private const double RedHerringShare = 0.35;

    /// <returns>In time order.</returns>
    public IReadOnlyList<PlannedChange> Plan(IReadOnlyList<GenAiSystem> systems, IReadOnlyList<PlannedFault> faults, long start, long end)
    {
        var events = new List<(long At, Func<long, PlannedChange> Make)>();
        foreach (var fault in faults.Where(fault => fault.Kind.Change is not null))
        {
            events.Add((fault.Start - (long)(rng.Between(5, LeadMax) * NanosPerSecond), at => fault.Change = Bring(fault, at)));
            events.Add((fault.End, at => TakeBack(fault, at)));
        }

        foreach (var system in systems)
        {
            var own = faults.Where(fault => fault.System == system).ToList();
            foreach (var at in InnocentTimes(own, start, end))
            {
                if (!own.Any(fault => at >= fault.Start - (NanosPerSecond * LeadMax) && at <= fault.End + (NanosPerSecond * LeadMax)))
                {
                    events.Add((at, at => Innocent(system, at)));
                }
            }
        }

        // Versions are made in time order.
        return [.. events.OrderBy(entry => entry.At).Select(entry => entry.Make(entry.At))];
    }

    private List<long> InnocentTimes(List<PlannedFault> faults, long start, long end)
    {
        var times = new List<long>();
        for (var at = start + Gap(); at < end; at += Gap())
        {
            times.Add(at);
        }

        foreach (var fault in faults.Where(fault => fault.Kind.Change is null))
        {
            if (rng.Chance(RedHerringShare))
            {
                times.Add(fault.Start - (long)(rng.Between(4.0, 40.0) * 60 * NanosPerSecond));
            }
        }

        return times;
    }

    private long Gap() => (long)(rng.Exponential(24 * 3600 / InnocentPerDay) * NanosPerSecond);

    private PlannedChange Bring(PlannedFault fault, long at)
    {
        var (kind, site) = (fault.Kind, Targets.Site(fault.Kind.On, fault.System));
        var change = kind.Change!;
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        string version;
        switch (change.Type)
        {
            case "deploy":
                attributes["previous_version"] = site.Version.At(at);
                version = site.Version.Release(at, rng.Chance(0.3));
                break;
            case "prompt":
                version = fault.TemplateVersion = fault.System.TemplateVersion.Make();
                attributes["template"] = kind.On == On.Template ? fault.Target : fault.System.Templates[0];
                break;
            default:
                version = $"{rng.Between(100, 999)}";
                break;
        }

        attributes["version"] = version;
        var wordings = fault.System.Words.Rows("fault-changes").FirstOrDefault(row => row[0] == kind.Name)?[1..] ?? change.Details;
        var detail = rng.Pick(wordings).Replace("{t}", fault.Target, StringComparison.Ordinal).Replace("{v}", version, StringComparison.Ordinal);
        return new PlannedChange(at, change.Type, site.Name, detail, attributes, rng.Chance(RecordedShare), Innocent: false);
    }

    /// <summary>The fault ends because somebody took its change back.</summary>
    private PlannedChange TakeBack(PlannedFault fault, long at)
    {
        var change = fault.Change!;
        var site = Targets.Site(fault.Kind.On, fault.System);
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        if (change.Type == "deploy")
        {
            attributes["version"] = change.Attributes["previous_version"];
            attributes["previous_version"] = change.Attributes["version"];
            site.Version.Return(at, attributes["version"]);
        }

        var detail = rng.Pick(fault.System.Words["taken-back"]).Replace("{t}", fault.Target, StringComparison.Ordinal).Replace("{s}", site.Name, StringComparison.Ordinal);
        return new PlannedChange(at, change.Type, site.Name, detail, attributes, change.Recorded, Innocent: true);
    }

    private PlannedChange Innocent(GenAiSystem system, long at)
    {
        var row = rng.Pick(system.Words.Rows("innocent-changes"));
        var service = row[0] == "deploy" ? rng.Pick(system.Services) : system.Services[0];
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        var version = $"{rng.Between(100, 999)}";
        if (row[0] == "deploy")
        {
            attributes["previous_version"] = service.Version.At(at);
            version = service.Version.Release(at, rng.Chance(0.3));
        }
        else if (row[0] == "prompt")
        {
            attributes["template"] = system.Templates[0];
            version = system.TemplateVersion.Release(at);
        }

        attributes["version"] = version;
        var detail = row[1].Replace("{t}", system.Templates[0], StringComparison.Ordinal).Replace("{v}", version, StringComparison.Ordinal)
            .Replace("{i}", system.Indexes.Count > 0 ? system.Indexes[0] : "", StringComparison.Ordinal).Replace("{s}", service.Name, StringComparison.Ordinal);
        return new PlannedChange(at, row[0], service.Name, detail, attributes, rng.Chance(InnocentRecordedShare), Innocent: true);
    }
}

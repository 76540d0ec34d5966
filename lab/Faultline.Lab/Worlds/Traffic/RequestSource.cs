using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Topologies;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Traffic;

/// <summary>The users of one system: who asks what, when, and how that changes while a fault of the input lasts.</summary>
internal sealed class RequestSource(GenAiSystem system, IReadOnlyList<PlannedFault> faults, long start, long end, Rng rng)
{
    private const int SessionsMax = 24;
    private const int TurnsMax = 9;
    private const double StrongShare = 0.7;

    private readonly Rhythm _rhythm = new(rng, start, end - start);
    private readonly List<(string Tenant, string User, string Id, int Turn)> _sessions = [];
    private readonly IReadOnlyList<TrafficShift> _shifts = TrafficShift.Draw(system.Tenants, start, end, rng);

    /// <summary>All requests, each with the conditions it meets, in time order.</summary>
    public IEnumerable<(Request Request, Conditions Conditions)> Requests()
    {
        var most = _rhythm.Most * faults.Select(fault => fault.MostVolume).Append(1).Max() * _shifts.Select(shift => shift.Volume).Append(1).Max();
        var at = start;
        while (true)
        {
            at += (long)(rng.Exponential(1 / (system.Rate * most)) * RequestRun.NanosPerSecond);
            if (at >= end)
            {
                yield break;
            }

            var shift = _shifts.FirstOrDefault(shift => at >= shift.Start && at < shift.End);
            var usual = _rhythm.At(at) * (shift?.Volume ?? 1);
            var louder = faults.MaxBy(fault => fault.VolumeAt(at));
            var volume = louder?.VolumeAt(at) ?? 1;
            if (rng.Chance(usual * volume / most))
            {
                var extra = louder?.Share == Share.Tenant && rng.Chance(1 - (1 / volume)) ? louder.Tenant : null;
                yield return Make(at, extra, shift);
            }
        }
    }

    private (Request Request, Conditions Conditions) Make(long at, string? tenant, TrafficShift? shift)
    {
        var abusive = tenant is not null;
        var (user, session, turn) = ("", "", 0);
        if (abusive)
        {
            (user, session) = ($"{tenant}-abuser", $"s-{rng.Bits() >> 32:x8}");
        }
        else
        {
            tenant = shift?.Tenant is { } busy && rng.Chance(0.4) ? busy : system.Tenants[rng.Skewed(system.Tenants.Count)];
            (tenant, user, session, turn) = NextTurn(tenant);
        }

        var strong = rng.Chance(StrongShare);
        var conditions = new Conditions();
        foreach (var fault in faults)
        {
            fault.Apply(conditions, at, tenant!, strong, rng);
        }

        var document = system.Library.Documents[rng.Skewed(system.Library.Documents.Count)];
        var (question, kind) = Ask(conditions, document, abusive);
        if (kind is "injection" or "scraping")
        {
            user = $"{tenant}-abuser";
        }

        return (new Request(at, rng.Bits(), rng.Bits() | 1, tenant!, user, session, turn, strong, document, question, kind), conditions);
    }

    private (string Tenant, string User, string Id, int Turn) NextTurn(string tenant)
    {
        if (system.Has(Abilities.Sessions) && _sessions.Count > 3 && rng.Chance(0.72))
        {
            var i = rng.Below(_sessions.Count);
            var session = _sessions[i] with { Turn = _sessions[i].Turn + 1 };
            _sessions[i] = session;
            if (session.Turn >= TurnsMax || rng.Chance(0.12))
            {
                _sessions.RemoveAt(i);
            }

            return session;
        }

        var begun = (tenant, $"{tenant}-u{rng.Skewed(60):00}", $"s-{rng.Bits() >> 32:x8}", 0);
        _sessions.Add(begun);
        if (_sessions.Count > SessionsMax)
        {
            _sessions.RemoveAt(0);
        }

        return begun;
    }

    private (string Question, string Kind) Ask(Conditions c, Document document, bool abusive)
    {
        var words = system.Words;
        string Filled(string text) => text.Replace("{t}", document.Topic, StringComparison.Ordinal).Replace("{e}", document.Entity, StringComparison.Ordinal);
        var question = rng.Pick(document.Questions);
        if (c.Injections > 0 && (abusive || rng.Chance(c.Injections)))
        {
            return ($"{question} {rng.Pick(words["injections"])}", "injection");
        }

        if (c.Scraping > 0 && (abusive || rng.Chance(c.Scraping)))
        {
            return ($"{question} {Filled("Write everything about {t} and {e}, item by item, with all figures, and continue until nothing is left.")}", "scraping");
        }

        if (rng.Chance(c.ForeignLanguage))
        {
            return (Filled(rng.Pick(words.Rows("foreign"))[1]), "foreign");
        }

        if (rng.Chance(c.NewTopics))
        {
            return (Filled(rng.Pick(words["new-topics"])), "new-topic");
        }

        if (rng.Chance(c.LongQuestions))
        {
            var others = Enumerable.Range(0, rng.Between(10, 20)).Select(_ => rng.Pick(rng.Pick(system.Library.Documents).Questions));
            return ($"{question} {string.Join(' ', others)}", "long");
        }

        return (question, "usual");
    }
}

/// <summary>A harmless shift: somewhat more traffic, or one tenant busier than usual, for a few hours.</summary>
internal sealed record TrafficShift(long Start, long End, double Volume, string? Tenant)
{
    private const double PerDay = 0.7;

    public static IReadOnlyList<TrafficShift> Draw(IReadOnlyList<string> tenants, long start, long end, Rng rng)
    {
        const long hour = 3600 * RequestRun.NanosPerSecond;
        var shifts = new List<TrafficShift>();
        for (var at = start + (long)(rng.Exponential(24 / PerDay) * hour); at < end; at += (long)((1 + rng.Exponential(24 / PerDay)) * hour))
        {
            var busy = rng.Chance(0.5);
            shifts.Add(new TrafficShift(at, at + (long)(rng.Between(0.5, 4.0) * hour), busy ? 1 : rng.Between(1.2, 1.6), busy ? rng.Pick(tenants) : null));
        }

        return shifts;
    }
}

namespace Faultline.Diagnosis.Localisation;

/// <summary>
/// Which service is the cause? Four ways of looking, each with a strength between 0 and 1: how the amount of the symptom divides along the
/// call graph, where the order of events inside spans changed, where the time of calls goes, and which resources left their usual range.
/// </summary>
/// <remarks>
/// All four look for what is a service's own: a caller that is slow, fails or takes another way because of what it calls is
/// explained by it. A service is as suspect as its clues together, one of each kind: 1 − Π(1 − strength).
/// </remarks>
public static class ServiceLocator
{
    /// <summary>Below this no service is named: unable to determine.</summary>
    private const double StrengthMin = 0.05;

    private const int SuspectsMax = 20;

    /// <summary>Suspects, strongest first; empty when nothing speaks clearly for any service.</summary>
    public static IReadOnlyList<Suspect> Locate(Incident incident)
    {
        ArgumentNullException.ThrowIfNull(incident);
        Clue[] clues =
        [
            .. SymptomFlow.Clues(incident),
            .. EventPaths.Clues(incident.Normal, incident.Abnormal),
            .. CallTimes.Clues(incident.Normal, incident.Abnormal),
            .. ResourceShifts.Clues(incident),
        ];
        Suspect[] suspects =
        [
            .. clues.GroupBy(clue => clue.Service, StringComparer.Ordinal)
                .Select(Suspect)
                .OrderByDescending(suspect => suspect.Strength)
                .ThenBy(suspect => suspect.Service, StringComparer.Ordinal)
                .Take(SuspectsMax),
        ];
        return suspects is [{ Strength: >= StrengthMin }, ..] ? suspects : [];
    }

    private static Suspect Suspect(IGrouping<string, Clue> clues)
    {
        // Of clues as good as equal the first stays first: a share of a known whole before an amount.
        Clue[] strongest = [.. clues.OrderByDescending(clue => Math.Round(clue.Strength, 2)).DistinctBy(clue => clue.Kind)];
        var innocence = strongest.Aggregate(1.0, (product, clue) => product * (1 - Math.Clamp(clue.Strength, 0, 1)));
        return new Suspect(clues.Key, 1 - innocence, strongest[0].Cause, [.. strongest.Select(clue => clue.Sentence)]);
    }
}

namespace Faultline.Diagnosis.Attribution;

/// <summary>The steps of <see cref="RiseLocator"/> over the groups of one table. A condition is a code for each dimension, or <see cref="Free"/>.</summary>
internal sealed class RiseSearch(RiseTable table, int[][] codes, RiseCounts[] counts)
{
    /// <summary>A rest whose rate rose by less than this part of the suspect's is clean.</summary>
    private const double CleanMax = 0.1;

    /// <summary>Where nothing is clean, the rest's rate rose by at most this part of the cause's; else nothing stands apart.</summary>
    private const double ApartMax = 0.5;

    /// <summary>Evidence needed for a split, in nats; as much as one more parameter costs with some hundred observations (Schwarz 1978).</summary>
    private const double EvidenceMin = 3;

    /// <summary>Values that one split may name together.</summary>
    private const int SuspectsMax = 3;

    /// <summary>A value named together with others rose by at least this part of the most.</summary>
    private const double SuspectMin = 0.25;

    /// <summary>Largest part of a set that already has a condition for several of its values to be named.</summary>
    private const double SeveralPartMax = 1.0 / 3;

    /// <summary>Part of the likelihood ratio that each condition after the first costs a combination.</summary>
    private const double ConditionPenalty = 0.15;

    private const int ConditionsMax = 4;
    private const int BeamWidth = 24;

    /// <summary>In a condition: any value.</summary>
    private const int Free = -2;

    public int[] NoCondition()
    {
        var condition = new int[table.Dimensions.Count];
        Array.Fill(condition, Free);
        return condition;
    }

    public bool Matches(int group, int[] condition)
    {
        for (var i = 0; i < condition.Length; i++)
        {
            if (condition[i] != Free && condition[i] != codes[group][i])
            {
                return false;
            }
        }

        return true;
    }

    public RiseCounts Sum(int[] groups)
    {
        var sum = default(RiseCounts);
        foreach (var group in groups)
        {
            sum += counts[group];
        }

        return sum;
    }

    public IReadOnlyList<KeyValuePair<string, string>> Values(int[] condition) =>
        [.. Enumerable.Range(0, condition.Length)
            .Where(dimension => condition[dimension] != Free)
            .Select(dimension => KeyValuePair.Create(table.Dimensions[dimension], table.Value(dimension, condition[dimension])))];

    /// <summary>Splits as long as a rest can be ruled out; adds the conditions reached, none when there was no split at all.</summary>
    public void Divide(int[] groups, int[] condition, List<int[]> found)
    {
        var conditioned = Array.Exists(condition, code => code != Free);
        if (BestSplit(groups, condition, conditioned) is not { } split)
        {
            if (conditioned)
            {
                found.Add(condition);
            }

            return;
        }

        foreach (var suspect in split.Suspects)
        {
            var narrower = (int[])condition.Clone();
            narrower[split.Dimension] = suspect;
            Divide(Array.FindAll(groups, group => codes[group][split.Dimension] == suspect), narrower, found);
        }
    }

    /// <summary>Whether the rate rose clearly more with these values than without.</summary>
    public bool StandsApart(int[] groups, int[] condition)
    {
        var blamed = Sum(Array.FindAll(groups, group => Matches(group, condition)));
        return (Sum(groups) - blamed).RatePoints <= ApartMax * blamed.RatePoints;
    }

    private Split? BestSplit(int[] groups, int[] condition, bool conditioned)
    {
        var whole = Sum(groups);
        Split? best = null;
        for (var dimension = 0; dimension < condition.Length; dimension++)
        {
            if (condition[dimension] == Free && TrySplit(groups, whole, dimension, conditioned) is { } split
                && (best is null
                    || (split.Suspects.Length == 1 && best.Suspects.Length > 1)
                    || ((split.Suspects.Length == 1) == (best.Suspects.Length == 1) && split.Evidence > best.Evidence)))
            {
                best = split;
            }
        }

        return best;
    }

    /// <summary>The fewest values of a dimension that leave a clean rest, or null.</summary>
    private Split? TrySplit(int[] groups, RiseCounts whole, int dimension, bool conditioned)
    {
        var byValue = ByValue(groups, dimension, out var present);
        List<int> suspects = [];
        var blamed = default(RiseCounts);
        double most = 0;
        while (suspects.Count < SuspectsMax && NextSuspect(byValue, suspects) is { } next)
        {
            suspects.Add(next);
            blamed += byValue[next];
            most = Math.Max(most, byValue[next].RatePoints);
            var rest = whole - blamed;
            if (rest.All <= 0 || suspects.Exists(suspect => byValue[suspect].RatePoints < SuspectMin * most)
                || (conditioned && suspects.Count > 1 && (blamed.All > SeveralPartMax * whole.All || 2 * suspects.Count > present)))
            {
                return null;
            }

            if (rest.RatePoints <= CleanMax * blamed.RatePoints)
            {
                var evidence = PoissonLogLikelihood(blamed.Bad, blamed.Bad) + PoissonLogLikelihood(rest.Bad, rest.Expected)
                    - PoissonLogLikelihood(blamed.Bad, blamed.Expected + (whole.RatePoints * blamed.All))
                    - PoissonLogLikelihood(rest.Bad, rest.Expected + (whole.RatePoints * rest.All));
                if (evidence >= EvidenceMin)
                {
                    return new Split(dimension, [.. suspects], evidence);
                }
            }
        }

        return null;
    }

    /// <summary>Counts by code; groups that lack the dimension are in none.</summary>
    private RiseCounts[] ByValue(int[] groups, int dimension, out int present)
    {
        var sums = new RiseCounts[table.ValueCount(dimension)];
        present = 0;
        foreach (var group in groups)
        {
            if (codes[group][dimension] is var code and not RiseTable.Absent)
            {
                present += sums[code].All > 0 ? 0 : 1;
                sums[code] += counts[group];
            }
        }

        return sums;
    }

    private static int? NextSuspect(RiseCounts[] byValue, List<int> taken)
    {
        int? next = null;
        for (var code = 0; code < byValue.Length; code++)
        {
            if (byValue[code].Rise > 0 && !taken.Contains(code) && (next is not { } best || byValue[code].Rise > byValue[best].Rise))
            {
                next = code;
            }
        }

        return next;
    }

    /// <summary>The combination whose rise is least like chance for its length, by beam search from single values; null when none rose.</summary>
    public int[]? BestCombination(int[] groups)
    {
        (int[] Condition, double Score) best = ([], 0);
        List<(int[] Condition, int[] Groups)> beam = [(NoCondition(), groups)];
        for (var length = 1; length <= Math.Min(ConditionsMax, table.Dimensions.Count); length++)
        {
            var longer = new Dictionary<string, (int[] Condition, double Score, int[] Parent, int Dimension)>(StringComparer.Ordinal);
            foreach (var (condition, members) in beam)
            {
                Extend(condition, members, 1 - (ConditionPenalty * (length - 1)), longer);
            }

            var kept = longer.OrderByDescending(item => item.Value.Score).ThenBy(item => item.Key, StringComparer.Ordinal).Take(BeamWidth).Select(item => item.Value).ToList();
            if (kept.Count == 0)
            {
                break;
            }

            if (kept[0].Score > best.Score)
            {
                best = (kept[0].Condition, kept[0].Score);
            }

            beam = kept.ConvertAll(item => (item.Condition, Array.FindAll(item.Parent, group => codes[group][item.Dimension] == item.Condition[item.Dimension])));
        }

        return best.Score > 0 ? best.Condition : null;
    }

    private void Extend(int[] condition, int[] members, double factor, Dictionary<string, (int[] Condition, double Score, int[] Parent, int Dimension)> longer)
    {
        for (var dimension = 0; dimension < condition.Length; dimension++)
        {
            if (condition[dimension] != Free)
            {
                continue;
            }

            var byValue = ByValue(members, dimension, out _);
            for (var code = 0; code < byValue.Length; code++)
            {
                var score = factor * byValue[code].LogLikelihoodRatio;
                if (score > 0)
                {
                    var narrower = (int[])condition.Clone();
                    narrower[dimension] = code;
                    longer.TryAdd(string.Join(',', narrower), (narrower, score, members, dimension));
                }
            }
        }
    }

    private static double PoissonLogLikelihood(double observed, double mean) => (observed * Math.Log(Math.Max(mean, 0.25))) - mean;

    private sealed record Split(int Dimension, int[] Suspects, double Evidence);
}

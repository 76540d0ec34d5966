namespace Faultline.Diagnosis.Attribution;

/// <summary>A combination of values that explains a rise of the bad rate, or a part of it.</summary>
/// <param name="Values">Dimension and value, in the order of the table's dimensions; at least one.</param>
/// <param name="Counts">Events with these values now, and what was expected of them.</param>
/// <param name="ShareOfRise">Its part of the whole rise; above 1 when the rate fell elsewhere.</param>
public sealed record RiseCause(IReadOnlyList<KeyValuePair<string, string>> Values, RiseCounts Counts, double ShareOfRise);

/// <summary>
/// Multi-dimensional root-cause localisation: which combinations of attribute values explain that more events are bad than before?
/// </summary>
/// <remarks>
/// <para>It divides the events as long as something can be ruled out. A set of events is split by the values of one dimension where
/// nearly all of its rise lies in one value and the rest is <em>clean</em>: the rate of the rest rose by no more than a tenth of what
/// the rate of that value did, and that is not for want of events: the log-likelihood of "only this value rose" is clearly above that of
/// "all rose alike". The split with most evidence is taken, and what is left is split again. So every condition of an answer is there
/// because without it events would be blamed that are well, and none is there that rules out nothing.</para>
/// <para>Several values of one dimension are a split where no single one is and the whole has no condition yet, or where they are a
/// small part of it: one condition more is a better explanation than two causes. Where nothing splits, causes lie in different
/// dimensions: the combination with the best likelihood ratio, less a seventh for every condition after the first, is taken if its rate
/// rose by twice as much as the rest's. What the causes found do not cover is searched again while it holds a quarter of the rise.</para>
/// <para>Family: Adtributor (Bhagwan et al. 2014: explanatory power, surprise, succinctness), Squeeze (Li et al. 2019) and RiskLoc (Kalander 2022);
/// here counts of bad and all are known, so likelihoods take the place of thresholds on deviation scores. Work is
/// groups × dimensions × depth.</para>
/// </remarks>
public static class RiseLocator
{
    /// <summary>Evidence below which a rise is taken for chance.</summary>
    private const double RiseEvidenceMin = 3;

    /// <summary>The same for what earlier causes leave.</summary>
    private const double RemainderEvidenceMin = 8;

    /// <summary>Part of the rise that must be unexplained for another search.</summary>
    private const double RemainderMin = 0.25;

    private const int SearchesMax = 3;

    /// <summary>The causes of the rise, the one with the largest rise first.</summary>
    /// <returns>Empty when the rate did not rise by more than chance, or nothing sets the bad events apart.</returns>
    public static IReadOnlyList<RiseCause> Locate(RiseTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        var (codes, counts) = table.Now();
        var search = new RiseSearch(table, codes, counts);
        var everything = Enumerable.Range(0, codes.Length).ToArray();
        var whole = search.Sum(everything);
        if (whole.LogLikelihoodRatio < RiseEvidenceMin)
        {
            return [];
        }

        List<int[]> found = [];
        var rest = everything;
        for (var round = 0; round < SearchesMax; round++)
        {
            var left = search.Sum(rest);
            if (round > 0 && (left.Rise < RemainderMin * whole.Rise || left.LogLikelihoodRatio < RemainderEvidenceMin))
            {
                break;
            }

            var before = found.Count;
            search.Divide(rest, search.NoCondition(), found);
            if (found.Count == before)
            {
                if (search.BestCombination(rest) is not { } combination || !search.StandsApart(rest, combination))
                {
                    break;
                }

                found.Add(combination);
            }

            rest = Array.FindAll(rest, group => !found.Exists(condition => search.Matches(group, condition)));
        }

        return [.. found
            .Select(condition => (Condition: condition, Counts: search.Sum(Array.FindAll(everything, group => search.Matches(group, condition)))))
            .OrderByDescending(item => item.Counts.Rise)
            .Select(item => new RiseCause(search.Values(item.Condition), item.Counts, item.Counts.Rise / whole.Rise))];
    }
}

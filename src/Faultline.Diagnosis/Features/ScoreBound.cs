using System.Runtime.InteropServices;
using Faultline.Diagnosis.Baselines;

namespace Faultline.Diagnosis.Features;

/// <summary>How far most scores of an evaluation are from their middle, and so which are far off, learnt score by score.</summary>
/// <remarks>
/// The median and the median distance from it, which half of the answers would have to be wrong to move. After the first scores a step towards each new one
/// (Robbins and Monro 1951), so small that a fault of an hour moves them little.
/// </remarks>
/// <param name="score">The evaluation's scores.</param>
internal sealed class ScoreBound(Feature score)
{
    private const int FirstScores = 100;

    /// <summary>Median distances: four standard deviations of what is normally distributed.</summary>
    private const double Far = 6;

    /// <summary>Smallest changes worth a word: scores that are always the same have no distance.</summary>
    private const double FarMin = 2;

    /// <summary>Parts of the distance that a step has.</summary>
    private const double StepsOfDistance = 50;

    private List<double>? _first = [];
    private double _median;
    private double _distance;
    private double _step;

    /// <summary>Takes a score in.</summary>
    /// <returns>Whether it is far on the bad side; null while too little is known.</returns>
    public bool? Note(double value)
    {
        if (_first is null)
        {
            var isPoor = IsPoor(score, value, _median, _distance);
            var distance = Math.Abs(value - _median);
            _median += _step * Math.Sign(value - _median);
            _distance = Math.Max(0, _distance + (_step * Math.Sign(distance - _distance)));
            return isPoor;
        }

        _first.Add(value);
        if (_first.Count == FirstScores)
        {
            (_median, _distance) = Of(CollectionsMarshal.AsSpan(_first));
            _step = Math.Max(_distance, FarMin * score.EffectFloor(_median) / Far) / StepsOfDistance;
            _first = null;
        }

        return null;
    }

    /// <summary>The median of scores, and the median distance from it.</summary>
    /// <param name="values">At least one. Overwritten.</param>
    public static (double Median, double Distance) Of(Span<double> values)
    {
        var median = RobustStatistics.Median(values);
        return (median, RobustStatistics.ScaledMad(values, median) / RobustStatistics.MadToSigma);
    }

    public static bool IsPoor(Feature score, double value, double median, double distance) =>
        (score.BadWhen == BadWhen.Rises ? value - median : median - value) > Math.Max(Far * distance, FarMin * score.EffectFloor(median));
}

namespace Faultline.Diagnosis.Features;

/// <summary>The duration that nineteen of twenty calls of a service stay within, learnt call by call.</summary>
/// <remarks>
/// After the first calls a step up for each slower one and a nineteenth of it down for each other (Robbins and Monro 1951), so small that a fault of an hour moves it
/// by less than it moves the calls. The day's rhythm is left to the baseline of the share.
/// </remarks>
internal sealed class SlowBound
{
    private const int FirstCalls = 200;
    private const double Share = 0.05;

    /// <summary>Natural logarithm.</summary>
    private const double Step = 0.005;
    private const double SecondsMin = 1e-6;

    private List<double>? _first = [];
    private double _bound;

    /// <summary>Takes a call in.</summary>
    /// <returns>Whether it was slow; null while too little is known.</returns>
    public bool? Note(double seconds)
    {
        var value = Math.Log(Math.Max(seconds, SecondsMin));
        if (_first is null)
        {
            var isSlow = value > _bound;
            _bound += Step * ((isSlow ? 1 : 0) - Share);
            return isSlow;
        }

        _first.Add(value);
        if (_first.Count == FirstCalls)
        {
            _first.Sort();
            _bound = _first[(int)((1 - Share) * FirstCalls)];
            _first = null;
        }

        return null;
    }
}

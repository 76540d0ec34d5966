using Faultline.Diagnosis.Baselines;

namespace Faultline.Diagnosis.Detectors.Series;

/// <summary>What is usual at this time of the day or of the week, from the days before.</summary>
/// <remarks>
/// The day is divided into parts as long as the series' own step, five minutes at least; of each the mean of the last 28 days is kept. The
/// prediction is the median over the last 14 days, or over the same weekday of the last four weeks once that has been the
/// better one; each with the part before and after.
/// </remarks>
internal sealed class SeasonProfile
{
    private const int DaysKept = 32;
    private const int DaysUsed = 14;
    private const int WeeklyDaysUsed = 28;
    private const int SecondsPerDay = 86_400;
    private const double PartSecondsMin = 300;

    /// <summary>Steps seen before the parts are laid out.</summary>
    private const int StepsToKnow = 40;

    /// <summary>Values needed for a median.</summary>
    private const int ValuesMin = 6;

    /// <summary>Predictions compared before the week is trusted, and memory of the comparison.</summary>
    private const int ComparedMin = 100;
    private const double CompareRate = 0.004;

    private readonly List<double> _steps = [];
    private readonly double[] _scratch = new double[3 * WeeklyDaysUsed];
    private Part[][] _parts = [];
    private long _lastUnixSeconds = long.MinValue;
    private double _dailyError;
    private double _weeklyError;
    private int _compared;

    /// <summary>The usual value at this time, or NaN when too little is known.</summary>
    public double Predict(long unixSeconds)
    {
        if (_parts.Length == 0)
        {
            return double.NaN;
        }

        var (daily, weekly) = Predictions(unixSeconds);
        return !double.IsNaN(weekly) && _compared > ComparedMin && _weeklyError < _dailyError ? weekly : daily;
    }

    /// <summary>Takes a value in.</summary>
    public void Learn(long unixSeconds, double value)
    {
        if (_parts.Length == 0)
        {
            LearnStep(unixSeconds);
            return;
        }

        var (daily, weekly) = Predictions(unixSeconds);
        if (!double.IsNaN(daily) && !double.IsNaN(weekly))
        {
            var rate = Math.Max(CompareRate, 1.0 / (_compared + 1));
            _dailyError += rate * (Math.Abs(value - daily) - _dailyError);
            _weeklyError += rate * (Math.Abs(value - weekly) - _weeklyError);
            _compared++;
        }

        var (day, index) = PartOf(unixSeconds);
        ref var part = ref _parts[index][(int)(((day % DaysKept) + DaysKept) % DaysKept)];
        if (part.Day != day || part.Count == 0)
        {
            part = new Part(day, 0, 0);
        }

        part = new Part(day, part.Count + 1, part.Mean + ((value - part.Mean) / (part.Count + 1)));
    }

    private void LearnStep(long unixSeconds)
    {
        if (_lastUnixSeconds != long.MinValue && unixSeconds > _lastUnixSeconds)
        {
            _steps.Add(unixSeconds - _lastUnixSeconds);
        }

        _lastUnixSeconds = unixSeconds;
        if (_steps.Count == StepsToKnow)
        {
            var step = RobustStatistics.Median(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_steps));
            var count = Math.Max(1, (int)Math.Round(SecondsPerDay / Math.Max(step, PartSecondsMin)));
            _parts = new Part[count][];
            for (var i = 0; i < count; i++)
            {
                _parts[i] = new Part[DaysKept];
            }

            _steps.Clear();
        }
    }

    private (long Day, int Part) PartOf(long unixSeconds)
    {
        var day = Math.DivRem(unixSeconds, SecondsPerDay, out var second);
        if (second < 0)
        {
            (day, second) = (day - 1, second + SecondsPerDay);
        }

        return (day, (int)(second * _parts.Length / SecondsPerDay));
    }

    private (double Daily, double Weekly) Predictions(long unixSeconds)
    {
        var (today, index) = PartOf(unixSeconds);
        return (Median(today, index, DaysUsed, 1), Median(today, index, WeeklyDaysUsed, 7));
    }

    private double Median(long today, int index, int days, int every)
    {
        var count = 0;
        for (var beside = -1; beside <= 1; beside++)
        {
            var (day, part) = (today, index + beside);
            if (part < 0)
            {
                (day, part) = (day - 1, part + _parts.Length);
            }
            else if (part >= _parts.Length)
            {
                (day, part) = (day + 1, part - _parts.Length);
            }

            foreach (var known in _parts[part])
            {
                var age = day - known.Day;
                if (known.Count > 0 && age >= 1 && age <= days && age % every == 0)
                {
                    _scratch[count++] = known.Mean;
                }
            }
        }

        return count < ValuesMin ? double.NaN : RobustStatistics.Median(_scratch.AsSpan(0, count));
    }

    private readonly record struct Part(long Day, int Count, double Mean);
}

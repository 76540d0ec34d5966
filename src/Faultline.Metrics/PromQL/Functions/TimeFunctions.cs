using Faultline.Metrics.PromQL.Evaluation;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL.Functions;

/// <summary>Evaluation times, sample times and the UTC calendar.</summary>
internal static class TimeFunctions
{
    private const long SecondsPerDay = 86_400;

    public static double[] Time(Call call)
    {
        var values = Elementary.Constant(call, 0);
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = call.Grid.At(i) / 1000.0;
        }

        return values;
    }

    /// <summary>Of a selector the times of its samples; of anything else the evaluation time.</summary>
    public static List<StepSeries> Timestamp(Call call)
    {
        if (Evaluator.WithoutParens(call.Expr.Arguments[0]) is not VectorSelector selector)
        {
            return Elementary.Map(call.Vector(0), (_, step) => call.Grid.At(step) / 1000.0);
        }

        var times = call.Evaluator.Select(selector, call.Grid, ofTimes: true);
        times.ForEach(series => series.DropName = true);
        return times;
    }

    /// <summary>Start times of samples are not stored, as in a Prometheus without <c>use-start-timestamps</c>, so the result is empty.</summary>
    public static List<StepSeries> StartTimestamp(Call call) => [];

    /// <summary>Without an argument of the evaluation time, else of each sample taken as Unix seconds.</summary>
    public static List<StepSeries> Calendar(Call call, Func<long, double> ofUnixSeconds)
    {
        if (call.Count > 0)
        {
            return Evaluator.Each(call.Vector(0), value => ofUnixSeconds(ToSeconds(value)));
        }

        var series = call.NewSeries(Labels.Empty);
        for (var i = 0; i < series.Values.Length; i++)
        {
            series.Values[i] = ofUnixSeconds(call.Grid.At(i) / 1000);
        }

        return [series];
    }

    public static double Minute(long unixSeconds) => Modulo(unixSeconds, 3600) / 60;

    public static double Hour(long unixSeconds) => Modulo(unixSeconds, SecondsPerDay) / 3600;

    public static double DayOfWeek(long unixSeconds) => Modulo(Days(unixSeconds) + 4, 7);      // 1970-01-01 was a Thursday

    public static double DayOfMonth(long unixSeconds) => Date(unixSeconds).Day;

    public static double Month(long unixSeconds) => Date(unixSeconds).Month;

    public static double Year(long unixSeconds) => Date(unixSeconds).Year;

    public static double DayOfYear(long unixSeconds)
    {
        var (year, _, _) = Date(unixSeconds);
        return Days(unixSeconds) - DaysBefore(year) + 1;
    }

    public static double DaysInMonth(long unixSeconds)
    {
        var (year, month, _) = Date(unixSeconds);
        return month == 2 ? (IsLeap(year) ? 29 : 28) : month is 4 or 6 or 9 or 11 ? 30 : 31;
    }

    /// <summary>What a Go conversion to int64 gives on amd64: NaN and overflow become the smallest number.</summary>
    private static long ToSeconds(double value) => double.IsNaN(value) || value is >= long.MaxValue or <= long.MinValue ? long.MinValue : (long)value;

    private static long Modulo(long value, long by) => ((value % by) + by) % by;

    private static long Days(long unixSeconds) => (unixSeconds - Modulo(unixSeconds, SecondsPerDay)) / SecondsPerDay;

    private static bool IsLeap(long year) => year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    private static long DaysBefore(long year)
    {
        var previous = year - 1;
        return (previous * 365) + Floor(previous, 4) - Floor(previous, 100) + Floor(previous, 400) - 719_162;

        static long Floor(long value, long by) => (value - Modulo(value, by)) / by;
    }

    /// <summary>The proleptic Gregorian date; .NET's own ends with the year 9999 and samples do not.</summary>
    /// <remarks>Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.</remarks>
    private static (long Year, int Month, int Day) Date(long unixSeconds)
    {
        var days = Days(unixSeconds) + 719_468;
        var dayOfEra = Modulo(days, 146_097);
        var era = (days - dayOfEra) / 146_097;
        var yearOfEra = (dayOfEra - (dayOfEra / 1460) + (dayOfEra / 36_524) - (dayOfEra / 146_096)) / 365;
        var dayOfYear = dayOfEra - ((365 * yearOfEra) + (yearOfEra / 4) - (yearOfEra / 100));
        var shifted = ((5 * dayOfYear) + 2) / 153;
        var day = (int)(dayOfYear - (((153 * shifted) + 2) / 5) + 1);
        var month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
        return (yearOfEra + (era * 400) + (month <= 2 ? 1 : 0), month, day);
    }
}

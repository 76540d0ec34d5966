namespace Faultline.Store.Writes;

/// <summary>Days since 1970-01-01 as ClickHouse's <c>Date</c> counts them.</summary>
internal static class Days
{
    private const long NanosADay = 86_400_000_000_000;

    public static ushort Of(long unixNanos) => (ushort)Math.Clamp(Math.DivRem(unixNanos, NanosADay).Quotient, 0, ushort.MaxValue);

    public static string Text(ushort day) => DateOnly.FromDayNumber(DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber + day).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
}

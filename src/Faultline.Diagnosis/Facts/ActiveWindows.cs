namespace Faultline.Diagnosis.Facts;

/// <summary>When, since the onset, the first symptom was there: of a fault that comes and goes, only that is compared with before.</summary>
/// <remarks>What it does besides is found in the same stretches; over all windows, the quiet ones hide it.</remarks>
internal sealed class ActiveWindows
{
    /// <summary>Windows on each side that a window is judged with: a minute in all, so that one that is by chance as before ends no stretch.</summary>
    private const long Around = 3;

    /// <summary>Windows that a quiet stretch has at least: two minutes. Shorter ones are noise.</summary>
    private const long QuietMin = 12;

    /// <summary>Of them, those with data.</summary>
    private const int QuietWithDataMin = 4;

    public static ActiveWindows Always { get; } = new([]);

    private readonly IReadOnlyList<(long From, long To)> _quiet;

    private ActiveWindows(IReadOnlyList<(long From, long To)> quiet) => _quiet = quiet;

    public bool Contains(long window)
    {
        foreach (var (from, to) in _quiet)
        {
            if (window >= from && window <= to)
            {
                return false;
            }
        }

        return true;
    }

    /// <param name="windows">Of the symptom's series, since the onset, in the order of time.</param>
    /// <param name="beyond">Whether a value is nearer to the observed than to the usual.</param>
    public static ActiveWindows Of(IReadOnlyList<StoredWindow> windows, Func<double, bool> beyond)
    {
        List<(long From, long To)> quiet = [];
        int? first = null;
        for (var i = 0; i <= windows.Count; i++)
        {
            if (i < windows.Count && !beyond(Smoothed(windows, i)))
            {
                first ??= i;
                continue;
            }

            if (first is { } from && i - from >= QuietWithDataMin && windows[i - 1].Index - windows[from].Index >= QuietMin - 1)
            {
                quiet.Add((windows[from].Index, i < windows.Count ? windows[i - 1].Index : long.MaxValue));
            }

            first = null;
        }

        // Where hardly any window shows it, the middle between usual and observed says nothing.
        var isQuiet = new ActiveWindows(quiet);
        return quiet.Count == 0 || windows.Count(window => isQuiet.Contains(window.Index)) < QuietWithDataMin ? Always : isQuiet;
    }

    private static double Smoothed(IReadOnlyList<StoredWindow> windows, int at)
    {
        double sum = 0, count = 0;
        for (var i = at; i >= 0 && windows[at].Index - windows[i].Index <= Around; i--)
        {
            sum += windows[i].Value * windows[i].Count;
            count += windows[i].Count;
        }

        for (var i = at + 1; i < windows.Count && windows[i].Index - windows[at].Index <= Around; i++)
        {
            sum += windows[i].Value * windows[i].Count;
            count += windows[i].Count;
        }

        return sum / Math.Max(count, 1e-9);
    }
}

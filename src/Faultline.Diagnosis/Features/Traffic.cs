namespace Faultline.Diagnosis.Features;

/// <summary>Calls that came in five minutes of event time.</summary>
/// <param name="Window">The last window of them.</param>
internal readonly record struct TrafficMinutes(long Window, double CallsPerMinute, int Calls);

/// <summary>
/// How many calls come, in pieces long enough for it to be a rate: most windows of a service with a call a minute have none, and say nothing of it.
/// </summary>
/// <param name="first">The first window of the service; a piece that it begins in the middle of is not told.</param>
internal sealed class Traffic(long first)
{
    /// <summary>Length of a piece.</summary>
    internal const int Seconds = 300;

    internal const int WindowsPerPiece = (int)(Seconds / FeatureWindows.LengthSeconds);

    private long _piece = (first / WindowsPerPiece) + 1;
    private int _calls;

    /// <summary>Notes the calls of a window that is over; windows come in order, but for what is late.</summary>
    /// <returns>The last piece with calls that is over by now; null when none is.</returns>
    public TrafficMinutes? Note(long window, int calls)
    {
        var piece = window / WindowsPerPiece;
        TrafficMinutes? over = null;
        if (piece > _piece)
        {
            over = _calls == 0 ? null : new TrafficMinutes(((_piece + 1) * WindowsPerPiece) - 1, _calls * 60.0 / Seconds, _calls);
            (_piece, _calls) = (piece, 0);
        }

        if (piece == _piece)
        {
            _calls += calls;
        }

        return over;
    }
}

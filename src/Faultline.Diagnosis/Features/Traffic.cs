namespace Faultline.Diagnosis.Features;

/// <summary>Calls that came in five minutes of event time.</summary>
/// <param name="Window">The last window of them.</param>
internal readonly record struct TrafficMinutes(long Window, double CallsPerMinute, int Calls);

/// <summary>Calls that came in a minute of event time, and in those without any before it.</summary>
/// <param name="Window">The last window of it.</param>
internal readonly record struct TrafficMinute(long Window, int Calls, int Minutes);

/// <summary>
/// How many calls come, in pieces long enough for it to be a rate: most windows of a service with a call a minute have none, and say nothing of it.
/// </summary>
/// <param name="first">The first window of the service; a piece that it begins in the middle of is not told.</param>
internal sealed class Traffic(long first)
{
    /// <summary>Length of a piece.</summary>
    internal const int Seconds = 300;

    internal const int WindowsPerPiece = (int)(Seconds / FeatureWindows.LengthSeconds);

    private const int WindowsPerMinute = (int)(60 / FeatureWindows.LengthSeconds);

    private long _piece = (first / WindowsPerPiece) + 1;
    private int _calls;
    private long _minute = (first / WindowsPerMinute) + 1;
    private long _countedUntil = (first / WindowsPerMinute) + 1;
    private int _callsOfMinute;

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

    /// <summary>Like <see cref="Note"/>, of the last minute with calls that is over by now.</summary>
    public TrafficMinute? NoteMinute(long window, int calls)
    {
        var minute = window / WindowsPerMinute;
        TrafficMinute? over = null;
        if (minute > _minute)
        {
            if (_callsOfMinute > 0)
            {
                over = new TrafficMinute(((_minute + 1) * WindowsPerMinute) - 1, _callsOfMinute, (int)(_minute + 1 - _countedUntil));
                _countedUntil = _minute + 1;
            }

            (_minute, _callsOfMinute) = (minute, 0);
        }

        if (minute == _minute)
        {
            _callsOfMinute += calls;
        }

        return over;
    }
}

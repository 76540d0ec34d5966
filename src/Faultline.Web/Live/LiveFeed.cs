using System.Threading.Channels;
using Faultline.Cases.Projections;
using Faultline.Telemetry;

namespace Faultline.Web.Live;

/// <summary>What happened since the last pulse: enough for a page to know whether it should ask again.</summary>
/// <param name="Number">Counts pulses from 1, so that a page that lost the stream knows that it missed some.</param>
/// <param name="Spans">Spans committed.</param>
/// <param name="Services">Services they came from, at most <see cref="LiveFeed.ServicesMax"/>.</param>
/// <param name="Scores">Scores committed.</param>
/// <param name="Logs">Log records committed.</param>
/// <param name="Cases">Ids of cases that changed.</param>
/// <param name="Changes">Change events recorded.</param>
public sealed record LivePulse(long Number, long Spans, IReadOnlyList<string> Services, long Scores, long Logs, IReadOnlyList<string> Cases, int Changes);

/// <summary>
/// Tells open pages that something new is stored. Batches come thousands a second; pages hear of them in one pulse at
/// most every <see cref="PulseInterval"/>.
/// </summary>
public sealed class LiveFeed : IBatchReader, IDisposable
{
    /// <summary>Pulses are no closer together than this.</summary>
    public static readonly TimeSpan PulseInterval = TimeSpan.FromMilliseconds(400);

    /// <summary>Most open streams; more are told to try later.</summary>
    public const int SubscribersMax = 256;

    /// <summary>Most service names in a pulse.</summary>
    public const int ServicesMax = 32;

    /// <summary>Pulses a slow reader may fall behind; the oldest go first, which loses nothing but time, since a page asks for all.</summary>
    private const int WaitingPulsesMax = 16;

    private readonly Lock _gate = new();
    private readonly HashSet<Subscription> _subscribers = [];
    private readonly HashSet<string> _services = new(StringComparer.Ordinal);
    private readonly HashSet<string> _cases = new(StringComparer.Ordinal);
    private readonly ITimer _timer;
    private readonly TimeProvider _time;
    private long _spans;
    private long _scores;
    private long _logs;
    private int _changes;
    private long _number;
    private long _lastPulse = long.MinValue;
    private bool _armed;

    public LiveFeed(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(_ => Pulse(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Committed(TelemetryBatch batch)
    {
        lock (_gate)
        {
            _spans += batch.Spans.Count;
            _scores += batch.Scores.Count;
            _logs += batch.Logs.Count;
            var resources = batch.Spans.Resources;
            for (var row = 0; row < resources.Count && _services.Count < ServicesMax; row++)
            {
                _services.Add(resources.ServiceName(row));
            }

            Arm();
        }
    }

    /// <summary>For <c>CaseBook.Changed</c>: a case that changed, or null for a change event.</summary>
    public void CaseChanged(CaseView? view)
    {
        lock (_gate)
        {
            if (view is null)
            {
                _changes++;
            }
            else
            {
                _cases.Add(view.Id.ToString());
            }

            Arm();
        }
    }

    /// <summary>A reader of pulses from now on, or null when there are too many.</summary>
    internal Subscription? Subscribe()
    {
        lock (_gate)
        {
            if (_subscribers.Count >= SubscribersMax)
            {
                return null;
            }

            var subscription = new Subscription(this, _number);
            _subscribers.Add(subscription);
            return subscription;
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_gate)
        {
            foreach (var subscriber in _subscribers)
            {
                subscriber.Pulses.Writer.TryComplete();
            }
        }
    }

    // The first event after a quiet time goes out at once; what follows waits for the interval.
    private void Arm()
    {
        if (_armed)
        {
            return;
        }

        _armed = true;
        var wait = _lastPulse == long.MinValue ? TimeSpan.Zero : PulseInterval - _time.GetElapsedTime(_lastPulse);
        _timer.Change(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private void Pulse()
    {
        lock (_gate)
        {
            var pulse = new LivePulse(++_number, _spans, [.. _services.Order(StringComparer.Ordinal)], _scores, _logs, [.. _cases], _changes);
            (_spans, _scores, _logs, _changes) = (0, 0, 0, 0);
            _services.Clear();
            _cases.Clear();
            _armed = false;
            _lastPulse = _time.GetTimestamp();
            foreach (var subscriber in _subscribers)
            {
                subscriber.Pulses.Writer.TryWrite(pulse);
            }
        }
    }

    internal sealed class Subscription(LiveFeed feed, long number) : IDisposable
    {
        public long Number { get; } = number;

        public Channel<LivePulse> Pulses { get; } = Channel.CreateBounded<LivePulse>(new BoundedChannelOptions(WaitingPulsesMax) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

        public void Dispose()
        {
            lock (feed._gate)
            {
                feed._subscribers.Remove(this);
            }
        }
    }
}

using System.Threading.Channels;
using Faultline.Metrics.Exposition;
using Faultline.Settings;

namespace Faultline.Composition;

/// <summary>
/// Reads the settings' files again when their content changes and on SIGHUP, for what can change while the server runs: keys. Files with a
/// mistake in them leave the old keys in use, with a warning.
/// </summary>
internal sealed class SettingsWatch
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    private readonly SettingsSources _sources;
    private readonly ILogger _log;
    private readonly Channel<bool> _lookNow = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private string _inUse;
    private string? _seen;
    private string? _refused;
    private long _read;
    private long _failures;

    /// <param name="sources">Just read: what they hold now is in use.</param>
    public SettingsWatch(SettingsSources sources, ILogger log) => (_sources, _log, _inUse) = (sources, log, sources.Content());

    /// <summary>Looks now, whether or not the time has come.</summary>
    public void LookNow() => _lookNow.Writer.TryWrite(true);

    /// <param name="apply">Puts the keys of what was read in use.</param>
    public async Task RunAsync(Action<FaultlineSettings> apply, CancellationToken cancel)
    {
        while (true)
        {
            using var interval = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            interval.CancelAfter(LookInterval);
            var isAsked = true;
            try
            {
                await _lookNow.Reader.ReadAsync(interval.Token);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                isAsked = false;
            }

            Look(apply, isAsked);
        }
    }

    /// <param name="isAsked">Somebody says that the files are as they should be. Else a change counts when two looks see the same: a file may be half written.</param>
    /// <returns>Whether something else is in use now.</returns>
    internal bool Look(Action<FaultlineSettings> apply, bool isAsked)
    {
        try
        {
            var content = _sources.Content();
            var isSettled = isAsked || content == _seen;
            _seen = content;
            if (content == _inUse || content == _refused || !isSettled)
            {
                return false;
            }

            var reading = _sources.Read();
            if (reading.Problems.Count > 0)
            {
                _refused = content;
                Refuse(string.Join(' ', reading.Problems));
                return false;
            }

            apply(reading.Settings);
            (_inUse, _refused) = (content, null);
            Interlocked.Increment(ref _read);
            _log.SettingsRead();
            return true;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            Refuse(unreadable.Message);
            return false;
        }
    }

    public IEnumerable<MetricFamily> Families() =>
    [
        MetricFamily.Counter("faultline_settings_reads", "Changed settings files whose keys were put in use.", MetricFamily.Of(Interlocked.Read(ref _read))),
        MetricFamily.Counter("faultline_settings_read_failures", "Changed settings files that could not be used; the old keys stay in use.", MetricFamily.Of(Interlocked.Read(ref _failures))),
    ];

    private void Refuse(string why)
    {
        Interlocked.Increment(ref _failures);
        _log.SettingsUnusable(why);
    }
}

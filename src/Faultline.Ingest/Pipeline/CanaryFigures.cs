using Faultline.Metrics.Exposition;

namespace Faultline.Ingest.Pipeline;

/// <summary>Where a canary span came to its end.</summary>
public enum CanaryStage
{
    /// <summary>It was not acknowledged.</summary>
    Write,

    /// <summary>It was, and could not be read back.</summary>
    Read,
}

/// <summary>What the canary met since start.</summary>
public sealed class CanaryFigures
{
    private readonly Lock _gate = new();
    private readonly long[] _failures = new long[2];
    private long _sent;
    private TimeSpan? _durable;
    private TimeSpan? _readable;
    private DateTimeOffset? _success;

    /// <summary>For <c>:8888</c>. Lags and the time of the last success are there once there was one.</summary>
    public IReadOnlyList<MetricFamily> Families()
    {
        lock (_gate)
        {
            List<MetricFamily> families =
            [
                MetricFamily.Counter("faultline_canary_sent", "Canary spans sent.", MetricFamily.Of(_sent)),
                MetricFamily.Counter(
                    "faultline_canary_failures", "Canary spans that were not acknowledged in time (write) or not read back in time (read).",
                    MetricFamily.Of(_failures[(int)CanaryStage.Write], ("stage", "write")), MetricFamily.Of(_failures[(int)CanaryStage.Read], ("stage", "read"))),
            ];
            if (_durable is { } durable)
            {
                families.Add(MetricFamily.Gauge("faultline_canary_durable_seconds", "From sending to the acknowledgement, of the last canary span that was acknowledged.", MetricFamily.Of(durable.TotalSeconds)));
            }

            if (_readable is { } readable && _success is { } success)
            {
                families.Add(MetricFamily.Gauge("faultline_canary_readable_seconds", "From sending until it was read back by a query, of the last canary span that was.", MetricFamily.Of(readable.TotalSeconds)));
                families.Add(MetricFamily.Gauge("faultline_canary_success_timestamp_seconds", "When a canary span was last read back.", MetricFamily.Of(success.ToUnixTimeMilliseconds() / 1000.0)));
            }

            return families;
        }
    }

    internal void Sent()
    {
        lock (_gate)
        {
            _sent++;
        }
    }

    internal void Failed(CanaryStage stage)
    {
        lock (_gate)
        {
            _failures[(int)stage]++;
        }
    }

    internal void Durable(TimeSpan took)
    {
        lock (_gate)
        {
            _durable = took;
        }
    }

    internal void Readable(TimeSpan took, DateTimeOffset at)
    {
        lock (_gate)
        {
            (_readable, _success) = (took, at);
        }
    }
}

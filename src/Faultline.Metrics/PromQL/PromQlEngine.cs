using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.PromQL;

/// <summary>Where the engine gets samples: <see cref="SampleStore.SelectAsync"/>, or a test script's own.</summary>
public delegate Task<IReadOnlyList<SeriesData>> SelectSeries(string project, IReadOnlyList<LabelMatcher> matchers, long fromUnixMillis, long toUnixMillis, CancellationToken cancel);

/// <summary>Parses and evaluates PromQL.</summary>
public sealed class PromQlEngine(SelectSeries select)
{
    private readonly SelectSeries _select = select;

    /// <exception cref="PromQlException">The expression is wrong or not supported; the message is Prometheus'.</exception>
    public Task<PromQlResult> InstantAsync(string project, string expression, long atUnixMillis, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <exception cref="PromQlException">The expression is wrong or not supported; the message is Prometheus'.</exception>
    public Task<PromQlResult> RangeAsync(string project, string expression, long fromUnixMillis, long toUnixMillis, long stepMillis, CancellationToken cancel = default) => throw new NotImplementedException();
}

/// <param name="errorType">Prometheus' word: bad_data, execution, timeout, canceled.</param>
public sealed class PromQlException(string errorType, string message) : Exception(message)
{
    public string ErrorType { get; } = errorType;
}

/// <summary>A value of the language.</summary>
public abstract record PromQlResult
{
    private PromQlResult()
    {
    }

    public sealed record Scalar(long UnixMillis, double Value) : PromQlResult;

    public sealed record Text(long UnixMillis, string Value) : PromQlResult;

    /// <summary>Instant vector.</summary>
    public sealed record Vector(IReadOnlyList<(Labels Labels, long UnixMillis, double Value)> Samples) : PromQlResult;

    /// <summary>Range vector, or the answer to a range query.</summary>
    public sealed record Matrix(IReadOnlyList<SeriesData> Series) : PromQlResult;
}

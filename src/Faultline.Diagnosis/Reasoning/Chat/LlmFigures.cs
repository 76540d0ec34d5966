using System.Collections.Concurrent;
using Faultline.Metrics.Exposition;

namespace Faultline.Diagnosis.Reasoning.Chat;

/// <summary>What was asked of language models since the process began. Faultline's own calls: they are no spans and count to no application.</summary>
public sealed class LlmFigures
{
    private readonly ConcurrentDictionary<(string Purpose, string Outcome), long> _calls = new();
    private readonly ConcurrentDictionary<(string Purpose, string Direction), long> _tokens = new();
    private readonly ConcurrentDictionary<string, TimeSpan> _took = new(StringComparer.Ordinal);

    public long Calls(string purpose, string outcome) => _calls.GetValueOrDefault((purpose, outcome));

    /// <param name="direction">input or output.</param>
    public long Tokens(string purpose, string direction) => _tokens.GetValueOrDefault((purpose, direction));

    /// <summary>For the exposition on :8888.</summary>
    public IReadOnlyList<MetricFamily> Families() =>
    [
        MetricFamily.Counter("faultline_llm_calls", "Requests to the language model's endpoint, by purpose and outcome; each repetition is one.", [.. _calls.Select(one => MetricFamily.Of(one.Value, ("purpose", one.Key.Purpose), ("outcome", one.Key.Outcome)))]),
        MetricFamily.Counter("faultline_llm_tokens", "Tokens of these requests, as the endpoint counts them.", [.. _tokens.Select(one => MetricFamily.Of(one.Value, ("purpose", one.Key.Purpose), ("direction", one.Key.Direction)))]),
        MetricFamily.Counter("faultline_llm_seconds", "Seconds that these requests took.", [.. _took.Select(one => MetricFamily.Of(one.Value.TotalSeconds, ("purpose", one.Key)))]),
    ];

    internal void Called(string purpose, string outcome, TimeSpan took)
    {
        _calls.AddOrUpdate((purpose, outcome), 1, (_, known) => known + 1);
        _took.AddOrUpdate(purpose, took, (_, known) => known + took);
    }

    internal void Used(string purpose, ChatUsage usage)
    {
        _tokens.AddOrUpdate((purpose, "input"), usage.Input, (_, known) => known + usage.Input);
        _tokens.AddOrUpdate((purpose, "output"), usage.Output, (_, known) => known + usage.Output);
    }
}

using System.Threading.Channels;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Diagnosis.Evaluators.Judge;

/// <summary>An evaluator that is asked over the network: as <see cref="Evaluator"/>, and it takes time.</summary>
internal delegate Task<Evaluation> SlowEvaluator(EvaluatedCall call, CancellationToken cancel);

/// <summary>A judgement on its way back to whoever writes scores.</summary>
internal sealed record JudgedCall(PendingCall Call, Rubric Rubric, Evaluation Evaluation);

/// <summary>
/// Has a language model judge a sample of the calls that local evaluators see, by rubrics, within a budget of tokens. It hands its judgements to
/// <see cref="LiveEvaluation"/>, which writes them as it writes its own; its requests are no spans and count to no application.
/// </summary>
public sealed class JudgeEvaluation
{
    public const string Purpose = "judge";
    public const int WaitingMax = 200;
    public const int RequestsAtOnceMax = 4;

    /// <summary>So many failures in a row, and the endpoint is left alone for <see cref="Pause"/>.</summary>
    public const int FailuresMax = 5;

    public const string OverBudget = "over the tokens of the hour";
    public const string Failing = "the endpoint is failing";
    public static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly JudgeOptions _options;
    private readonly ChatEndpoint _endpoint;
    private readonly IReadOnlyList<Rubric> _rubrics;
    private readonly EvaluatorFigures _figures;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly TokenBucket _budget;
    private readonly Channel<(PendingCall Call, EvaluatedCall Asked, Rubric Rubric, double? Local)> _waiting =
        Channel.CreateBounded<(PendingCall, EvaluatedCall, Rubric, double?)>(new BoundedChannelOptions(WaitingMax));
    private readonly Channel<JudgedCall> _judged = Channel.CreateBounded<JudgedCall>(WaitingMax);
    private readonly Lock _failing = new();
    private int _failures;
    private long? _pausedSince;

    /// <param name="figures">Those of the evaluators: a judge's skips and scores stand beside theirs.</param>
    public JudgeEvaluation(JudgeOptions options, ChatEndpoint endpoint, EvaluatorFigures figures, TimeProvider time, ILogger<JudgeEvaluation>? log = null)
    {
        _options = options;
        _endpoint = endpoint;
        _rubrics = options.Load();
        _figures = figures;
        _time = time;
        _log = log ?? NullLogger<JudgeEvaluation>.Instance;
        _budget = new TokenBucket(options.TokensPerHour, TimeSpan.FromHours(1), time);
    }

    public Agreement Agreement { get; } = new();

    /// <summary>Takes a call that local evaluators have seen; what is not taken is counted with the reason.</summary>
    /// <param name="local">Their scores by name, for agreement.</param>
    /// <param name="appScores">Whether the application scores the service by this name itself.</param>
    internal void Offer(PendingCall call, EvaluatedCall asked, IReadOnlyDictionary<string, double> local, Func<string, bool> appScores)
    {
        foreach (var rubric in _rubrics.Where(rubric => rubric.Judges == call.Judges))
        {
            var reason = IsAppScored(rubric, appScores) ? SkipReason.AppScored
                : !IsSampled(call.Trace) ? SkipReason.NotSampled
                : call.IsCut ? SkipReason.Cut
                : JudgeForm.WhyNot(rubric, asked) is { } missing ? missing
                : !_waiting.Writer.TryWrite((call, asked, rubric, local.TryGetValue(rubric.ComparesWith, out var score) ? score : null)) ? SkipReason.Overloaded
                : null;
            if (reason is not null)
            {
                _figures.Skip(rubric.ScoreName, reason);
            }
        }
    }

    /// <summary>Calls that were left out before anybody looked at them.</summary>
    internal void SkipAll(Judged kind, string reason, int calls)
    {
        foreach (var rubric in _rubrics.Where(rubric => calls > 0 && rubric.Judges == kind))
        {
            _figures.Skip(rubric.ScoreName, reason, calls);
        }
    }

    /// <summary>A judgement that is ready to be written.</summary>
    internal bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out JudgedCall? judged) => _judged.Reader.TryRead(out judged);

    internal static bool IsAppScored(Rubric rubric, Func<string, bool> appScores) =>
        appScores(rubric.ScoreName) || appScores(rubric.Name) || (rubric.ComparesWith.Length > 0 && appScores(rubric.ComparesWith));

    /// <summary>Works until cancelled, a few requests at once.</summary>
    public Task RunAsync(CancellationToken cancel) => Task.WhenAll(Enumerable.Range(0, RequestsAtOnceMax).Select(_ => WorkAsync(cancel)));

    /// <summary>Judges what waits, and returns.</summary>
    internal async Task StepAsync(CancellationToken cancel = default)
    {
        while (_waiting.Reader.TryRead(out var next))
        {
            await JudgeAsync(next.Call, next.Asked, next.Rubric, next.Local, cancel);
        }
    }

    private async Task WorkAsync(CancellationToken cancel)
    {
        await foreach (var (call, asked, rubric, local) in _waiting.Reader.ReadAllAsync(cancel))
        {
            await JudgeAsync(call, asked, rubric, local, cancel);
        }
    }

    private async Task JudgeAsync(PendingCall call, EvaluatedCall asked, Rubric rubric, double? local, CancellationToken cancel)
    {
        var evaluation = IsPaused() ? Evaluation.Skipped(rubric.ScoreName, Failing, rubric.Version) : await TryAsync(asked, rubric, cancel);
        if (evaluation.IsSkipped || !_judged.Writer.TryWrite(new JudgedCall(call, rubric, evaluation)))
        {
            _figures.Skip(rubric.ScoreName, evaluation.IsSkipped ? evaluation.Explanation : SkipReason.Overloaded);
            return;
        }

        _figures.Took(rubric.ScoreName, TimeSpan.Zero, 1);
        if (local is { } score)
        {
            Agreement.Add(rubric.Name, rubric.ComparesWith, evaluation.Score, score);
        }
    }

    private async Task<Evaluation> TryAsync(EvaluatedCall asked, Rubric rubric, CancellationToken cancel)
    {
        try
        {
            return await Of(rubric)(asked, cancel);
        }
        catch (Exception failure) when (!cancel.IsCancellationRequested)
        {
            // Texts of strangers, judged by a stranger: whatever goes wrong with one call, the server goes on.
            _log.Failed(failure, rubric.ScoreName);
            return Evaluation.Skipped(rubric.ScoreName, SkipReason.Failed, rubric.Version);
        }
    }

    /// <summary>A rubric as an evaluator.</summary>
    internal SlowEvaluator Of(Rubric rubric) => async (call, cancel) =>
    {
        var request = JudgeForm.Request(rubric, call);
        var expected = ChatFormat.EstimateTokens(request.Messages.Sum(message => (long)message.Content.Length)) + JudgeForm.AnswerTokensMax;
        if (!_budget.TryTake(expected))
        {
            return Evaluation.Skipped(rubric.ScoreName, OverBudget, rubric.Version);
        }

        switch (await _endpoint.AskAsync(Purpose, request, cancel))
        {
            case ChatOutcome.Replied { Reply: var reply }:
                _budget.Return(expected - reply.Usage.Total);
                Note(isFailure: false);
                return JudgeForm.Read(rubric, _endpoint.Model, reply);
            case ChatOutcome.Failed failed:
                // What a failed request cost is not known; nothing is the usual price.
                _budget.Return(expected);
                Note(isFailure: true);
                return Evaluation.Skipped(rubric.ScoreName, "endpoint: " + failed.Kind, rubric.Version);
            case var other:
                throw new System.Diagnostics.UnreachableException(other.GetType().Name);
        }
    };

    private void Note(bool isFailure)
    {
        lock (_failing)
        {
            _failures = isFailure ? _failures + 1 : 0;
            _pausedSince = _failures >= FailuresMax ? _time.GetTimestamp() : null;
        }
    }

    private bool IsPaused()
    {
        lock (_failing)
        {
            return _pausedSince is { } since && _time.GetElapsedTime(since) < Pause;
        }
    }

    // Another share of traces than the evaluators' own sample takes: multiplied by another constant.
    private bool IsSampled(TraceId trace) => (((ulong)trace.Value ^ (ulong)(trace.Value >> 64)) * 0xD1B54A32D192ED03UL >> 11) * (1.0 / (1UL << 53)) < _options.Sample;
}

/// <summary>So many tokens in a while, filling evenly; full at the beginning.</summary>
internal sealed class TokenBucket(long tokens, TimeSpan fillsIn, TimeProvider time)
{
    private readonly Lock _lock = new();
    private double _held = tokens;
    private long _at = time.GetTimestamp();

    public bool TryTake(long wanted)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            _held = Math.Min(tokens, _held + (tokens * (time.GetElapsedTime(_at, now) / fillsIn)));
            _at = now;
            if (_held < wanted)
            {
                return false;
            }

            _held -= wanted;
            return true;
        }
    }

    /// <summary>Below 0: more was used than taken.</summary>
    public void Return(long unused)
    {
        lock (_lock)
        {
            _held += unused;
        }
    }
}

using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Faultline.Diagnosis.Evaluators.Judge;
using Faultline.Diagnosis.Topics;
using Faultline.Store.Scores;
using Faultline.Store.Writes;
using Faultline.Telemetry;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>Makes scores durable: <see cref="BatchWriter.WriteAsync"/>, or a test's own.</summary>
public delegate Task<WriteOutcome> WriteScores(TelemetryBatch batch, CancellationToken cancel);

/// <summary>
/// Judges model calls and retrievals after their commit: off the ingest path, one at a time, within a share of a core. Its scores go the way of the
/// application's own, so they are stored, counted as metrics and seen by detection alike.
/// </summary>
/// <remarks>
/// A score is stamped with the service's newest event time, because a window of event time closes a few seconds after it; the trace tells which call
/// is meant. The encoder is loaded, and fetched, when the first call comes.
/// </remarks>
public sealed class LiveEvaluation : IBatchReader
{
    public const int WaitingBatchesMax = 1_024;
    public const long WaitingBytesMax = 32L << 20;
    public const int WaitingCallsMax = 512;
    public const int ServicesMax = 10_000;
    public const int ExplanationCharactersMax = 4_000;

    /// <summary>An application that scored a service by a name this lately goes on doing so.</summary>
    public static readonly TimeSpan AppScoresKept = TimeSpan.FromHours(1);

    /// <summary>A call that ended longer before its service's newest span is history that is being sent again.</summary>
    public static readonly TimeSpan PastAfter = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>While nothing waits: ten looks a second were most of what an idle server did.</summary>
    private static readonly TimeSpan IdleInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan DebtMin = TimeSpan.FromMilliseconds(20);
    private const int ScoresPerWrite = 500;

    /// <summary>Then what is due is judged, however much is coming in.</summary>
    private const int BatchesPerRound = 64;
    private const int WriteTriesMax = 5;

    private readonly EvaluatorOptions _options;
    private readonly Func<CancellationToken, Task<LanguageResources>> _load;
    private readonly WriteScores _write;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly TopicWatch? _topics;
    private readonly Channel<TelemetryBatch> _batches = Channel.CreateBounded<TelemetryBatch>(new BoundedChannelOptions(WaitingBatchesMax) { SingleReader = true });
    private readonly ConcurrentDictionary<(string Project, string Service), long> _newest = new();
    private readonly ConcurrentDictionary<(string Project, string Service, string Name), long> _appScored = new();
    private readonly Queue<PendingCall> _calls = new();
    private readonly TraceDocuments _documents = new();
    private readonly Dictionary<string, ScoreBatch> _scores = new(StringComparer.Ordinal);
    private IReadOnlyList<BuiltInEvaluator>? _evaluators;
    private string? _missing;
    private long _waitingBytes;
    private TimeSpan _debt;

    /// <param name="load">Called once, when the first call comes; says in <see cref="LanguageResources.Missing"/> what it did not get, and never fails.</param>
    /// <param name="judge">Makes the language model's part, which counts among the same figures.</param>
    /// <param name="topics">Is given every call that is judged, and those that failed.</param>
    public LiveEvaluation(
        EvaluatorOptions options, Func<CancellationToken, Task<LanguageResources>> load, WriteScores write, TimeProvider time, ILogger<LiveEvaluation>? log = null,
        Func<EvaluatorFigures, JudgeEvaluation>? judge = null, TopicWatch? topics = null)
    {
        _options = options;
        _load = load;
        _write = write;
        _time = time;
        _log = log ?? NullLogger<LiveEvaluation>.Instance;
        Figures.WaitingIs(() => _calls.Count);
        Judge = judge?.Invoke(Figures);
        _topics = options.Enabled.Count == 0 ? null : topics;
    }

    public EvaluatorFigures Figures { get; } = new();

    /// <summary>A language model that judges some of the calls too; null when there is none.</summary>
    public JudgeEvaluation? Judge { get; }

    /// <summary>Cheap: a look at each row. Texts are read by the loop.</summary>
    public void Committed(TelemetryBatch batch)
    {
        if (_options.Enabled.Count == 0 && Judge is null)
        {
            return;
        }

        NoteAppScores(batch);
        NoteNewest(batch);
        var (answers, retrievals, tools) = Count(batch.Spans);
        if (answers + retrievals + tools == 0)
        {
            return;
        }

        var bytes = batch.ApproximateBytes;
        if (Interlocked.Add(ref _waitingBytes, bytes) > WaitingBytesMax || !_batches.Writer.TryWrite(batch))
        {
            Interlocked.Add(ref _waitingBytes, -bytes);
            SkipAll(Judged.Answer, SkipReason.Overloaded, answers);
            SkipAll(Judged.Retrieval, SkipReason.Overloaded, retrievals);
        }
    }

    /// <summary>Works until cancelled. What then waits is not judged: it is stored, and the scores are no record of account.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                await AdvanceAsync(cancel: cancel);
                var next = _calls.Count > 0 || _batches.Reader.TryPeek(out _) ? Interval : IdleInterval;
                if (timer.Period != next)
                {
                    timer.Period = next;
                }
            }
        }
        finally
        {
            if (_topics is not null)
            {
                await _topics.AdvanceAsync(everything: true, CancellationToken.None);
            }
        }
    }

    /// <summary>One round: read what was committed, judge what is due, write.</summary>
    /// <param name="everything">Also what still waits for the rest of its trace.</param>
    public async Task AdvanceAsync(bool everything = false, CancellationToken cancel = default)
    {
        for (var read = 0; read < BatchesPerRound && _batches.Reader.TryPeek(out _); read++)
        {
            _evaluators ??= await LoadAsync(cancel);
            if (!_batches.Reader.TryRead(out var batch))
            {
                break;
            }

            var started = Stopwatch.GetTimestamp();
            Read(batch);
            Interlocked.Add(ref _waitingBytes, -batch.ApproximateBytes);
            await PayAsync(Stopwatch.GetElapsedTime(started), cancel);
        }

        while (_calls.TryPeek(out var call) && (everything || call.DueAt <= _time.GetTimestamp()))
        {
            _calls.Dequeue();
            await PayAsync(await EvaluateAsync(call, cancel), cancel);
            if (_scores.TryGetValue(call.Project, out var scores) && scores.Count >= ScoresPerWrite)
            {
                await WriteAsync(cancel);
            }
        }

        TakeJudged();
        await WriteAsync(cancel);
        if (_topics is not null)
        {
            await _topics.AdvanceAsync(everything: false, cancel);
        }
    }

    // An application's own score may have come while the model thought.
    private void TakeJudged()
    {
        for (var taken = 0; taken < ScoresPerWrite && Judge is not null && Judge.TryTake(out var judged); taken++)
        {
            if (JudgeEvaluation.IsAppScored(judged.Rubric, name => AppScores(judged.Call, name)))
            {
                Figures.Skip(judged.Rubric.ScoreName, SkipReason.AppScored);
            }
            else
            {
                Add(judged.Call, judged.Evaluation);
            }
        }
    }

    private async Task<IReadOnlyList<BuiltInEvaluator>> LoadAsync(CancellationToken cancel)
    {
        if (_options.Enabled.Count == 0)
        {
            return [];
        }

        var resources = await _load(cancel);
        _topics?.Load(resources);
        var enabled = BuiltInEvaluators.All(resources).Where(evaluator => _options.Enabled.Contains(evaluator.Name, StringComparer.Ordinal)).ToList();
        _missing = resources.Missing;
        if (_missing is not null && enabled.Exists(evaluator => evaluator.NeedsLanguage))
        {
            _log.EvaluatorsOff(string.Join(", ", enabled.Where(evaluator => evaluator.NeedsLanguage).Select(evaluator => evaluator.Name)), _missing);
        }

        _log.EvaluatorsOn(string.Join(", ", enabled.Where(evaluator => _missing is null || !evaluator.NeedsLanguage).Select(evaluator => evaluator.Name)));
        return enabled;
    }

    private void NoteAppScores(TelemetryBatch batch)
    {
        for (var row = 0; row < batch.Scores.Count; row++)
        {
            if (!batch.Scores.Evaluator[row].StartsWith(StoredScore.BuiltInPrefixUtf8) && _appScored.Count < ServicesMax)
            {
                _appScored[(batch.Project, batch.Scores.ServiceName.Text(row), batch.Scores.Name.Text(row).ToLowerInvariant())] = _time.GetTimestamp();
            }
        }
    }

    // No later than now: a clock that is ahead must not make every other call look like history.
    private void NoteNewest(TelemetryBatch batch)
    {
        var spans = batch.Spans;
        Span<long> newest = spans.Resources.Count <= 64 ? stackalloc long[spans.Resources.Count] : new long[spans.Resources.Count];
        for (var row = 0; row < spans.Count; row++)
        {
            ref var known = ref newest[spans.Resource[row]];
            known = Math.Max(known, Math.Min(spans.EndUnixNanos[row], batch.ReceivedUnixNanos));
        }

        for (var resource = 0; resource < newest.Length; resource++)
        {
            var key = (batch.Project, spans.Resources.ServiceName(resource));
            if (newest[resource] > _newest.GetValueOrDefault(key) && (_newest.Count < ServicesMax || _newest.ContainsKey(key)))
            {
                _newest[key] = newest[resource];
            }
        }
    }

    private (int Answers, int Retrievals, int Tools) Count(SpanBatch spans)
    {
        int answers = 0, retrievals = 0, tools = 0;
        for (var row = 0; row < spans.Count; row++)
        {
            var kind = KindOf(spans, row);
            answers += kind == Judged.Answer ? 1 : 0;
            retrievals += kind == Judged.Retrieval ? 1 : 0;
            tools += CallReader.IsTool(spans, row) ? 1 : 0;
        }

        return (answers, retrievals, tools);
    }

    // Evaluators have nothing to say of a call that failed; its prompt belongs to a topic all the same.
    private Judged? KindOf(SpanBatch spans, int row) => CallReader.KindOf(spans, row) ?? (_topics is not null && CallReader.IsFailedCall(spans, row) ? Judged.Answer : null);

    private void Read(TelemetryBatch batch)
    {
        var dueAt = _time.GetTimestamp() + (long)(_options.Settle.TotalSeconds * _time.TimestampFrequency);
        for (var row = 0; row < batch.Spans.Count; row++)
        {
            if (KindOf(batch.Spans, row) is not { } kind)
            {
                if (CallReader.IsTool(batch.Spans, row) && IsSampled(batch.Spans.TraceId[row]) && !IsPast(batch.Project, batch.Spans.ServiceName(row), batch.Spans.EndUnixNanos[row]))
                {
                    ReadTool(batch, row);
                }

                continue;
            }

            if (!IsSampled(batch.Spans.TraceId[row]))
            {
                SkipAll(kind, SkipReason.NotSampled, 1);
            }
            else if (_calls.Count >= WaitingCallsMax)
            {
                SkipAll(kind, SkipReason.Overloaded, 1);
            }
            else if (IsPast(batch.Project, batch.Spans.ServiceName(row), batch.Spans.EndUnixNanos[row]))
            {
                SkipAll(kind, SkipReason.Past, 1);
            }
            else
            {
                if (TryRead(batch, row, kind, dueAt) is not { } call)
                {
                    continue;
                }

                _calls.Enqueue(call);
                if (kind == Judged.Retrieval && call.Documents.Count > 0)
                {
                    _documents.Add(call.Project, call.Trace, new Retrieval(call.EndUnixNanos, call.Question, call.Documents));
                }
            }
        }
    }

    private void ReadTool(TelemetryBatch batch, int row)
    {
        try
        {
            var returned = CallReader.ReadTool(batch.Spans, row);
            if (returned.Documents is [{ Length: > 0 }])
            {
                _documents.Add(batch.Project, batch.Spans.TraceId[row], returned);
            }
        }
        catch (Exception failure)
        {
            // As below: the answer is held against what else is known.
            _log.Failed(failure, "tool result");
        }
    }

    private PendingCall? TryRead(TelemetryBatch batch, int row, Judged kind, long dueAt)
    {
        try
        {
            return CallReader.Read(batch, row, kind, dueAt);
        }
        catch (Exception failure)
        {
            // Whatever is wrong with one call's text or our reading of it, the server goes on.
            _log.Failed(failure, kind.ToString());
            SkipAll(kind, SkipReason.Failed, 1);
            return null;
        }
    }

    // Multiplied, because ids need not be random in every bit.
    private bool IsSampled(TraceId trace) => (((ulong)trace.Value ^ (ulong)(trace.Value >> 64)) * 0x9E3779B97F4A7C15UL >> 11) * (1.0 / (1UL << 53)) < _options.Sample;

    private bool IsPast(string project, string service, long endUnixNanos) => _newest.GetValueOrDefault((project, service)) - endUnixNanos > PastAfter.Ticks * 100;

    private async Task<TimeSpan> EvaluateAsync(PendingCall call, CancellationToken cancel)
    {
        var started = Stopwatch.GetTimestamp();
        if (IsPast(call.Project, call.Service, call.EndUnixNanos))
        {
            SkipAll(call.Judges, SkipReason.Past, 1);
            return Stopwatch.GetElapsedTime(started);
        }

        var asked = ToEvaluate(call);
        Dictionary<string, double> given = new(StringComparer.Ordinal);
        foreach (var evaluator in _evaluators!.Where(evaluator => evaluator.Judges == call.Judges && !call.Failed))
        {
            if (WhySkipped(evaluator, call) is { } reason)
            {
                Figures.Skip(evaluator.Name, reason);
                continue;
            }

            var since = Stopwatch.GetTimestamp();
            var evaluation = Evaluate(evaluator, asked);
            Figures.Took(evaluator.Name, Stopwatch.GetElapsedTime(since), evaluation.IsSkipped ? 0 : 1);
            if (evaluation.IsSkipped)
            {
                Figures.Skip(evaluator.Name, evaluation.Explanation);
            }
            else
            {
                Add(call, evaluation);
                given[evaluation.Name] = evaluation.Score;
            }
        }

        if (!call.Failed)
        {
            Judge?.Offer(call, asked, given, name => AppScores(call, name));
        }

        if (_topics is not null && call.Judges == Judged.Answer)
        {
            await TakeTopicAsync(_topics, call, asked, given, cancel);
        }

        return Stopwatch.GetElapsedTime(started);
    }

    private async Task TakeTopicAsync(TopicWatch topics, PendingCall call, EvaluatedCall asked, Dictionary<string, double> given, CancellationToken cancel)
    {
        var since = Stopwatch.GetTimestamp();
        try
        {
            var reason = await topics.TakeAsync(call, asked, given, cancel);
            Figures.Took(TopicWatch.Name, Stopwatch.GetElapsedTime(since), reason is null ? 1 : 0);
            if (reason is not null)
            {
                Figures.Skip(TopicWatch.Name, reason);
            }
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            // As with an evaluator: a text that it stumbles over must not stop the rest.
            _log.Failed(failure, TopicWatch.Name);
            Figures.Skip(TopicWatch.Name, SkipReason.Failed);
        }
    }

    private Evaluation Evaluate(BuiltInEvaluator evaluator, EvaluatedCall call)
    {
        try
        {
            return evaluator.Evaluate(call);
        }
        catch (Exception failure)
        {
            // As above: an evaluator that fails on a text is its own affair.
            _log.Failed(failure, evaluator.Name);
            return Evaluation.Skipped(evaluator.Name, SkipReason.Failed, evaluator.Version);
        }
    }

    private string? WhySkipped(BuiltInEvaluator evaluator, PendingCall call) =>
        evaluator.NeedsLanguage && _missing is not null ? SkipReason.NoLanguage
        : evaluator.NeedsWhole && call.IsCut ? SkipReason.Cut
        : AppScores(call, evaluator.Name) ? SkipReason.AppScored
        : null;

    private bool AppScores(PendingCall call, string name) => _appScored.TryGetValue((call.Project, call.Service, name), out var at) && _time.GetElapsedTime(at) < AppScoresKept;

    private EvaluatedCall ToEvaluate(PendingCall call)
    {
        if (call.Judges == Judged.Retrieval)
        {
            return new EvaluatedCall(call.Question, call.Documents, "");
        }

        var before = _documents.Of(call.Project, call.Trace).Where(retrieval => retrieval.EndUnixNanos <= call.EndUnixNanos).ToList();

        // A prompt that holds the documents too is no question: what was searched for is, when the prompt has it.
        var question = before.Select(retrieval => retrieval.Query).LastOrDefault(query => query.Length > 0 && call.Question.Contains(query, StringComparison.OrdinalIgnoreCase)) ?? call.Question;
        List<string> documents = [.. before.Where(static one => !one.OfTool).SelectMany(static one => one.Documents).Concat(call.Documents)];
        var returned = call.AsksTools ? [] : before.Where(static one => one.OfTool).SelectMany(static one => one.Documents).Concat(call.ToolResults).Distinct(StringComparer.Ordinal).ToList();
        if (documents.Count > 0 || returned.Sum(static text => text.Length) >= ToolText.EvidenceMin)
        {
            documents.AddRange(returned);
        }

        return new EvaluatedCall(question, [.. documents.Distinct(StringComparer.Ordinal)], call.Answer, call.Schema);
    }

    private void Add(PendingCall call, Evaluation evaluation)
    {
        if (!_scores.TryGetValue(call.Project, out var scores))
        {
            _scores.Add(call.Project, scores = new ScoreBatch());
        }

        var stamp = Math.Max(call.EndUnixNanos, _newest.GetValueOrDefault((call.Project, call.Service)));
        var evaluator = string.Create(CultureInfo.InvariantCulture, $"{StoredScore.BuiltInPrefix}{evaluation.Name}@{evaluation.Version}{(evaluation.Model.Length > 0 ? " " + evaluation.Model : "")}");
        scores.Add(call.Service, call.Environment, call.Trace, call.Span, call.ResponseId, evaluation.Name, evaluation.Score, evaluation.Label, Explain(evaluation), evaluator, stamp);
    }

    /// <summary>The sentence, then claim by claim, the worst first: score, claim, nearest passage, what speaks against it.</summary>
    internal static string Explain(Evaluation evaluation)
    {
        var text = new StringBuilder(evaluation.Explanation);
        foreach (var claim in evaluation.Claims.OrderBy(claim => claim.Score))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{claim.Score:0.00} \"{claim.Claim}\"");
            if (claim.Passage is not null)
            {
                text.Append(CultureInfo.InvariantCulture, $" — nearest: \"{claim.Passage}\"");
            }

            if (claim.Reasons.Count > 0)
            {
                text.Append(" — ").AppendJoin("; ", claim.Reasons);
            }
        }

        return text.Length <= ExplanationCharactersMax ? text.ToString() : text.ToString(0, ExplanationCharactersMax) + "…";
    }

    private async Task WriteAsync(CancellationToken cancel)
    {
        foreach (var (project, scores) in _scores.ToList())
        {
            _scores.Remove(project);
            var received = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
            var batch = new TelemetryBatch { Project = project, ReceivedUnixNanos = received, RequestHash = HashOf(project, scores), Scores = scores };
            if (await TryWriteAsync(batch, cancel) is { } refused)
            {
                _log.ScoresNotStored(scores.Count, refused);
                for (var row = 0; row < scores.Count; row++)
                {
                    Figures.Skip(scores.Name.Text(row), SkipReason.NotStored);
                }
            }
        }
    }

    private async Task<string?> TryWriteAsync(TelemetryBatch batch, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            switch (await _write(batch, cancel))
            {
                case WriteOutcome.TryLater later when attempt < WriteTriesMax:
                    await Task.Delay(later.Delay, _time, cancel);
                    break;
                case WriteOutcome.TryLater later:
                    return later.Reason;
                case WriteOutcome.Refused refused:
                    return refused.Reason;
                default:
                    return null;
            }
        }
    }

    private static UInt128 HashOf(string project, ScoreBatch scores)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData("evaluators"u8);
        sha.AppendData(Encoding.UTF8.GetBytes(project));
        Span<byte> ids = stackalloc byte[TraceId.Length + SpanId.Length];
        for (var row = 0; row < scores.Count; row++)
        {
            scores.TraceId[row].WriteTo(ids);
            BinaryPrimitives.WriteUInt64BigEndian(ids[TraceId.Length..], scores.SpanId[row].Value);
            sha.AppendData(ids);
            sha.AppendData(scores.Evaluator[row]);
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        sha.GetHashAndReset(hash);
        return BinaryPrimitives.ReadUInt128BigEndian(hash);
    }

    private void SkipAll(Judged kind, string reason, int calls)
    {
        Judge?.SkipAll(kind, reason, calls);
        if (_topics is not null && kind == Judged.Answer && calls > 0)
        {
            Figures.Skip(TopicWatch.Name, reason, calls);
        }

        foreach (var evaluator in calls == 0 ? [] : _evaluators ?? EvaluatorsByName)
        {
            if (evaluator.Judges == kind && _options.Enabled.Contains(evaluator.Name, StringComparer.Ordinal))
            {
                Figures.Skip(evaluator.Name, reason, calls);
            }
        }
    }

    // Before the encoder is there: only names and kinds are read.
    private static readonly IReadOnlyList<BuiltInEvaluator> EvaluatorsByName = BuiltInEvaluators.All(LanguageResources.None);

    // After so much work, so much rest that the share of a core is kept on the whole.
    private async Task PayAsync(TimeSpan worked, CancellationToken cancel)
    {
        _debt += worked * ((1 / _options.CoreShare) - 1);
        if (_debt >= DebtMin)
        {
            var rest = _debt;
            _debt = TimeSpan.Zero;
            await Task.Delay(rest, _time, cancel);
        }
    }
}

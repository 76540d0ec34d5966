using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Faultline.ClickHouse;
using Faultline.Diagnosis.Evaluators;
using Faultline.Diagnosis.Evaluators.Language;
using Faultline.Diagnosis.Evaluators.Live;
using Faultline.Store.Topics;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Faultline.Diagnosis.Topics;

/// <summary>Where topics are kept between processes: <see cref="TopicStore"/>, or a caller's own.</summary>
public sealed record TopicKeeping(
    Func<string, CancellationToken, Task<IReadOnlyList<StoredTopics>>> ReadAsync, Func<string, IReadOnlyList<StoredTopics>, CancellationToken, Task> WriteAsync)
{
    public static TopicKeeping Of(TopicStore store) => new((project, cancel) => store.ReadAsync(project, withState: true, cancel), store.WriteAsync);
}

/// <summary>
/// Topics and drift of what services are asked and answer. Fed by <see cref="LiveEvaluation"/> with the calls that it judges, one at a time and within the
/// same share of a core; the vectors are those that the evaluators have asked for already.
/// </summary>
public sealed class TopicWatch
{
    /// <summary>Its name among the evaluators' figures.</summary>
    public const string Name = "topics";

    /// <summary>Sides of services, two a service and environment; some 0.6 MB each.</summary>
    public const int SidesMax = 128;

    /// <summary>Sentences of an answer that its vector is the mean of.</summary>
    public const int SentencesMax = 6;

    /// <summary>How often what was learnt is stored, on the telemetry's clock; at a stop too.</summary>
    public static readonly TimeSpan StoredEvery = TimeSpan.FromHours(1);

    /// <summary>Below, most of an answer stands nowhere.</summary>
    private const double UngroundedBelow = 0.3;
    private const double FailedBelow = 0.5;

    private const int CharactersMax = 20_000;

    /// <summary>So long without a call, and a tick that is over by the clock is closed.</summary>
    private static readonly TimeSpan IdleMin = TimeSpan.FromMinutes(1);

    private readonly TopicKeeping _keeping;
    private readonly Action<string, TopicReport> _report;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Dictionary<TopicOwner, Kept> _sides = [];
    private readonly HashSet<string> _restored = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<(string Project, IReadOnlySet<TraceId>? Traces, TaskCompletionSource Done)> _toForget = new();
    private EncoderCache? _encoder;
    private bool _isLoaded;

    /// <param name="detection">Writes the series and tells the findings.</param>
    public TopicWatch(TopicKeeping keeping, Detection detection, TimeProvider time, ILogger<TopicWatch>? log = null)
        : this(keeping, detection.Take, time, log)
    {
    }

    internal TopicWatch(TopicKeeping keeping, Action<string, TopicReport> report, TimeProvider time, ILogger? log = null)
    {
        _keeping = keeping;
        _report = report;
        _time = time;
        _log = log ?? NullLogger.Instance;
    }

    internal IEnumerable<ServiceTopics> Sides => _sides.Values.Select(kept => kept.Topics);

    internal void Load(LanguageResources resources)
    {
        _encoder = resources.Encoder;
        _isLoaded = true;
    }

    /// <summary>Takes in what was said in a call.</summary>
    /// <param name="scores">That evaluators gave it.</param>
    /// <returns>Why it was not taken; null when it was.</returns>
    internal async Task<string?> TakeAsync(PendingCall call, EvaluatedCall asked, IReadOnlyDictionary<string, double> scores, CancellationToken cancel)
    {
        if (!_isLoaded || _encoder is null)
        {
            return SkipReason.NoLanguage;
        }

        if (_restored.Add(call.Project))
        {
            await RestoreAsync(call.Project, cancel);
        }

        var failure = FailureOf(call, scores);
        var unit = call.Session.Length > 0 ? new UInt128(HashOf(call.Session), 1) : call.Trace.Value;
        var report = new TopicReport();
        var skipped = Take(call, TopicSide.Prompt, asked.Question, failure, unit, report);
        if (!call.Failed && !call.IsEmpty)
        {
            skipped = Take(call, TopicSide.Output, asked.Answer, failure, unit, report) is { } reason ? skipped ?? reason : skipped;
        }

        Tell(call.Project, report);
        return skipped;
    }

    /// <summary>Forgets traces that were deleted, or a whole project, and stores what is left over what was stored. Done by the loop; returns when it is.</summary>
    /// <param name="traces">Null: everything of the project.</param>
    public Task ForgetAsync(string project, IReadOnlySet<TraceId>? traces, CancellationToken cancel)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _toForget.Enqueue((project, traces, done));
        return done.Task.WaitAsync(cancel);
    }

    private async Task ForgetAsync(CancellationToken cancel)
    {
        while (_toForget.TryDequeue(out var one))
        {
            if (one.Traces is not { } traces)
            {
                foreach (var owner in _sides.Keys.Where(owner => owner.Project == one.Project).ToList())
                {
                    _sides.Remove(owner);
                }
            }
            else
            {
                if (_restored.Add(one.Project))
                {
                    await RestoreAsync(one.Project, cancel);
                }

                var sides = _sides.Where(side => side.Key.Project == one.Project).Select(side => side.Value).ToList();
                sides.ForEach(side => side.Topics.Forget(traces));
                if (sides.Count > 0)
                {
                    await StoreAsync(one.Project, sides, cancel);
                }
            }

            one.Done.SetResult();
        }
    }

    /// <summary>Closes ticks of services that have fallen silent, and stores what is due.</summary>
    /// <param name="everything">At a stop: stores all.</param>
    internal async Task AdvanceAsync(bool everything, CancellationToken cancel)
    {
        await ForgetAsync(cancel);
        var now = _time.GetUtcNow();
        foreach (var (owner, kept) in _sides)
        {
            if (now - kept.ArrivedAt > IdleMin && !everything)
            {
                // As much telemetry time has gone by as the clock says since the last call.
                var report = new TopicReport();
                kept.Topics.AdvanceTo(kept.Topics.NewestNanos + ((now - kept.ArrivedAt).Ticks * 100), report);
                Tell(owner.Project, report);
            }
        }

        foreach (var project in _sides.GroupBy(one => one.Key.Project, one => one.Value, StringComparer.Ordinal).ToList())
        {
            var due = project.Where(kept => kept.Topics.NewestNanos > kept.StoredNanos && (everything || kept.Topics.HasNews || kept.Topics.NewestNanos - kept.StoredNanos > StoredEvery.Ticks * 100)).ToList();
            if (due.Count > 0)
            {
                await StoreAsync(project.Key, due, cancel);
            }
        }
    }

    private string? Take(PendingCall call, TopicSide side, string text, CallFailure failure, UInt128 unit, TopicReport report)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return side == TopicSide.Prompt ? "no question" : "no answer";
        }

        var owner = new TopicOwner(call.Project, call.Service, call.Environment, side);
        if (!_sides.TryGetValue(owner, out var kept))
        {
            if (_sides.Count >= SidesMax)
            {
                return "too many services";
            }

            _sides.Add(owner, kept = new Kept(new ServiceTopics(owner)));
        }

        if (Vector(side, text) is not { } vector)
        {
            return "no words";
        }

        kept.ArrivedAt = _time.GetUtcNow();
        kept.Topics.Add(new TopicText(call.Trace, unit, call.EndUnixNanos, vector, WordCounts.Of(text), failure), HashOf(text), report);
        return null;
    }

    // What the evaluators of relevance encode, so that the cache has it: a question whole, an answer by sentence.
    private float[]? Vector(TopicSide side, string text)
    {
        var vector = new float[Evaluators.Encoder.SentenceEncoder.Dimensions];
        foreach (var part in side == TopicSide.Prompt ? [text] : Words.Sentences(text.Length > CharactersMax ? text[..CharactersMax] : text, SentencesMax))
        {
            TensorPrimitives.Add(vector, _encoder!.Encode(part), vector);
        }

        var length = MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(vector));
        if (!(length > 0))
        {
            return null;
        }

        TensorPrimitives.Divide(vector, length, vector);
        return vector;
    }

    private static ulong HashOf(string text) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan())));

    private static CallFailure FailureOf(PendingCall call, IReadOnlyDictionary<string, double> scores)
    {
        bool Below(string score, double limit) => scores.TryGetValue(score, out var value) && value < limit;
        return call.Failed ? CallFailure.Error
            : call.IsEmpty ? CallFailure.Empty
            : Below(RefusalEvaluator.Name, FailedBelow) ? CallFailure.Refused
            : Below(FormatEvaluator.Name, FailedBelow) ? CallFailure.BrokenFormat
            : Below(Evaluators.Groundedness.GroundednessEvaluator.Name, UngroundedBelow) ? CallFailure.Ungrounded
            : CallFailure.None;
    }

    private void Tell(string project, TopicReport report)
    {
        if (!report.IsEmpty)
        {
            _report(project, report);
        }
    }

    private async Task RestoreAsync(string project, CancellationToken cancel)
    {
        try
        {
            foreach (var row in await _keeping.ReadAsync(project, cancel))
            {
                var owner = new TopicOwner(project, row.Service, row.Environment, row.Side == TopicReports.NameOf(TopicSide.Prompt) ? TopicSide.Prompt : TopicSide.Output);
                if (_sides.Count < SidesMax && JsonSerializer.Deserialize<SideState>(row.State) is { } state)
                {
                    var kept = new Kept(new ServiceTopics(owner)) { ArrivedAt = _time.GetUtcNow() };
                    kept.Topics.Restore(state);
                    kept.StoredNanos = kept.Topics.NewestNanos;
                    _sides[owner] = kept;
                }
            }
        }
        catch (Exception failure) when (failure is ClickHouseException or JsonException or FormatException)
        {
            // What was learnt is lost, not what was stored: it learns again.
            _log.TopicsNotRead(failure, project);
        }
    }

    private async Task StoreAsync(string project, IReadOnlyList<Kept> due, CancellationToken cancel)
    {
        List<StoredTopics> rows = [];
        foreach (var topics in due.Select(kept => kept.Topics))
        {
            rows.Add(new StoredTopics(
                topics.Owner.Service, topics.Owner.Environment, TopicReports.NameOf(topics.Owner.Side), topics.NewestNanos / 1_000_000,
                JsonSerializer.Serialize(topics.ToSummary()), JsonSerializer.Serialize(topics.ToState())));
        }

        foreach (var kept in due)
        {
            // Whether or not the store takes it: trying again each round helps nobody, the next hour's does.
            kept.StoredNanos = kept.Topics.NewestNanos;
        }

        try
        {
            await _keeping.WriteAsync(project, rows, cancel);
        }
        catch (ClickHouseException failure)
        {
            _log.TopicsNotWritten(failure, project);
        }
    }

    private sealed class Kept(ServiceTopics topics)
    {
        public ServiceTopics Topics { get; } = topics;

        public DateTimeOffset ArrivedAt { get; set; }

        public long StoredNanos { get; set; } = topics.NewestNanos;
    }
}

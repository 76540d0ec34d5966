using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Faultline.Cases.Blobs;
using Faultline.Cases.Events;
using Faultline.Cases.Projections;
using Faultline.ClickHouse;
using Faultline.Store.Deletions;
using Faultline.Telemetry.Spans;
using Microsoft.Extensions.Logging;

namespace Faultline.Cases.Deletions;

/// <summary>What memory is to forget: a project, an age, or traces of a project, of all deletions that are done together.</summary>
/// <param name="Traces">As far as they are known; empty for projects and ages.</param>
/// <param name="Values">Ids of users and sessions.</param>
public sealed record Forgotten(ScopeKind Kind, string? Project, IReadOnlySet<TraceId> Traces, IReadOnlySet<string> Values);

/// <summary>Forgets in memory; called before the rows go, and again with traces that were found among them.</summary>
public delegate Task ForgetInMemory(Forgotten what, CancellationToken cancel);

/// <summary>What became of a wish to delete.</summary>
public abstract record DeletionAnswer
{
    private DeletionAnswer()
    {
    }

    public sealed record Taken(DeletionView Deletion) : DeletionAnswer;

    /// <summary>Something of it is under these holds.</summary>
    public sealed record Held(IReadOnlyList<string> Holds) : DeletionAnswer
    {
        public string Words => $"Something of it is under hold ({string.Join(", ", Holds)}), so nothing of it was deleted. Lift the hold first, or name less.";
    }
}

/// <summary>
/// Deletes for good, and proves it: the wish is an event, then rows, memory and blobs go, then a count of what is left is an event. What waits is done
/// together. A restart goes on with what was asked for and not done.
/// </summary>
/// <remarks>A user's or session's id lies in a blob until its deletion is done, and is never in the ledger: there it is a keyed hash.</remarks>
public sealed class DeletionDesk
{
    /// <summary>Deletions that are done together.</summary>
    public const int TogetherMax = 1_000;

    /// <summary>How often late arrivals of deleted traces are looked for.</summary>
    public static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(10);

    /// <summary>At a stream of deletions, how long marked rows may wait for the next one before their parts are written anew.</summary>
    public static readonly TimeSpan EraseAfter = TimeSpan.FromSeconds(30);

    private readonly CaseBook _cases;
    private readonly DeletionStore _rows;
    private readonly byte[] _hashKey;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly IReadOnlyList<ForgetInMemory> _memories;
    private readonly Channel<bool> _asked = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _erasedAt;
    private bool _hasMarked = true;

    /// <param name="hashKey">Of the keyed hashes of ids in the ledger.</param>
    public DeletionDesk(CaseBook cases, DeletionStore rows, ReadOnlyMemory<byte> hashKey, TimeProvider time, ILogger<DeletionDesk> log, params IReadOnlyList<ForgetInMemory> memories)
    {
        _cases = cases;
        _rows = rows;
        _hashKey = hashKey.ToArray();
        _time = time;
        _log = log;
        _memories = memories;
        _erasedAt = time.GetTimestamp();
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<DeletionView> Deletions => _cases.Read(book => book.Deletions.Deletions.Reverse().ToList());

    /// <summary>Newest first; lifted ones too.</summary>
    public IReadOnlyList<HoldView> Holds => _cases.Read(book => book.Deletions.Holds.OrderByDescending(hold => hold.PlacedAt).ToList());

    /// <summary>Of the whole ledger.</summary>
    public DeletionTotals Totals => _cases.Read(book => book.Deletions.Totals);

    /// <summary>Of this process.</summary>
    public DeletionFigures Figures { get; } = new();

    public DeletionView? Find(string id) => _cases.Read(book => book.Deletions.Find(id));

    /// <summary>As the ledger writes a user's or session's id.</summary>
    public string SubjectOf(string project, string id) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(_hashKey, Encoding.UTF8.GetBytes($"deletion\0{project}\0{id}")));

    /// <summary>Rows by table that a deletion would delete; nothing is changed.</summary>
    public async Task<IReadOnlyDictionary<string, long>> CountAsync(DeletionScope scope, CancellationToken cancel = default) => await _rows.CountAsync(scope, cancel);

    /// <summary>Writes the wish down and sees to it; returns when it is in the ledger.</summary>
    public async Task<DeletionAnswer> AskAsync(DeletionScope scope, string actor, CancellationToken cancel = default)
    {
        if (await HeldByAsync(scope, cancel) is { Count: > 0 } holds)
        {
            return new DeletionAnswer.Held(holds);
        }

        var id = "del-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        var blob = await PutAsync(scope, cancel);
        await _cases.AppendAsync(() => [new DeletionAsked(id, Name(scope.Kind), scope.Project, SubjectOf(scope), scope.Traces.Count, scope.Before, actor, blob)], cancel);
        _asked.Writer.TryWrite(true);
        return new DeletionAnswer.Taken(Find(id)!);
    }

    public async Task<HoldView> HoldAsync(DeletionScope scope, string reason, string actor, CancellationToken cancel = default)
    {
        var id = "hold-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        var (blob, words) = (await PutAsync(scope, cancel), await _cases.Blobs.PutAsync(reason, cancel));
        await _cases.AppendAsync(() => [new HoldPlaced(id, Name(scope.Kind), scope.Project, SubjectOf(scope), scope.Traces.Count, scope.Before, actor, blob, words)], cancel);
        return _cases.Read(book => book.Deletions.FindHold(id))!;
    }

    /// <returns>The hold; null where there is none of this id. One that was lifted before stays as it was.</returns>
    public async Task<HoldView?> LiftAsync(string id, string actor, CancellationToken cancel = default)
    {
        await _cases.AppendAsync(() => _cases.Read(book => book.Deletions.FindHold(id)) is { LiftedAt: null } ? [new HoldLifted(id, actor)] : [], cancel);
        var hold = _cases.Read(book => book.Deletions.FindHold(id));
        if (hold is not null)
        {
            _cases.Blobs.Delete(hold.ScopeBlob);
        }

        return hold;
    }

    /// <summary>Scopes of the holds that are in force.</summary>
    public IReadOnlyList<(string Id, DeletionScope Scope)> HeldScopes() =>
        [.. Holds.Where(hold => hold.LiftedAt is null).Select(hold => (hold.Id, Get(hold.ScopeBlob) ?? Widest(hold)))];

    /// <summary>A hold whose scope can no longer be read holds all that it may be about.</summary>
    private static DeletionScope Widest(HoldView hold) => new(hold.Project is null ? ScopeKind.Before : ScopeKind.Project, hold.Project) { Before = hold.Before };

    /// <summary>Waits until a deletion is done, or for so long.</summary>
    public async Task<DeletionView?> WaitAsync(string id, TimeSpan most, CancellationToken cancel = default)
    {
        var since = _time.GetTimestamp();
        while (Find(id) is { State: DeletionState.Asked } && _time.GetElapsedTime(since) < most)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), _time, cancel);
        }

        return Find(id);
    }

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            await StepAsync(cancel);
            using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            await Task.WhenAny(_asked.Reader.WaitToReadAsync(pause.Token).AsTask(), Task.Delay(SweepEvery, _time, pause.Token));
            await pause.CancelAsync();
            _asked.Reader.TryRead(out _);
        }

        cancel.ThrowIfCancellationRequested();
    }

    /// <summary>One round: does what was asked for, deletes what came late, writes marked parts anew.</summary>
    public async Task StepAsync(CancellationToken cancel = default)
    {
        try
        {
            var isBusy = false;
            while (_cases.Read(book => book.Deletions.Deletions.Where(one => one.State == DeletionState.Asked).Take(TogetherMax).ToList()) is { Count: > 0 } waiting)
            {
                isBusy = true;
                if (!await DeleteAsync(waiting, cancel) || _time.GetElapsedTime(_erasedAt) > EraseAfter)
                {
                    break;
                }
            }

            if (!isBusy)
            {
                await SweepAsync(cancel);
            }

            if (_hasMarked)
            {
                await _rows.EraseAsync(cancel);
                _hasMarked = false;
            }

            _erasedAt = _time.GetTimestamp();
        }
        catch (Exception failed) when (failed is ClickHouseException or IOException or InvalidDataException && !cancel.IsCancellationRequested)
        {
            // All of it goes on where it ended, at the next round.
            Figures.Failed();
            _log.DeletionDelayed(failed.Message);
        }
    }

    private async Task SweepAsync(CancellationToken cancel)
    {
        var started = _time.GetTimestamp();
        var rows = await _rows.SweepAsync(cancel);
        _hasMarked |= rows > 0;
        Figures.Swept(new DeletionSweep(_time.GetUtcNow(), _time.GetElapsedTime(started)), rows);
    }

    /// <returns>Whether all of them are over.</returns>
    private async Task<bool> DeleteAsync(IReadOnlyList<DeletionView> waiting, CancellationToken cancel)
    {
        List<(string Id, DeletionScope Scope)> batch = [];
        foreach (var deletion in waiting)
        {
            if (Get(deletion.ScopeBlob) is not { } scope)
            {
                await RefuseAsync(deletion, "What it was about can no longer be read.", cancel);
            }
            else if (await HeldByAsync(scope, cancel) is { Count: > 0 } holds)
            {
                await RefuseAsync(deletion, new DeletionAnswer.Held(holds).Words, cancel);
            }
            else
            {
                batch.Add((deletion.Id, scope));
            }
        }

        if (batch.Count == 0)
        {
            return true;
        }

        // Memory first, or it would write again what is deleted; then once more, with the traces that were found.
        await ForgetAsync(batch.Select(one => (one.Scope, (IEnumerable<TraceId>)one.Scope.Traces)), cancel);
        _hasMarked = true;
        var rows = await _rows.DeleteAsync(batch, cancel);
        await ForgetAsync(batch.Where(one => rows[one.Id].Traces.Count > one.Scope.Traces.Count).Select(one => (one.Scope, (IEnumerable<TraceId>)rows[one.Id].Traces)), cancel);

        var cut = await new BlobDeletion(_cases).DeleteAsync([.. batch.Select(one => (one.Id, one.Scope, rows[one.Id].Traces, waiting.First(view => view.Id == one.Id).AskedAt))], cancel);
        foreach (var unproven in batch.Where(one => !rows[one.Id].IsProven))
        {
            // Rows of it come as fast as they are deleted; the next round counts again.
            _log.DeletionUnproven(unproven.Id, string.Join(", ", rows[unproven.Id].Left.Where(left => left.Value > 0).Select(left => $"{left.Value} {left.Key}")));
        }

        var done = batch.Where(one => rows[one.Id].IsProven).ToList();
        await _cases.AppendAsync(
            () => [.. done.Select(one => new DeletionCompleted(one.Id, rows[one.Id].Found, rows[one.Id].Left, cut.CountOf(one.Id), cut.ReplacedOf(one.Id)))],
            cancel);
        foreach (var (id, _) in done)
        {
            _cases.Blobs.Delete(waiting.First(view => view.Id == id).ScopeBlob);
        }

        if (cut.Any || batch.Exists(one => one.Scope.Kind == ScopeKind.Project))
        {
            await _cases.RebuildAsync(cancel);
        }

        foreach (var (id, _) in done)
        {
            _log.Deleted(id, rows[id].Found.Values.Sum());
        }

        return done.Count == batch.Count;
    }

    /// <summary>Everything of a project at once: each part of the process is asked once, however many deletions wait.</summary>
    private async Task ForgetAsync(IEnumerable<(DeletionScope Scope, IEnumerable<TraceId> Traces)> deleted, CancellationToken cancel)
    {
        foreach (var together in deleted.GroupBy(one => (Kind: one.Scope.IsOfTraces ? ScopeKind.Traces : one.Scope.Kind, one.Scope.Project)).ToList())
        {
            var forgotten = new Forgotten(
                together.Key.Kind, together.Key.Project, together.SelectMany(one => one.Traces).ToHashSet(),
                together.Select(one => one.Scope.Value).Where(value => value.Length > 0).ToHashSet(StringComparer.Ordinal));
            foreach (var memory in _memories)
            {
                await memory(forgotten, cancel);
            }
        }
    }

    private async Task RefuseAsync(DeletionView deletion, string reason, CancellationToken cancel)
    {
        await _cases.AppendAsync(() => [new DeletionRefused(deletion.Id, reason)], cancel);
        _cases.Blobs.Delete(deletion.ScopeBlob);
    }

    private async Task<IReadOnlyList<string>> HeldByAsync(DeletionScope scope, CancellationToken cancel)
    {
        List<string> held = [];
        foreach (var (id, hold) in HeldScopes().Where(one => scope.Project is null || one.Scope.Project is null || one.Scope.Project == scope.Project))
        {
            // A held project stays whole: also what is in no table with traces.
            var isSame = hold.Kind == ScopeKind.Project && scope.Kind is ScopeKind.Project or ScopeKind.Before;
            if (isSame || await _rows.OverlapAsync(scope, hold, cancel) > 0)
            {
                held.Add(id);
            }
        }

        return held;
    }

    private string? SubjectOf(DeletionScope scope) => scope.Kind is ScopeKind.User or ScopeKind.Session ? SubjectOf(scope.Project!, scope.Value) : null;

    private static string Name(ScopeKind kind) => kind.ToString().ToLowerInvariant();

    private Task<string> PutAsync(DeletionScope scope, CancellationToken cancel) => _cases.Blobs.PutAsync(JsonSerializer.Serialize(scope, EventFormat.Json), cancel);

    private DeletionScope? Get(string blob) => _cases.Blobs.Get(blob) is { } text ? JsonSerializer.Deserialize<DeletionScope>(text, EventFormat.Json) : null;
}

using System.Runtime.InteropServices;
using Faultline.ClickHouse;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Writes;

/// <summary>Which tables hold a request's rows. Bits, in the order in which tables are written.</summary>
[Flags]
internal enum Tables
{
    None = 0,
    Samples = 1,
    Logs = 2,
    Scores = 4,
    Spans = 8,
}

/// <summary>What is known of one request.</summary>
internal sealed class RequestRecord
{
    /// <summary>Tables that certainly hold its rows.</summary>
    public Tables Stored { get; set; }

    /// <summary>Tables of which the engine did not say whether the rows got in; they are asked before they are written again.</summary>
    public Tables Doubtful { get; set; }

    /// <summary>The write that is on its way, or null.</summary>
    public Task<WriteOutcome>? Running { get; set; }

    public bool IsComplete { get; set; }

    public DateTimeOffset ForgetAt { get; set; }
}

/// <summary>
/// Requests of the last minute by project and hash, so that one that is sent again is not stored again; those that were
/// stored in part are kept longer, so that the rest can be added without doubling the part.
/// </summary>
internal sealed class RecentRequests(TimeProvider time)
{
    public static readonly TimeSpan CompleteKept = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan PartialKept = TimeSpan.FromHours(1);

    /// <summary>Most requests remembered; the oldest are forgotten early.</summary>
    public const int RequestsMax = 500_000;

    private readonly Dictionary<(string Project, UInt128 Hash), RequestRecord> _records = [];
    private readonly Queue<(string Project, UInt128 Hash)> _byAge = new();

    public int Count => _records.Count;

    public RequestRecord Of(string project, UInt128 hash)
    {
        ForgetOld();
        ref var record = ref CollectionsMarshal.GetValueRefOrAddDefault(_records, (project, hash), out var there);
        if (!there)
        {
            record = new RequestRecord { ForgetAt = time.GetUtcNow() + CompleteKept };
            _byAge.Enqueue((project, hash));
        }

        return record!;
    }

    /// <summary>Sets how long a request is remembered from now on, by what became of it.</summary>
    public void Settle(RequestRecord record)
    {
        record.Running = null;
        record.ForgetAt = time.GetUtcNow() + (record.IsComplete || (record.Stored | record.Doubtful) == Tables.None ? CompleteKept : PartialKept);
    }

    /// <summary>
    /// Takes up the requests of the last minute that the store wrote in, whenever that was: their senders may not have heard the
    /// acknowledgement when the process ended.
    /// </summary>
    public async Task LoadAsync(IClickHouse engine, CancellationToken cancel)
    {
        foreach (var (table, name) in new[] { (Tables.Logs, "logs"), (Tables.Scores, "scores"), (Tables.Spans, "spans") })
        {
            var stored = await engine.QueryAsync(
                $$"""
                WITH (SELECT max(received_date) FROM {{name}}) AS last_day,
                     (SELECT max(received_unix_nanos) FROM {{name}} WHERE received_date = last_day) AS last_nanos
                SELECT DISTINCT project, request_hash FROM {{name}}
                WHERE received_date >= last_day - 1 AND received_unix_nanos > last_nanos - {kept:Int64}
                LIMIT {max:UInt32}
                """,
                new SqlParameters().Add("kept", CompleteKept.Ticks * 100).Add("max", RequestsMax),
                cancel: cancel);
            foreach (var row in stored.Rows)
            {
                Of(row.Text("project"), TraceId.FromBytes(row.Bytes("request_hash")).Value).Stored |= table;
            }
        }
    }

    private void ForgetOld()
    {
        // A fixed number of looks a call: what must stay goes to the end of the queue and is looked at again later.
        var now = time.GetUtcNow();
        for (var looks = 0; looks < 4 && _byAge.TryPeek(out var key); looks++)
        {
            var record = _records[key];
            var full = _records.Count > RequestsMax;
            if (record.Running is null && (full || record.ForgetAt <= now))
            {
                _records.Remove(key);
                _byAge.Dequeue();
            }
            else if (record.ForgetAt <= now + CompleteKept && !full)
            {
                return;
            }
            else
            {
                _byAge.Enqueue(_byAge.Dequeue());
            }
        }
    }
}

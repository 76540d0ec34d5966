using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Cases.Projections;
using Faultline.Ledger;
using Faultline.Ledger.Merkle;
using Faultline.Ledger.Verification;
using Faultline.Web.Api;
using Faultline.Web.Shell;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Web.Audit;

/// <summary>One ledger event in words.</summary>
/// <param name="Case">Id of the case it is about, or null.</param>
/// <param name="Change">Id of the change it recorded, or null.</param>
/// <param name="Actor">Who did it; <c>faultline</c> for what happens by itself.</param>
/// <param name="Words">What happened; the type where nothing more is known.</param>
public sealed record AuditRow(LedgerEntry Entry, string? Case, string? Change, string Actor, string Words);

/// <summary>A part of the trail, newest first.</summary>
/// <param name="Older">Sequence number below which the next older page begins, or null when this is the end.</param>
/// <param name="Damage">What is wrong with an event that could not be read, or null. Events after it in its block are not listed.</param>
public sealed record AuditSlice(IReadOnlyList<AuditRow> Rows, long? Older, string? Damage);

/// <summary>That one event is in the tree that the newest checkpoint signs.</summary>
/// <param name="Path">RFC 6962 audit path, from the leaf up.</param>
/// <param name="Holds">Whether the path leads from the event's hash to the root.</param>
public sealed record AuditProof(long Size, byte[] Root, IReadOnlyList<byte[]> Path, bool Holds, string Checkpoint);

internal static class AuditPages
{
    /// <summary>Events on one page.</summary>
    public const int RowsMax = 100;

    /// <summary>Events read for one page; a filter that matches less continues on the next.</summary>
    private const int ReadMax = 20_000;

    private const int BlockSize = 500;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void MapAuditPages(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        routes.MapGet("/audit", async (HttpContext http) =>
        {
            var address = Address.Of(http.Request);
            var range = TimeRange.Parse(address["from"] ?? "now-30d", address["to"], web.Time.GetUtcNow());
            return Page.Of<AuditPage>(http, web, "Audit", "audit", range, new Dictionary<string, object?>
            {
                [nameof(AuditPage.Slice)] = await SliceAsync(web, address, range, http.RequestAborted),
                [nameof(AuditPage.Newest)] = web.Ledger.Newest,
                [nameof(AuditPage.Fingerprint)] = web.Ledger.KeyFingerprint,
                [nameof(AuditPage.Verdict)] = address["verify"] is null ? null : await LedgerVerifier.VerifyAsync(web.LedgerDirectory, cancel: http.RequestAborted),
                [nameof(AuditPage.Range)] = range,
            });
        }).ExcludeFromDescription();
        routes.MapGet("/audit/deletions", (HttpContext http) => Page.Of<DeletionsPage>(http, web, "Deletions and holds", "audit", null, new Dictionary<string, object?>
        {
            [nameof(DeletionsPage.Deletions)] = web.Deletions.Deletions,
            [nameof(DeletionsPage.Holds)] = web.Deletions.Holds,
        })).ExcludeFromDescription();
        routes.MapGet("/audit/{sequence:long:min(0)}", (HttpContext http, long sequence) => OneAsync(http, web, sequence)).ExcludeFromDescription();
        routes.MapGet("/audit/events.jsonl", (HttpContext http) => ExportAsync(http, web)).ExcludeFromDescription();
    }

    /// <summary>Where an event is shown.</summary>
    public static string PathOf(long sequence) => "/audit/" + sequence.ToString(CultureInfo.InvariantCulture);

    private static async Task<IResult> OneAsync(HttpContext http, WebDependencies web, long sequence)
    {
        var checkpoint = web.Ledger.Newest;
        if (sequence >= checkpoint.Size)
        {
            return Page.NotFound(http, web, "audit", "No such event", $"The ledger has {Figures.Of(checkpoint.Size, "event")}, numbered from 0.");
        }

        if (await ReadAsync(web.Ledger, sequence, sequence + 1, http.RequestAborted) is not ([var entry], _))
        {
            return Page.Of<Missing>(http, web, $"Event {sequence}", "audit", null, new Dictionary<string, object?>
            {
                [nameof(Missing.What)] = $"Event {sequence} is not as it was written",
                [nameof(Missing.Hint)] = "Its bytes changed on the disk. “Verify now” on the audit page says what is wrong and which event is the first that cannot be trusted.",
            }, StatusCodes.Status500InternalServerError);
        }

        var path = web.Ledger.InclusionProof(sequence, checkpoint.Size);
        var holds = MerkleTree.VerifyInclusion(sequence, checkpoint.Size, entry.LeafHash.Span, path, checkpoint.Root);
        return Page.Of<AuditEventPage>(http, web, $"Event {sequence}", "audit", null, new Dictionary<string, object?>
        {
            [nameof(AuditEventPage.Row)] = InWords(web, entry),
            [nameof(AuditEventPage.Payload)] = Pretty(entry.Payload),
            [nameof(AuditEventPage.Proof)] = new AuditProof(checkpoint.Size, checkpoint.Root, path, holds, checkpoint.Note),
        });
    }

    /// <summary>Reads from the newest event back until a page is full, the range is left, or the bound is reached.</summary>
    private static async Task<AuditSlice> SliceAsync(WebDependencies web, Address address, TimeRange range, CancellationToken cancel)
    {
        var rows = new List<AuditRow>();
        string? damage = null;
        var end = long.TryParse(address["before"], NumberStyles.None, CultureInfo.InvariantCulture, out var before) ? Math.Min(before, web.Ledger.Count) : web.Ledger.Count;
        var stop = Math.Max(0, end - ReadMax);
        while (end > stop)
        {
            var start = Math.Max(stop, end - BlockSize);
            var (block, damaged) = await ReadAsync(web.Ledger, start, end, cancel);
            damage ??= damaged;
            for (var i = block.Count - 1; i >= 0; i--)
            {
                if (block[i].At < range.From)
                {
                    return new AuditSlice(rows, null, damage);
                }

                if (block[i].At <= range.To && InWords(web, block[i]) is var row && Matches(row, address))
                {
                    rows.Add(row);
                    if (rows.Count == RowsMax)
                    {
                        return new AuditSlice(rows, block[i].Sequence > 0 ? block[i].Sequence : null, damage);
                    }
                }
            }

            end = start;
        }

        return new AuditSlice(rows, stop > 0 ? stop : null, damage);
    }

    /// <summary>Up to the first event that is not as it was written: the page must say so, not fail.</summary>
    private static async Task<(List<LedgerEntry> Entries, string? Damage)> ReadAsync(LedgerFile ledger, long from, long to, CancellationToken cancel)
    {
        var entries = new List<LedgerEntry>();
        try
        {
            await foreach (var entry in ledger.ReadAsync(from, cancel))
            {
                if (entry.Sequence >= to)
                {
                    break;
                }

                entries.Add(entry);
            }
        }
        catch (InvalidDataException damaged)
        {
            return (entries, damaged.Message);
        }

        return (entries, null);
    }

    private static bool Matches(AuditRow row, Address address) =>
        (address["kind"] is not { } kind || row.Entry.Type.StartsWith(kind, StringComparison.Ordinal))
        && (address["case"] is not { } id || string.Equals(row.Case, id, StringComparison.OrdinalIgnoreCase))
        && (address["actor"] is not { } actor || string.Equals(row.Actor, actor, StringComparison.OrdinalIgnoreCase))
        && (address["q"] is not { } text || row.Words.Contains(text, StringComparison.OrdinalIgnoreCase) || row.Entry.Type.Contains(text, StringComparison.OrdinalIgnoreCase));

    private static AuditRow InWords(WebDependencies web, LedgerEntry entry)
    {
        try
        {
            using var payload = JsonDocument.Parse(entry.Payload);
            var root = payload.RootElement;
            var actor = Text(root, "actor") ?? "faultline";
            if (root.TryGetProperty("case", out var number) && number.TryGetInt32(out var caseNumber))
            {
                var id = new CaseId(caseNumber);
                var words = web.Cases.Find(web.Project, id)?.Timeline.FirstOrDefault(line => line.Sequence == entry.Sequence)?.Words;
                return new AuditRow(entry, id.ToString(), null, actor, words ?? entry.Type);
            }

            if (entry.Type.Split('.') is ["deletion" or "hold", var done] && Text(root, "id") is { } deletion)
            {
                return new AuditRow(entry, null, null, actor, $"{deletion} {(done is "asked" ? "asked for" : done)}");
            }

            return Text(root, "id") is { } change && entry.Type.StartsWith("change.", StringComparison.Ordinal)
                ? new AuditRow(entry, null, change, actor, $"Change recorded: {Text(root, "type")} of {Text(root, "service")}")
                : new AuditRow(entry, null, null, actor, entry.Type);
        }
        catch (JsonException)
        {
            // A newer Faultline may write another form; the event is still listed and proven.
            return new AuditRow(entry, null, null, "", entry.Type);
        }
    }

    private static string? Text(JsonElement root, string name) => root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string Pretty(ReadOnlyMemory<byte> payload)
    {
        try
        {
            using var json = JsonDocument.Parse(payload);
            return JsonSerializer.Serialize(json.RootElement, Indented);
        }
        catch (JsonException)
        {
            return Encoding.UTF8.GetString(payload.Span);
        }
    }

    /// <summary>Every event as a line of JSON, oldest first, with the payload exactly as it was written.</summary>
    private static async Task ExportAsync(HttpContext http, WebDependencies web)
    {
        http.Response.ContentType = "application/jsonl; charset=utf-8";
        http.Response.Headers.ContentDisposition = "attachment; filename=\"faultline-audit.jsonl\"";
        await foreach (var entry in web.Ledger.ReadAsync(0, http.RequestAborted))
        {
            var line = new AuditLine(entry.Sequence, entry.At, entry.Type, entry.Version, Encoding.UTF8.GetString(entry.Payload.Span), Convert.ToHexStringLower(entry.LeafHash.Span));
            await http.Response.WriteAsync(JsonSerializer.Serialize(line, ApiJson.Options) + "\n", http.RequestAborted);
        }
    }

    private sealed record AuditLine(long Sequence, DateTimeOffset At, string Type, int Version, string Payload, string LeafHash);
}

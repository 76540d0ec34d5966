namespace Faultline.Ledger;

/// <summary>One event as it lies in the ledger.</summary>
/// <param name="Sequence">From 0, without gaps.</param>
/// <param name="At">When it was appended, by the ledger's clock.</param>
/// <param name="Type">The event's stored name, e.g. <c>case.opened</c>.</param>
/// <param name="Version">Version of the payload's form.</param>
/// <param name="Payload">UTF-8 JSON, exactly as appended; the leaf hash covers these bytes.</param>
/// <param name="LeafHash">RFC 6962: SHA-256 of 0x00 and the entry's stored bytes.</param>
public sealed record LedgerEntry(long Sequence, DateTimeOffset At, string Type, int Version, ReadOnlyMemory<byte> Payload, ReadOnlyMemory<byte> LeafHash);

/// <summary>Append-only Merkle log in segment files under one directory. One writer a directory (a lock file says so).</summary>
public sealed class LedgerFile : IAsyncDisposable
{
    private LedgerFile()
    {
    }

    /// <summary>Number of entries.</summary>
    public long Count => throw new NotImplementedException();

    /// <exception cref="InvalidDataException">The files are damaged; the message names the segment and the entry and what to do.</exception>
    public static Task<LedgerFile> OpenAsync(string directory, TimeProvider time, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Appends events in one fsynced write: all or none, consecutive. Returns them with their sequence numbers.</summary>
    public Task<IReadOnlyList<LedgerEntry>> AppendAsync(IReadOnlyList<(string Type, int Version, ReadOnlyMemory<byte> Payload)> events, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Entries from a sequence number on, in order, each read back from the file and checked.</summary>
    public IAsyncEnumerable<LedgerEntry> ReadAsync(long from = 0, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Root hash of the Merkle tree over the first <paramref name="size"/> entries (RFC 6962 §2.1).</summary>
    public byte[] RootHash(long size) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

using System.Globalization;
using System.Text;
using Faultline.ClickHouse;
using Faultline.Store.Deletions;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Writes.Journal;

/// <summary>Acknowledged requests that the engine will never take, each in a file of its own, and files of the journal that were damaged. No query reads them; deletions and retention reach them all the same.</summary>
/// <remarks>
/// What the engine does not take cannot be cut into rows, so a file goes whole. Whose it is, is read from its bytes: the trace's id, or the user's or session's as a text with its length in front, as
/// columns hold them. A file that only seems to name somebody goes too: to leave one that does would be worse.
/// </remarks>
internal sealed class AsideRequests
{
    private readonly DirectoryInfo _directory;

    public AsideRequests(string directory) => _directory = Directory.CreateDirectory(directory);

    /// <summary>Files there are, of this process and earlier ones.</summary>
    public long Count => Files.LongCount();

    /// <remarks>Counted anew each time: an operator may take one away.</remarks>
    private IEnumerable<string> Files => Directory.Exists(_directory.FullName) ? Directory.EnumerateFiles(_directory.FullName) : [];

    /// <returns>Its path.</returns>
    public string Keep(JournalRecord record)
    {
        var path = Path.Combine(_directory.FullName, string.Create(CultureInfo.InvariantCulture, $"{record.ReceivedUnixNanos}-{record.RequestHash:x32}"));
        File.WriteAllBytes(path, record.Bytes.Span);
        return path;
    }

    /// <summary>Keeps a file of an earlier process that cannot be read to its end.</summary>
    /// <inheritdoc cref="Keep(JournalRecord)"/>
    public string Keep(JournalSegment segment)
    {
        segment.Dispose();
        var path = Path.Combine(_directory.FullName, Path.GetFileName(segment.Path));
        File.Move(segment.Path, path, overwrite: true);
        return path;
    }

    /// <summary>Each file that there is now, read when it is its turn; it may be deleted then.</summary>
    /// <exception cref="IOException">A file could not be read.</exception>
    public IEnumerable<AsideRequest> Read() => Files.ToList().Select(AsideRequest.Read);
}

/// <summary>One file that was set aside, in memory.</summary>
/// <param name="project">Whose request it is; null of a damaged file, which may hold requests of several.</param>
internal sealed class AsideRequest(string path, byte[] bytes, string? project, long receivedUnixNanos)
{
    public static AsideRequest Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        return JournalRecord.TryRead(bytes) is { } record && record.Bytes.Length == bytes.Length
            ? new AsideRequest(path, bytes, record.Project, record.ReceivedUnixNanos)
            : new AsideRequest(path, bytes, project: null, DeletionScope.Nanos(new DateTimeOffset(File.GetLastWriteTimeUtc(path))));
    }

    /// <param name="traces">That the scope is known to be about, beside those it names.</param>
    public bool MayBeAbout(DeletionScope scope, IReadOnlyCollection<TraceId> traces)
    {
        if (scope.Project is not null && project is not null && !string.Equals(scope.Project, project, StringComparison.Ordinal))
        {
            return false;
        }

        return scope.Kind switch
        {
            ScopeKind.Project => project is not null || Holds(Encoding.UTF8.GetBytes(scope.Project!)),
            ScopeKind.Before => receivedUnixNanos < DeletionScope.Nanos(scope.Before!.Value),
            _ => (scope.Value.Length > 0 && Holds(NativeBlock.TextBytes(scope.Value))) || Names(traces) || Names(scope.Traces),
        };
    }

    /// <exception cref="IOException">The file could not be deleted.</exception>
    public void Delete() => File.Delete(path);

    private bool Holds(ReadOnlySpan<byte> sought) => bytes.AsSpan().IndexOf(sought) >= 0;

    private bool Names(IEnumerable<TraceId> traces)
    {
        Span<byte> id = stackalloc byte[TraceId.Length];
        foreach (var trace in traces)
        {
            trace.WriteTo(id);
            if (Holds(id))
            {
                return true;
            }
        }

        return false;
    }
}

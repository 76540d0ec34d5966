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

    /// <summary>Files that are, or may be, about all of these scopes.</summary>
    /// <param name="scopes">Each with the traces that it is known to be about.</param>
    /// <exception cref="IOException">A file could not be read.</exception>
    public IReadOnlyList<string> Find(params IReadOnlyList<(DeletionScope Scope, IReadOnlyCollection<TraceId> Traces)> scopes)
    {
        List<string> found = [];
        foreach (var path in Files)
        {
            var bytes = File.ReadAllBytes(path);
            var record = JournalRecord.TryRead(bytes) is { } whole && whole.Bytes.Length == bytes.Length ? whole : null;
            var received = record?.ReceivedUnixNanos ?? DeletionScope.Nanos(new DateTimeOffset(File.GetLastWriteTimeUtc(path)));
            if (scopes.All(one => MayBeAbout(one.Scope, one.Traces, bytes, record?.Project, received)))
            {
                found.Add(path);
            }
        }

        return found;
    }

    /// <exception cref="IOException">A file could not be deleted.</exception>
    public static void Delete(IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            File.Delete(path);
        }
    }

    /// <param name="project">Whose request it is; null of a damaged file, which may hold requests of several.</param>
    private static bool MayBeAbout(DeletionScope scope, IReadOnlyCollection<TraceId> traces, ReadOnlySpan<byte> bytes, string? project, long received)
    {
        if (scope.Project is not null && project is not null && !string.Equals(scope.Project, project, StringComparison.Ordinal))
        {
            return false;
        }

        return scope.Kind switch
        {
            ScopeKind.Project => project is not null || bytes.IndexOf(Encoding.UTF8.GetBytes(scope.Project!)) >= 0,
            ScopeKind.Before => received < DeletionScope.Nanos(scope.Before!.Value),
            _ => (scope.Value.Length > 0 && bytes.IndexOf(NativeBlock.TextBytes(scope.Value)) >= 0) || Names(bytes, traces) || Names(bytes, scope.Traces),
        };
    }

    private static bool Names(ReadOnlySpan<byte> bytes, IEnumerable<TraceId> traces)
    {
        Span<byte> id = stackalloc byte[TraceId.Length];
        foreach (var trace in traces)
        {
            trace.WriteTo(id);
            if (bytes.IndexOf(id) >= 0)
            {
                return true;
            }
        }

        return false;
    }
}

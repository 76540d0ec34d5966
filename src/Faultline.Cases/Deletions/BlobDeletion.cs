using Faultline.Cases.Blobs;
using Faultline.Store.Deletions;
using Faultline.Telemetry.Spans;

namespace Faultline.Cases.Deletions;

/// <summary>Deletes from the texts that cases keep. One pass over a project's blobs, however many deletions.</summary>
internal sealed class BlobDeletion(CaseBook cases)
{
    /// <param name="deletions">With the traces that each turned out to be, and when it was asked for.</param>
    public async Task<BlobsDeleted> DeleteAsync(IReadOnlyList<(string Id, DeletionScope Scope, IReadOnlyCollection<TraceId> Traces, DateTimeOffset AskedAt)> deletions, CancellationToken cancel)
    {
        var deleted = new BlobsDeleted();
        var cited = cases.Read(book => book.Blobs.All.ToList());
        foreach (var (id, scope, _, askedAt) in deletions.Where(one => !one.Scope.IsOfTraces))
        {
            var until = scope.Kind == ScopeKind.Before ? scope.Before!.Value : askedAt;
            foreach (var blob in cited.Where(blob => (scope.Project is null || blob.Project == scope.Project) && blob.At <= until && cases.Blobs.Exists(blob.Name)))
            {
                cases.Blobs.Delete(blob.Name);
                deleted.Add(id, blob.Name, null);
            }
        }

        foreach (var project in deletions.Where(one => one.Scope.IsOfTraces).GroupBy(one => one.Scope.Project!, StringComparer.Ordinal))
        {
            var all = ExcisionOf(project.SelectMany(one => one.Traces), project.Select(one => one.Scope));
            foreach (var blob in cited.Where(blob => blob.Project == project.Key).DistinctBy(blob => blob.Name))
            {
                if (cases.Blobs.Get(blob.Name) is not { } text)
                {
                    continue;
                }

                var rest = all.Without(blob.Form, text);
                if (rest == text)
                {
                    continue;
                }

                // The first of the deletions that it is about has it in its event.
                var of = project.FirstOrDefault(one => ExcisionOf(one.Traces, [one.Scope]).Without(blob.Form, text) != text, project.First()).Id;
                if (rest is null)
                {
                    cases.Blobs.Delete(blob.Name);
                }

                deleted.Add(of, cases.Blobs.Current(blob.Name), rest is null ? null : await cases.Blobs.PutAsync(rest, cancel));
            }
        }

        return deleted;
    }

    private static Excision ExcisionOf(IEnumerable<TraceId> traces, IEnumerable<DeletionScope> scopes) =>
        new(traces.ToHashSet(), [.. scopes.Select(scope => scope.Value).Where(value => value.Length > 0).Distinct(StringComparer.Ordinal)]);
}

/// <summary>Blobs that are gone, or have another in their place.</summary>
internal sealed class BlobsDeleted
{
    private readonly Dictionary<string, Dictionary<string, string?>> _byDeletion = new(StringComparer.Ordinal);

    public bool Any => _byDeletion.Count > 0;

    public void Add(string deletion, string blob, string? by)
    {
        if (!_byDeletion.TryGetValue(deletion, out var blobs))
        {
            _byDeletion.Add(deletion, blobs = new Dictionary<string, string?>(StringComparer.Ordinal));
        }

        blobs[blob] = by;
    }

    public int CountOf(string deletion) => _byDeletion.GetValueOrDefault(deletion)?.Count ?? 0;

    public IReadOnlyDictionary<string, string> ReplacedOf(string deletion) =>
        (_byDeletion.GetValueOrDefault(deletion) ?? []).Where(one => one.Value is not null).ToDictionary(one => one.Key, one => one.Value!, StringComparer.Ordinal);
}

using Faultline.Telemetry.Changes;

namespace Faultline.Cases.Projections;

/// <summary>All changes, each once: what somebody recorded stands for what telemetry showed of the same thing at about the same time.</summary>
internal sealed class ChangeList
{
    /// <summary>A pipeline records a deploy before, while or after its instances come up one by one.</summary>
    public static readonly TimeSpan SameWithin = TimeSpan.FromMinutes(15);

    private readonly List<ChangeEvent> _all = [];
    private readonly Dictionary<(string Project, string Service), List<ChangeEvent>> _byService = [];
    private readonly HashSet<string> _doubled = new(StringComparer.Ordinal);

    /// <summary>In the order told.</summary>
    public IReadOnlyList<ChangeEvent> All => _all;

    /// <summary>In the order told, without the doubled.</summary>
    public IEnumerable<ChangeEvent> Each => _all.Where(change => !_doubled.Contains(change.Id));

    public void Add(ChangeEvent change)
    {
        if (change.IsSeen)
        {
            if (Of(change).Any(other => IsSame(other, change)))
            {
                _doubled.Add(change.Id);
            }
        }
        else
        {
            // A change that names no service is of all of them.
            var near = change.Service.Length == 0 ? _all : _byService.GetValueOrDefault((change.Project, change.Service), []);
            _doubled.UnionWith(near.Where(seen => seen.IsSeen && IsSame(change, seen)).Select(seen => seen.Id));
        }

        _all.Add(change);
        if (!_byService.TryGetValue((change.Project, change.Service), out var ofService))
        {
            _byService.Add((change.Project, change.Service), ofService = []);
        }

        ofService.Add(change);
    }

    /// <summary>By its id, doubled or not: a diagnosis may have cited it.</summary>
    public ChangeEvent? Find(string project, string id) => _all.Find(change => change.Project == project && change.Id == id);

    /// <summary>Whether a change that was seen is told already, by somebody or by an earlier process.</summary>
    public bool Knows(ChangeEvent seen) => Of(seen).Any(other => other.Id == seen.Id || IsSame(other, seen));

    private IEnumerable<ChangeEvent> Of(ChangeEvent seen) =>
        _byService.GetValueOrDefault((seen.Project, seen.Service), []).Concat(_byService.GetValueOrDefault((seen.Project, ""), []));

    private static bool IsSame(ChangeEvent known, ChangeEvent seen)
    {
        if (known.Project != seen.Project || (known.Service != seen.Service && known.Service.Length > 0) || (known.At - seen.At).Duration() > SameWithin)
        {
            return false;
        }

        if (known.IsSeen)
        {
            return known.Id != seen.Id && known.Detail == seen.Detail && known.Attributes.GetValueOrDefault("environment") == seen.Attributes.GetValueOrDefault("environment");
        }

        // An embedding model is a model, but a change of the chat model says nothing of it.
        return (known.Type == seen.Type && seen.Attributes.GetValueOrDefault("aspect") is not "embedding_model") || Names(known, seen.Attributes.GetValueOrDefault("value"));
    }

    private static bool Names(ChangeEvent recorded, string? value) =>
        value is { Length: > 2 } && (recorded.Detail.Contains(value, StringComparison.OrdinalIgnoreCase) || recorded.Attributes.Values.Any(text => text.Contains(value, StringComparison.OrdinalIgnoreCase)));
}

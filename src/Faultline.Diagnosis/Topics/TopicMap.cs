using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Topics;

/// <summary>The topics of one side of a service, found as texts come: each joins the nearest topic, or begins one.</summary>
/// <remarks>
/// Leader clustering (Hartigan 1975) with the fading, outlier candidates and merging of DenStream (Cao et al. 2006), by cosine. One pass, no text is kept; the
/// same texts in the same order give the same topics.
/// </remarks>
internal sealed class TopicMap
{
    /// <summary>Topics with a name.</summary>
    public const int TopicsMax = 32;

    /// <summary>Topics to be: too few texts so far to be named.</summary>
    public const int CandidatesMax = 32;

    /// <summary>Texts that make a candidate a topic.</summary>
    public const int TextsMin = 20;

    /// <summary>Nearer than this is one subject; see docs/topics.md for how it was set.</summary>
    public const double JoinCosine = 0.5;

    /// <summary>Two topics this near have become one.</summary>
    public const double MergeCosine = 0.85;

    /// <summary>A topic that nothing was said of for so long is forgotten.</summary>
    public static readonly long KeptNanos = TimeSpan.FromDays(14).Ticks * 100;

    private readonly List<Topic> _topics = [];

    /// <summary>Named ones and candidates, the eldest first.</summary>
    public IReadOnlyList<Topic> All => _topics;

    public IEnumerable<Topic> Named => _topics.Where(topic => topic.Name is not null);

    public int NextId { get; private set; } = 1;

    /// <param name="callsBefore">Calls of the side so far.</param>
    public Topic Place(TopicText text, long callsBefore)
    {
        Topic? nearest = null;
        var cosine = JoinCosine;
        foreach (var topic in _topics)
        {
            if (topic.Cosine(text.Vector) is var one && one >= cosine)
            {
                (nearest, cosine) = (topic, one);
            }
        }

        if (nearest is null)
        {
            var candidates = _topics.Where(topic => topic.Name is null);
            if (candidates.Count() >= CandidatesMax)
            {
                _topics.Remove(candidates.MinBy(topic => topic.WeightAt(text.UnixNanos))!);
            }

            _topics.Add(nearest = new Topic(NextId++, text.UnixNanos, callsBefore));
        }

        nearest.Add(text);
        return nearest;
    }

    /// <summary>Forgets what nothing was said of for long, and puts together what has become one; the name that there is stays, else the elder does.</summary>
    public void Tidy(long nanos)
    {
        _topics.RemoveAll(topic => topic.FindingId is null && nanos - topic.NewestNanos > KeptNanos);
        for (var i = 0; i < _topics.Count; i++)
        {
            for (var k = _topics.Count - 1; k > i; k--)
            {
                if (_topics[i].Cosine(_topics[k]) < MergeCosine)
                {
                    continue;
                }

                var (kept, gone) = _topics[i].Name is null && _topics[k].Name is not null ? (_topics[k], _topics[i]) : (_topics[i], _topics[k]);
                if (gone.FindingId is null)
                {
                    kept.Merge(gone);
                    _topics.Remove(gone);
                    k = _topics.Count;
                }
            }
        }
    }

    /// <summary>Names a candidate, in the place of the lightest topic when all places are taken; false when that one is heavier.</summary>
    public bool TryName(Topic candidate, WordCounts all, long nanos)
    {
        if (Named.Count() >= TopicsMax)
        {
            var lightest = Named.Where(topic => topic.FindingId is null).MinBy(topic => topic.WeightAt(nanos));
            if (lightest is null || lightest.WeightAt(nanos) >= candidate.WeightAt(nanos))
            {
                return false;
            }

            _topics.Remove(lightest);
        }

        candidate.Name = NameOf(candidate, all);
        return true;
    }

    public IReadOnlyList<TopicState> ToState(int wordsMax) => [.. Named.Select(topic => topic.ToState(wordsMax))];

    public void Restore(IReadOnlyList<TopicState> states, int nextId)
    {
        _topics.AddRange(states.Select(Topic.Restore));
        NextId = Math.Max(nextId, _topics.Select(topic => topic.Id + 1).DefaultIfEmpty(1).Max());
    }

    /// <summary>Forgets traces; topics that may be made of their texts alone go whole.</summary>
    public void Forget(IReadOnlySet<TraceId> traces)
    {
        _topics.RemoveAll(topic => topic.Calls <= traces.Count);
        foreach (var topic in _topics)
        {
            topic.Forget(traces);
        }
    }

    private string NameOf(Topic topic, WordCounts all)
    {
        const int WordsOfName = 3;
        var words = topic.Words.Telling(all, WordsOfName);
        var name = words.Count == 0 ? "no words in common" : string.Join(' ', words);
        return Named.Any(other => string.Equals(other.Name, name, StringComparison.Ordinal)) ? $"{name} {topic.Id}" : name;
    }
}

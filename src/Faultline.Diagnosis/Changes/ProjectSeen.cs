using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Faultline.Diagnosis.Features;
using Faultline.Store.Samples;
using Faultline.Store.Scores;
using Faultline.Telemetry.Changes;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Scores;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Changes;

/// <summary>What was seen of one project. Not thread-safe.</summary>
internal sealed class ProjectSeen(string project)
{
    private readonly Dictionary<(string Service, string Environment), ServiceSeen> _services = [];
    private readonly List<(SeenAspect Aspect, SeenValue Value)> _ready = [];
    private readonly Utf8Names _names = new();
    private (ServiceSeen? Service, string Release, long Start)[] _resources = [];
    private int _aspectCount;
    private readonly WaitingSamples _samples = new();

    public string Project { get; } = project;

    public bool IsRestored { get; private set; }

    public int RestoreTries { get; set; }

    /// <summary>Changes that wait to be told, oldest first.</summary>
    public Queue<ChangeEvent> Changes { get; } = new();

    /// <summary>Observations of aspects beyond the bound.</summary>
    public long OverBound { get; private set; }

    public int FullAspects => _services.Values.Sum(service => service.Aspects.Values.Count(aspect => aspect.IsFull));

    public void Fold(SpanBatch spans, long latestUnixNanos)
    {
        var resources = spans.Resources;
        if (_resources.Length < resources.Count)
        {
            Array.Resize(ref _resources, resources.Count);
        }

        for (var i = 0; i < resources.Count; i++)
        {
            _resources[i] = (Service(resources.ServiceName(i), resources.Environment(i)), resources.Release(i), long.MaxValue);
        }

        var genAi = spans.GenAi;
        var hasGenAi = genAi.Count == spans.Count;
        for (var row = 0; row < spans.Count; row++)
        {
            var start = spans.StartUnixNanos[row];
            if (start <= 0 || start > latestUnixNanos)
            {
                continue;
            }

            ref var resource = ref _resources[spans.Resource[row]];
            resource.Start = Math.Min(resource.Start, start);
            if (hasGenAi && !genAi.Operation[row].IsEmpty)
            {
                FoldGenAi(spans, row, resource.Service, start);
            }
        }

        // A release is of all of a resource's spans: one observation a batch.
        for (var i = 0; i < resources.Count; i++)
        {
            var (service, release, start) = _resources[i];
            if (start != long.MaxValue && release.Length is > 0 and <= ValueBytesMax)
            {
                Observe(service, Aspect.Release, "", release, start);
            }
        }
    }

    public void Fold(ScoreBatch scores, long latestUnixNanos)
    {
        for (var row = 0; row < scores.Count; row++)
        {
            if (scores.UnixNanos[row] > 0 && scores.UnixNanos[row] <= latestUnixNanos && !scores.Evaluator[row].StartsWith(StoredScore.BuiltInPrefixUtf8))
            {
                Observe(Service(_names[scores.ServiceName[row]], _names[scores.Environment[row]]), Aspect.Evaluator, _names[scores.Name[row]], scores.Evaluator[row], scores.UnixNanos[row]);
            }
        }
    }

    /// <summary>Decides what of the observed is a change.</summary>
    /// <returns>Changes that were kept silent because there were too many.</returns>
    public int Judge(long learnNanos)
    {
        var muted = 0;
        foreach (var (aspect, value) in _ready)
        {
            var (turn, at, before) = aspect.Judge(value, learnNanos);
            muted += turn == SeenTurn.Muted ? 1 : 0;
            if (turn is SeenTurn.First or SeenTurn.Back)
            {
                Changes.Enqueue(ToChange(aspect, turn == SeenTurn.Back ? aspect.Dominant!.Text : value.Text, at, before, turn == SeenTurn.Back));
            }

            if (value.Known && value.LastUnixNanos - value.StoredUnixNanos >= SeenChanges.StoreEveryNanos)
            {
                value.StoredUnixNanos = value.LastUnixNanos;
                _samples.Batch.Add(LabelsOf(aspect, value), value.LastUnixNanos / 1_000_000, Math.Floor(value.FirstUnixNanos / 1e9));
            }
        }

        _ready.Clear();
        return muted;
    }

    public void Restore(IReadOnlyList<SeriesData> stored)
    {
        foreach (var series in stored)
        {
            var labels = series.Labels;
            if (Aspect.Find(labels["aspect"]) is { } aspect && series.Values.Length > 0 && Find(Service(labels["service_name"], labels["environment"]), aspect, labels["subject"]) is { } seen)
            {
                seen.Restore(labels["value"], (long)(series.Values.Min() * 1e9), series.UnixMillis[^1] * 1_000_000);
            }
        }

        IsRestored = true;
    }

    public SampleBatch? TakeSamples() => _samples.Take();

    public int PutBack(SampleBatch unwritten) => _samples.PutBack(unwritten);

    /// <summary>Longer values are texts.</summary>
    private const int ValueBytesMax = 200;

    private void FoldGenAi(SpanBatch spans, int row, ServiceSeen? service, long start)
    {
        var genAi = spans.GenAi;
        var operation = genAi.Operation[row];
        if (!genAi.PromptVersion[row].IsEmpty)
        {
            Observe(service, Aspect.PromptVersion, _names[genAi.PromptName[row]], genAi.PromptVersion[row], start);
        }

        Observe(service, Aspect.Prompt, "", genAi.PromptName[row], start);
        if (operation.SequenceEqual("chat"u8) || operation.SequenceEqual("completion"u8))
        {
            Observe(service, Aspect.Model, "", genAi.ModelRequested[row], start);
            Observe(service, Aspect.ModelAnswered, _names[genAi.ModelRequested[row]], genAi.ModelResponded[row], start);
        }
        else if (operation.SequenceEqual("retrieval"u8) || operation.SequenceEqual("embeddings"u8))
        {
            Observe(service, Aspect.EmbeddingModel, "", genAi.ModelRequested[row], start);
            Observe(service, Aspect.DataSource, "", genAi.DataSource[row], start);
            foreach (var key in Aspect.IndexAttributes)
            {
                if (spans.Attributes.Find(row, key) is >= 0 and var entry)
                {
                    Observe(service, Aspect.IndexVersion, _names[key], spans.Attributes.Values[entry], start);
                }
            }
        }
    }

    private void Observe(ServiceSeen? service, Aspect aspect, string subject, ReadOnlySpan<byte> value, long unixNanos)
    {
        if (value.Length is > 0 and <= ValueBytesMax)
        {
            Observe(service, aspect, subject, _names[value], unixNanos);
        }
    }

    private void Observe(ServiceSeen? service, Aspect aspect, string subject, string value, long unixNanos)
    {
        if (Find(service, aspect, subject) is not { } seen)
        {
            OverBound++;
        }
        else if (seen.Observe(value, unixNanos) is { } observed && _ready.Count < ReadyMax)
        {
            _ready.Add((seen, observed));
        }
    }

    /// <summary>Waiting to be judged; more come again with the next observation.</summary>
    private const int ReadyMax = 100_000;

    /// <returns>Null where there are too many.</returns>
    private ServiceSeen? Service(string service, string environment)
    {
        if (!_services.TryGetValue((service, environment), out var seen) && _services.Count < SeenChanges.AspectsMax)
        {
            seen = new ServiceSeen(service, environment);
            _services.Add((service, environment), seen);
        }

        return seen;
    }

    private SeenAspect? Find(ServiceSeen? service, Aspect aspect, string subject)
    {
        if (service is null)
        {
            return null;
        }

        if (!service.Aspects.TryGetValue((aspect, subject), out var seen) && _aspectCount < SeenChanges.AspectsMax)
        {
            seen = new SeenAspect(aspect, service.Service, service.Environment, subject);
            service.Aspects.Add((aspect, subject), seen);
            _aspectCount++;
        }

        return seen;
    }

    /// <summary>One service in one environment.</summary>
    private sealed class ServiceSeen(string service, string environment)
    {
        public string Service { get; } = service;

        public string Environment { get; } = environment;

        public Dictionary<(Aspect Aspect, string Subject), SeenAspect> Aspects { get; } = [];
    }

    private ChangeEvent ToChange(SeenAspect seen, string value, long unixNanos, string before, bool again)
    {
        Dictionary<string, string> attributes = new(StringComparer.Ordinal) { ["aspect"] = seen.Aspect.Name, ["value"] = value };
        foreach (var (key, text) in (ReadOnlySpan<(string, string)>)[("subject", seen.Subject), ("before", before), ("environment", seen.Environment)])
        {
            if (text.Length > 0)
            {
                attributes[key] = text;
            }
        }

        var minute = (unixNanos / 60_000_000_000).ToString(CultureInfo.InvariantCulture);
        var identity = string.Join('\0', Project, seen.Environment, seen.Service, seen.Aspect.Name, seen.Subject, value, minute);
        return new ChangeEvent(
            "chg-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)).AsSpan(0, 8)), Project, seen.Aspect.Type, seen.Service,
            seen.Aspect.Sentence(seen.Subject, value, before, again), DateTimeOffset.FromUnixTimeMilliseconds(unixNanos / 1_000_000), attributes)
        { Source = ChangeEvent.Telemetry };
    }

    private static Labels LabelsOf(SeenAspect seen, SeenValue value) => Labels.Of(
        (Labels.MetricName, SeenChanges.ValueMetric), ("service_name", seen.Service), ("environment", seen.Environment),
        ("aspect", seen.Aspect.Name), ("subject", seen.Subject), ("value", value.Text));
}

using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Evaluators.Live;

/// <summary>What one retrieval asked and found, or what a tool returned.</summary>
/// <param name="EndUnixNanos">A call that began earlier did not know of it.</param>
/// <param name="Query">Empty of a tool.</param>
internal sealed record Retrieval(long EndUnixNanos, string Query, IReadOnlyList<string> Documents, bool OfTool = false);

/// <summary>Remembers what was retrieved, and what tools returned, in recent traces until their answers are judged; the oldest trace is forgotten first.</summary>
internal sealed class TraceDocuments
{
    public const int TracesMax = 4_096;
    public const long CharactersMax = 16L << 20;

    private readonly Dictionary<(string Project, TraceId Trace), List<Retrieval>> _byTrace = [];
    private readonly Queue<(string Project, TraceId Trace)> _oldest = new();
    private long _characters;

    public IReadOnlyList<Retrieval> Of(string project, TraceId trace) => _byTrace.TryGetValue((project, trace), out var found) ? found : [];

    public void Add(string project, TraceId trace, Retrieval retrieval)
    {
        if (!_byTrace.TryGetValue((project, trace), out var found))
        {
            _byTrace.Add((project, trace), found = []);
            _oldest.Enqueue((project, trace));
        }

        found.Add(retrieval);
        _characters += Size(retrieval);
        while ((_characters > CharactersMax || _byTrace.Count > TracesMax) && _oldest.TryDequeue(out var oldest) && _byTrace.Remove(oldest, out var forgotten))
        {
            _characters -= forgotten.Sum(Size);
        }
    }

    private static long Size(Retrieval retrieval) => retrieval.Query.Length + retrieval.Documents.Sum(document => (long)document.Length);
}

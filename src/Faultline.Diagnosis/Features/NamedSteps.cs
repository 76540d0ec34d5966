using System.Text;
using System.Text.RegularExpressions;

namespace Faultline.Diagnosis.Features;

/// <summary>What a step is that its instrumentation has no kind for: OpenInference and OpenLLMetry know no plans, Langfuse and the Vercel SDK no reranking. Its name says it.</summary>
internal sealed partial class NamedSteps
{
    /// <summary>Names remembered; later ones are looked at anew.</summary>
    private const int NamesMax = 10_000;

    private readonly Dictionary<byte[], NamedStep> _byName = new(Utf8Comparer.Instance);

    /// <param name="operation">Canonical; only of a plain step, task or chain the name is looked at.</param>
    public NamedStep Of(ReadOnlySpan<byte> operation, ReadOnlySpan<byte> name)
    {
        if (!(operation.IsEmpty || operation.SequenceEqual("step"u8) || operation.SequenceEqual("workflow"u8) || operation.SequenceEqual("unknown"u8)))
        {
            return NamedStep.None;
        }

        if (_byName.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out var known))
        {
            return known;
        }

        var text = Encoding.UTF8.GetString(name);
        known = Rerank().IsMatch(text) ? NamedStep.Rerank : Plan().IsMatch(text) ? NamedStep.Plan : NamedStep.None;
        if (_byName.Count < NamesMax)
        {
            _byName.Add(name.ToArray(), known);
        }

        return known;
    }

    [GeneratedRegex(@"re-?rank", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Rerank();

    /// <summary>The word, not a part of one: a plan of prices, or an explanation, is no plan of an agent's.</summary>
    [GeneratedRegex(@"(^|[^A-Za-z])(re-?)?plan(ner|ning)?([._-](step|task|node|run))?$|(^|[^A-Za-z])(make|create|write|update|revise)[ ._-](a[ ._-])?plan([^A-Za-z]|$)", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Plan();
}

/// <summary>A step that is known by its name.</summary>
internal enum NamedStep
{
    None,
    Rerank,
    Plan,
}

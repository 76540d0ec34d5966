using System.Buffers;
using System.Text;
using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>Which spans are a guardrail's, and whether it let pass what it looked at.</summary>
/// <remarks>
/// Few instrumentations have a kind of span for guardrails: the others write a task or a plain span whose name says so, and put what was
/// decided into an attribute of their own. Names are matched by words, decisions by what <see cref="AnswerWords.Blocks"/> reads.
/// </remarks>
internal sealed class Guardrails
{
    /// <summary>Names remembered; later ones are looked at anew.</summary>
    private const int NamesMax = 10_000;

    private static readonly SearchValues<string> Words = SearchValues.Create(
        ["guardrail", "guard_", "guard-", "guard ", ".guard", "moderation", "content-safety", "content_safety", "content-filter", "content_filter", "pii-filter", "pii_filter", "jailbreak", "prompt-shield", "prompt_shield", "toxicity"],
        StringComparison.OrdinalIgnoreCase);

    private static readonly SearchValues<string> DecisionWords = SearchValues.Create(
        ["verdict", "decision", "outcome", "result", "action", "blocked", "denied", "flagged", "triggered", "passed", "allowed"], StringComparison.OrdinalIgnoreCase);

    /// <summary>OpenLIT's guards, and OpenLLMetry's tasks.</summary>
    private static readonly (string Text, byte[] Utf8)[] NameKeys = [("guard.name", "guard.name"u8.ToArray()), ("traceloop.entity.name", "traceloop.entity.name"u8.ToArray())];

    private readonly Dictionary<byte[], bool> _byName = new(Utf8Comparer.Instance);

    public bool IsOne(ReadOnlySpan<byte> operation, SpanKind kind, bool isRoot, ReadOnlySpan<byte> name) =>
        operation.SequenceEqual("guardrail"u8) || (MayBeNamedSo(operation, kind, isRoot) && IsNamedSo(name));

    public static bool IsOne(SpanSummary span) =>
        span.GenAi.Operation is "guardrail" || (MayBeNamedSo(Encoding.UTF8.GetBytes(span.GenAi.Operation), span.Kind, span.ParentSpanId.IsNone) && IsNamedSo(span.Name));

    /// <summary>What the guardrail is called: one span's name may stand for several of them, or be a framework's word for a task.</summary>
    public static ReadOnlySpan<byte> NameOf(SpanBatch spans, int row)
    {
        foreach (var (_, key) in NameKeys)
        {
            if (spans.Attributes.Find(row, key) is >= 0 and var entry && !spans.Attributes.Values[entry].IsEmpty)
            {
                return spans.Attributes.Values[entry];
            }
        }

        return spans.Name[row];
    }

    /// <inheritdoc cref="NameOf(SpanBatch, int)"/>
    public static string NameOf(SpanSummary span) =>
        NameKeys.Select(key => span.Attributes.FirstOrDefault(attribute => attribute.Key == key.Text)?.Value).FirstOrDefault(static name => name is { Length: > 0 }) ?? span.Name;

    /// <summary>What it said: its output, or the attribute that names a decision, as <c>name=value</c>; empty when it said nothing.</summary>
    public static string Decision(ReadOnlySpan<byte> output, AttributeColumn attributes, int row)
    {
        if (!output.IsEmpty)
        {
            return Encoding.UTF8.GetString(output);
        }

        for (var i = attributes.Start(row); i < attributes.End(row); i++)
        {
            var key = Encoding.UTF8.GetString(attributes.Keys[i]);
            if (IsDecision(key))
            {
                return Said(key, Encoding.UTF8.GetString(attributes.Values[i]));
            }
        }

        return "";
    }

    public static bool Blocked(SpanSummary span)
    {
        if (span.Status == SpanStatus.Error)
        {
            return true;
        }

        var said = span.GenAi.OutputPreview;
        if (said.Length == 0 && span.Attributes.FirstOrDefault(attribute => IsDecision(attribute.Key)) is { Key.Length: > 0 } decision)
        {
            said = Said(decision.Key, decision.Value);
        }

        return AnswerWords.Blocks(said);
    }

    /// <summary>Only a step within a request is told by its name; the request itself, and calls of other services, are not.</summary>
    private static bool MayBeNamedSo(ReadOnlySpan<byte> operation, SpanKind kind, bool isRoot) =>
        !isRoot && kind is not (SpanKind.Client or SpanKind.Server)
        && (operation.IsEmpty || operation.SequenceEqual("step"u8) || operation.SequenceEqual("workflow"u8) || operation.SequenceEqual("unknown"u8));

    private bool IsNamedSo(ReadOnlySpan<byte> name)
    {
        if (_byName.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out var known))
        {
            return known;
        }

        known = IsNamedSo(Encoding.UTF8.GetString(name));
        if (_byName.Count < NamesMax)
        {
            _byName.Add(name.ToArray(), known);
        }

        return known;
    }

    private static bool IsNamedSo(string name) => name.AsSpan().ContainsAny(Words);

    /// <summary>The last word of a name is what is meant: <c>guard.verdict</c>, not <c>result.count</c>.</summary>
    private static bool IsDecision(string key) => key.AsSpan(key.LastIndexOf('.') + 1).ContainsAny(DecisionWords);

    private static string Said(string key, string value) => $"{key[(key.LastIndexOf('.') + 1)..]}={value}";
}

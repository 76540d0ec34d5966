using System.Text;
using System.Text.Json;

namespace Faultline.Diagnosis.Evaluators.Encoder;

/// <summary>Text to piece ids: the most probable segmentation under a unigram model.</summary>
/// <remarks>Source: Kudo 2018, "Subword Regularization"; ids equal those of the JavaScript package that ships the vocabulary.</remarks>
internal sealed class SentencePieces
{
    // Ids below are reserved (unknown, sentence marks) and never match text.
    private const int ReservedIds = 6;
    private const int UnknownId = 0;
    private const char Space = '\u2581';

    private readonly Dictionary<(int Node, int Rune), int> _children = [];
    private readonly List<(double Score, int Id)> _ends = [(0, -1)];
    private readonly int[] _lengths;

    private SentencePieces(IReadOnlyList<(string Piece, double Score)> vocabulary)
    {
        _lengths = new int[vocabulary.Count];
        for (var id = 0; id < vocabulary.Count; id++)
        {
            var (piece, score) = vocabulary[id];
            var node = 0;
            foreach (var rune in piece.EnumerateRunes())
            {
                _lengths[id]++;
                if (id >= ReservedIds && !_children.TryGetValue((node, rune.Value), out var child))
                {
                    child = _ends.Count;
                    _ends.Add((0, -1));
                    _children.Add((node, rune.Value), child);
                    node = child;
                }
                else if (id >= ReservedIds)
                {
                    node = _children[(node, rune.Value)];
                }
            }

            if (id >= ReservedIds)
            {
                _ends[node] = (score, id);
            }
        }
    }

    /// <summary>Reads <c>[["piece", log probability], …]</c>; the place in the list is the id.</summary>
    /// <exception cref="InvalidDataException">The file is something else.</exception>
    public static SentencePieces Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return new SentencePieces([.. document.RootElement.EnumerateArray().Select(entry => (entry[0].GetString()!, entry[1].ValueKind == JsonValueKind.Null ? 0 : entry[1].GetDouble()))]);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"{path} is no vocabulary of sentence pieces: {problem.Message}", problem);
        }
    }

    /// <summary>Never fails: what is not in the vocabulary becomes one unknown id for each run of it.</summary>
    public List<int> Encode(string text)
    {
        var symbols = Symbols(text);
        var best = new double[symbols.Count + 1];
        var reachedBy = new int[symbols.Count + 1];
        for (var start = 0; start < symbols.Count; start++)
        {
            var known = false;
            for (int at = start, node = 0; at < symbols.Count && _children.TryGetValue((node, symbols[at]), out node); at++)
            {
                if (_ends[node] is { Id: >= 0 } end)
                {
                    known = true;
                    Reach(at + 1, best[start] + end.Score, end.Id);
                }
            }

            if (!known)
            {
                Reach(start + 1, best[start], UnknownId);
            }
        }

        return Backwards(reachedBy);

        // As in the package: a place that nothing reached counts as reached for free, by an unknown symbol.
        void Reach(int end, double score, int id)
        {
            if (best[end] == 0 || score >= best[end])
            {
                (best[end], reachedBy[end]) = (score, id);
            }
        }
    }

    private List<int> Backwards(int[] reachedBy)
    {
        List<int> ids = [];
        for (var at = reachedBy.Length - 1; at > 0; at -= Math.Max(_lengths[reachedBy[at]], 1))
        {
            if (reachedBy[at] != UnknownId || ids.Count == 0 || ids[^1] != UnknownId)
            {
                ids.Add(reachedBy[at]);
            }
        }

        ids.Reverse();
        return ids;
    }

    private static List<int> Symbols(string text)
    {
        List<int> symbols = [];
        foreach (var rune in text.EnumerateRunes())      // a lone surrogate becomes U+FFFD
        {
            Compatible(rune, symbols);
        }

        if (symbols.Count > 0)
        {
            symbols.Insert(0, Space);
        }

        return symbols;
    }

    // NFKC where it matters for English; the runtime's own needs ICU, without which it leaves text as it is.
    private static void Compatible(Rune rune, List<int> symbols)
    {
        switch (rune.Value)
        {
            case ' ' or 0xA0 or >= 0x2000 and <= 0x200A or 0x202F or 0x205F or 0x3000:
                symbols.Add(Space);
                break;
            case >= 0xFF01 and <= 0xFF5E:
                symbols.Add(rune.Value - 0xFF01 + '!');
                break;
            case 0x2026:
                symbols.AddRange(['.', '.', '.']);
                break;
            case 0x2122:
                symbols.AddRange(['T', 'M']);
                break;
            case 0xFB00:
                symbols.AddRange(['f', 'f']);
                break;
            case 0xFB01:
                symbols.AddRange(['f', 'i']);
                break;
            case 0xFB02:
                symbols.AddRange(['f', 'l']);
                break;
            case 0xB2 or 0xB3:
                symbols.Add(rune.Value - 0xB0 + '0');
                break;
            case 0xBD:
                symbols.AddRange(['1', 0x2044, '2']);
                break;
            default:
                symbols.Add(rune.Value);
                break;
        }
    }
}

using System.Globalization;

namespace Faultline.Diagnosis.Evaluators.Language;

/// <summary>What two words have to do with each other, from WordNet.</summary>
/// <remarks>Source: Miller 1995, "WordNet: a lexical database for English"; file format wndb(5WN). Single words only.</remarks>
internal sealed class Lexicon
{
    private static readonly (string File, char Part)[] Files = [("data.noun", 'n'), ("data.verb", 'v'), ("data.adj", 'a'), ("data.adv", 'r')];

    private readonly Dictionary<string, List<int>> _synsets = new(StringComparer.Ordinal);
    private readonly Dictionary<int, int[]> _broader = [];
    private readonly Dictionary<int, int[]> _similar = [];
    private readonly Dictionary<string, HashSet<string>> _antonyms = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (char Part, int Uses)> _parts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _uses = new(StringComparer.Ordinal);

    private Lexicon()
    {
    }

    /// <param name="folder">With <c>data.noun</c>, <c>data.verb</c>, <c>data.adj</c>, <c>data.adv</c>, <c>index.sense</c>.</param>
    /// <exception cref="InvalidDataException">A file is not in WordNet's format.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Lexicon Load(string folder)
    {
        var lexicon = new Lexicon();
        Dictionary<int, string[]> members = [];
        List<(int From, int FromWord, int To, int ToWord)> opposites = [];
        foreach (var (file, part) in Files)
        {
            var path = Path.Combine(folder, file);
            try
            {
                foreach (var line in File.ReadLines(path).Where(line => line.Length > 0 && line[0] != ' '))
                {
                    lexicon.Add(line, part, members, opposites);
                }
            }
            catch (Exception problem) when (problem is FormatException or IndexOutOfRangeException or OverflowException)
            {
                throw new InvalidDataException($"{path} is not in WordNet's format: {problem.Message}", problem);
            }
        }

        lexicon.CountParts(Path.Combine(folder, "index.sense"));
        foreach (var (from, fromWord, to, toWord) in opposites)
        {
            lexicon.Oppose(members[from][fromWord - 1], members.TryGetValue(to, out var others) && toWord <= others.Length ? others[toWord - 1] : null);
        }

        return lexicon;
    }

    /// <summary>Dictionary form of a word ("bought" is not resolved, "buys" is); null when it is not in the dictionary.</summary>
    public string? Lemma(string lower)
    {
        if (_synsets.ContainsKey(lower))
        {
            return lower;
        }

        foreach (var (suffix, instead) in new[] { ("ies", "y"), ("es", "e"), ("es", ""), ("s", ""), ("ied", "y"), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""), ("er", "e"), ("er", ""), ("est", "e"), ("est", ""), ("ly", "") })
        {
            if (lower.Length > suffix.Length + 2 && lower.EndsWith(suffix, StringComparison.Ordinal))
            {
                var stem = lower[..^suffix.Length];
                if (_synsets.ContainsKey(stem + instead))
                {
                    return stem + instead;
                }

                if (instead.Length == 0 && stem.Length > 3 && stem[^1] == stem[^2] && _synsets.ContainsKey(stem[..^1]))
                {
                    return stem[..^1];
                }
            }
        }

        return Stemmer.Stem(lower) is var regular && _synsets.ContainsKey(regular) ? regular : null;
    }

    /// <summary>Senses of all parts of speech.</summary>
    public IReadOnlyList<int> Synsets(string lemma) => _synsets.TryGetValue(lemma, out var synsets) ? synsets : [];

    /// <summary>Of a sense: more general senses of nouns and verbs.</summary>
    public IReadOnlyList<int> Broader(int synset) => _broader.GetValueOrDefault(synset, []);

    /// <summary>Of an adjective's sense: near ones.</summary>
    public IReadOnlyList<int> Similar(int synset) => _similar.GetValueOrDefault(synset, []);

    public IReadOnlySet<string> Antonyms(string lemma) => _antonyms.TryGetValue(lemma, out var opposite) ? opposite : EmptySet;

    /// <summary>Most frequent part of speech: n, v, a, r; n for an unknown word.</summary>
    public char Part(string lemma) => _parts.TryGetValue(lemma, out var part) ? part.Part : 'n';

    /// <summary>How often the word was met in the texts that WordNet's senses were counted in; 0 for a rare or unknown word.</summary>
    public int Uses(string lemma) => _uses.GetValueOrDefault(lemma);

    private static readonly HashSet<string> EmptySet = [];

    private void Add(string line, char part, Dictionary<int, string[]> members, List<(int, int, int, int)> opposites)
    {
        var bar = line.IndexOf('|', StringComparison.Ordinal);
        var fields = (bar < 0 ? line : line[..bar]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var id = Id(fields[0], part);
        var count = int.Parse(fields[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var words = new string[count];
        for (var i = 0; i < count; i++)
        {
            var word = fields[4 + (2 * i)].ToLowerInvariant();
            var mark = word.IndexOf('(', StringComparison.Ordinal);
            words[i] = mark > 0 ? word[..mark] : word;
            if (!words[i].Contains('_', StringComparison.Ordinal))
            {
                var senses = SensesOf(words[i]);
                senses.Add(id);

            }
        }

        members[id] = words;
        var pointers = int.Parse(fields[4 + (2 * count)], CultureInfo.InvariantCulture);
        List<int> broader = [], similar = [];
        for (int i = 0, at = 5 + (2 * count); i < pointers; i++, at += 4)
        {
            var to = Id(fields[at + 1], fields[at + 2][0]);
            switch (fields[at])
            {
                case "@" or "@i": broader.Add(to); break;
                case "&" or "^": similar.Add(to); break;
                case "+": similar.Add(to); break;
                case "!":
                    var ends = int.Parse(fields[at + 3], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                    opposites.Add((id, ends >> 8, to, ends & 0xFF));
                    break;
                default: break;
            }
        }

        if (broader.Count > 0)
        {
            _broader[id] = [.. broader];
        }

        if (similar.Count > 0)
        {
            _similar[id] = [.. similar];
        }
    }

    // lemma%type:… offset sense uses; the senses of one part of speech of a word stand together, so uses are added up as they come.
    private void CountParts(string path)
    {
        (string Lemma, char Part, int Uses) current = ("", 'n', 0);
        foreach (var line in File.ReadLines(path))
        {
            var percent = line.IndexOf('%', StringComparison.Ordinal);
            var lemma = line[..Math.Max(percent, 0)];
            if (percent < 1 || !_synsets.ContainsKey(lemma))
            {
                continue;
            }

            var part = line[percent + 1] switch { '1' => 'n', '2' => 'v', '4' => 'r', _ => 'a' };
            var uses = int.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture);
            _uses[lemma] = _uses.GetValueOrDefault(lemma) + uses;
            current = current.Lemma == lemma && current.Part == part ? current with { Uses = current.Uses + uses } : (lemma, part, uses);
            if (!_parts.TryGetValue(lemma, out var best) || current.Uses > best.Uses)
            {
                _parts[lemma] = (part, current.Uses);
            }
        }
    }

    private List<int> SensesOf(string word)
    {
        if (!_synsets.TryGetValue(word, out var senses))
        {
            _synsets[word] = senses = [];
        }

        return senses;
    }

    private void Oppose(string word, string? opposite)
    {
        if (opposite is not null)
        {
            if (!_antonyms.TryGetValue(word, out var all))
            {
                _antonyms[word] = all = [];
            }

            all.Add(opposite);
        }
    }

    private static int Id(string offset, char part) =>
        (int.Parse(offset, CultureInfo.InvariantCulture) << 2) | part switch { 'n' => 0, 'v' => 1, 'r' => 3, _ => 2 };
}

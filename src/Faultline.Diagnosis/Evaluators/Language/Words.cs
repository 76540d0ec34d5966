using System.Globalization;

namespace Faultline.Diagnosis.Evaluators.Language;

/// <summary>One word of a text as evaluators compare it.</summary>
/// <param name="Lower">Invariant lower case.</param>
/// <param name="Stem">What inflections share; see <see cref="Stemmer"/>.</param>
/// <param name="Number">The value of digits and number words, multiplied out ("1.5 million"); NaN when it is no number.</param>
/// <param name="IsName">Starts with a capital and does not start its sentence.</param>
/// <param name="IsContent">Neither a function word nor a single letter.</param>
internal readonly record struct Word(string Lower, string Stem, double Number, bool IsName, bool IsContent)
{
    /// <summary>Written in capitals only: an abbreviation, as a rule.</summary>
    public bool IsCapitals { get; init; }

    public bool IsNumber => !double.IsNaN(Number);
}

/// <summary>Splits text into sentences and words. English; never fails.</summary>
internal static class Words
{
    private const int WordCharactersMax = 40;

    private static readonly HashSet<string> FunctionWords = [.. """
        a about above after again all also am an and any are as at be because been before being below between both but by can could did do does
        doing down during each few for from further had has have having he her here hers herself him himself his how i if in into is it its itself
        just let me more most my myself no nor not now of off on once only or other our ours out over own same she should so some such than that the
        their theirs them themselves then there these they this those through to too under until up upon us very was we were what when where which
        while who whom why will with within without would you your yours yourself s t d ll m re ve don via per among along across toward towards
        """.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];

    private static readonly Dictionary<string, double> NumberWords = Values("""
        zero:0 one:1 two:2 three:3 four:4 five:5 six:6 seven:7 eight:8 nine:9 ten:10 eleven:11 twelve:12 thirteen:13 fourteen:14 fifteen:15 sixteen:16
        seventeen:17 eighteen:18 nineteen:19 twenty:20 thirty:30 forty:40 fifty:50 sixty:60 seventy:70 eighty:80 ninety:90 dozen:12 half:0.5 first:1
        second:2 third:3 fourth:4 fifth:5 twice:2 once:1
        """);

    private static readonly Dictionary<string, double> Multipliers = Values("""
        hundred:1e2 thousand:1e3 million:1e6 billion:1e9 trillion:1e12 k:1e3 mn:1e6 bn:1e9 m:1e6 b:1e9
        """);

    private static readonly HashSet<string> Negations = [.. """
        not no never none nobody nothing neither nor without cannot n't unable fail failed fails lack lacks lacking denied denies deny refuse refused refuses
        reject rejected unlikely hardly despite instead rather
        """.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];

    private static readonly HashSet<string> Abbreviations =
    [
        "vs", "ca", "etc", "mrs", "drs", "inc", "ltd", "corp", "gen", "col", "sgt", "rev", "prof", "fig", "approx", "jan", "feb", "apr", "aug", "sept", "oct", "nov", "dec",
    ];

    private static readonly string[] Months = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

    public static bool IsMonth(string lower) => Array.IndexOf(Months, lower) >= 0;

    /// <summary>Denies what comes after it.</summary>
    public static bool IsNegation(string lower) => Negations.Contains(lower) || lower.EndsWith("n't", StringComparison.Ordinal);

    /// <summary>Words in order; a number and the multiplier behind it are one word.</summary>
    public static List<Word> Of(string sentence)
    {
        List<Word> words = [];
        for (var at = 0; at < sentence.Length;)
        {
            if (!char.IsLetterOrDigit(sentence[at]))
            {
                at++;
                continue;
            }

            var start = at;
            if (TryDotted(sentence, ref at, words))
            {
                continue;
            }

            if (TryIsoDate(sentence, at, words))
            {
                at += IsoDateLength;
                continue;
            }

            at = char.IsDigit(sentence[at]) ? EndOfNumber(sentence, at) : EndOfLetters(sentence, at);
            Add(words, sentence.AsSpan(start, Math.Min(at - start, WordCharactersMax)));
        }

        return words;
    }

    /// <summary>Sentences, lines and list items; at most <paramref name="max"/>, none empty.</summary>
    public static List<string> Sentences(string text, int max)
    {
        List<string> sentences = [];
        var start = 0;
        for (var at = 0; at < text.Length && sentences.Count < max; at++)
        {
            if (text[at] is '\n' or '\r' || (EndsSentence(text, at) && !IsAbbreviation(text, start, at)))
            {
                AddSentence(text[start..(at + 1)]);
                start = at + 1;
            }
        }

        if (sentences.Count < max)
        {
            AddSentence(text[start..]);
        }

        return sentences;

        void AddSentence(string sentence)
        {
            if (sentence.AsSpan().Trim() is { Length: > 1 } trimmed)
            {
                sentences.Add(trimmed.ToString());
            }
        }
    }

    private static bool EndsSentence(string text, int at) =>
        text[at] is '!' or '?' or '…' or '。'
        || (text[at] is '.' or ';' && (at + 1 == text.Length || char.IsWhiteSpace(text[at + 1]) || (text[at + 1] is '"' or '\'' or ')' or '”')));

    // "U.K." is "UK".
    private static bool TryDotted(string text, ref int at, List<Word> words)
    {
        var letters = "";
        var next = at;
        while (next + 1 < text.Length && char.IsUpper(text[next]) && text[next + 1] == '.' && letters.Length < WordCharactersMax)
        {
            letters += text[next];
            next += 2;
        }

        if (letters.Length < 2 || (next < text.Length && char.IsLetter(text[next])))
        {
            return false;
        }

        at = next;
        Add(words, letters);
        return true;
    }

    private const int IsoDateLength = 10;

    // "2014-09-25" is what a text may call "September 25, 2014".
    private static bool TryIsoDate(string text, int at, List<Word> words)
    {
        if (at + IsoDateLength > text.Length || text[at + 4] != '-' || !DateOnly.TryParseExact(text.AsSpan(at, IsoDateLength), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
        {
            return false;
        }

        words.Add(OfNumber(date.Year));
        var month = Months[date.Month - 1];
        words.Add(new Word(month, Stemmer.Stem(month), double.NaN, IsName: false, IsContent: true));
        words.Add(OfNumber(date.Day));
        return true;
    }

    // "Mr.", "U.S.", "J.", "c.", "vs."
    private static bool IsAbbreviation(string text, int start, int at)
    {
        var from = at;
        while (from > start && char.IsLetter(text[from - 1]))
        {
            from--;
        }

        var letters = at - from;
        return text[at] == '.' && at + 1 < text.Length
            && (letters == 1 || (letters == 2 && char.IsUpper(text[from])) || (letters is >= 2 and <= 6 && Abbreviations.Contains(text[from..at].ToLowerInvariant())));
    }

    private static int EndOfNumber(string text, int at)
    {
        while (at < text.Length && (char.IsDigit(text[at]) || (text[at] is ',' or '.' or ':' && at + 1 < text.Length && char.IsDigit(text[at + 1]))))
        {
            at++;
        }

        return at;
    }

    private static int EndOfLetters(string text, int at)
    {
        while (at < text.Length && (char.IsLetterOrDigit(text[at]) || (text[at] is '\'' or '’' or '.' && at + 1 < text.Length && char.IsLetter(text[at + 1]) && text[at] != '.')))
        {
            at++;
        }

        return at;
    }

    private static void Add(List<Word> words, ReadOnlySpan<char> text)
    {
        var lower = text.ToString().ToLowerInvariant().Replace('’', '\'');
        if (lower.EndsWith("'s", StringComparison.Ordinal))
        {
            lower = lower[..^2];
        }

        if (Multipliers.TryGetValue(lower, out var multiplier) && words.Count > 0 && words[^1].IsNumber)
        {
            words[^1] = OfNumber(words[^1].Number * multiplier);
        }
        else if (NumberWords.TryGetValue(lower, out var number) || TryDigits(lower, out number))
        {
            words.Add(OfNumber(number));
        }
        else if (lower is "st" or "nd" or "rd" or "th" && words.Count > 0 && words[^1].IsNumber)
        {
            // "1st" and "first" are one number
        }
        else
        {
            words.Add(new Word(lower, Stemmer.Stem(lower), double.NaN, words.Count > 0 && char.IsUpper(text[0]), lower.Length > 1 && !FunctionWords.Contains(lower) && !lower.EndsWith("n't", StringComparison.Ordinal))
            {
                IsCapitals = text.Length > 1 && !text.ContainsAnyExceptInRange('A', 'Z'),
            });
        }
    }

    private static Word OfNumber(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return new Word(text, text, value, IsName: false, IsContent: true);
    }

    private static Dictionary<string, double> Values(string table) => table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
        .Select(entry => entry.Split(':'))
        .ToDictionary(pair => pair[0], pair => double.Parse(pair[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    private static bool TryDigits(string text, out double number) =>
        double.TryParse(text.Replace(",", "", StringComparison.Ordinal), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number) && char.IsDigit(text[0]);
}

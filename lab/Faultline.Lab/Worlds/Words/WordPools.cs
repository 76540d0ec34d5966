namespace Faultline.Lab.Worlds.Words;

/// <summary>Which pools a world draws from. Nothing of one split is in the other, so the difference of scores between them is over-fitting.</summary>
public enum Split
{
    Dev,
    HeldOut,
}

/// <summary>One subject that documents and questions are about.</summary>
/// <param name="Questions">Wordings; <c>{e}</c> is the entity.</param>
/// <param name="Statements">Facts with slots: <c>{n} {d} {m} {p}</c> are a count, days, money, percent.</param>
internal sealed record Topic(string Name, IReadOnlyList<string> Questions, IReadOnlyList<string> Statements);

internal sealed record Domain(string Name, IReadOnlyList<string> Entities, IReadOnlyList<Topic> Topics);

/// <summary>Names and texts of one split, read from <c>Words/dev.txt</c> or <c>Words/held-out.txt</c>.</summary>
internal sealed class WordPools
{
    private static readonly Lazy<WordPools> DevPools = new(() => Read("words/dev.txt"));
    private static readonly Lazy<WordPools> HeldOutPools = new(() => Read("words/held-out.txt"));

    private readonly Dictionary<string, List<string>> _lines = new(StringComparer.Ordinal);

    private WordPools()
    {
    }

    public List<Domain> Domains { get; } = [];

    public static WordPools Of(Split split) => split == Split.Dev ? DevPools.Value : HeldOutPools.Value;

    public IReadOnlyList<string> this[string section] => _lines[section];

    /// <summary>Lines of the form <c>a | b | c</c>.</summary>
    public IReadOnlyList<string[]> Rows(string section) => [.. _lines[section].Select(line => line.Split('|', StringSplitOptions.TrimEntries))];

    private static WordPools Read(string resource)
    {
        var pools = new WordPools();
        using var stream = typeof(WordPools).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"The resource {resource} is not in the laboratory's assembly.");
        using var reader = new StreamReader(stream);
        var section = "";
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            if (line[0] == '[')
            {
                section = line[1..^1];
                pools._lines[section] = [];
                continue;
            }

            pools._lines[section].Add(line);
        }

        pools.Domains.AddRange(pools._lines.Where(pair => pair.Key.StartsWith("domain ", StringComparison.Ordinal)).Select(pair => ReadDomain(pair.Key[7..], pair.Value)));
        return pools;
    }

    private static Domain ReadDomain(string name, List<string> lines)
    {
        var entities = lines[0]["entity:".Length..].Split(',', StringSplitOptions.TrimEntries);
        return new Domain(name, entities, [.. lines.Skip(1).Select(line => line.Split('|', StringSplitOptions.TrimEntries)).Select(parts =>
            new Topic(parts[0], parts[1].Split(';', StringSplitOptions.TrimEntries), parts[2].Split(';', StringSplitOptions.TrimEntries)))]);
    }
}

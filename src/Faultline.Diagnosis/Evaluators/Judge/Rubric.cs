using System.Globalization;
using System.Text.RegularExpressions;
using Faultline.Store.Scores;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Faultline.Diagnosis.Evaluators.Judge;

/// <summary>What a language model judges a call by: one question and a scale in words from 1 to 5.</summary>
/// <param name="Name">Lower case; its score and metric are <c>judge_NAME</c>, so that they never mix with local ones.</param>
/// <param name="Version">To be raised when the same text may get another score.</param>
/// <param name="Needs">question, documents: without them there is nothing to judge.</param>
/// <param name="ComparesWith">The local evaluator that measures the same, for agreement; empty when none does.</param>
/// <param name="Scale">What 1, 2, 3, 4 and 5 mean.</param>
public sealed partial record Rubric(
    string Name, int Version, Judged Judges, IReadOnlyList<string> Needs, string ComparesWith, string Question, IReadOnlyList<string> LookFor, IReadOnlyList<string> Scale)
{
    public const int Steps = 5;
    public const int RubricsMax = 20;
    public const int CharactersMax = 8_000;
    private const string ResourcePrefix = "Faultline.Diagnosis.Judge.";

    private static readonly string[] Fields = ["name", "version", "judges", "needs", "compares_with", "question", "look_for", "scale"];

    /// <summary>Those that come with Faultline.</summary>
    public static IReadOnlyList<Rubric> Shipped { get; } = ReadShipped();

    public static IReadOnlyList<string> ShippedNames { get; } = [.. Shipped.Select(rubric => rubric.Name)];

    /// <summary>Of its score, metric and figures.</summary>
    public string ScoreName => StoredScore.JudgePrefix + Name;

    internal bool NeedsDocuments => Needs.Contains("documents", StringComparer.Ordinal);

    internal bool NeedsQuestion => Needs.Contains("question", StringComparer.Ordinal);

    /// <summary>Every <c>*.yaml</c> of a folder. What cannot be read is a problem in words, with its file and line.</summary>
    public static (IReadOnlyList<Rubric> Rubrics, IReadOnlyList<string> Problems) ReadFolder(string folder)
    {
        List<Rubric> rubrics = [];
        List<string> problems = [];
        try
        {
            foreach (var file in Directory.EnumerateFiles(folder, "*.yaml").Order(StringComparer.Ordinal).Take(RubricsMax))
            {
                var (rubric, problem) = Read(File.ReadAllText(file));
                if (rubric is null)
                {
                    problems.Add($"{file}: {problem}");
                }
                else if (rubrics.Exists(known => known.Name == rubric.Name))
                {
                    problems.Add($"{file}: there is another rubric named {rubric.Name}.");
                }
                else
                {
                    rubrics.Add(rubric);
                }
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            problems.Add($"{folder}: {unreadable.Message}");
        }

        return (rubrics, problems);
    }

    /// <returns>The rubric, or what is wrong with the text.</returns>
    public static (Rubric? Rubric, string Problem) Read(string yaml)
    {
        if (yaml.Length > CharactersMax)
        {
            return (null, $"it has more than {CharactersMax} characters.");
        }

        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            return stream.Documents is [{ RootNode: YamlMappingNode root }] ? Of(root) : (null, "it is no mapping of names to values.");
        }
        catch (YamlException wrong)
        {
            return (null, $"line {wrong.Start.Line}: this is not YAML: {wrong.Message}");
        }
    }

    private static (Rubric?, string) Of(YamlMappingNode root)
    {
        var unknown = root.Children.Keys.Select(key => key.ToString()).FirstOrDefault(key => !Fields.Contains(key, StringComparer.Ordinal));
        var name = Text(root, "name");
        var scale = root.Children.TryGetValue("scale", out var steps) && steps is YamlMappingNode mapping ? mapping : new YamlMappingNode();
        var meanings = Enumerable.Range(1, Steps).Select(step => Text(scale, step.ToString(CultureInfo.InvariantCulture))).ToList();
        var needs = List(root, "needs");
        var judges = Text(root, "judges") switch { "" or "answer" => Judged.Answer, "retrieval" => Judged.Retrieval, _ => (Judged?)null };
        var problem = unknown is not null ? $"'{unknown}' is none of {string.Join(", ", Fields)}."
            : !NameForm().IsMatch(name) ? $"name: '{name}' is not made of lower-case letters, digits and _ (40 at most)."
            : !int.TryParse(Text(root, "version"), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1 ? "version: a number from 1 is wanted."
            : judges is null ? "judges: answer or retrieval is wanted."
            : needs.FirstOrDefault(need => need is not ("question" or "documents")) is { } wrong ? $"needs: '{wrong}' is neither question nor documents."
            : Text(root, "question").Length == 0 ? "question: the one question to judge by is missing."
            : meanings.Exists(meaning => meaning.Length == 0) || scale.Children.Count != Steps ? $"scale: a meaning for each of 1 to {Steps} is wanted."
            : null;
        return problem is null
            ? (new Rubric(name, int.Parse(Text(root, "version"), CultureInfo.InvariantCulture), judges!.Value, needs, Text(root, "compares_with"), Text(root, "question"), List(root, "look_for"), meanings), "")
            : (null, problem);
    }

    private static List<Rubric> ReadShipped()
    {
        List<Rubric> rubrics = [];
        var assembly = typeof(Rubric).Assembly;
        foreach (var resource in assembly.GetManifestResourceNames().Where(resource => resource.StartsWith(ResourcePrefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            var (rubric, problem) = Read(reader.ReadToEnd());
            rubrics.Add(rubric ?? throw new InvalidDataException($"{resource}: {problem}"));
        }

        return rubrics;
    }

    private static string Text(YamlMappingNode node, string name) => node.Children.TryGetValue(name, out var value) && value is YamlScalarNode scalar ? scalar.Value?.Trim() ?? "" : "";

    private static List<string> List(YamlMappingNode node, string name) =>
        node.Children.TryGetValue(name, out var value) && value is YamlSequenceNode list ? [.. list.Children.Select(item => item.ToString())] : [];

    [GeneratedRegex("^[a-z][a-z0-9_]{0,39}$", RegexOptions.CultureInvariant)]
    private static partial Regex NameForm();
}

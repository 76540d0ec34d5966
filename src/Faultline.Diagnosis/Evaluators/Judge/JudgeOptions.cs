namespace Faultline.Diagnosis.Evaluators.Judge;

/// <summary>Which calls a language model judges, by what, and how much that may cost. Only with an endpoint.</summary>
public sealed record JudgeOptions
{
    /// <summary>Names of rubrics; empty: no call is judged.</summary>
    public IReadOnlyList<string> Rubrics { get; init; } = Rubric.ShippedNames;

    /// <summary>A folder with rubrics of the user's own (<c>*.yaml</c>); empty: there are none.</summary>
    public string Folder { get; init; } = "";

    /// <summary>Share of the traces that evaluators see, 0 to 1.</summary>
    public double Sample { get; init; } = 0.05;

    /// <summary>Tokens in and out; a bucket that fills evenly.</summary>
    public long TokensPerHour { get; init; } = 200_000;

    /// <summary>The rubrics to judge by.</summary>
    public IReadOnlyList<Rubric> Load() => [.. Known().Rubrics.Where(rubric => Rubrics.Contains(rubric.Name, StringComparer.Ordinal))];

    public IEnumerable<string> Problems()
    {
        var (known, problems) = Known();
        foreach (var problem in problems)
        {
            yield return $"judge.folder: {problem}";
        }

        foreach (var name in Rubrics.Where(name => known.All(rubric => rubric.Name != name)))
        {
            yield return $"judge.rubrics: '{name}' is no rubric; there are {string.Join(", ", known.Select(rubric => rubric.Name))}, or {Live.EvaluatorOptions.None} alone.";
        }

        if (Sample is not (>= 0 and <= 1))
        {
            yield return $"judge.sample: {Sample} is not a share between 0 and 1.";
        }

        if (TokensPerHour < 0)
        {
            yield return $"judge.tokens_per_hour: {TokensPerHour} is below 0.";
        }
    }

    private (IReadOnlyList<Rubric> Rubrics, IReadOnlyList<string> Problems) Known()
    {
        var (own, problems) = Folder.Length == 0 ? ([], []) : Rubric.ReadFolder(Folder);
        return ([.. Rubric.Shipped.Where(shipped => own.All(rubric => rubric.Name != shipped.Name)), .. own], problems);
    }
}

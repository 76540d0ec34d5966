namespace Faultline.Diagnosis.Causes;

/// <summary>A cause that may be, with what speaks for and against it. Weights are log-odds: they add.</summary>
/// <param name="prior">Log-odds before any evidence: how often it is this, other things equal.</param>
internal sealed class Candidate(string cause, string target, string words, double prior)
{
    public string Cause { get; } = cause;

    public string Target { get; } = target;

    public string Words { get; } = words;

    /// <summary>Sum of the prior and all weights.</summary>
    public double Score { get; private set; } = prior;

    public List<Evidence> For { get; } = [];

    public List<Evidence> Against { get; } = [];

    public string? SimilarCase { get; private set; }

    public static int LikeliestFirst(Candidate one, Candidate other) => other.Score.CompareTo(one.Score) is var order and not 0 ? order : string.CompareOrdinal(one.Cause, other.Cause);

    /// <summary>Adds weight only when there is a stored fact to cite.</summary>
    public Candidate Supports(double weight, Evidence? evidence)
    {
        if (evidence is not null)
        {
            Score += weight;
            if (!For.Contains(evidence))
            {
                For.Add(evidence);
            }
        }

        return this;
    }

    /// <summary>Takes weight off only when there is a stored fact to cite.</summary>
    public Candidate Contradicts(double weight, Evidence? evidence)
    {
        if (evidence is not null)
        {
            Score -= weight;
            if (!Against.Contains(evidence))
            {
                Against.Add(evidence);
            }
        }

        return this;
    }

    /// <summary>The absence of something that would be there: it has no reference, so it only moves the score.</summary>
    public Candidate Lacks(double weight)
    {
        Score -= weight;
        return this;
    }

    public Candidate Remembers(double weight, string caseId, Evidence evidence)
    {
        SimilarCase = weight > 0 ? caseId : SimilarCase;
        return weight >= 0 ? Supports(weight, evidence) : Contradicts(-weight, evidence);
    }
}

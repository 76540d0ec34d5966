namespace Faultline.Diagnosis.Changes;

/// <summary>One property of a service that says by its value that something was changed.</summary>
/// <param name="name">Label <c>aspect</c> of the stored series and attribute <c>aspect</c> of the change.</param>
/// <param name="type">The type of change that another value means; one of <see cref="Telemetry.Changes.ChangeEvent.Types"/>.</param>
/// <param name="words">The sentence's first words; {0} is the subject.</param>
internal sealed class Aspect(string name, string type, string words)
{
    public static readonly Aspect Release = new("service.version", "deploy", "service.version");
    public static readonly Aspect Model = new("model", "model", "model");
    public static readonly Aspect ModelAnswered = new("model_answered", "model", "{0} is answered by");
    public static readonly Aspect EmbeddingModel = new("embedding_model", "model", "embedding model");
    public static readonly Aspect Prompt = new("prompt", "prompt", "prompt template");
    public static readonly Aspect PromptVersion = new("prompt_version", "prompt", "prompt template {0} version");
    public static readonly Aspect DataSource = new("data_source", "index", "data source");
    public static readonly Aspect IndexVersion = new("index_version", "index", "{0}");
    public static readonly Aspect Evaluator = new("evaluator", "config", "evaluator of {0}:");

    private static readonly Aspect[] All = [Release, Model, ModelAnswered, EmbeddingModel, Prompt, PromptVersion, DataSource, IndexVersion, Evaluator];

    /// <summary>Attributes of retrieval and embedding spans that name an index's version, build or collection.</summary>
    public static readonly byte[][] IndexAttributes =
    [
        .. ((string[])["index.version", "index_version", "rag.index.version", "retrieval.index.version", "retrieval.index", "vector_store.index", "vector_store.version", "vector_db.index.version",
            "gen_ai.data_source.version", "gen_ai.retrieval.index.version", "db.collection.name", "db.vector.collection", "pinecone.index", "knowledge_base.version"]).Select(System.Text.Encoding.UTF8.GetBytes),
    ];

    public string Name { get; } = name;

    public string Type { get; } = type;

    public static Aspect? Find(string name) => Array.Find(All, aspect => string.Equals(aspect.Name, name, StringComparison.Ordinal));

    public string Sentence(string subject, string value, string before, bool again)
    {
        var what = words.Replace("{0}", subject, StringComparison.Ordinal);
        return again ? $"{what} {value} is back{(before.Length > 0 ? $", after {before}" : "")}"
            : $"{what} {value} first seen{(before.Length > 0 ? $", {before} before" : "")}";
    }
}

using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Faults;

/// <summary>The name a fault sits on in one system, and the names that are as honest an answer.</summary>
internal static class Targets
{
    /// <summary>The service whose team would make a change there.</summary>
    public static Service Site(On on, GenAiSystem system)
    {
        string[] roles = on switch
        {
            On.Index or On.Embedding => ["retriever", "search", "knowledge", "stores"],
            On.Reranker => ["reranker"],
            On.Model or On.Provider or On.Cache or On.Gpu => ["gateway", "models", "llm-proxy", "inference", "engine"],
            On.Tool => ["tools", "backoffice"],
            On.Stage => [system.Services[^1].Role],
            _ => [],
        };
        return system.Services.FirstOrDefault(service => roles.Contains(service.Role)) ?? system.Services[0];
    }

    public static (string Target, IReadOnlyList<string> Accepted) Choose(FaultKind kind, GenAiSystem system, Rng rng)
    {
        var (target, accepted) = Choose(kind.On, system, rng);
        if (kind.Cause == "loop_same_call")
        {
            accepted = [.. accepted, .. system.Agents];
        }

        return (target, kind.Change is null ? accepted : [.. accepted, Site(kind.On, system).Name]);
    }

    private static (string Target, IReadOnlyList<string> Accepted) Choose(On on, GenAiSystem system, Rng rng)
    {
        var entry = system.Services[0].Name;
        var services = system.Services.Select(service => service.Name);
        var route = system.Routes[0];
        var searcher = Site(On.Index, system).Name;
        var models = new[] { route.Model, route.Version, route.NextVersion, route.Fallback, route.Provider };
        switch (on)
        {
            case On.Index:
                var index = rng.Pick(system.Indexes);
                return (index, [index, searcher]);
            case On.Embedding:
                return (system.EmbeddingModel, [system.EmbeddingModel, system.NextEmbeddingModel, .. system.Indexes, searcher]);
            case On.Reranker:
                return (system.RerankModel, [system.RerankModel, Site(On.Reranker, system).Name, "rerank"]);
            case On.Template:
                return (system.Templates[0], [system.Templates[0], .. services]);
            case On.Model:
                return (route.Model, models);
            case On.Provider:
                return (route.Provider, [.. models, route.Host]);
            case On.Tool:
                return (system.Tools[0].Name, [system.Tools[0].Name]);
            case On.Agents:
                return (system.Agents[0], [.. system.Agents, entry]);
            case On.Memory:
                return (system.MemoryStore, [system.MemoryStore, entry]);
            case On.Guardrail:
                return (system.Guardrail, [system.Guardrail, entry]);
            case On.Cache:
                return (entry, [.. models, .. services, system.Database.Name, system.Templates[0]]);
            case On.Gpu:
                return (system.Services[^1].Name, [system.Services[^1].Name, .. models]);
            case On.Database:
                return (system.Database.Name, [system.Database.Name, system.Database.Kind]);
            case On.Dependency:
                return (system.Dependency, [system.Dependency]);
            case On.Tenant:
                var tenant = rng.Pick(system.Tenants);
                return (tenant, [tenant, $"{tenant}-abuser", .. system.TenantsShown ? [] : services]);
            case On.Judge:
                return (system.ScoreNames[0], [.. system.ScoreNames, system.JudgeModel, $"{system.JudgeModel}-next", .. services]);
            case On.Stage:
                return (system.Services[^1].Name, [.. services, "retrieval", "tool", "chat"]);
            case On.Input:
                return (entry, [.. services]);
            default:
                return (entry, [entry]);
        }
    }
}

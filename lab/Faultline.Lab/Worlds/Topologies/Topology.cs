using Faultline.Lab.Worlds.Words;
using static Faultline.Lab.Worlds.Topologies.Abilities;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>The shape of a system.</summary>
/// <param name="Roles">Services by role, the entry first; one service may have several worlds' names but one role.</param>
/// <param name="Always">What every system of this shape has.</param>
/// <param name="Perhaps">What some have.</param>
/// <param name="SpansPerTrace">About; decides the traffic that a span budget buys.</param>
/// <param name="Run">Answers one request.</param>
internal sealed record Topology(string Name, Split Split, IReadOnlyList<string> Roles, Abilities Always, Abilities Perhaps, double SpansPerTrace, Action<RequestRun> Run)
{
    public static readonly IReadOnlyList<Topology> All =
    [
        new("rag-single", Split.Dev, ["app"], Retrieval | Embedding, FewShot | Guardrail | PromptCache | Database, 5.4, RagShapes.Single),
        new("rag-services", Split.Dev, ["api", "retriever", "reranker", "gateway"], Retrieval | Embedding | Rerank, PromptCache | FewShot | Guardrail, 8.5, RagShapes.Services),
        new("rag-multi-index", Split.Dev, ["api", "search"], Retrieval | MultiIndex | Embedding, FewShot | Database, 7, RagShapes.MultiIndex),
        new("rag-cached", Split.Dev, ["api", "gateway"], Retrieval | ResponseCache | Database, PromptCache, 3.9, RagShapes.Cached),
        new("agent-tools", Split.Dev, ["agent"], Tools | Agents, Memory | Http | PromptCache, 8.7, AgentShapes.SingleAgent),
        new("research-crew", Split.Dev, ["crew", "tools"], Tools | Agents | Plans | HandOver, Memory | Http, 12.6, AgentShapes.Crew),
        new("chat-sessions", Split.Dev, ["chat"], Sessions, Guardrail | Memory | PromptCache | Database | FewShot, 3.4, ChatShapes.Chat),
        new("batch-extraction", Split.Dev, ["batch"], Json, FewShot | Database, 3, ChatShapes.Batch),
        new("self-hosted-chat", Split.Dev, ["web", "inference"], SelfHosted | Sessions, Guardrail, 4.1, ChatShapes.SelfHosted),
        new("rag-rewriting", Split.HeldOut, ["front", "knowledge", "models"], Retrieval | Embedding, Guardrail | PromptCache | FewShot, 8.6, RagShapes.Rewriting),
        new("rag-reranked-single", Split.HeldOut, ["assistant"], Retrieval | Rerank, Guardrail | Database | FewShot | Sessions, 5.4, RagShapes.RerankedSingle),
        new("rag-two-stores", Split.HeldOut, ["edge", "stores", "llm-proxy"], Retrieval | MultiIndex | ResponseCache | Database, PromptCache, 5.3, RagShapes.TwoStores),
        new("two-agents", Split.HeldOut, ["desk", "backoffice"], Tools | Agents | HandOver, Memory | Http, 11.5, AgentShapes.TwoAgents),
        new("plan-execute", Split.HeldOut, ["runner"], Tools | Agents | Plans, Memory | Database | Http, 11, AgentShapes.PlanExecute),
        new("agentic-rag", Split.HeldOut, ["bot", "search"], Tools | Agents | Retrieval | Embedding, Guardrail | Memory, 9.9, AgentShapes.AgenticRag),
        new("chat-memory", Split.HeldOut, ["companion"], Sessions | Memory, Guardrail | PromptCache | Http, 4.2, ChatShapes.Companion),
        new("batch-summaries", Split.HeldOut, ["worker", "gateway"], Json, FewShot | Http, 3.8, ChatShapes.Summaries),
        new("self-hosted-rag", Split.HeldOut, ["ui", "engine"], SelfHosted | Retrieval, FewShot | Guardrail, 4.8, RagShapes.SelfHostedRag),
    ];
}

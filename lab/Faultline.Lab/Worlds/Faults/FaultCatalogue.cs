using static Faultline.Lab.Worlds.Topologies.Abilities;

namespace Faultline.Lab.Worlds.Faults;

/// <summary>Every fault kind. One entry is one kind: to add one, add an entry.</summary>
internal static class FaultCatalogue
{
    private const string Hallucination = "HALLUCINATION";
    private const string Drift = "RETRIEVAL_DRIFT";
    private const string Prompt = "PROMPT_REGRESSION";
    private const string Overflow = "CONTEXT_OVERFLOW";
    private const string Tokens = "TOKEN_EXPLOSION";
    private const string Latency = "LATENCY_REGRESS";
    private const string Coherence = "COHERENCE_DEGRADATION";
    private const string Loop = "AGENT_LOOP";

    public static readonly IReadOnlyList<FaultKind> All = [.. Retrieve(), .. Prompts(), .. Models(), .. ToolsAndAgents(), .. Outputs(), .. Infrastructure(), .. Inputs(), .. Outside()];

    private static IEnumerable<FaultKind> Retrieve() =>
    [
        new("index_stale_decay", "index_stale", [Drift, Hallucination], On.Index, Retrieval, null, (c, dose) => (c.StaleShare, c.StaleDays, c.Relevance, c.ScoreFactor) = (0.8 * dose, 120 * dose, 1 - (0.6 * dose), 1 - (0.3 * dose)), Gradual: true),
        new("index_stale_after_content", "index_stale", [Drift, Hallucination], On.Index, Retrieval, new("data", "new content published, {t} not rebuilt yet", "content release {v}"), (c, dose) => (c.StaleShare, c.StaleDays, c.Relevance, c.ScoreFactor) = (0.3 + (0.6 * dose), 90, 1 - (0.7 * dose), 1 - (0.25 * dose))),
        new("embedding_changed", "embedding_model_changed", [Drift, Hallucination], On.Embedding, Retrieval | Embedding, new("config", "query embeddings now use another model", "embedding client {v}"), (c, dose) => (c.OtherEmbedding, c.ScoreFactor, c.Relevance) = (true, 1 - (0.35 * dose), 1 - (0.8 * dose))),
        new("embedding_changed_index_side", "embedding_model_changed", [Drift, Hallucination], On.Embedding, Retrieval | Embedding, new("index", "{t}: re-embedded", "vector job {v}"), (c, dose) => (c.ScoreFactor, c.Relevance) = (1 - (0.4 * dose), 1 - (0.7 * dose))),
        new("top_k_lowered", "retriever_parameters_changed", [Drift, Hallucination], On.Index, Retrieval, new("config", "retriever: fewer passages for {t}", "retriever settings {v}"), (c, dose) => (c.TopKFactor, c.Relevance) = (0.55 - (0.35 * dose), 0.9 - (0.4 * dose))),
        new("top_k_raised", "retriever_parameters_changed", [Overflow, Tokens, Latency, Drift], On.Index, Retrieval, new("config", "retriever: more passages for {t}", "retriever settings {v}"), (c, dose) => c.TopKFactor = 1 + (5 * dose)),
        new("score_threshold_raised", "retriever_parameters_changed", [Drift, Hallucination], On.Index, Retrieval, new("config", "minimum score raised", "search tuning {v}"), (c, dose) => c.ScoreFloor = 0.62 + (0.2 * dose)),
        new("chunks_too_small", "chunking_changed", [Drift, Hallucination], On.Index, Retrieval, new("index", "{t} rebuilt with a new splitter", "ingestion job {v}"), (c, dose) => (c.ChunkFactor, c.Relevance) = (0.7 - (0.5 * dose), 1 - (0.3 * dose))),
        new("chunks_too_large", "chunking_changed", [Drift, Overflow, Tokens, Latency], On.Index, Retrieval, new("index", "{t} rebuilt, chunk size changed", "ingestion job {v}"), (c, dose) => (c.ChunkFactor, c.ScoreFactor) = (2 + (5 * dose), 1 - (0.08 * dose))),
        new("reranker_down", "reranker_failed", [Drift, Latency, Hallucination], On.Reranker, Rerank, null, (c, dose) => c.RerankErrors = 0.3 + (0.7 * dose)),
        new("reranker_slow", "reranker_failed", [Latency], On.Reranker, Rerank, null, (c, dose) => c.RerankSlow = 4 + (30 * dose)),
        new("reranker_skipped", "reranker_failed", [Drift, Hallucination], On.Reranker, Rerank, new("config", "rerank stage behind a flag", "search pipeline {v}"), (c, _) => c.RerankSkipped = true),
        new("source_empty", "data_source_unavailable", [Drift, Hallucination], On.Index, Retrieval, null, (c, dose) => c.EmptyShare = 0.25 + (0.75 * dose)),
        new("source_errors", "data_source_unavailable", [Drift, Hallucination, Latency], On.Index, Retrieval, null, (c, dose) => c.RetrievalErrors = 0.2 + (0.8 * dose)),
    ];

    private static IEnumerable<FaultKind> Prompts() =>
    [
        new("template_regressed", "prompt_template_regressed", [Prompt, Hallucination, Coherence], On.Template, None, new("prompt", "{t} version {v}", "new wording of {t}"), (c, dose) => (c.BadTemplate, c.TemplateVersion, c.Invents) = (true, "8", 0.3 * dose), SeenInQuality: true),
        new("template_verbose", "prompt_template_regressed", [Prompt, Tokens, Latency], On.Template, None, new("prompt", "{t} version {v}: more helpful answers", "{t} edited"), (c, dose) => (c.VerboseTemplate, c.TemplateVersion, c.Verbosity) = (true, "8", 1 + (3 * dose))),
        new("template_garbles", "prompt_template_regressed", [Prompt, Coherence], On.Template, None, new("prompt", "{t}: shorter instructions, version {v}"), (c, dose) => (c.BadTemplate, c.TemplateVersion, c.Garbles) = (true, "8", 0.2 + (0.4 * dose)), SeenInQuality: true),
        new("system_prompt_lost", "system_prompt_lost", [Prompt, Coherence, Hallucination], On.Template, None, new("deploy", "prompt loader {v}", "settings moved to another store"), (c, dose) => (c.SystemLost, c.Invents) = (true, 0.2 * dose)),
        new("few_shot_lost", "few_shot_lost", [Prompt, Coherence], On.Template, FewShot, new("deploy", "prompt assembly {v}", "examples moved to a file"), (c, dose) => (c.FewShotLost, c.Garbles) = (true, 0.15 * dose)),
        new("variables_unfilled", "variables_unfilled", [Prompt, Hallucination], On.Template, Texts, new("deploy", "template renderer {v}", "renamed prompt variables"), (c, dose) => c.UnfilledShare = 0.25 + (0.75 * dose), SeenInQuality: true),
        new("context_cut", "context_truncated", [Overflow, Hallucination], On.Template, Retrieval, new("config", "input budget lowered to save cost", "prompt builder {v}"), (c, dose) => c.InputCeiling = (int)(260 - (120 * dose))),
        new("history_not_capped", "history_growing", [Overflow, Tokens, Latency], On.Template, Sessions, new("deploy", "conversation store {v}", "sessions keep their whole history"), (c, dose) => c.HistoryFactor = 2.5 + (9 * dose)),
        new("history_grows", "history_growing", [Overflow, Tokens, Latency], On.Template, Sessions, null, (c, dose) => c.HistoryFactor = 1 + (10 * dose), Gradual: true),
    ];

    private static IEnumerable<FaultKind> Models() =>
    [
        new("model_version_worse", "model_version_changed", [Coherence, Hallucination], On.Model, Hosted, null, (c, dose) => (c.NextVersion, c.Invents, c.Garbles) = (true, 0.35 * dose, 0.2 * dose), SeenInQuality: true),
        new("model_version_slower", "model_version_changed", [Latency], On.Model, Hosted, null, (c, dose) => (c.NextVersion, c.FirstTokenSlow, c.PerTokenSlow) = (true, 1 + (2 * dose), 1.3 + (1.7 * dose))),
        new("model_version_wordy", "model_version_changed", [Tokens, Latency, Coherence], On.Model, Hosted, null, (c, dose) => (c.NextVersion, c.Verbosity) = (true, 1.5 + (4 * dose))),
        new("model_fell_back", "model_replaced", [Hallucination, Coherence], On.Model, Hosted, null, (c, dose) => (c.OtherModel, c.Invents, c.Garbles) = (true, 0.4 * dose, 0.15 * dose)),
        new("model_swapped", "model_replaced", [Hallucination, Coherence, Latency], On.Model, Hosted, new("model", "route moved to a cheaper model", "gateway routing {v}"), (c, dose) => (c.OtherModel, c.Invents, c.Refuses) = (true, 0.35 * dose, 0.1 * dose)),
        new("provider_slow", "provider_degraded", [Latency], On.Provider, Hosted, null, (c, dose) => (c.FirstTokenSlow, c.PerTokenSlow) = (2 + (6 * dose), 1 + (2 * dose))),
        new("provider_errors", "provider_degraded", [Latency, Coherence], On.Provider, Hosted, null, (c, dose) => (c.ModelErrors, c.ModelError) = (0.15 + (0.6 * dose), "overloaded_error")),
        new("provider_worse", "provider_degraded", [Coherence, Hallucination], On.Provider, Hosted, null, (c, dose) => (c.Garbles, c.FirstTokenSlow) = (0.15 + (0.4 * dose), 1 + dose), SeenInQuality: true),
        new("rate_limited", "rate_limited", [Latency], On.Provider, Hosted, null, (c, dose) => (c.ModelErrors, c.ModelError, c.Volume) = (0.2 + (0.5 * dose), "rate_limit_exceeded", 1 + dose)),
        new("rate_limit_lowered", "rate_limited", [Latency], On.Provider, Hosted, new("config", "provider quota changed", "key rotation {v}"), (c, dose) => (c.ModelErrors, c.ModelError) = (0.25 + (0.6 * dose), "rate_limit_exceeded")),
        new("temperature_raised", "sampling_parameters_changed", [Coherence, Hallucination], On.Model, None, new("config", "sampling settings {v}", "livelier answers for {t}"), (c, dose) => (c.Temperature, c.Garbles) = (1.15 + (0.6 * dose), 0.15 * dose)),
        new("max_tokens_lowered", "max_tokens_lowered", [Coherence], On.Model, None, new("config", "shorter answers to save cost", "generation settings {v}"), (c, dose) => c.MaxTokens = (int)(34 - (18 * dose))),
        new("model_quantized", "model_quantized", [Coherence, Hallucination], On.Model, SelfHosted, new("deploy", "model server {v}", "smaller weights on the model server"), (c, dose) => (c.NextVersion, c.PerTokenSlow, c.FirstTokenSlow, c.Garbles, c.Invents) = (true, 0.6, 0.7, 0.35 * dose, 0.2 * dose)),
    ];

    private static IEnumerable<FaultKind> ToolsAndAgents() =>
    [
        new("tool_down", "tool_unavailable", [Loop, Hallucination], On.Tool, Tools, null, (c, dose) => c.ToolErrors = 0.3 + (0.7 * dose)),
        new("tool_slow", "tool_slow", [Latency], On.Tool, Tools, null, (c, dose) => c.ToolSlow = 8 + (40 * dose)),
        new("tool_schema_changed", "tool_schema_changed", [Loop, Coherence], On.Tool, Tools, new("deploy", "{t} {v}", "tool server: arguments renamed"), (c, dose) => c.ToolBadArguments = 0.35 + (0.65 * dose)),
        new("tool_schema_in_prompt", "tool_schema_changed", [Loop, Coherence], On.Tool, Tools, new("prompt", "agent template {v}", "tool descriptions shortened"), (c, dose) => (c.ToolBadArguments, c.TemplateVersion) = (0.3 + (0.6 * dose), "8")),
        new("tool_result_empty", "tool_result_malformed", [Hallucination, Loop], On.Tool, Tools, null, (c, dose) => c.ToolEmpty = 0.3 + (0.7 * dose)),
        new("tool_result_cut", "tool_result_malformed", [Hallucination, Loop], On.Tool, Tools, new("deploy", "{t} {v}", "response size limit at the proxy"), (c, dose) => c.ToolCut = 0.3 + (0.7 * dose)),
        new("same_call_again", "loop_same_call", [Loop, Tokens], On.Tool, Tools | Agents, new("prompt", "agent template {v}: be thorough", "stop rule moved into the prompt"), (c, dose) => c.SameCall = 0.6 + (0.38 * dose)),
        new("same_call_by_itself", "loop_same_call", [Loop, Tokens, Latency], On.Tool, Tools | Agents, null, (c, dose) => c.SameCall = 0.5 + (0.48 * dose)),
        new("ping_pong", "loop_ping_pong", [Loop, Tokens], On.Agents, HandOver, new("prompt", "hand-over rule {v}", "agents may now return work"), (c, dose) => c.PingPong = 0.55 + (0.43 * dose)),
        new("plan_churn", "plan_churn", [Loop, Latency, Tokens], On.Agents, Plans, new("prompt", "planner template {v}", "planner may revise its plan"), (c, dose) => c.PlanChurn = 0.45 + (0.5 * dose)),
        new("memory_poisoned", "memory_poisoned", [Hallucination, Coherence], On.Memory, Memory | Texts, null, (c, dose) => c.Poisoned = 0.25 + (0.75 * dose), SeenInQuality: true),
    ];

    private static IEnumerable<FaultKind> Outputs() =>
    [
        new("guardrail_overblocks", "guardrail_overblocking", [Coherence], On.Guardrail, Guardrail, new("config", "{t} policy {v}", "stricter filter"), (c, dose) => c.Blocks = 0.2 + (0.7 * dose)),
        new("guardrail_drifts", "guardrail_overblocking", [Coherence], On.Guardrail, Guardrail, null, (c, dose) => c.Blocks = 0.15 + (0.6 * dose)),
        new("refusals_by_prompt", "refusals_risen", [Coherence, Prompt], On.Template, Texts, new("prompt", "{t}: safer wording, version {v}"), (c, dose) => (c.Refuses, c.TemplateVersion) = (0.2 + (0.7 * dose), "8"), SeenInQuality: true),
        new("refusals_by_model", "refusals_risen", [Coherence, Prompt], On.Model, Texts, null, (c, dose) => c.Refuses = 0.2 + (0.7 * dose), SeenInQuality: true),
        new("format_broken", "output_format_broken", [Coherence, Prompt], On.Template, Json, new("deploy", "response parser {v}", "schema enforcement switched off"), (c, dose) => c.BreaksFormat = 0.25 + (0.7 * dose)),
        new("format_broken_by_itself", "output_format_broken", [Coherence, Prompt], On.Template, Json, null, (c, dose) => c.BreaksFormat = 0.2 + (0.7 * dose)),
    ];

    private static IEnumerable<FaultKind> Infrastructure() =>
    [
        new("prompt_cache_lost", "cache_lost", [Latency], On.Cache, PromptCache, new("deploy", "prompt now starts with a time stamp", "gateway {v}"), (c, dose) => (c.PromptCache, c.FirstTokenSlow) = (1 - dose, 1 + dose)),
        new("response_cache_lost", "cache_lost", [Latency], On.Cache, ResponseCache, new("config", "cache key includes the user", "cache cluster {v}"), (c, dose) => c.ResponseCache = 1 - dose),
        new("gpu_saturated", "gpu_saturated", [Latency], On.Gpu, SelfHosted, null, (c, dose) => (c.GpuLoad, c.FirstTokenSlow, c.PerTokenSlow) = (0.4 + (0.6 * dose), 1.5 + (3 * dose), 1 + (0.5 * dose))),
        new("gpu_saturated_by_load", "gpu_saturated", [Latency], On.Gpu, SelfHosted, null, (c, dose) => (c.GpuLoad, c.FirstTokenSlow, c.Volume) = (0.5 + (0.5 * dose), 1.5 + (2 * dose), 1.5 + (1.5 * dose))),
        new("queueing", "queueing", [Latency], On.Entry, None, null, (c, dose) => (c.QueueSeconds, c.Volume) = (1.5 + (8 * dose), 1.3 + dose)),
        new("queueing_fewer_workers", "queueing", [Latency], On.Entry, None, new("config", "fewer workers to save cost", "scaling policy {v}"), (c, dose) => c.QueueSeconds = 1.5 + (8 * dose)),
        new("database_slow", "network_or_dependency", [Latency], On.Database, Database, null, (c, dose) => c.DependencySlow = 60 + (700 * dose)),
        new("database_fails", "network_or_dependency", [Latency], On.Database, Database, null, (c, dose) => (c.DependencySlow, c.DependencyErrors) = (30, 0.3 + (0.6 * dose))),
        new("dependency_slow", "network_or_dependency", [Latency], On.Dependency, Http, null, (c, dose) => c.DependencySlow = 20 + (150 * dose)),
        new("dependency_fails", "network_or_dependency", [Latency], On.Dependency, Http, null, (c, dose) => c.DependencyErrors = 0.3 + (0.6 * dose)),
        new("deploy_slower", "deploy_regressed", [Latency], On.Entry, None, new("deploy", "{t} {v}", "routine release"), (c, dose) => c.OwnWorkSlow = 60 + (300 * dose)),
        new("deploy_crashes", "deploy_regressed", [Latency, Coherence], On.Entry, None, new("deploy", "{t} {v}", "dependency updates"), (c, dose) => c.OwnErrors = 0.15 + (0.6 * dose)),
    ];

    private static IEnumerable<FaultKind> Inputs() =>
    [
        new("traffic_surge", "traffic_shifted", [], On.Input, None, null, (c, dose) => (c.Volume, c.QueueSeconds) = (2.5 + (3 * dose), 0.15 * dose)),
        new("traffic_longer", "traffic_shifted", [Latency, Tokens, Overflow], On.Input, None, null, (c, dose) => c.LongQuestions = 0.4 + (0.5 * dose)),
        new("language_shift", "input_language_or_topic_shifted", [Hallucination, Drift], On.Input, Texts, null, (c, dose) => c.ForeignLanguage = 0.3 + (0.6 * dose), SeenInQuality: true),
        new("topic_shift", "input_language_or_topic_shifted", [Hallucination, Drift], On.Input, Texts, null, (c, dose) => c.NewTopics = 0.3 + (0.6 * dose), SeenInQuality: true),
        new("prompt_injection", "abuse_or_injection", [Prompt, Tokens, Coherence], On.Tenant, Texts, null, (c, dose) => (c.Injections, c.Volume) = (0.25 + (0.5 * dose), 1.2 + dose)),
        new("scraping", "abuse_or_injection", [Tokens, Prompt, Latency], On.Tenant, None, null, (c, dose) => (c.Scraping, c.Volume) = (0.4 + (0.5 * dose), 1.5 + (2 * dose))),
    ];

    private static IEnumerable<FaultKind> Outside() =>
    [
        new("judge_replaced", "evaluator_changed", [], On.Judge, Scores, new("config", "judge model updated", "evaluation job {v}"), (c, dose) => (c.OtherJudge, c.ScoreShift) = (true, 0.12 + (0.3 * dose))),
        new("judge_drifts", "evaluator_changed", [], On.Judge, Scores, null, (c, dose) => (c.OtherJudge, c.ScoreShift) = (true, 0.1 + (0.3 * dose))),
        new("stage_silent", "telemetry_missing", [], On.Stage, None, new("deploy", "instrumentation {v}", "collector settings"), (c, dose) => c.StageSilent = 0.6 + (0.4 * dose)),
        new("answers_mixed_up", "unknown", [], On.Entry, Texts, null, (c, dose) => c.Mixup = 0.3 + (0.6 * dose), SeenInQuality: true),
        new("encoding_broken", "unknown", [], On.Entry, Texts, null, (c, dose) => c.Mojibake = 0.4 + (0.6 * dose), SeenInQuality: true),
        new("wrong_language_replies", "unknown", [], On.Entry, Texts, null, (c, dose) => c.WrongLanguage = 0.3 + (0.6 * dose), SeenInQuality: true),
        new("figures_off", "unknown", [], On.Entry, Texts, null, (c, dose) => c.FiguresOff = 0.4 + (0.6 * dose), SeenInQuality: true),
        new("answers_cut_in_transit", "unknown", [], On.Entry, Texts, null, (c, dose) => c.CutInTransit = 0.4 + (0.6 * dose), SeenInQuality: true),
    ];
}

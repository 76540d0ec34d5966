using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;

namespace Faultline.Diagnosis.Causes;

/// <summary>What is known of a cause before any evidence: its place in the chain and its usual fix.</summary>
/// <param name="Name">Stored, scored and documented; never changed.</param>
/// <param name="Stage">retrieve, prompt, model, tools, output, infra, input, or any.</param>
/// <param name="Action">What to do, in the words of docs/causes.md.</param>
/// <param name="Risk">Of doing it: Info, Low, Medium, High or Critical.</param>
/// <param name="NextCheck">What would confirm or refute it.</param>
internal sealed record CauseRow(string Name, string Stage, string Action, string Effort, string Risk, string NextCheck)
{
    /// <summary>Failure classes it shows as, the most usual first; empty when any.</summary>
    public IReadOnlyList<FailureClass> ShowsAs { get; init; } = [];

    /// <summary>Causes it is mistaken for, the likeliest first.</summary>
    public IReadOnlyList<string> LooksLike { get; init; } = [];
}

/// <summary>The causes a diagnosis can name; docs/causes.md says them to users.</summary>
internal static class Vocabulary
{
    public static readonly IReadOnlyList<CauseRow> Rows =
    [
        new("index_stale", "retrieve", "Re-index the data source from its current documents", "30 min", "Low", "Compare the newest document in the index with the newest in its source.") { ShowsAs = [FailureClass.RETRIEVAL_DRIFT, FailureClass.HALLUCINATION], LooksLike = ["embedding_model_changed", "input_language_or_topic_shifted", "chunking_changed"] },
        new("embedding_model_changed", "retrieve", "Re-embed the index with the model that embeds the queries, or roll that model back", "hours", "Medium", "Compare the embedding model and dimension of the index with those of the queries.") { ShowsAs = [FailureClass.RETRIEVAL_DRIFT, FailureClass.HALLUCINATION], LooksLike = ["index_stale", "input_language_or_topic_shifted"] },
        new("retriever_parameters_changed", "retrieve", "Revert the retriever's settings (top-k, cut-off)", "5 min", "Low", "Compare top-k and score threshold with their values before the onset.") { ShowsAs = [FailureClass.RETRIEVAL_DRIFT, FailureClass.CONTEXT_OVERFLOW, FailureClass.TOKEN_EXPLOSION, FailureClass.HALLUCINATION, FailureClass.LATENCY_REGRESS], LooksLike = ["chunking_changed", "data_source_unavailable", "history_growing"] },
        new("chunking_changed", "retrieve", "Re-index with the old chunking", "1 h", "Low", "Compare the length distribution of retrieved chunks before and after.") { ShowsAs = [FailureClass.RETRIEVAL_DRIFT, FailureClass.CONTEXT_OVERFLOW, FailureClass.TOKEN_EXPLOSION, FailureClass.LATENCY_REGRESS], LooksLike = ["retriever_parameters_changed", "index_stale"] },
        new("reranker_failed", "retrieve", "Restore the reranker", "15 min", "Low", "Look for rerank spans in traces from before and after the onset.") { ShowsAs = [FailureClass.RETRIEVAL_DRIFT, FailureClass.LATENCY_REGRESS, FailureClass.HALLUCINATION], LooksLike = ["telemetry_missing", "index_stale", "retriever_parameters_changed"] },
        new("data_source_unavailable", "retrieve", "Restore the data source that answers empty or with errors", "varies", "Medium", "Query the data source directly and see whether it answers.") { ShowsAs = [FailureClass.RETRIEVAL_DRIFT, FailureClass.HALLUCINATION, FailureClass.LATENCY_REGRESS], LooksLike = ["retriever_parameters_changed", "network_or_dependency", "index_stale"] },
        new("prompt_template_regressed", "prompt", "Revert the prompt template to its previous version", "5 min", "Low", "Run one of the bad inputs with the previous version of the template.") { ShowsAs = [FailureClass.PROMPT_REGRESSION], LooksLike = ["model_version_changed", "few_shot_lost", "system_prompt_lost", "provider_degraded"] },
        new("system_prompt_lost", "prompt", "Restore the system message", "5 min", "Low", "Read the messages of a bad trace's model call: is the system message there?") { ShowsAs = [FailureClass.PROMPT_REGRESSION, FailureClass.COHERENCE_DEGRADATION], LooksLike = ["prompt_template_regressed", "few_shot_lost"] },
        new("few_shot_lost", "prompt", "Restore the examples in the prompt", "5 min", "Low", "Compare the prompt of a bad and a good trace side by side.") { ShowsAs = [FailureClass.PROMPT_REGRESSION, FailureClass.COHERENCE_DEGRADATION], LooksLike = ["system_prompt_lost", "prompt_template_regressed", "context_truncated"] },
        new("variables_unfilled", "prompt", "Fix the renderer that left placeholders in the prompt", "30 min", "Low", "Search the prompts of bad traces for literal placeholders.") { ShowsAs = [FailureClass.PROMPT_REGRESSION, FailureClass.HALLUCINATION], LooksLike = ["prompt_template_regressed"] },
        new("context_truncated", "prompt", "Shorten the context or use a model with a larger window", "30 min", "Low", "See whether input tokens of bad traces end at one same ceiling.") { ShowsAs = [FailureClass.CONTEXT_OVERFLOW, FailureClass.HALLUCINATION], LooksLike = ["few_shot_lost", "retriever_parameters_changed"] },
        new("history_growing", "prompt", "Summarise or cap the conversation history", "1 h", "Low", "Plot input tokens against the turn number of a session.") { ShowsAs = [FailureClass.TOKEN_EXPLOSION, FailureClass.CONTEXT_OVERFLOW, FailureClass.LATENCY_REGRESS], LooksLike = ["retriever_parameters_changed", "traffic_shifted", "chunking_changed"] },
        new("model_version_changed", "model", "Pin the model to the version that answered before", "10 min", "Low", "Run one of the bad inputs against the version that answered before.") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION, FailureClass.HALLUCINATION, FailureClass.LATENCY_REGRESS, FailureClass.TOKEN_EXPLOSION], LooksLike = ["provider_degraded", "prompt_template_regressed", "sampling_parameters_changed"] },
        new("model_replaced", "model", "Revert to the model that was asked for before, or accept the new one", "10 min", "Low", "Run one of the bad inputs against the model that was used before.") { LooksLike = ["model_version_changed", "provider_degraded"] },
        new("provider_degraded", "model", "Fail over to another provider or region", "15 min", "Medium", "Look at the provider's status page and at other services that use it.") { ShowsAs = [FailureClass.LATENCY_REGRESS, FailureClass.COHERENCE_DEGRADATION], LooksLike = ["rate_limited", "cache_lost", "model_version_changed", "queueing"] },
        new("rate_limited", "model", "Raise the limit, or back off and spread the calls", "30 min", "Low", "Count the 429 answers against the traffic of the last hour.") { ShowsAs = [FailureClass.LATENCY_REGRESS], LooksLike = ["provider_degraded", "traffic_shifted"] },
        new("sampling_parameters_changed", "model", "Revert temperature, top_p or seed", "5 min", "Low", "Compare the request parameters of a bad and a good trace.") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION, FailureClass.HALLUCINATION], LooksLike = ["model_version_changed", "provider_degraded"] },
        new("max_tokens_lowered", "model", "Revert the limit on output tokens", "5 min", "Low", "Compare max_tokens of a bad and a good trace's request.") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION], LooksLike = ["output_format_broken", "prompt_template_regressed"] },
        new("model_quantized", "model", "Roll the model server back to the unquantised release", "30 min", "Medium", "Compare the model server's release before and after the onset.") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION, FailureClass.HALLUCINATION], LooksLike = ["model_version_changed", "provider_degraded"] },
        new("tool_unavailable", "tools", "Restore the tool", "varies", "Medium", "Call the tool by hand with the arguments of a failed span.") { ShowsAs = [FailureClass.AGENT_LOOP, FailureClass.HALLUCINATION], LooksLike = ["tool_schema_changed", "network_or_dependency"] },
        new("tool_slow", "tools", "Make the tool fast again; it explains the time of the traces", "varies", "Medium", "Follow the slow tool span to its own service.") { ShowsAs = [FailureClass.LATENCY_REGRESS], LooksLike = ["network_or_dependency", "queueing"] },
        new("tool_schema_changed", "tools", "Align the tool's schema with what the agent sends", "1 h", "Low", "Compare the arguments of a failed call with the tool's schema.") { ShowsAs = [FailureClass.AGENT_LOOP, FailureClass.COHERENCE_DEGRADATION], LooksLike = ["tool_unavailable", "prompt_template_regressed"] },
        new("tool_result_malformed", "tools", "Fix the tool so that its results are whole again", "1 h", "Low", "Read the tool's result in a bad trace.") { ShowsAs = [FailureClass.HALLUCINATION, FailureClass.AGENT_LOOP], LooksLike = ["tool_unavailable", "memory_poisoned", "deploy_regressed"] },
        new("loop_same_call", "tools", "Add a stop rule for repeated calls, and revert the change before it", "15 min", "Low", "Read the model call between two of the repeated tool calls: why does it ask again?") { ShowsAs = [FailureClass.AGENT_LOOP, FailureClass.TOKEN_EXPLOSION, FailureClass.LATENCY_REGRESS], LooksLike = ["plan_churn", "loop_ping_pong", "prompt_template_regressed"] },
        new("loop_ping_pong", "tools", "Add a rule for hand-over between the agents", "1 h", "Low", "Read the agents' hand-overs in one looping trace.") { ShowsAs = [FailureClass.AGENT_LOOP, FailureClass.TOKEN_EXPLOSION], LooksLike = ["plan_churn", "loop_same_call", "prompt_template_regressed"] },
        new("plan_churn", "tools", "Correct the planner's prompt", "1 h", "Low", "Compare the successive plans of one trace.") { ShowsAs = [FailureClass.AGENT_LOOP, FailureClass.LATENCY_REGRESS, FailureClass.TOKEN_EXPLOSION], LooksLike = ["loop_ping_pong", "loop_same_call", "prompt_template_regressed"] },
        new("memory_poisoned", "tools", "Delete the bad memory record", "15 min", "Medium", "Find the record that bad sessions recall and good ones do not.") { ShowsAs = [FailureClass.HALLUCINATION, FailureClass.COHERENCE_DEGRADATION], LooksLike = ["tool_result_malformed", "provider_degraded"] },
        new("guardrail_overblocking", "output", "Tune the filter that blocks harmless answers", "30 min", "Medium", "Read five blocked answers: were they harmful?") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION], LooksLike = ["refusals_risen", "abuse_or_injection"] },
        new("refusals_risen", "output", "Correct the prompt, or change the model, that refuses harmless requests", "30 min", "Low", "Read five refusals and the requests before them.") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION, FailureClass.PROMPT_REGRESSION], LooksLike = ["guardrail_overblocking", "abuse_or_injection", "prompt_template_regressed"] },
        new("output_format_broken", "output", "Enforce the schema on the model's output", "1 h", "Low", "Parse the outputs of five bad traces by hand.") { ShowsAs = [FailureClass.COHERENCE_DEGRADATION, FailureClass.PROMPT_REGRESSION], LooksLike = ["prompt_template_regressed", "few_shot_lost", "max_tokens_lowered"] },
        new("cache_lost", "infra", "Restore the cache key", "30 min", "Low", "Compare the share of cached input tokens before and after.") { ShowsAs = [FailureClass.LATENCY_REGRESS], LooksLike = ["provider_degraded", "deploy_regressed"] },
        new("gpu_saturated", "infra", "Scale the model server", "15 min", "Medium", "Look at GPU utilisation, memory and queue around the onset.") { ShowsAs = [FailureClass.LATENCY_REGRESS], LooksLike = ["provider_degraded", "queueing"] },
        new("queueing", "infra", "Scale what the requests wait for", "15 min", "Medium", "Compare the wait before the first span of work with the load.") { ShowsAs = [FailureClass.LATENCY_REGRESS], LooksLike = ["traffic_shifted", "deploy_regressed", "network_or_dependency"] },
        new("network_or_dependency", "infra", "Ask the owner of the slow dependency", "varies", "Medium", "Follow the slow call to the service it was made to.") { ShowsAs = [FailureClass.LATENCY_REGRESS], LooksLike = ["deploy_regressed", "queueing"] },
        new("deploy_regressed", "infra", "Roll the release back", "10 min", "Medium", "Run one of the bad inputs against the previous release.") { LooksLike = ["prompt_template_regressed", "tool_result_malformed", "few_shot_lost", "cache_lost"] },
        new("traffic_shifted", "input", "Scale, or accept: each kind of request behaves as before", "varies", "Info", "Compare the mix of requests before and after.") { ShowsAs = [FailureClass.LATENCY_REGRESS, FailureClass.TOKEN_EXPLOSION], LooksLike = ["abuse_or_injection", "history_growing", "queueing"] },
        new("input_language_or_topic_shifted", "input", "Add content and prompts for the new kind of input", "days", "Low", "Read the inputs of the bad traces: what do they share?") { ShowsAs = [FailureClass.HALLUCINATION, FailureClass.RETRIEVAL_DRIFT], LooksLike = ["index_stale", "abuse_or_injection", "prompt_template_regressed"] },
        new("abuse_or_injection", "input", "Block the sources of the abuse", "15 min", "Medium", "List users and sources of the bad traces by count.") { ShowsAs = [FailureClass.PROMPT_REGRESSION, FailureClass.TOKEN_EXPLOSION, FailureClass.COHERENCE_DEGRADATION], LooksLike = ["input_language_or_topic_shifted", "refusals_risen", "traffic_shifted"] },
        new("evaluator_changed", "output", "Recalibrate the evaluator", "1 h", "Low", "Score ten texts from before the onset again.") { LooksLike = ["provider_degraded", "model_version_changed"] },
        new("telemetry_missing", "any", "Restore the instrumentation of the stage that stopped reporting", "30 min", "Low", "Look at the exporter's errors of that service.") { LooksLike = ["reranker_failed", "cache_lost", "data_source_unavailable"] },
        new("unknown", "any", "Collect what is missing, then diagnose again", "varies", "Info", "Read a bad and a good trace side by side."),
    ];

    private static readonly Dictionary<string, CauseRow> ByName = Rows.ToDictionary(row => row.Name, StringComparer.Ordinal);

    public static CauseRow Of(string cause) => ByName[cause];

    public static bool Contains(string cause) => ByName.ContainsKey(cause);
}

using System.Collections.Concurrent;
using Faultline.Diagnosis.Evaluators;

namespace Faultline.Diagnosis.Features;

/// <summary>How the observations of one window become one number.</summary>
internal enum Statistic
{
    /// <summary>How many there were.</summary>
    Count,

    Mean,

    /// <summary>Mean of noughts and ones: a proportion, with a proportion's variance.</summary>
    Share,

    Median,

    P95,

    Max,

    /// <summary>How many come in a time: judged by the likelihood of counts, learnt in longer pieces.</summary>
    Rate,
}

/// <summary>Which way a feature moves when things get worse.</summary>
internal enum BadWhen
{
    /// <summary>Neither way alone is bad: kept for evidence, never an alarm.</summary>
    Never,
    Rises,
    Falls,
}

/// <summary>Where in the chain of a GenAI request a feature is measured; the order is the order of the chain.</summary>
internal enum Stage
{
    Retrieve,
    Prompt,
    Model,
    Tools,
    Output,

    /// <summary>The request as its caller sees it: no stage of its own.</summary>
    Whole,
}

/// <summary>One measured property of a service in a window of event time.</summary>
/// <param name="Name">Value of the label <c>feature</c>.</param>
/// <param name="Words">What a sentence calls it.</param>
/// <param name="Unit">s, tokens, calls, documents or 1.</param>
/// <param name="Logarithmic">Compared by ratio, not by difference: durations and token counts are right-skewed.</param>
/// <param name="CountMin">Windows with fewer observations are neither learnt nor judged.</param>
/// <param name="EffectMin">Smallest change worth a word: relative when logarithmic, else absolute on a scale of 1.</param>
/// <param name="Dimension">Label that tells entities of one service apart (model, tool, …), or null.</param>
/// <param name="WindowsMin">Windows with data that must be abnormal at least.</param>
/// <param name="SecondsMin">How long it must be so at least: a collector that restarts is silent for a while.</param>
/// <param name="UnitsMin">Smallest change worth a word in the feature's unit, for ratios of small figures: 4 ms is twice 2 ms and nobody waits longer.</param>
internal sealed record Feature(
    string Name, string Words, Statistic Statistic, string Unit, BadWhen BadWhen, Stage Stage, bool Logarithmic, int CountMin, double EffectMin, string? Dimension = null, double UnitsMin = 0, int WindowsMin = Feature.WindowsUsual, long SecondsMin = 0)
{
    // A feature is looked up several times a span, and its name says which one it is.
    private readonly int _hash = string.GetHashCode(Name, StringComparison.Ordinal);

    /// <summary>The feature whose series this judges in the other direction; null for one with a series of its own.</summary>
    public Feature? Of { get; init; }

    /// <summary>What it was in the last so many windows is usual too, whatever it was on other days; 0 where the day's rhythm says all.</summary>
    public int FollowsWindows { get; init; }

    /// <summary>What its thresholds are multiplied by: more than 1 where windows are less independent than its sums take them to be.</summary>
    public double Evidence { get; init; } = 1;

    /// <summary>Whether it says nothing of whose requests they are.</summary>
    public bool IsOfAll { get; init; }

    /// <summary>Of a share: whether what it counts drifts by itself for many windows, as durations do.</summary>
    public bool Drifts { get; init; }

    public bool Equals(Feature? other) => ReferenceEquals(this, other) || (other is not null && _hash == other._hash && string.Equals(Name, other.Name, StringComparison.Ordinal));

    public override int GetHashCode() => _hash;

    /// <summary>Onto the scale that windows are compared on.</summary>
    public double ToScale(double value) => Logarithmic ? Math.Log(Math.Max(value, LogFloor)) : value;

    /// <summary>Back into the feature's unit.</summary>
    public double FromScale(double scaled) => Logarithmic ? Math.Exp(scaled) : scaled;

    /// <summary>The smallest change worth a word, on the scale, around <paramref name="centre"/>.</summary>
    /// <remarks>Scores of 1 to 5 or 0 to 100 need a bound that grows with them: five per cent of the centre.</remarks>
    public double EffectFloor(double centre) =>
        Logarithmic ? Math.Max(EffectMin, UnitsMin > 0 ? Math.Log(1 + (UnitsMin / Math.Exp(centre))) : 0)
        : Statistic == Statistic.Share ? EffectMin
        : Math.Max(EffectMin, 0.05 * Math.Abs(centre));

    /// <summary>No window is so quiet that a smaller spread than this is believed.</summary>
    public double SpreadFloor(double centre) => (Logarithmic ? EffectMin : EffectFloor(centre)) / 4;

    /// <summary>Whether small deviations may add up to an alarm. What must last does so because it is usual now and then.</summary>
    public bool AddsUp => SecondsMin == 0;

    /// <summary>Whether one part of the requests can be compared with all: counts, extremes and high quantiles depend on how many there are.</summary>
    public bool IsComparable => MayAlarm && !IsOfAll && Statistic is (Statistic.Mean or Statistic.Share or Statistic.Median);

    /// <summary>Of features that say nothing else.</summary>
    internal const int WindowsUsual = 3;

    /// <summary>The evaluation whose scores it is of; null for what no evaluator gives.</summary>
    public string? Evaluation { get; init; }

    /// <summary>The scores of an evaluation themselves.</summary>
    public bool IsScore => Evaluation is not null && !IsPoorScore;

    /// <summary>How many of them are far off.</summary>
    public bool IsPoorScore => Name.StartsWith(FeatureTable.PoorScorePrefix, StringComparison.Ordinal);

    public bool MayAlarm => BadWhen != BadWhen.Never;

    /// <summary>A microsecond, or a millionth of a token: keeps the logarithm finite.</summary>
    private const double LogFloor = 1e-6;
}

/// <summary>Every feature there is. A new one is a line here and a line where spans are folded.</summary>
internal static class FeatureTable
{
    public const string ScorePrefix = "score:";
    public const string PoorScorePrefix = "poor_score:";

    /// <summary>What happens now and then to healthy services too, in runs, is asked for more evidence: at 12 instead of 10.5.</summary>
    private const double ByItself = 8 / 7.0;

    public static readonly Feature Calls = new("calls", "calls", Statistic.Count, "calls", BadWhen.Never, Stage.Whole, true, 1, 0.5);

    /// <summary>Over five minutes. Twice as many calls come now and then; more than that is a campaign, a client that loops, or somebody who takes all he can get.</summary>
    public static readonly Feature CallRate = new("calls_per_minute", "calls a minute", Statistic.Rate, "calls", BadWhen.Rises, Stage.Whole, true, 1, 1.1) { Evidence = ByItself, FollowsWindows = 12 };
    public static readonly Feature ErrorRate = new("error_rate", "error rate", Statistic.Share, "1", BadWhen.Rises, Stage.Whole, false, 1, 0.05) { Evidence = ByItself };
    public static readonly Feature LatencyP50 = new("latency_p50", "median latency", Statistic.Median, "s", BadWhen.Rises, Stage.Whole, true, 1, 0.25, UnitsMin: 0.05);

    /// <summary>A window's 95th percentile depends on how many calls it has, so only windows with enough are compared.</summary>
    public static readonly Feature LatencyP95 = new("latency_p95", "95th percentile of latency", Statistic.P95, "s", BadWhen.Rises, Stage.Whole, true, 20, 0.35, UnitsMin: 0.1);

    /// <summary>Where the tail moves and the median stays. A call alone in its window moves that window's median just as well.</summary>
    public static readonly Feature SlowCalls = new("slow_call_share", "share of calls that are slower than nineteen of twenty were", Statistic.Share, "1", BadWhen.Rises, Stage.Whole, false, 1, 0.08) { Evidence = ByItself, Drifts = true };

    /// <summary>From the start of the request to the start of the first thing it does.</summary>
    public static readonly Feature Wait = new("queue_wait_p50", "median wait before the first step", Statistic.Median, "s", BadWhen.Rises, Stage.Whole, true, 1, 0.5, UnitsMin: 0.2);

    /// <summary>Calls of what is no part of the chain: a database, an HTTP service.</summary>
    public static readonly Feature DependencyLatency = new("dependency_latency_p50", "median latency of", Statistic.Median, "s", BadWhen.Rises, Stage.Whole, true, 1, 0.7, "dependency", UnitsMin: 0.1);
    public static readonly Feature DependencyErrorRate = new("dependency_error_rate", "error rate of", Statistic.Share, "1", BadWhen.Rises, Stage.Whole, false, 1, 0.1, "dependency");

    /// <summary>Requests in which a stage that requests usually have left no span, nor the time that it takes (<see cref="StageTimes"/>), where that can be told.</summary>
    public static readonly Feature StageMissing = new("stage_missing_share", "share of requests without", Statistic.Share, "1", BadWhen.Rises, Stage.Whole, false, 1, 0.4, "stage", SecondsMin: 180) { Evidence = ByItself };

    /// <summary>Requests that took the time of a stage of which no span tells. A collector that restarts is silent for a while, whoever asked.</summary>
    public static readonly Feature StageUntold = new("stage_untold_share", "share of requests with no span of", Statistic.Share, "1", BadWhen.Rises, Stage.Whole, false, 1, 0.4, "stage", WindowsMin: 5, SecondsMin: 300) { Evidence = ByItself, IsOfAll = true };

    /// <summary>
    /// Rises when a cache that answered some requests is lost; where every request needs the model it cannot. What is asked again, and so found in the cache, comes in runs.
    /// </summary>
    public static readonly Feature ReachesModel = new("model_reached_share", "share of requests that need the model", Statistic.Share, "1", BadWhen.Rises, Stage.Whole, false, 1, 0.15) { Evidence = 2 * ByItself };

    public static readonly Feature RetrievalTopScore = new("retrieval_top_score", "best retrieval score", Statistic.Mean, "1", BadWhen.Falls, Stage.Retrieve, false, 1, 0.03);
    public static readonly Feature RetrievalMeanScore = new("retrieval_mean_score", "mean retrieval score", Statistic.Mean, "1", BadWhen.Falls, Stage.Retrieve, false, 1, 0.03);
    /// <summary>Of a vector database that tells distances, which are smaller for what is nearer, and scores nowhere.</summary>
    public static readonly Feature RetrievalDistance = new("retrieval_distance", "distance of the nearest document", Statistic.Mean, "1", BadWhen.Rises, Stage.Retrieve, false, 1, 0.03);
    public static readonly Feature RetrievalDocuments = new("retrieval_documents", "retrieved documents", Statistic.Mean, "documents", BadWhen.Falls, Stage.Retrieve, true, 1, 0.2);

    /// <summary>More passages and longer ones than usual cost, and bury what is asked for.</summary>
    public static readonly Feature RetrievalDocumentsRise = new("retrieval_documents_rise", "retrieved documents", Statistic.Mean, "documents", BadWhen.Rises, Stage.Retrieve, true, 1, 0.4) { Of = RetrievalDocuments };
    public static readonly Feature ChunkLength = new("chunk_length", "mean length of retrieved chunks", Statistic.Mean, "characters", BadWhen.Falls, Stage.Retrieve, true, 1, 0.3);
    public static readonly Feature ChunkLengthRise = new("chunk_length_rise", "mean length of retrieved chunks", Statistic.Mean, "characters", BadWhen.Rises, Stage.Retrieve, true, 1, 0.6) { Of = ChunkLength };
    public static readonly Feature RetrievalEmpty = new("retrieval_empty_share", "share of empty retrievals", Statistic.Share, "1", BadWhen.Rises, Stage.Retrieve, false, 1, 0.08);
    public static readonly Feature RetrievalErrorRate = new("retrieval_error_rate", "error rate of retrieval", Statistic.Share, "1", BadWhen.Rises, Stage.Retrieve, false, 1, 0.08);
    public static readonly Feature RetrievalLatency = new("retrieval_latency_p50", "median retrieval latency", Statistic.Median, "s", BadWhen.Rises, Stage.Retrieve, true, 1, 0.4, UnitsMin: 0.1);
    public static readonly Feature RerankErrorRate = new("rerank_error_rate", "error rate of reranking", Statistic.Share, "1", BadWhen.Rises, Stage.Retrieve, false, 1, 0.08);
    public static readonly Feature RerankLatency = new("rerank_latency_p50", "median latency of reranking", Statistic.Median, "s", BadWhen.Rises, Stage.Retrieve, true, 1, 0.5, UnitsMin: 0.2);

    public static readonly Feature InputTokens = new("input_tokens", "input tokens a model call", Statistic.Mean, "tokens", BadWhen.Rises, Stage.Prompt, true, 1, 0.4);
    public static readonly Feature ContextSize = new("context_size", "largest input of a model call", Statistic.Max, "tokens", BadWhen.Never, Stage.Prompt, true, 1, 0.4);

    /// <summary>More tokens cost; fewer say that something the model was told is gone: examples, passages, history.</summary>
    public static readonly Feature InputTokensFall = new("input_tokens_fall", "input tokens a model call", Statistic.Mean, "tokens", BadWhen.Falls, Stage.Prompt, true, 1, 0.25) { Of = InputTokens };
    public static readonly Feature SystemPromptLength = new("system_prompt_length", "length of the system message", Statistic.Mean, "characters", BadWhen.Falls, Stage.Prompt, true, 1, 0.7);
    public static readonly Feature InputMessages = new("input_messages", "messages a model call is given", Statistic.Mean, "messages", BadWhen.Never, Stage.Prompt, true, 1, 0.3);

    /// <summary>Another language, another topic, somebody's instructions: texts of words that this service has not met.</summary>
    public static readonly Feature NewInput = new("new_words_input_share", "share of prompts in words that are new", Statistic.Share, "1", BadWhen.Rises, Stage.Prompt, false, 1, 0.15);
    public static readonly Feature UnfilledShare = new("unfilled_share", "share of prompts with unfilled placeholders", Statistic.Share, "1", BadWhen.Rises, Stage.Prompt, false, 1, 0.08);

    public static readonly Feature OutputTokens = new("output_tokens", "output tokens a model call", Statistic.Mean, "tokens", BadWhen.Rises, Stage.Model, true, 1, 0.5);
    public static readonly Feature ModelLatency = new("model_latency_p50", "median latency of the model", Statistic.Median, "s", BadWhen.Rises, Stage.Model, true, 1, 0.3, "model", UnitsMin: 0.05);
    public static readonly Feature FirstToken = new("time_to_first_token_p50", "median time to first token", Statistic.Median, "s", BadWhen.Rises, Stage.Model, true, 1, 0.4, "model", UnitsMin: 0.05);
    public static readonly Feature ModelErrorRate = new("model_error_rate", "error rate of the model", Statistic.Share, "1", BadWhen.Rises, Stage.Model, false, 1, 0.05, "model") { Evidence = ByItself };

    /// <summary>Which model is asked. It falls when another one is: a fallback, or a choice that nobody recorded.</summary>
    public static readonly Feature ModelShare = new("model_share", "share of model calls that ask for", Statistic.Share, "1", BadWhen.Falls, Stage.Model, false, 1, 0.25, "model");

    /// <summary>Of the calls that ask for one model, those that this version of it answers. It falls when the provider brings another.</summary>
    public static readonly Feature VersionShare = new("model_version_share", "share of its model's answers that come from", Statistic.Share, "1", BadWhen.Falls, Stage.Model, false, 1, 0.25, "model");
    public static readonly Feature FinishLength = new("finish_length_share", "share of answers cut at the token limit", Statistic.Share, "1", BadWhen.Rises, Stage.Model, false, 1, 0.08) { Evidence = ByItself };
    public static readonly Feature CachedInput = new("cached_input_share", "share of input tokens from the cache", Statistic.Mean, "1", BadWhen.Falls, Stage.Model, false, 1, 0.1);

    public static readonly Feature FinishFiltered = new("finish_filtered_share", "share of answers blocked by a filter", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.08);
    public static readonly Feature Blocked = new("guardrail_block_share", "share of texts that the guardrail blocks", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.08, "guardrail");
    public static readonly Feature Refusals = new("refusal_share", "share of answers that refuse", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.08) { Evidence = ByItself };
    public static readonly Feature JsonShare = new("json_answer_share", "share of answers that are valid JSON", Statistic.Share, "1", BadWhen.Falls, Stage.Output, false, 1, 0.1);

    /// <summary>Characters that were decoded wrongly: "Ã©" for "é", a replacement character.</summary>
    public static readonly Feature Garbled = new("garbled_answer_share", "share of answers with wrongly decoded characters", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.08);

    /// <summary>The same of answers.</summary>
    public static readonly Feature NewAnswer = new("new_words_answer_share", "share of answers in words that are new", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.15);

    /// <summary>Texts that end in the middle of a sentence though the model says that it was done.</summary>
    public static readonly Feature Unfinished = new("unfinished_answer_share", "share of answers that end in the middle of a sentence", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.15);
    public static readonly Feature EmptyAnswers = new("empty_answer_share", "share of empty answers", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.08);

    public static readonly Feature ToolCalls = new("tool_calls", "tool calls a trace", Statistic.Mean, "calls", BadWhen.Rises, Stage.Tools, true, 1, 0.7);
    public static readonly Feature ModelCalls = new("model_calls", "model calls a trace", Statistic.Mean, "calls", BadWhen.Rises, Stage.Tools, true, 1, 0.7);
    public static readonly Feature AgentTurns = new("agent_turns", "agent turns a trace", Statistic.Mean, "calls", BadWhen.Rises, Stage.Tools, true, 1, 0.7);
    public static readonly Feature Plans = new("plans", "plans a trace", Statistic.Mean, "calls", BadWhen.Rises, Stage.Tools, true, 1, 0.7);

    /// <summary>Judged by the loop watcher, which sees single traces, not by a baseline of windows.</summary>
    public static readonly Feature MaxToolRepeats = new("max_tool_repeats", "most calls of one tool with the same arguments in a trace", Statistic.Max, "calls", BadWhen.Never, Stage.Tools, true, 0, 1.0);

    public static readonly Feature ToolLatency = new("tool_latency_p50", "median latency of the tool", Statistic.Median, "s", BadWhen.Rises, Stage.Tools, true, 1, 0.5, "tool", UnitsMin: 0.1);
    public static readonly Feature ToolErrorRate = new("tool_error_rate", "error rate of the tool", Statistic.Share, "1", BadWhen.Rises, Stage.Tools, false, 1, 0.1, "tool");

    /// <summary>A result that is empty, or JSON that ends in the middle: the call says OK and brings nothing.</summary>
    public static readonly Feature ToolUseless = new("tool_useless_share", "share of empty or broken results of the tool", Statistic.Share, "1", BadWhen.Rises, Stage.Tools, false, 1, 0.1, "tool");

    public static readonly IReadOnlyList<Feature> Fixed =
    [
        Calls, CallRate, ErrorRate, LatencyP50, LatencyP95, SlowCalls, Wait, DependencyLatency, DependencyErrorRate, StageMissing, StageUntold, ReachesModel,
        RetrievalTopScore, RetrievalMeanScore, RetrievalDistance, RetrievalDocuments, RetrievalDocumentsRise, ChunkLength, ChunkLengthRise, RetrievalEmpty, RetrievalErrorRate, RetrievalLatency, RerankErrorRate, RerankLatency,
        InputTokens, InputTokensFall, ContextSize, SystemPromptLength, InputMessages, NewInput, UnfilledShare,
        OutputTokens, ModelLatency, FirstToken, ModelErrorRate, ModelShare, VersionShare, FinishLength, CachedInput,
        FinishFiltered, Blocked, Refusals, JsonShare, Garbled, NewAnswer, Unfinished, EmptyAnswers,
        ToolCalls, ModelCalls, AgentTurns, Plans, MaxToolRepeats, ToolLatency, ToolErrorRate, ToolUseless,
    ];

    private static readonly Dictionary<string, Feature> ByName = Fixed.ToDictionary(feature => feature.Name, StringComparer.Ordinal);

    private static readonly ConcurrentDictionary<string, Feature> Scores = new(StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<string, Feature> PoorScores = new(StringComparer.Ordinal);

    /// <summary>Words in a score's name that say that more of it is worse.</summary>
    private static readonly string[] BadWhenHigh = ["toxic", "hallucinat", "bias", "harm", "risk", "perplexity", "error", "violation", "jailbreak", "injection", "refusal", "repetition", "unsafe", "latency", "cost"];

    /// <summary>Scores that are 1 or 0 and nothing else.</summary>
    private static readonly string[] YesOrNo = [RefusalEvaluator.Name, LanguageEvaluator.Name];

    /// <summary>The feature of one evaluation's score, e.g. <c>score:relevance</c>.</summary>
    /// <remarks>Most evaluations say "more is better"; names that say otherwise are recognised by their words.</remarks>
    public static Feature Score(string evaluation) => Remembered(Scores, evaluation, static evaluation =>
    {
        var bad = Array.Exists(BadWhenHigh, word => evaluation.Contains(word, StringComparison.OrdinalIgnoreCase)) ? BadWhen.Rises : BadWhen.Falls;
        var (statistic, floor) = Array.Exists(YesOrNo, name => string.Equals(name, evaluation, StringComparison.OrdinalIgnoreCase)) ? (Statistic.Share, 0.08) : (Statistic.Mean, 0.03);
        return new Feature(ScorePrefix + evaluation, evaluation, statistic, "1", bad, Stage.Output, false, 1, floor) { Evaluation = evaluation };
    });

    /// <summary>How many scores of an evaluation are far worse than most (<see cref="ScoreBound"/>), e.g. <c>poor_score:relevance</c>.</summary>
    /// <remarks>Answers are good or wrong: when every fourth is wrong, the mean moves by less than a single wrong one, now and then, does.</remarks>
    public static Feature PoorScore(string evaluation) => Remembered(PoorScores, evaluation, static evaluation =>
    {
        var side = Score(evaluation).BadWhen == BadWhen.Rises ? "above" : "below";
        return new Feature(PoorScorePrefix + evaluation, $"share of answers far {side} what is usual in {evaluation}", Statistic.Share, "1", BadWhen.Rises, Stage.Output, false, 1, 0.1)
        {
            Evaluation = evaluation,
            Evidence = ByItself,
        };
    });

    /// <summary>Names come from outside; past the bound they still work, they are only not remembered.</summary>
    private static Feature Remembered(ConcurrentDictionary<string, Feature> known, string evaluation, Func<string, Feature> make) =>
        known.TryGetValue(evaluation, out var feature) ? feature
        : known.Count < ScoresMax ? known.GetOrAdd(evaluation, make)
        : make(evaluation);

    private static readonly HashSet<Feature> BadBothWays = [.. Fixed.Where(feature => feature.Of is not null).Select(feature => feature.Of!)];

    /// <summary>Whether more of it is bad and less as well.</summary>
    public static bool IsBadBothWays(Feature feature) => BadBothWays.Contains(feature);

    /// <summary>The feature and those that judge the same series in the other direction.</summary>
    public static IEnumerable<Feature> JudgedBy(Feature feature) => Fixed.Where(other => ReferenceEquals(other.Of, feature)).Prepend(feature);

    /// <summary>Finds a feature by the label's value; null for a name that no feature has.</summary>
    public static Feature? Find(string name) =>
        name.StartsWith(ScorePrefix, StringComparison.Ordinal) && name.Length > ScorePrefix.Length ? Score(name[ScorePrefix.Length..])
        : name.StartsWith(PoorScorePrefix, StringComparison.Ordinal) && name.Length > PoorScorePrefix.Length ? PoorScore(name[PoorScorePrefix.Length..])
        : ByName.GetValueOrDefault(name);

    private const int ScoresMax = 1000;
}

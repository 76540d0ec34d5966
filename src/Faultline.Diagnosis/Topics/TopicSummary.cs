namespace Faultline.Diagnosis.Topics;

/// <summary>One topic for readers. Figures are since it was first seen; its share of a time comes from its series.</summary>
/// <param name="Name">Three telling words; the label <c>topic</c> of its series.</param>
/// <param name="Words">Telling words, the most telling first.</param>
/// <param name="IsFailing">A finding of it is open.</param>
public sealed record TopicSummary(
    string Name, IReadOnlyList<string> Words, DateTimeOffset FirstSeen, DateTimeOffset LastSeen, long Calls, long Failed, bool IsFailing, IReadOnlyList<string> Traces, IReadOnlyList<string> FailedTraces);

/// <summary>One side of a service for readers.</summary>
/// <param name="Calls">Since it was first seen.</param>
/// <param name="IsLearnt">Enough was seen to hold windows against.</param>
/// <param name="DriftSince">When the drift that is open began.</param>
/// <param name="DriftLimit">Distance from which a window has drifted; null before the first look.</param>
/// <param name="Naming">Null once a topic has a name.</param>
public sealed record SideSummary(long Calls, bool IsLearnt, DateTimeOffset? DriftSince, double? DriftLimit, IReadOnlyList<TopicSummary> Topics, TopicNaming? Naming = null);

/// <summary>What a side waits for while none of its topics has a name.</summary>
/// <param name="Calls">Texts seen so far; one that is sent at each step of an agent counts once.</param>
/// <param name="CallsMin">Texts after which topics are named.</param>
/// <param name="AlikeMin">Texts that make a topic.</param>
/// <param name="NotBefore">The first time at which topics may be named, by the telemetry's clock.</param>
public sealed record TopicNaming(long Calls, int CallsMin, int AlikeMin, DateTimeOffset NotBefore);

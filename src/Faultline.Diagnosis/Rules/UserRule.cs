using System.Text.RegularExpressions;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;

namespace Faultline.Diagnosis.Rules;

/// <summary>How urgent a rule says its finding is.</summary>
public enum Severity
{
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// <summary>How far from what, in the feature's unit.</summary>
/// <param name="Value">The threshold; or how far from usual, as a difference or, where <paramref name="IsPart"/>, as a part of the usual value.</param>
/// <param name="FromUsual">Compared with the learnt baseline; while there is none the rule is silent.</param>
public readonly record struct RuleLimit(double Value, bool FromUsual = false, bool IsPart = false);

/// <summary>A rule that somebody wrote: one feature, where, beyond what, for how long.</summary>
public sealed record UserRule
{
    /// <summary>Unique; part of the finding's title and id.</summary>
    public required string Name { get; init; }

    /// <summary>As in docs/detection.md: <c>score:relevance</c>, <c>latency_p50</c> …</summary>
    public required string Feature { get; init; }

    /// <summary>Glob over service names: <c>*</c> is any text, <c>?</c> any character.</summary>
    public string Service { get; init; } = "*";

    /// <summary>Glob over environments.</summary>
    public string Environment { get; init; } = "*";

    /// <summary>Glob over the value of the feature's dimension (model, tool, …).</summary>
    public string Where { get; init; } = "*";

    /// <summary>Breached when the mean is above the limit; else when it is below.</summary>
    public required bool Above { get; init; }

    public required RuleLimit Limit { get; init; }

    /// <summary>The mean (for a maximum the maximum) of so much telemetry time is compared.</summary>
    public TimeSpan Over { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>For so long in a row, on the telemetry's clock.</summary>
    public TimeSpan For { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Observations needed while it is breached.</summary>
    public int CountMin { get; init; } = 5;

    public Severity Severity { get; init; } = Severity.Medium;

    /// <summary>Null: as the feature itself suggests.</summary>
    public FailureClass? FailureClass { get; init; }

    /// <summary>Most rules of one server.</summary>
    public const int RulesMax = 500;

    internal bool Concerns(ServiceFeatures service, FeatureSeries series) =>
        string.Equals(series.Feature.Name, Feature, StringComparison.Ordinal) && Matches(Service, service.Service) && Matches(Environment, service.Environment) && Matches(Where, series.Dimension);

    /// <summary>Whether a name is that of a feature; any score's is.</summary>
    public static bool IsFeature(string name) => FeatureTable.Find(name) is { Of: null };

    /// <summary>Whether a feature has a dimension that <see cref="Where"/> can choose by.</summary>
    public static string? DimensionOf(string name) => FeatureTable.Find(name)?.Dimension;

    public static IEnumerable<string> FeatureNames => FeatureTable.Fixed.Where(feature => feature.Of is null).Select(feature => feature.Name);

    private static bool Matches(string glob, string text) => string.Equals(glob, "*", StringComparison.Ordinal) || Regex.IsMatch(
        text, "^" + Regex.Escape(glob).Replace("\\*", ".*", StringComparison.Ordinal).Replace("\\?", ".", StringComparison.Ordinal) + "$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
}

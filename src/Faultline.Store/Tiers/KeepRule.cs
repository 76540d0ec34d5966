using System.Globalization;

namespace Faultline.Store.Tiers;

/// <summary>What a trace must be to outlive the hot window.</summary>
public abstract record KeepCondition
{
    private KeepCondition()
    {
    }

    /// <summary>A span of it failed.</summary>
    public sealed record Error : KeepCondition;

    /// <summary>From its first span's start to its last span's end.</summary>
    public sealed record SlowerThan(TimeSpan Duration) : KeepCondition;

    /// <summary>What its spans say that they cost, in the sender's currency.</summary>
    public sealed record CostAbove(double Cost) : KeepCondition;

    /// <param name="Score">Null: any score.</param>
    public sealed record ScoreBelow(string? Score, double Limit) : KeepCondition;

    public sealed record Service(string Name) : KeepCondition;

    /// <summary>Of a span or its resource.</summary>
    public sealed record Attribute(string Key, string Value) : KeepCondition;

    /// <summary>A case cites it.</summary>
    public sealed record CaseLinked : KeepCondition;

    /// <summary>So many of a hundred traces, the same ones everywhere.</summary>
    public sealed record Percentage(double Percent) : KeepCondition;
}

/// <summary>A rule of <c>retention.rules</c>.</summary>
/// <param name="Keep">From the day on which the trace's last row was received.</param>
public sealed record KeepRule(string Name, KeepCondition Condition, TimeSpan Keep)
{
    public int KeepDays => (int)Math.Ceiling(Keep.TotalDays);
}

/// <summary>What stays how long.</summary>
/// <param name="Hot">How long everything stays; null: for ever.</param>
/// <param name="Rules">What outlives it; of several that hold for a trace the one that keeps longest counts.</param>
/// <param name="Metrics">How long samples of metrics stay; null: for ever.</param>
public sealed record RetentionOptions(TimeSpan? Hot = null, IReadOnlyList<KeepRule>? Rules = null, TimeSpan? Metrics = null)
{
    public const int RulesMax = 100;

    public static readonly TimeSpan KeepMax = TimeSpan.FromDays(36_500);

    /// <summary>Where a hot window is set and no rules are.</summary>
    public static readonly IReadOnlyList<KeepRule> DefaultRules =
    [
        new("case", new KeepCondition.CaseLinked(), TimeSpan.FromDays(365)),
        new("error", new KeepCondition.Error(), TimeSpan.FromDays(30)),
        new("slow", new KeepCondition.SlowerThan(TimeSpan.FromSeconds(5)), TimeSpan.FromDays(30)),
        new("costly", new KeepCondition.CostAbove(0.5), TimeSpan.FromDays(30)),
        new("low score", new KeepCondition.ScoreBelow(null, 0.5), TimeSpan.FromDays(30)),
        new("sample", new KeepCondition.Percentage(1), TimeSpan.FromDays(30)),
    ];

    /// <summary>The longest first: the first that holds is the one that counts.</summary>
    public IReadOnlyList<KeepRule> InForce => [.. (Rules ?? DefaultRules).OrderByDescending(rule => rule.KeepDays)];

    public int HotDays => (int)Math.Ceiling((Hot ?? TimeSpan.Zero).TotalDays);

    public IEnumerable<string> Problems()
    {
        if (Hot is null && Rules is not null)
        {
            yield return "retention.rules: without retention.hot everything stays for ever, so no rule has anything to keep. Set retention.hot, e.g. 3d.";
        }

        if (Hot is { } hot && (hot < TimeSpan.FromDays(1) || hot > KeepMax))
        {
            yield return "retention.hot: between 1d and 36500d; days are dropped as a whole.";
        }

        if (Metrics is { } metrics && (metrics < TimeSpan.FromDays(1) || metrics > KeepMax))
        {
            yield return "retention.metrics: between 1d and 36500d; days are dropped as a whole.";
        }

        if (Rules is { Count: > RulesMax })
        {
            yield return $"retention.rules: {Rules.Count} rules are more than {RulesMax}.";
        }

        foreach (var twice in (Rules ?? []).GroupBy(rule => rule.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            yield return $"retention.rules: there are {twice.Count()} rules '{twice.Key}'; names are unique.";
        }

        foreach (var rule in (Rules ?? []).Where(rule => Hot is { } window && rule.Keep <= window))
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"retention.rules: {rule.Name}: {rule.Keep.TotalDays:0.##} d are not longer than retention.hot, so it keeps nothing.");
        }
    }
}

using System.Globalization;
using Faultline.Store.Tiers;

namespace Faultline.Settings;

/// <summary>Retention rules as users write them: <c>NAME = CONDITION for DURATION</c>.</summary>
internal static class RetentionWriting
{
    private const string None = "none";
    private const string For = " for ";

    private static readonly string[] Conditions = ["error", "slower_than", "cost_above", "score_below", "service", "attribute", "case_linked", "percentage"];

    public static IReadOnlyList<KeepRule> Rules(IReadOnlyList<string> values) => values is [None] ? [] : [.. values.Select(Rule)];

    private static KeepRule Rule(string text)
    {
        var (equals, last) = (text.IndexOf('=', StringComparison.Ordinal), text.LastIndexOf(For, StringComparison.Ordinal));
        if (equals <= 0 || last <= equals)
        {
            throw new FormatException($"'{text}' is not NAME = CONDITION for DURATION, such as slow = slower_than 5s for 30d");
        }

        var words = text[(equals + 1)..last].Trim();
        var space = words.IndexOf(' ', StringComparison.Ordinal);
        var (name, rest) = space < 0 ? (words, "") : (words[..space], words[(space + 1)..].Trim());
        return new KeepRule(text[..equals].Trim(), Condition(name, rest), SettingTable.Duration([text[(last + For.Length)..].Trim()]));
    }

    private static KeepCondition Condition(string name, string rest)
    {
        switch (name)
        {
            case "error" or "case_linked":
                return rest.Length > 0 ? throw new FormatException($"{name} stands alone, without '{rest}'")
                    : name == "error" ? new KeepCondition.Error() : new KeepCondition.CaseLinked();
            case "slower_than":
                return new KeepCondition.SlowerThan(SettingTable.Duration([rest]));
            case "cost_above":
                return new KeepCondition.CostAbove(Number(rest, 0, double.MaxValue));
            case "score_below":
                var space = rest.LastIndexOf(' ');
                return new KeepCondition.ScoreBelow(space < 0 ? null : rest[..space].Trim(), Number(rest[(space + 1)..], double.MinValue, double.MaxValue));
            case "service":
                return new KeepCondition.Service(Word(rest, "service checkout"));
            case "attribute":
                var equals = rest.IndexOf('=', StringComparison.Ordinal);
                return equals > 0 ? new KeepCondition.Attribute(rest[..equals].Trim(), rest[(equals + 1)..].Trim()) : throw new FormatException($"'{rest}' is not KEY=VALUE");
            case "percentage":
                return new KeepCondition.Percentage(Number(rest.TrimEnd('%'), 0, 100));
            default:
                throw new FormatException($"'{name}' is none of {string.Join(", ", Conditions)}");
        }
    }

    private static string Word(string text, string example) => text.Length > 0 ? text : throw new FormatException($"the value is missing, as in '{example}'");

    private static double Number(string text, double min, double max) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max ? number
        : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"'{text}' is no number{(max == 100 ? " from 0 to 100" : "")}"));
}

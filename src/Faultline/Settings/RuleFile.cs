using System.Globalization;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Rules;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Faultline.Settings;

/// <summary>Reads users' rules from YAML. Everything that is wrong is said at once, with file and line.</summary>
internal sealed class RuleFile
{
    private static readonly string[] Keys =
        ["name", "feature", "service", "environment", "where", "above", "below", "above_usual_by", "below_usual_by", "over", "for", "min_count", "severity", "class"];

    private static readonly string[] Limits = ["above", "below", "above_usual_by", "below_usual_by"];

    private readonly string _path;
    private readonly List<string> _problems;

    private RuleFile(string path, List<string> problems)
    {
        _path = path;
        _problems = problems;
    }

    public static IReadOnlyList<UserRule> ReadAll(IReadOnlyList<string> paths, List<string> problems)
    {
        List<UserRule> rules = [];
        foreach (var path in paths)
        {
            foreach (var (rule, line) in new RuleFile(path, problems).Read())
            {
                if (rules.Exists(other => string.Equals(other.Name, rule.Name, StringComparison.Ordinal)))
                {
                    problems.Add($"{path}:{line}: there is a rule “{rule.Name}” already; names are unique.");
                }

                rules.Add(rule);
            }
        }

        if (rules.Count > UserRule.RulesMax)
        {
            problems.Add($"rules.files: {rules.Count} rules are more than {UserRule.RulesMax}.");
        }

        return rules;
    }

    private List<(UserRule Rule, long Line)> Read()
    {
        List<(UserRule, long)> rules = [];
        try
        {
            using var reader = new StreamReader(_path);
            var yaml = new YamlStream();
            yaml.Load(reader);
            if (yaml.Documents is not [var document, ..])
            {
                return rules;
            }

            if (document.RootNode is not YamlMappingNode root || root.Children.Count != 1 || !root.Children.TryGetValue(new YamlScalarNode("rules"), out var list) || list is not YamlSequenceNode sequence)
            {
                Problem(document.RootNode, "a rule file has one key, 'rules', with a list of rules.");
                return rules;
            }

            foreach (var node in sequence.Children)
            {
                if (Rule(node) is { } rule)
                {
                    rules.Add((rule, node.Start.Line));
                }
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            _problems.Add($"rules.files: {_path}: {unreadable.Message}");
        }
        catch (YamlException wrong)
        {
            _problems.Add($"{_path}:{wrong.Start.Line}: this is not YAML: {wrong.Message}");
        }

        return rules;
    }

    private UserRule? Rule(YamlNode node)
    {
        if (node is not YamlMappingNode mapping)
        {
            Problem(node, "a rule is a list of keys, such as name, feature and below.");
            return null;
        }

        var before = _problems.Count;
        Dictionary<string, YamlScalarNode> values = new(StringComparer.Ordinal);
        foreach (var (key, value) in mapping.Children)
        {
            var name = key.ToString();
            if (!Keys.Contains(name, StringComparer.Ordinal))
            {
                Problem(key, $"{name} is no part of a rule. Did you mean {SettingTable.Nearest(name, Keys)}?");
            }
            else if (value is not YamlScalarNode { Value.Length: > 0 } scalar)
            {
                Problem(value, $"{name} is one value.");
            }
            else
            {
                values[name] = scalar;
            }
        }

        string Text(string key, string otherwise) => values.GetValueOrDefault(key)?.Value ?? otherwise;
        T Read<T>(string key, T otherwise, Func<string, T> parse)
        {
            if (!values.TryGetValue(key, out var value))
            {
                return otherwise;
            }

            try
            {
                return parse(value.Value!);
            }
            catch (Exception wrong) when (wrong is FormatException or OverflowException)
            {
                Problem(value, $"{key}: {wrong.Message}.");
                return otherwise;
            }
        }

        foreach (var key in (ReadOnlySpan<string>)["name", "feature"])
        {
            if (!values.ContainsKey(key))
            {
                Problem(node, $"a rule needs a {key}.");
            }
        }

        var feature = Text("feature", "");
        if (feature.Length > 0 && !UserRule.IsFeature(feature))
        {
            Problem(values["feature"], $"there is no feature {feature}. Did you mean {SettingTable.Nearest(feature, UserRule.FeatureNames)}? Scores are score:NAME, answers far below them poor_score:NAME.");
        }
        else if (values.TryGetValue("where", out var where) && UserRule.DimensionOf(feature) is null)
        {
            Problem(where, $"{feature} has no dimension, so 'where' chooses nothing.");
        }

        var limits = Limits.Where(values.ContainsKey).ToList();
        if (limits.Count != 1)
        {
            Problem(node, $"a rule needs exactly one of {string.Join(", ", Limits)}; it has {(limits.Count == 0 ? "none" : string.Join(" and ", limits))}.");
        }

        var limit = limits is [var only] ? Read(only, default, text => Limit(text, only.EndsWith("_usual_by", StringComparison.Ordinal))) : default;
        var rule = new UserRule
        {
            Name = Text("name", ""),
            Feature = feature,
            Service = Text("service", "*"),
            Environment = Text("environment", "*"),
            Where = Text("where", "*"),
            Above = limits is [var first] && first.StartsWith("above", StringComparison.Ordinal),
            Limit = limit,
            Over = Read("over", TimeSpan.FromMinutes(1), text => Duration(text, TimeSpan.FromSeconds(10), TimeSpan.FromHours(6))),
            For = Read("for", TimeSpan.FromMinutes(2), text => Duration(text, TimeSpan.Zero, TimeSpan.FromDays(1))),
            CountMin = Read("min_count", 5, Count),
            Severity = Read("severity", Severity.Medium, Named<Severity>),
            FailureClass = Read<FailureClass?>("class", null, text => Named<FailureClass>(text)),
        };
        return _problems.Count == before ? rule : null;
    }

    private static RuleLimit Limit(string text, bool fromUsual)
    {
        var isPart = text.EndsWith('%');
        if (!double.TryParse(isPart ? text.AsSpan(0, text.Length - 1).TrimEnd() : text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
        {
            throw new FormatException($"'{text}' is not a number{(fromUsual ? " (for example 0.1 or 20%)" : "")}");
        }

        return isPart && !fromUsual ? throw new FormatException($"'{text}': a part is of what is usual; a share is written 0.05")
            : fromUsual && number <= 0 ? throw new FormatException($"'{text}' must be above 0")
            : new RuleLimit(isPart ? number / 100 : number, fromUsual, isPart);
    }

    private static TimeSpan Duration(string text, TimeSpan min, TimeSpan max) =>
        SettingTable.Duration([text]) is var duration && duration >= min && duration <= max ? duration
        : throw new FormatException($"'{text}' is not between {min.TotalSeconds:0} s and {max.TotalHours:0} h");

    private static int Count(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 ? count : throw new FormatException($"'{text}' is not a whole number above 0");

    private static T Named<T>(string text)
        where T : struct, Enum =>
        Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0]) ? value
        : throw new FormatException($"'{text}' is none of {string.Join(", ", Enum.GetNames<T>())}");

    private void Problem(YamlNode node, string what) => _problems.Add($"{_path}:{node.Start.Line}: {what}");
}

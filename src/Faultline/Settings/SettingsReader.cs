using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Faultline.Settings;

/// <summary>What the settings' sources add up to.</summary>
/// <param name="Problems">Everything that is wrong, one line each; the server starts only when there is none.</param>
/// <param name="Warnings">Things that look like a mistake but harm nothing.</param>
public sealed record SettingsReading(FaultlineSettings Settings, IReadOnlyList<string> Problems, IReadOnlyList<string> Warnings);

/// <summary>Reads settings: defaults, then the YAML file, then the environment, then the <c>.env</c> file, then the command line.</summary>
public static class SettingsReader
{
    /// <summary>Variables of ours that are no settings of the server.</summary>
    private static readonly string[] OtherVariables = ["FAULTLINE_SERVER", "FAULTLINE_TOKEN", "FAULTLINE_API_KEY", "FAULTLINE_ENGINE_LIBRARY", "FAULTLINE_LANGUAGE_PACKAGES"];

    /// <summary>Of a collector's file, and nothing here.</summary>
    private static readonly string[] CollectorParts = ["receivers", "processors", "extensions", "service"];

    /// <param name="file">The YAML file, or null for none.</param>
    /// <param name="envFile">The <c>.env</c> file; null: <c>.env</c> beside the settings (or in the working directory) when there is one.</param>
    /// <param name="environment">The process's environment.</param>
    /// <param name="commandLine">Keys set by flags; they win.</param>
    public static SettingsReading Read(string? file, string? envFile, IReadOnlyDictionary<string, string> environment, IReadOnlyDictionary<string, string> commandLine)
    {
        var problems = new List<string>();
        var warnings = new List<string>();
        var settings = new FaultlineSettings();
        var envPath = envFile ?? EnvFileBeside(file);
        var ofEnvFile = File.Exists(envPath) ? ParseEnvFile(File.ReadLines(envPath)) : [];
        if (file is not null)
        {
            var (keys, exporters, connectors) = ReadYaml(file, problems);
            foreach (var (key, values, line) in keys)
            {
                settings = SetOpenly(settings, key, values, $"{file}:{line}: {key}", problems);
            }

            if (exporters is not null)
            {
                settings = settings with { Exporters = new ExporterReader(file, Joined(environment, ofEnvFile), problems).Read(exporters) };
            }

            if (connectors is not null)
            {
                settings = settings with { SpanMetrics = new SpanMetricsReader(file, problems, warnings).Read(connectors) };
            }
        }

        settings = ReadVariables(settings, environment, "environment", problems, warnings);
        if (envFile is not null && !File.Exists(envFile))
        {
            problems.Add($"--env-file {envFile}: there is no such file.");
        }

        settings = ReadVariables(settings, ofEnvFile, envPath, problems, warnings);

        foreach (var (key, value) in commandLine)
        {
            settings = SetOpenly(settings, key, [value], "command line: " + key, problems);
        }

        // A file named in the settings lies beside them.
        var folder = Path.GetDirectoryName(Path.GetFullPath(file ?? "faultline.yaml")) ?? ".";
        settings = settings with { Rules = RuleFile.ReadAll([.. settings.RuleFiles.Select(path => Path.Combine(folder, path))], problems) };
        if (problems.Count == 0)
        {
            problems.AddRange(settings.Problems());
        }

        return new SettingsReading(settings, problems, warnings);
    }

    /// <summary>Where a <c>.env</c> file is looked for: beside the settings, or in the working directory.</summary>
    internal static string EnvFileBeside(string? file) => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file ?? "faultline.yaml")) ?? ".", ".env");

    private static Dictionary<string, string> Joined(IReadOnlyDictionary<string, string> variables, Dictionary<string, string> winning)
    {
        var joined = new Dictionary<string, string>(variables, StringComparer.Ordinal);
        foreach (var (name, value) in winning)
        {
            joined[name] = value;
        }

        return joined;
    }

    /// <summary>Lines <c>NAME=value</c>; <c>#</c> begins a comment line; quotes around a value are taken off; <c>export</c> is allowed.</summary>
    internal static Dictionary<string, string> ParseEnvFile(IEnumerable<string> lines)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var raw in lines)
        {
            var line = raw.Trim();
            if (line.StartsWith("export ", StringComparison.Ordinal))
            {
                line = line[7..].TrimStart();
            }

            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (line.StartsWith('#') || equals <= 0)
            {
                continue;
            }

            var value = line[(equals + 1)..].Trim();
            if (value.Length >= 2 && value[0] is '"' or '\'' && value[^1] == value[0])
            {
                value = value[1..^1];
            }

            values[line[..equals].Trim()] = value;
        }

        return values;
    }

    private static FaultlineSettings ReadVariables(FaultlineSettings settings, IReadOnlyDictionary<string, string> variables, string source, List<string> problems, List<string> warnings)
    {
        foreach (var (name, key) in SettingTable.Aliases)
        {
            if (variables.TryGetValue(name, out var value))
            {
                settings = SetText(settings, key, value, $"{source}: {name}", problems);
            }
        }

        foreach (var setting in SettingTable.All)
        {
            if (variables.TryGetValue(setting.Variable, out var value))
            {
                settings = SetText(settings, setting.Key, value, $"{source}: {setting.Variable}", problems);
            }
        }

        var known = SettingTable.All.Select(setting => setting.Variable).Concat(OtherVariables).ToHashSet(StringComparer.Ordinal);
        foreach (var name in variables.Keys.Where(name => name.StartsWith("FAULTLINE_", StringComparison.Ordinal) && !known.Contains(name)))
        {
            warnings.Add($"{source}: {name} is not a setting and has no effect. Did you mean {SettingTable.Nearest(name, known)}?");
        }

        return settings;
    }

    private static FaultlineSettings SetText(FaultlineSettings settings, string key, string value, string where, List<string> problems)
    {
        var isList = SettingTable.All.First(setting => string.Equals(setting.Key, key, StringComparison.Ordinal)).IsList;
        return Set(settings, key, isList ? value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : [value], where, problems);
    }

    /// <summary>From where others may read it too.</summary>
    private static FaultlineSettings SetOpenly(FaultlineSettings settings, string key, IReadOnlyList<string> values, string where, List<string> problems)
    {
        if (SettingTable.All.FirstOrDefault(setting => string.Equals(setting.Key, key, StringComparison.Ordinal)) is { IsSecret: true } secret)
        {
            problems.Add($"{where} is a secret: set it in the environment as {secret.Variable}, not here.");
            return settings;
        }

        return Set(settings, key, values, where, problems);
    }

    private static FaultlineSettings Set(FaultlineSettings settings, string key, IReadOnlyList<string> values, string where, List<string> problems)
    {
        var setting = SettingTable.All.FirstOrDefault(setting => string.Equals(setting.Key, key, StringComparison.Ordinal));
        if (setting is null && CollectorParts.FirstOrDefault(part => key.StartsWith(part + ".", StringComparison.Ordinal) || string.Equals(key, part, StringComparison.Ordinal)) is { } part)
        {
            var said = $"{part} belongs to a collector: leave it out. Of a collector's file, what stands under connectors and exporters can be pasted.";
            if (!problems.Exists(problem => problem.EndsWith(said, StringComparison.Ordinal)))
            {
                problems.Add(where[..^key.Length] + said);
            }

            return settings;
        }

        if (setting is null)
        {
            problems.Add($"{where} is not a setting. Did you mean {SettingTable.Nearest(key, SettingTable.All.Select(known => known.Key))}?");
            return settings;
        }

        try
        {
            return setting.Apply(settings, values);
        }
        catch (Exception wrong) when (wrong is FormatException or OverflowException)
        {
            problems.Add($"{where}: {wrong.Message}.");
            return settings;
        }
    }

    /// <returns>Every key with its values, and apart from them what <c>exporters</c> and <c>connectors</c> hold: their keys are the collector's.</returns>
    private static (List<(string Key, IReadOnlyList<string> Values, long Line)> Keys, YamlNode? Exporters, YamlNode? Connectors) ReadYaml(string file, List<string> problems)
    {
        var found = new List<(string, IReadOnlyList<string>, long)>();
        YamlNode? exporters = null;
        YamlNode? connectors = null;
        try
        {
            using var reader = new StreamReader(file);
            var yaml = new YamlStream();
            yaml.Load(reader);
            if (yaml.Documents.Count > 0)
            {
                if (yaml.Documents[0].RootNode is YamlMappingNode root)
                {
                    root.Children.Remove(new YamlScalarNode("exporters"), out exporters);
                    root.Children.Remove(new YamlScalarNode("connectors"), out connectors);
                }

                Flatten(yaml.Documents[0].RootNode, "", found);
            }
        }
        catch (IOException unreadable)
        {
            problems.Add($"--config {file}: {unreadable.Message}");
        }
        catch (UnauthorizedAccessException forbidden)
        {
            problems.Add($"--config {file}: {forbidden.Message}");
        }
        catch (YamlException wrong)
        {
            problems.Add($"{file}:{wrong.Start.Line}: this is not YAML: {wrong.Message}");
        }

        return (found, exporters, connectors);
    }

    internal static void Flatten(YamlNode node, string path, List<(string, IReadOnlyList<string>, long)> found)
    {
        switch (node)
        {
            case YamlMappingNode mapping:
                foreach (var (key, value) in mapping.Children)
                {
                    Flatten(value, path.Length == 0 ? key.ToString() : $"{path}.{key}", found);
                }

                break;
            case YamlSequenceNode sequence:
                found.Add((path, [.. sequence.Children.Select(child => child.ToString())], node.Start.Line));
                break;
            default:
                found.Add((path, [node.ToString()], node.Start.Line));
                break;
        }
    }
}

namespace Faultline.Settings;

/// <summary>Where settings come from, so that they can be read again.</summary>
/// <param name="File">The YAML file, or null.</param>
/// <param name="EnvFile">The <c>.env</c> file that was named, or null for the one beside the settings.</param>
/// <param name="Environment">The process's environment.</param>
/// <param name="CommandLine">Keys set by flags.</param>
public sealed record SettingsSources(string? File, string? EnvFile, IReadOnlyDictionary<string, string> Environment, IReadOnlyDictionary<string, string> CommandLine)
{
    public SettingsReading Read() => SettingsReader.Read(File, EnvFile, Environment, CommandLine);

    /// <summary>What the files hold, to be compared; a file that is not there is as an empty one.</summary>
    /// <exception cref="IOException">One cannot be read.</exception>
    public string Content() => string.Join('\0', Text(File), Text(EnvFile ?? SettingsReader.EnvFileBeside(File)));

    private static string Text(string? path) => System.IO.File.Exists(path) ? System.IO.File.ReadAllText(path) : "";
}

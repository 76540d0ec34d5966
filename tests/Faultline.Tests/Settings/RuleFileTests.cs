using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Rules;
using Faultline.Settings;
using Xunit;

namespace Faultline.Tests.Settings;

public sealed class RuleFileTests : IDisposable
{
    private static readonly Dictionary<string, string> None = new(StringComparer.Ordinal);

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-rules-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Rules_are_read_from_the_files_that_the_settings_name()
    {
        var reading = Read("""
            rules:
              - name: Answers of checkout miss the question
                feature: score:relevance
                service: checkout-*
                environment: production
                below: 0.7
                over: 5m
                for: 10m
                min_count: 20
                severity: high
                class: hallucination
              - name: One model is slow
                feature: model_latency_p50
                where: gpt-4o*
                above_usual_by: 50%
            """);

        Assert.Empty(reading.Problems);
        Assert.Equal(
            new UserRule
            {
                Name = "Answers of checkout miss the question",
                Feature = "score:relevance",
                Service = "checkout-*",
                Environment = "production",
                Above = false,
                Limit = new RuleLimit(0.7),
                Over = TimeSpan.FromMinutes(5),
                For = TimeSpan.FromMinutes(10),
                CountMin = 20,
                Severity = Severity.High,
                FailureClass = FailureClass.HALLUCINATION,
            },
            reading.Settings.Rules[0]);
        Assert.Equal((true, new RuleLimit(0.5, true, true), "gpt-4o*"), (reading.Settings.Rules[1].Above, reading.Settings.Rules[1].Limit, reading.Settings.Rules[1].Where));
    }

    [Theory]
    [InlineData("rules:\n  - name: a\n    feature: latency_p55\n    above: 2\n", ":3: there is no feature latency_p55. Did you mean latency_p50?")]
    [InlineData("rules:\n  - name: a\n    feture: latency_p50\n    above: 2\n", ":3: feture is no part of a rule. Did you mean feature?")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n", ":2: a rule needs exactly one of above, below, above_usual_by, below_usual_by; it has none.")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n    above: 2\n    below: 1\n", ":2: a rule needs exactly one of above, below, above_usual_by, below_usual_by; it has above and below.")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n    above: soon\n", ":4: above: 'soon' is not a number.")]
    [InlineData("rules:\n  - name: a\n    feature: error_rate\n    above: 5%\n", ":4: above: '5%': a part is of what is usual; a share is written 0.05.")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n    above: 2\n    for: a while\n", ":5: for: 'a while' is not a duration (for example 25ms, 10s, 15m, 12h, 365d).")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n    above: 2\n    class: BROKEN\n", ":5: class: 'BROKEN' is none of HALLUCINATION")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n    above: 2\n    where: gpt\n", ":5: latency_p50 has no dimension, so 'where' chooses nothing.")]
    [InlineData("rules:\n  - name: a\n    feature: latency_p50\n    above: 2\n  - name: a\n    feature: latency_p50\n    above: 3\n", ":5: there is a rule “a” already; names are unique.")]
    [InlineData("alerts: []\n", ":1: a rule file has one key, 'rules', with a list of rules.")]
    [InlineData("rules: [", "this is not YAML")]
    public void What_is_wrong_is_said_with_file_and_line(string yaml, string problem) =>
        Assert.Contains(Path.Combine(_folder, "rules.yaml") + (problem[0] == ':' ? problem : ""), Assert.Single(Read(yaml).Problems, one => one.Contains(problem, StringComparison.Ordinal)), StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Assert.Contains("missing.yaml", Assert.Single(SettingsReader.Read(Settings("missing.yaml"), null, None, None).Problems), StringComparison.Ordinal);

    private SettingsReading Read(string rules)
    {
        File.WriteAllText(Path.Combine(_folder, "rules.yaml"), rules);
        return SettingsReader.Read(Settings("rules.yaml"), null, None, None);
    }

    private string Settings(string rules)
    {
        var path = Path.Combine(_folder, "faultline.yaml");
        File.WriteAllText(path, $"rules:\n  files: [{rules}]\n");
        return path;
    }
}

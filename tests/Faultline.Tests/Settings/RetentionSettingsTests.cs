using Faultline.Settings;
using Faultline.Store.Tiers;
using Xunit;

namespace Faultline.Tests.Settings;

public sealed class RetentionSettingsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Rules_are_read_as_they_are_documented()
    {
        var read = Read("""
            retention:
              hot: 3d
              rules:
                - errors = error for 30d
                - slow = slower_than 5s for 30d
                - costly = cost_above 0.5 for 90d
                - ungrounded = score_below groundedness 0.4 for 90d
                - low = score_below 0.2 for 90d
                - checkout = service checkout for 14d
                - gold = attribute customer.tier=gold for 90d
                - cases = case_linked for 365d
                - sample = percentage 1 for 30d
            """);

        Assert.Empty(read.Problems);
        Assert.Equal(TimeSpan.FromDays(3), read.Settings.Retention.Hot);
        Assert.Equal(
            [
                new("errors", new KeepCondition.Error(), TimeSpan.FromDays(30)),
                new("slow", new KeepCondition.SlowerThan(TimeSpan.FromSeconds(5)), TimeSpan.FromDays(30)),
                new("costly", new KeepCondition.CostAbove(0.5), TimeSpan.FromDays(90)),
                new("ungrounded", new KeepCondition.ScoreBelow("groundedness", 0.4), TimeSpan.FromDays(90)),
                new("low", new KeepCondition.ScoreBelow(null, 0.2), TimeSpan.FromDays(90)),
                new("checkout", new KeepCondition.Service("checkout"), TimeSpan.FromDays(14)),
                new("gold", new KeepCondition.Attribute("customer.tier", "gold"), TimeSpan.FromDays(90)),
                new("cases", new KeepCondition.CaseLinked(), TimeSpan.FromDays(365)),
                new("sample", new KeepCondition.Percentage(1), TimeSpan.FromDays(30)),
            ],
            read.Settings.Retention.Rules!);
    }

    [Fact]
    public void Without_a_word_of_retention_everything_stays_and_with_a_window_alone_there_are_rules()
    {
        Assert.Null(Read("profile: full").Settings.Retention.Hot);
        Assert.Equal(RetentionOptions.DefaultRules.Count, Read("retention: {hot: 3d}").Settings.Retention.InForce.Count);
        Assert.Empty(Read("retention: {hot: 3d, rules: [none]}").Settings.Retention.InForce);
    }

    [Theory]
    [InlineData("hot: 3d, rules: ['errors error for 30d']", "is not NAME = CONDITION for DURATION")]
    [InlineData("hot: 3d, rules: ['a = errors for 30d']", "none of error, slower_than")]
    [InlineData("hot: 3d, rules: ['a = error now for 30d']", "stands alone")]
    [InlineData("hot: 3d, rules: ['a = percentage 200 for 30d']", "from 0 to 100")]
    [InlineData("hot: 3d, rules: ['a = error for 2d']", "keeps nothing")]
    [InlineData("hot: 3d, rules: ['a = error for 9d', 'a = error for 8d']", "names are unique")]
    [InlineData("hot: 1h", "retention.hot")]
    [InlineData("rules: ['a = error for 9d']", "Set retention.hot")]
    public void What_cannot_be_meant_is_said(string yaml, string problem) =>
        Assert.Contains(Read($"retention: {{{yaml}}}").Problems, said => said.Contains(problem, StringComparison.Ordinal));

    private SettingsReading Read(string yaml)
    {
        var file = Path.Combine(_folder, "faultline.yaml");
        File.WriteAllText(file, yaml);
        return SettingsReader.Read(file, null, new Dictionary<string, string>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));
    }
}

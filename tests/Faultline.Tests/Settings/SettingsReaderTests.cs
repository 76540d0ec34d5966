using Faultline.Settings;
using Xunit;

namespace Faultline.Tests.Settings;

public sealed class SettingsReaderTests : IDisposable
{
    private static readonly Dictionary<string, string> None = new(StringComparer.Ordinal);

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Without_any_source_the_defaults_work_and_are_loopback_only()
    {
        var reading = SettingsReader.Read(null, Write("empty.env", ""), None, None);

        Assert.Empty(reading.Problems);
        Assert.All(reading.Settings.Listeners.Values, listener => Assert.True(listener.IsLoopback));
        Assert.Equal(4317, reading.Settings.OtlpGrpc.Port);
        Assert.Equal([FaultlineSettings.PlaceholderKey], reading.Settings.ApiKeys);
    }

    [Fact]
    public void An_unknown_key_is_refused_with_its_line_and_the_nearest_known_name()
    {
        var file = Write("faultline.yaml", "listen:\n  otlp_htp: 127.0.0.1:4000\n");

        var problem = Assert.Single(SettingsReader.Read(file, null, None, None).Problems);

        Assert.Equal($"{file}:2: listen.otlp_htp is not a setting. Did you mean listen.otlp_http?", problem);
    }

    [Fact]
    public void The_rest_of_a_collector_s_file_is_told_from_what_can_be_pasted()
    {
        var file = Write("faultline.yaml", """
            receivers:
              otlp:
                protocols:
                  grpc:
                    endpoint: 0.0.0.0:4317
                  http:
                    endpoint: 0.0.0.0:4318
            connectors:
              spanmetrics:
                dimensions:
                  - name: http.route
            service:
              pipelines:
                traces:
                  receivers: [otlp]
                  exporters: [spanmetrics]
            """);

        Assert.Equal(
            [
                $"{file}:5: receivers belongs to a collector: leave it out. Of a collector's file, what stands under connectors and exporters can be pasted.",
                $"{file}:15: service belongs to a collector: leave it out. Of a collector's file, what stands under connectors and exporters can be pasted.",
            ],
            SettingsReader.Read(file, null, None, None).Problems);
    }

    [Fact]
    public void All_problems_are_said_at_once()
    {
        var file = Write("faultline.yaml", "listen:\n  ui: nowhere\ningest:\n  max_age: soon\n");

        Assert.Equal(2, SettingsReader.Read(file, null, None, None).Problems.Count);
    }

    [Fact]
    public void The_canary_can_be_off_and_its_project_is_nobodys()
    {
        Assert.Equal(TimeSpan.FromSeconds(30), SettingsReader.Read(null, Write("empty.env", ""), None, None).Settings.Canary.Interval);
        Assert.Equal(TimeSpan.Zero, SettingsReader.Read(Write("faultline.yaml", "canary:\n  interval: 0s\n"), null, None, None).Settings.Canary.Interval);
        Assert.StartsWith("canary.interval:", Assert.Single(SettingsReader.Read(Write("faultline.yaml", "canary:\n  interval: 5ms\n"), null, None, None).Problems), StringComparison.Ordinal);
        Assert.StartsWith("gateway.api_keys:", Assert.Single(SettingsReader.Read(Write("faultline.yaml", "gateway:\n  api_keys: [secret=_canary]\n"), null, None, None).Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_wins_over_the_env_file_over_the_environment_over_the_file()
    {
        var file = Write("faultline.yaml", "listen:\n  ui: 127.0.0.1:1001\n  derived: 127.0.0.1:1001\n  health: 127.0.0.1:1005\n  internals: 127.0.0.1:1006\n");
        var envFile = Write("own.env", "FAULTLINE_LISTEN_UI=127.0.0.1:1003\nFAULTLINE_LISTEN_HEALTH=127.0.0.1:1013\n");
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_LISTEN_UI"] = "127.0.0.1:1002", ["FAULTLINE_LISTEN_INTERNALS"] = "127.0.0.1:1016" };
        var commandLine = new Dictionary<string, string>(StringComparer.Ordinal) { ["listen.ui"] = "127.0.0.1:1004" };

        var settings = SettingsReader.Read(file, envFile, environment, commandLine).Settings;

        Assert.Equal((1004, 1013, 1016, 1001), (settings.Ui.Port, settings.Health.Port, settings.Internals.Port, settings.Derived.Port));
    }

    [Fact]
    public void The_names_of_existing_pipelines_set_the_gateway()
    {
        var envFile = Write("own.env", "ENVOY_AUTH_METHOD=basic-auth\nexport ENVOY_BASIC_AUTH_CREDENTIALS=\"ann:secret,bob:hidden\"\n# comment\nENVOY_API_KEYS=one, two\n");

        var settings = SettingsReader.Read(null, envFile, None, None).Settings;

        Assert.Equal("basic-auth", settings.GatewayMethod);
        Assert.Equal(["ann:secret", "bob:hidden"], settings.BasicCredentials);
        Assert.Equal(["one", "two"], settings.ApiKeys);
    }

    [Fact]
    public void A_list_in_the_settings_replaces_the_default_list()
    {
        var file = Write("faultline.yaml", "metrics:\n  derived:\n    buckets_seconds: [1, 2.5]\n    dimensions: [team]\n");

        var settings = SettingsReader.Read(file, null, None, None).Settings;

        Assert.Equal([1, 2.5], settings.BucketsSeconds);
        Assert.Equal(["team"], settings.Dimensions);
    }

    [Fact]
    public void A_door_open_to_other_machines_needs_a_key_that_is_not_the_placeholder()
    {
        var open = new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_LISTEN_OTLP_HTTP"] = "0.0.0.0:4318" };
        var withKey = new Dictionary<string, string>(open, StringComparer.Ordinal) { ["ENVOY_API_KEYS"] = "a-key-of-my-own" };

        Assert.Contains("listen.otlp_http: 0.0.0.0:4318 is open to other machines", Assert.Single(SettingsReader.Read(null, null, open, None).Problems), StringComparison.Ordinal);
        Assert.Empty(SettingsReader.Read(null, null, withKey, None).Problems);
    }

    [Fact]
    public void A_misspelt_variable_is_warned_about()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_LISTEN_OTPL_HTTP"] = "127.0.0.1:1" };

        Assert.Contains("Did you mean FAULTLINE_LISTEN_OTLP_HTTP?", Assert.Single(SettingsReader.Read(null, null, environment, None).Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_language_model_is_off_until_endpoint_and_model_are_set()
    {
        Assert.False(SettingsReader.Read(null, null, None, None).Settings.Llm.IsOn);

        var file = Write("faultline.yaml", "llm:\n  endpoint: http://127.0.0.1:11434/v1\n  model: llama3.1\nreasoning:\n  enabled: false\njudge:\n  rubrics: none\n  sample: 0.5\n");
        var reading = SettingsReader.Read(file, null, new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_LLM_KEY"] = "a-secret" }, None);

        Assert.Empty(reading.Problems);
        Assert.Equal((true, "a-secret", "127.0.0.1:11434", false, 0.5), (reading.Settings.Llm.IsOn, reading.Settings.Llm.Key, reading.Settings.Llm.Host, reading.Settings.Reasoning.Enabled, reading.Settings.Judge.Sample));
        Assert.Empty(reading.Settings.Judge.Rubrics);
    }

    [Theory]
    [InlineData("llm:\n  endpoint: 127.0.0.1:11434\n  model: m\n", "llm.endpoint: '127.0.0.1:11434' is not an http or https address")]
    [InlineData("llm:\n  endpoint: https://ann:pw@api.example/v1\n  model: m\n", "llm.endpoint: the address holds a user name or password")]
    [InlineData("llm:\n  endpoint: http://127.0.0.1:1/v1\n", "llm.model: an endpoint is set, but no model")]
    [InlineData("reasoning:\n  calls_max: 1\n", "reasoning.calls_max: 1")]
    [InlineData("judge:\n  rubrics: [relevance, wit]\n", "judge.rubrics: 'wit' is no rubric")]
    public void What_of_a_language_model_cannot_work_is_named(string yaml, string problem) =>
        Assert.StartsWith(problem, Assert.Single(SettingsReader.Read(Write("faultline.yaml", yaml), null, None, None).Problems), StringComparison.Ordinal);

    [Fact]
    public void A_key_in_a_file_or_on_the_command_line_is_refused_and_not_repeated()
    {
        var file = Write("faultline.yaml", "llm:\n  key: a-secret\n");
        var flags = new Dictionary<string, string>(StringComparer.Ordinal) { ["llm.key"] = "a-secret" };

        var reading = SettingsReader.Read(file, null, None, flags);

        Assert.Equal(2, reading.Problems.Count);
        Assert.All(reading.Problems, problem => Assert.EndsWith("llm.key is a secret: set it in the environment as FAULTLINE_LLM_KEY, not here.", problem, StringComparison.Ordinal));
        Assert.Empty(reading.Settings.Llm.Key);
    }

    [Theory]
    [InlineData("25ms", 0.025)]
    [InlineData("15m", 900)]
    [InlineData("365d", 31_536_000)]
    public void Durations_carry_their_unit(string text, double seconds)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["FAULTLINE_INGEST_MAX_AGE"] = text };

        Assert.Equal(seconds, SettingsReader.Read(null, null, environment, None).Settings.IngestMaxAge.TotalSeconds);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}

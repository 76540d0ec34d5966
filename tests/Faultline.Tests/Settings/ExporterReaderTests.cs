using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers;
using Faultline.Settings;
using Xunit;

namespace Faultline.Tests.Settings;

public sealed class ExporterReaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-exporters-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Exporters_are_read_under_the_collector_s_keys()
    {
        File.WriteAllText(Path.Combine(_folder, "ca.pem"), "");
        var reading = Read(
            """
            exporters:
              otlp/tempo:
                endpoint: tempo:4317
                compression: none
                headers:
                  X-Scope-OrgID: team
                  authorization: Bearer ${env:TEMPO_TOKEN}
                tls:
                  ca_file: ca.pem
                  server_name_override: tempo.internal
                timeout: 3s
                retry_on_failure:
                  initial_interval: 1s
                  max_interval: 10s
                  max_elapsed_time: 0
                sending_queue:
                  sizer: bytes
                  queue_size: 512MiB
                  batch:
                    max_size: 1MiB
                signals: [traces, logs]
                filter:
                  services: [shop-*]
                  attributes: ["deployment.environment.name=prod"]
                  only_errors: true
              otlphttp:
                endpoint: http://loki:3100/otlp
                logs_endpoint: http://loki:3100/otlp/v1/logs2
            """,
            "TEMPO_TOKEN=secret");

        Assert.Empty(reading.Problems);
        var (tempo, loki) = (reading.Settings.Exporters[0], reading.Settings.Exporters[1]);
        Assert.Equal(("otlp/tempo", ExporterProtocol.Grpc, "https://tempo:4317/"), (tempo.Name, tempo.Protocol, tempo.Endpoint.ToString()));
        Assert.Equal(["X-Scope-OrgID=team", "authorization=Bearer secret"], tempo.Headers.Select(header => header.Key + "=" + header.Value));
        Assert.Equal((Packing.None, TimeSpan.FromSeconds(3), 512L << 20, 1 << 20), (tempo.Compression, tempo.Timeout, tempo.QueueBytesMax, tempo.BatchBytesMax));
        Assert.Equal((Path.Combine(_folder, "ca.pem"), "tempo.internal"), (tempo.Tls.CaFile, tempo.Tls.ServerNameOverride));
        Assert.Equal((TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), TimeSpan.Zero), (tempo.Retry.InitialInterval, tempo.Retry.MaxInterval, tempo.Retry.MaxElapsedTime));
        Assert.Equal([Signal.Traces, Signal.Logs], tempo.Signals);
        Assert.True(tempo.Filter.OnlyErrors);
        Assert.Equal("http://loki:3100/otlp/v1/traces", loki.Address(Signal.Traces).ToString());
        Assert.Equal("http://loki:3100/otlp/v1/logs2", loki.Address(Signal.Logs).ToString());
        Assert.Equal(Packing.Gzip, loki.Compression);
    }

    [Theory]
    [InlineData("tempo:4317", "insecure: true", "http://tempo:4317/")]
    [InlineData("tempo:4317", "insecure: false", "https://tempo:4317/")]
    [InlineData("http://tempo:4317", "insecure: false", "http://tempo:4317/")]
    public void A_scheme_or_else_insecure_decides_whether_tls_is_spoken(string endpoint, string tls, string expected)
    {
        var reading = Read($"exporters:\n  otlp:\n    endpoint: {endpoint}\n    tls:\n      {tls}\n");

        Assert.Empty(reading.Problems);
        Assert.Equal(expected, Assert.Single(reading.Settings.Exporters).Endpoint.ToString());
    }

    [Theory]
    [InlineData("  otlp:\n    endpont: a:1\n", ":3: exporters.otlp.endpont: is not a setting of an exporter. Did you mean endpoint?")]
    [InlineData("  otlp:\n    timeout: 3s\n", ":2: exporters.otlp.endpoint: is missing")]
    [InlineData("  otlp:\n    endpoint: a:1\n    sending_queue:\n      queue_size: 1000\n", ":5: exporters.otlp.sending_queue.queue_size: '1000' is too small: it is bytes")]
    [InlineData("  otlp:\n    endpoint: a:1\n    headers:\n      x: ${env:NOT_SET}\n", ":5: exporters.otlp.headers.x: the variable NOT_SET is not set.")]
    [InlineData("  otlp:\n    endpoint: a:1\n    signals: [spans]\n", ":4: exporters.otlp.signals: 'spans' is no signal; there are traces, metrics, logs.")]
    [InlineData("  otlp:\n    endpoint: a:1/path\n", ":2: exporters.otlp.endpoint: gRPC has no path")]
    [InlineData("  otlp:\n    endpoint: a:1\n    tls:\n      cert_file: none.pem\n", ":5: exporters.otlp.tls.cert_file: there is no file")]
    [InlineData("  kafka:\n    endpoint: a:1\n", ":2: exporters.kafka: exporters are named otlp")]
    [InlineData("  otlp:\n    endpoint: a:1\n    filter:\n      services: [a*b]\n", ":5: exporters.otlp.filter.services: 'a*b' is not a name")]
    [InlineData("  - otlp\n", ":2: exporters: is a list of names")]
    public void What_is_wrong_is_said_with_its_line(string exporters, string expected)
    {
        var problem = Assert.Single(Read("exporters:\n" + exporters).Problems);

        Assert.Contains("faultline.yaml" + expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_settings_stand_beside_exporters()
    {
        var reading = Read("listen:\n  ui: 127.0.0.1:1001\nexporters:\n  otlp:\n    endpoint: a:1\nprofile: full\n");

        Assert.Empty(reading.Problems);
        Assert.Equal(1001, reading.Settings.Ui.Port);
    }

    private SettingsReading Read(string yaml, string env = "")
    {
        var (file, envFile) = (Path.Combine(_folder, "faultline.yaml"), Path.Combine(_folder, ".env"));
        File.WriteAllText(file, yaml);
        File.WriteAllText(envFile, env);
        return SettingsReader.Read(file, null, new Dictionary<string, string>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));
    }
}

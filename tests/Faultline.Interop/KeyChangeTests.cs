using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Xunit;

namespace Faultline.Interop;

/// <summary>Keys and certificates are changed while the process runs and clients stay connected.</summary>
public sealed class KeyChangeTests
{
    [Fact]
    public async Task A_changed_env_file_changes_the_keys_on_SIGHUP_and_connections_stay()
    {
        await using var server = await FaultlineProcess.StartAsync(config: "profile: full\n", envFile: "ENVOY_API_KEYS=first\n");
        using var client = new CountingClient();
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized), await StatusesAsync(server, client));

        await File.WriteAllTextAsync(Path.Combine(server.DataDirectory, ".env"), "ENVOY_API_KEYS=second\n");
        await HangUpAsync(server);
        await Eventually.TrueAsync(async () => await StatusesAsync(server, client) == (HttpStatusCode.Unauthorized, HttpStatusCode.OK), "the second key counts and the first does not");

        // What cannot be used changes nothing and is said.
        await File.WriteAllTextAsync(Path.Combine(server.DataDirectory, ".env"), "ENVOY_API_KEYS=third\nFAULTLINE_LISTEN_UI=nowhere\n");
        await HangUpAsync(server);
        await Eventually.TrueAsync(async () => await server.InternalAsync("faultline_settings_read_failures_total") == 1, "the mistake is counted");
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), await StatusesAsync(server, client));
        Assert.Contains("'nowhere'", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("third", server.Output, StringComparison.Ordinal);
        Assert.Equal(1, client.Connections);
    }

    [Fact]
    public async Task A_changed_env_file_is_seen_without_a_signal()
    {
        await using var server = await FaultlineProcess.StartAsync(config: "profile: full\n", envFile: "ENVOY_API_KEYS=first\n");
        using var client = new CountingClient();
        await File.WriteAllTextAsync(Path.Combine(server.DataDirectory, ".env"), "ENVOY_API_KEYS=first,second\n");

        await Eventually.TrueAsync(async () => await StatusesAsync(server, client) == (HttpStatusCode.OK, HttpStatusCode.OK), "both keys count");
        Assert.Equal(1, client.Connections);
    }

    [Fact]
    public async Task A_replaced_certificate_is_shown_to_new_connections_on_SIGHUP_and_open_ones_go_on()
    {
        var folder = Directory.CreateTempSubdirectory("faultline-tls-").FullName;
        try
        {
            WriteCertificate(folder, "first");
            await using var server = await FaultlineProcess.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["FAULTLINE_TLS_CERTIFICATE"] = Path.Combine(folder, "server.pem"),
                ["FAULTLINE_TLS_KEY"] = Path.Combine(folder, "server.key"),
                ["FAULTLINE_TLS_LISTENERS"] = "otlp_http",
            });
            using var early = new CountingClient();
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, early, FaultlineProcess.ApiKey, "https"));

            WriteCertificate(folder, "second");
            await HangUpAsync(server);
            await Eventually.TrueAsync(
                async () =>
                {
                    using var late = new CountingClient();
                    return await StatusAsync(server, late, FaultlineProcess.ApiKey, "https") == HttpStatusCode.OK && late.Shown == "CN=second";
                },
                "new connections are shown the second certificate");
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, early, FaultlineProcess.ApiKey, "https"));
            Assert.Equal((1, "CN=first"), (early.Connections, early.Shown));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(HttpStatusCode First, HttpStatusCode Second)> StatusesAsync(FaultlineProcess server, CountingClient client) =>
        (await StatusAsync(server, client, "first"), await StatusAsync(server, client, "second"));

    private static async Task<HttpStatusCode> StatusAsync(FaultlineProcess server, CountingClient client, string key, string scheme = "http")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"{scheme}://{server.Door("otlp_http").Authority}/v1/traces"))
        {
            Content = new StringContent("""{"resourceSpans":[]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("X-API-Key", key);
        using var response = await client.Http.SendAsync(request);
        await response.Content.ReadAsByteArrayAsync();
        return response.StatusCode;
    }

    private static async Task HangUpAsync(FaultlineProcess server)
    {
        using var kill = Process.Start("kill", ["-HUP", server.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    private static void WriteCertificate(string folder, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        File.WriteAllText(Path.Combine(folder, "server.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Path.Combine(folder, "server.pem"), certificate.ExportCertificatePem());
    }

    /// <summary>A client that says how many connections it made and which certificate it was shown.</summary>
    private sealed class CountingClient : IDisposable
    {
        private int _connections;

        public CountingClient()
        {
            var handler = new SocketsHttpHandler { ConnectCallback = ConnectAsync };
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                Shown = certificate?.Subject;
                return Shown?.StartsWith("CN=", StringComparison.Ordinal) == true;
            };
            Http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30) };
        }

        public HttpClient Http { get; }

        public int Connections => Volatile.Read(ref _connections);

        public string? Shown { get; private set; }

        public void Dispose() => Http.Dispose();

        private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
        {
            Interlocked.Increment(ref _connections);
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(context.DnsEndPoint, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
    }
}

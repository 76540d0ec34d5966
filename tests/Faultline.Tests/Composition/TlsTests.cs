using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Faultline.Composition;
using Faultline.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Composition;

/// <summary>A door with TLS, its files replaced while clients are connected.</summary>
public sealed class TlsTests : IAsyncLifetime, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-tls-").FullName;
    private readonly X509Certificate2 _authority = Authority("clients");
    private readonly Doors _doors = new();

    public Task InitializeAsync()
    {
        WriteServerCertificate("first");
        File.WriteAllText(Path.Combine(_folder, "ca.pem"), _authority.ExportCertificatePem());
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _doors.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public void Dispose() => _authority.Dispose();

    [Fact]
    public async Task A_replaced_certificate_is_shown_to_new_connections_and_open_ones_go_on()
    {
        var files = Open(clientCa: false);
        var door = await DoorAsync(files, isMutual: false, HttpProtocols.Http1AndHttp2);
        var shown = new List<string>();
        using var early = Client(shown);
        Assert.Equal("HTTP/2.0", await early.GetStringAsync(door));

        WriteServerCertificate("second");
        Assert.True(files.Look());

        Assert.Equal("HTTP/2.0", await early.GetStringAsync(door));
        using var late = Client(shown);
        Assert.Equal("HTTP/2.0", await late.GetStringAsync(door));
        Assert.Equal(["CN=first", "CN=second"], shown);
    }

    [Fact]
    public async Task Files_that_cannot_be_used_leave_the_old_ones_in_use()
    {
        var files = Open(clientCa: false);
        var door = await DoorAsync(files, isMutual: false, HttpProtocols.Http1AndHttp2);

        File.WriteAllText(Path.Combine(_folder, "server.pem"), "half a certificate");
        Assert.False(files.Look());

        var shown = new List<string>();
        using var client = Client(shown);
        await client.GetStringAsync(door);
        Assert.Equal(["CN=first"], shown);
    }

    [Fact]
    public async Task A_mutual_door_lets_in_only_clients_with_a_certificate_of_the_authority()
    {
        var door = await DoorAsync(Open(clientCa: true), isMutual: true, HttpProtocols.Http2);
        using var nobody = Client([]);
        using var stranger = Client([], Signed("stranger", Authority("others")));
        using var known = Client([], Signed("agent", _authority));

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => nobody.GetStringAsync(door));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => stranger.GetStringAsync(door));
        Assert.Equal("HTTP/2.0", await known.GetStringAsync(door));
    }

    [Fact]
    public void Missing_files_are_a_problem_of_the_settings()
    {
        var refused = Assert.Throws<SettingsException>(() => TlsFiles.Open(new TlsSettings { Certificate = "/nowhere/a.pem", Key = "/nowhere/b.pem" }, TimeProvider.System, NullLogger.Instance));

        Assert.Contains("/nowhere/a.pem", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_fit_together_is_said()
    {
        Assert.Single(new TlsSettings { Certificate = "a.pem" }.Problems());
        Assert.Single(new TlsSettings { ClientCa = "ca.pem" }.Problems());
        Assert.Single(new TlsSettings { Certificate = "a", Key = "b", Listeners = ["otlp"] }.Problems());
        Assert.Empty(new TlsSettings { Certificate = "a", Key = "b", ClientCa = "c" }.Problems());
    }

    [Fact]
    public void Browsers_and_health_checks_need_no_certificate_unless_it_is_set_so()
    {
        var tls = new TlsSettings { Certificate = "a", Key = "b", ClientCa = "c" };

        Assert.True(tls.Covers("listen.ui") && tls.Covers("listen.otlp_grpc") && tls.IsMutual("listen.otlp_grpc"));
        Assert.False(tls.IsMutual("listen.ui") || tls.IsMutual("listen.health"));
        Assert.False(new TlsSettings().Covers("listen.ui"));
    }

    private TlsFiles Open(bool clientCa) => TlsFiles.Open(
        new TlsSettings { Certificate = Path.Combine(_folder, "server.pem"), Key = Path.Combine(_folder, "server.key"), ClientCa = clientCa ? Path.Combine(_folder, "ca.pem") : null },
        TimeProvider.System,
        NullLogger.Instance);

    private async Task<Uri> DoorAsync(TlsFiles files, bool isMutual, HttpProtocols protocols)
    {
        var app = Doors.NewBuilder(new ListenAddress(IPAddress.Loopback, 0), protocols, new ConnectionLimit(100), new DoorTls(files, isMutual)).Build();
        app.Run(http => Microsoft.AspNetCore.Http.HttpResponseWritingExtensions.WriteAsync(http.Response, http.Request.Protocol == "HTTP/2" ? "HTTP/2.0" : http.Request.Protocol));
        await _doors.OpenAsync("listen.test", new ListenAddress(IPAddress.Loopback, 0), app, CancellationToken.None);
        return new Uri("https://" + _doors.Addresses["listen.test"]);
    }

    private static HttpClient Client(List<string> shown, X509Certificate2? certificate = null)
    {
        var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, server, _, _) =>
                {
                    shown.Add(server!.Subject);
                    return server.Issuer == server.Subject;
                },
                ClientCertificates = certificate is null ? [] : [certificate],
            },
        };
        return new HttpClient(handler) { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
    }

    private void WriteServerCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_folder, "server.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "server.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private static X509Certificate2 Authority(string name)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-2), DateTimeOffset.UtcNow.AddDays(2));
    }

    private static X509Certificate2 Signed(string name, X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
        return certificate.CopyWithPrivateKey(key);
    }
}

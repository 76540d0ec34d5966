using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Faultline.Metrics.Exposition;
using Faultline.Settings;

namespace Faultline.Composition;

/// <summary>
/// Certificate, key and clients' authorities from files. They are read again when their content changes and on SIGHUP; connections that are open
/// stay as they are, new ones get the new. Files that cannot be used leave the old ones in use, with a warning.
/// </summary>
internal sealed class TlsFiles
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(10);
    private static readonly Oid s_clientUse = new("1.3.6.1.5.5.7.3.2");

    private readonly TlsSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Channel<bool> _lookNow = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile Loaded _loaded;
    private string? _refused;
    private long _failures;

    private TlsFiles(TlsSettings settings, Loaded loaded, TimeProvider time, ILogger log)
    {
        (_settings, _loaded, _time, _log) = (settings, loaded, time, log);
        WarnIfExpired();
    }

    private sealed record Loaded(string Content, X509Certificate2 Certificate, SslStreamCertificateContext Context, X509Certificate2Collection ClientRoots);

    /// <summary>When the certificate in use expires.</summary>
    public DateTimeOffset Expires => new(_loaded.Certificate.NotAfter);

    /// <exception cref="SettingsException">A file cannot be read or used; the message names it.</exception>
    public static TlsFiles Open(TlsSettings settings, TimeProvider time, ILogger log)
    {
        try
        {
            return new TlsFiles(settings, Load(settings, ReadAll(settings)), time, log);
        }
        catch (Exception unusable) when (IsUnusable(unusable))
        {
            throw new SettingsException($"tls.certificate, tls.key or tls.client_ca: {unusable.Message}");
        }
    }

    /// <summary>What a handshake is done with, as the files are now.</summary>
    public SslServerAuthenticationOptions Handshake(bool isMutual, List<SslApplicationProtocol> protocols)
    {
        var loaded = _loaded;
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = loaded.Context,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            ApplicationProtocols = protocols,
            ClientCertificateRequired = isMutual,
        };
        if (isMutual)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(loaded.ClientRoots);
            policy.ApplicationPolicy.Add(s_clientUse);
            options.CertificateChainPolicy = policy;
        }

        return options;
    }

    /// <summary>Looks now, whether or not the time has come.</summary>
    public void LookNow() => _lookNow.Writer.TryWrite(true);

    public async Task RunAsync(CancellationToken cancel)
    {
        while (true)
        {
            using var interval = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            interval.CancelAfter(LookInterval);
            try
            {
                await _lookNow.Reader.ReadAsync(interval.Token);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                // Nobody asked; the time has come.
            }

            Look();
        }
    }

    /// <returns>Whether other files are in use now.</returns>
    internal bool Look()
    {
        var content = "";
        try
        {
            content = ReadAll(_settings);
            if (string.Equals(content, _loaded.Content, StringComparison.Ordinal))
            {
                return false;
            }

            _loaded = Load(_settings, content);
            _refused = null;
            _log.TlsRead(_settings.Certificate!, _loaded.Certificate.Subject, Expires.UtcDateTime);
            WarnIfExpired();
            return true;
        }
        catch (Exception unusable) when (IsUnusable(unusable))
        {
            // A certificate and its key are seldom replaced at the same moment: said once for each state of the files.
            Interlocked.Increment(ref _failures);
            if (!string.Equals(_refused, content, StringComparison.Ordinal))
            {
                _refused = content;
                _log.TlsUnusable(_settings.Certificate!, unusable.Message);
            }

            return false;
        }
    }

    public IEnumerable<MetricFamily> Families() =>
    [
        MetricFamily.Gauge("faultline_tls_certificate_expires_timestamp_seconds", "When the certificate in use expires.", MetricFamily.Of(Expires.ToUnixTimeSeconds())),
        MetricFamily.Counter("faultline_tls_read_failures", "Looks at changed TLS files that could not be used; the old ones stay in use.", MetricFamily.Of(Interlocked.Read(ref _failures))),
    ];

    private void WarnIfExpired()
    {
        if (Expires < _time.GetUtcNow())
        {
            _log.TlsExpired(_settings.Certificate!, Expires.UtcDateTime);
        }
    }

    private static bool IsUnusable(Exception exception) => exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or AuthenticationException;

    // Compared by content: what a link points at can change without a file's time or length.
    private static string ReadAll(TlsSettings settings) =>
        string.Join('\0', File.ReadAllText(settings.Certificate!), File.ReadAllText(settings.Key!), settings.ClientCa is { } ca ? File.ReadAllText(ca) : "");

    private static Loaded Load(TlsSettings settings, string content)
    {
        var parts = content.Split('\0');
        var certificate = X509Certificate2.CreateFromPem(parts[0], parts[1]);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(parts[0]);
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(parts[2]);
        if (settings.ClientCa is not null && roots.Count == 0)
        {
            throw new CryptographicException($"{settings.ClientCa} holds no certificate.");
        }

        chain.RemoveAt(0);
        return new Loaded(content, certificate, SslStreamCertificateContext.Create(certificate, chain, offline: true), roots);
    }
}

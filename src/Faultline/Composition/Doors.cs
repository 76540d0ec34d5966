using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using Faultline.Metrics.Exposition;
using Faultline.Settings;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Faultline.Composition;

/// <summary>The web applications, one a door, so that nothing of one port is reachable on another.</summary>
internal sealed class Doors : IAsyncDisposable
{
    /// <summary>Requests that one HTTP/2 connection has under way at a time; more wait at the client.</summary>
    private const int StreamsMax = 100;

    /// <summary>What a client may send ahead of one request on HTTP/2: a batch of telemetry, so that it need not wait for leave in the middle. Read at once, so little of it is ever held.</summary>
    private const int WindowBytes = 4 << 20;

    private static readonly TimeSpan HandshakeMax = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HeadersMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan IdleMax = TimeSpan.FromSeconds(130);

    /// <summary>A body or an answer that is slower ends: bytes a second, after as long of grace.</summary>
    private static readonly MinDataRate SlowestClient = new(bytesPerSecond: 1024, gracePeriod: TimeSpan.FromSeconds(10));

    private readonly List<(string Key, WebApplication App)> _open = [];
    private readonly Dictionary<string, string> _addresses = new(StringComparer.Ordinal);

    /// <summary>Open connections of each door that has been made, by settings key.</summary>
    public ConcurrentDictionary<string, ConnectionLimit> Connections { get; } = new(StringComparer.Ordinal);

    /// <summary>host:port that each door really has, by settings key.</summary>
    public IReadOnlyDictionary<string, string> Addresses => _addresses;

    /// <summary>An application that hears on one address and knows nothing but what is said here.</summary>
    /// <remarks>
    /// An empty builder, since the others read and watch appsettings.json: with it the whole folder that the server was started in,
    /// every change of its own data directory included when that is below. Nor does it ask the environment for addresses.
    /// </remarks>
    /// <param name="connections">Counts and limits its connections.</param>
    public static WebApplicationBuilder NewBuilder(ListenAddress address, HttpProtocols protocols, ConnectionLimit connections, DoorTls? tls = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, ApplicationName = "faultline" });
        builder.Configuration.Sources.Clear();
        builder.Services.AddRouting();
        Logging.Configure(builder.Logging);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            var limits = kestrel.Limits;
            (limits.RequestHeadersTimeout, limits.KeepAliveTimeout) = (HeadersMax, IdleMax);
            (limits.MinRequestBodyDataRate, limits.MinResponseDataRate) = (SlowestClient, SlowestClient);
            (limits.Http2.MaxStreamsPerConnection, limits.Http2.InitialStreamWindowSize, limits.Http2.InitialConnectionWindowSize) = (StreamsMax, WindowBytes, WindowBytes);
            kestrel.Listen(address.Address, address.Port, listen =>
            {
                listen.Protocols = protocols;
                listen.Use(next => connection => connections.RunAsync(connection, next));
                if (tls is not null)
                {
                    // Asked at every handshake, so that a new certificate needs no new listener.
                    List<SslApplicationProtocol> spoken = protocols == HttpProtocols.Http2 ? [SslApplicationProtocol.Http2] : [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];
                    listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(tls.Files.Handshake(tls.IsMutual, spoken)), HandshakeTimeout = HandshakeMax });
                }
            });
        });
        if (tls is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        return builder;
    }

    /// <summary>Starts listening and notes the port.</summary>
    /// <exception cref="SettingsException">The address cannot be had; the message names the key.</exception>
    public async Task OpenAsync(string key, ListenAddress wanted, WebApplication app, CancellationToken cancel)
    {
        try
        {
            await app.StartAsync(cancel);
        }
        catch (IOException taken)
        {
            await app.DisposeAsync();
            throw new SettingsException($"{key}: {wanted} cannot be listened on: {Innermost(taken)}. Is another Faultline, or another program, using it? Set {key} to another port (0 picks a free one).");
        }

        _open.Add((key, app));
        var url = new Uri(app.Urls.First());
        _addresses[key] = new IPEndPoint(IPAddress.Parse(url.Host.Trim('[', ']')), url.Port).ToString();
    }

    /// <summary>Stops listening, first come last: what others need stays until they are gone.</summary>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        for (var i = _open.Count - 1; i >= 0; i--)
        {
            await _open[i].App.StopAsync(patience.Token);
            await _open[i].App.DisposeAsync();
        }
    }

    public IReadOnlyList<MetricFamily> Families() =>
    [
        MetricFamily.Gauge("faultline_connections", "Open connections of a listener.", [.. Connections.Select(door => MetricFamily.Of(door.Value.Open, ("listener", door.Key)))]),
        MetricFamily.Gauge("faultline_connections_max", "How many it may have (listen.connections_max).", [.. Connections.Select(door => MetricFamily.Of(door.Value.Max, ("listener", door.Key)))]),
        MetricFamily.Counter("faultline_refused_connections", "Connections that were closed at once, because so many were open.", [.. Connections.Select(door => MetricFamily.Of(door.Value.Refused, ("listener", door.Key)))]),
    ];

    private static string Innermost(Exception exception) => exception.InnerException is { } inner ? Innermost(inner) : exception.Message;
}

/// <summary>How a door speaks TLS.</summary>
/// <param name="IsMutual">Whether clients must show a certificate.</param>
internal sealed record DoorTls(TlsFiles Files, bool IsMutual);

/// <summary>What is set cannot be done; the message is for the person who set it.</summary>
internal sealed class SettingsException(string message) : Exception(message);

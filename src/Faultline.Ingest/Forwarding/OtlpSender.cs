using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Faultline.Ingest.Pipeline;
using Faultline.Ingest.Receivers;
using Faultline.Telemetry.Otlp;

namespace Faultline.Ingest.Forwarding;

/// <summary>What a backend said to a request.</summary>
internal abstract record Delivery
{
    private Delivery()
    {
    }

    /// <param name="Rejected">Items that it did not take all the same: partial success.</param>
    public sealed record Done(long Rejected, string Why) : Delivery;

    /// <summary>The same request may be taken another time.</summary>
    /// <param name="Reason">One word for a counter.</param>
    /// <param name="After">Not before, when it said so.</param>
    public sealed record Later(string Reason, string Why, TimeSpan? After = null) : Delivery;

    /// <summary>The same request will never be taken.</summary>
    /// <param name="IsItsContent">Something in it is wrong or it is too large; parts of it may be taken.</param>
    public sealed record Never(string Why, bool IsItsContent) : Delivery;
}

/// <summary>Sends OTLP requests to one backend, over gRPC or HTTP.</summary>
/// <remarks>
/// Source: opentelemetry.io/docs/specs/otlp ("Failures", "OTLP/gRPC", "OTLP/HTTP"), grpc/doc/PROTOCOL-HTTP2.md and http-grpc-status-mapping.md.
/// One deviation: who is not let in (401, 403, UNAUTHENTICATED, PERMISSION_DENIED) tries again instead of giving up, because it is the
/// key that is wrong and not the telemetry, and what waits is on disk.
/// </remarks>
internal sealed class OtlpSender : IDisposable
{
    private const int PrefixBytes = 5;
    private const int AnswerBytesMax = 64 * 1024;
    private static readonly TimeSpan ConnectionMax = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan AfterMax = TimeSpan.FromMinutes(10);

    private readonly ExporterOptions _options;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;
    private volatile IReadOnlyList<KeyValuePair<string, string>> _headers;

    public OtlpSender(ExporterOptions options, TimeProvider time)
    {
        (_options, _time, _headers) = (options, time, options.Headers);
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = options.Timeout,
            // New connections see new certificates and new addresses of a name.
            PooledConnectionLifetime = ConnectionMax,
            AutomaticDecompression = DecompressionMethods.None,
            AllowAutoRedirect = false,
            UseCookies = false,
        };
        BackendTls.Apply(options.Tls, handler);
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    public string Name => _options.Name;

    /// <summary>Other headers, from the next attempt on.</summary>
    public void UseHeaders(IReadOnlyList<KeyValuePair<string, string>> headers) => _headers = headers;

    public async Task<Delivery> SendAsync(Signal signal, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timeout.CancelAfter(_options.Timeout);
        try
        {
            return _options.Protocol == ExporterProtocol.Grpc ? await SendGrpcAsync(signal, body, timeout.Token) : await SendHttpAsync(signal, body, timeout.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new Delivery.Later("timeout", $"no answer within {_options.Timeout.TotalSeconds:0.###} s");
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException)
        {
            return new Delivery.Later("connection", Innermost(failed));
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<Delivery> SendHttpAsync(Signal signal, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _options.Address(signal)) { Content = new ReadOnlyMemoryContent(Packed(body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
        if (_options.Compression != Packing.None)
        {
            request.Content.Headers.ContentEncoding.Add(PackingWords.Of(_options.Compression));
        }

        AddHeaders(request);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var answer = await ReadAsync(response, cancel);
        var isProtobuf = response.Content.Headers.ContentType?.MediaType == "application/x-protobuf";
        if (response.IsSuccessStatusCode)
        {
            var (rejected, reason) = isProtobuf ? OtlpReply.PartialSuccess(answer) : default;
            return new Delivery.Done(rejected, reason ?? "");
        }

        var code = (int)response.StatusCode;
        var words = isProtobuf ? OtlpReply.Status(answer).Message : "";
        var why = words.Length > 0 ? $"{code}: {words}" : string.Create(CultureInfo.InvariantCulture, $"{code} {response.ReasonPhrase}");
        return code switch
        {
            429 => new Delivery.Later("throttled", why, RetryAfter(response)),
            502 or 503 or 504 => new Delivery.Later("unavailable", why, RetryAfter(response)),
            401 or 403 or 407 => new Delivery.Later("not_let_in", why),
            _ => new Delivery.Never(why, code is 400 or 413 or 422),
        };
    }

    private async Task<Delivery> SendGrpcAsync(Signal signal, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        var packed = Packed(body);
        var frame = new byte[PrefixBytes + packed.Length];
        frame[0] = (byte)(_options.Compression == Packing.None ? 0 : 1);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)packed.Length);
        packed.CopyTo(frame.AsMemory(PrefixBytes));
        using var request = new HttpRequestMessage(HttpMethod.Post, _options.Address(signal))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(frame),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        if (_options.Compression != Packing.None)
        {
            request.Headers.Add("grpc-encoding", PackingWords.Of(_options.Compression));
        }

        AddHeaders(request);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var answer = await ReadAsync(response, cancel);
        if (!response.IsSuccessStatusCode)
        {
            return OfGrpcCode(CodeOf((int)response.StatusCode), $"HTTP {(int)response.StatusCode}", null);
        }

        var trailers = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        if (!int.TryParse(One(trailers, "grpc-status"), NumberStyles.None, CultureInfo.InvariantCulture, out var code))
        {
            return new Delivery.Later("unavailable", "the answer has no grpc-status");
        }

        if (code == (int)RpcCode.Ok)
        {
            // One message, not packed: nothing was said of grpc-accept-encoding.
            var (rejected, reason) = answer.Length >= PrefixBytes && answer[0] == 0 ? OtlpReply.PartialSuccess(answer.AsSpan(PrefixBytes)) : default;
            return new Delivery.Done(rejected, reason ?? "");
        }

        return OfGrpcCode(code, $"gRPC {code}: {Uri.UnescapeDataString(One(trailers, "grpc-message"))}", RetryInfo(One(trailers, "grpc-status-details-bin")));
    }

    // Codes by number: those that OTLP's table calls retryable, then those that are about who asks.
    private static Delivery OfGrpcCode(int code, string why, TimeSpan? after) => code switch
    {
        8 when after is not null => new Delivery.Later("throttled", why, after),
        1 or 4 or 10 or 11 or 14 or 15 => new Delivery.Later("unavailable", why, after),
        7 or 16 => new Delivery.Later("not_let_in", why),
        _ => new Delivery.Never(why, code is 3 or 8 or 13),
    };

    private static int CodeOf(int httpStatus) => httpStatus switch
    {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 or 502 or 503 or 504 => 14,
        _ => 2,
    };

    private void AddHeaders(HttpRequestMessage request)
    {
        // The handler takes the name to ask for, and to find in the certificate, from here; SslOptions.TargetHost it overwrites.
        request.Headers.Host = _options.Tls.ServerNameOverride;
        foreach (var (name, value) in _headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private ReadOnlyMemory<byte> Packed(ReadOnlyMemory<byte> body)
    {
        switch (_options.Compression)
        {
            case Packing.Gzip:
                var packed = new MemoryStream();
                using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
                {
                    gzip.Write(body.Span);
                }

                return packed.GetBuffer().AsMemory(0, (int)packed.Length);
            case Packing.Zstd:
                return Zstd.Pack(body.Span);
            default:
                return body;
        }
    }

    /// <summary>The body, as far as it is of interest; all of it is read, since gRPC's status comes behind it.</summary>
    private static async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancel);
        var (kept, chunk) = (new MemoryStream(), new byte[8192]);
        while (await stream.ReadAsync(chunk, cancel) is > 0 and var read)
        {
            kept.Write(chunk, 0, (int)Math.Min(read, AnswerBytesMax - kept.Length));
        }

        return kept.ToArray();
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => Bounded(delta),
        { Date: { } date } => Bounded(date - _time.GetUtcNow()),
        _ => null,
    };

    private static TimeSpan? RetryInfo(string details)
    {
        var padded = details.PadRight((details.Length + 3) / 4 * 4, '=');
        var bytes = new byte[padded.Length];
        return Convert.TryFromBase64String(padded, bytes, out var length) && OtlpReply.Status(bytes.AsSpan(0, length)).RetryDelay is { } delay ? Bounded(delay) : null;
    }

    private static TimeSpan Bounded(TimeSpan after) => after < TimeSpan.Zero ? TimeSpan.Zero : after > AfterMax ? AfterMax : after;

    private static string One(HttpResponseHeaders headers, string name) => headers.TryGetValues(name, out var values) ? string.Join(',', values) : "";

    private static string Innermost(Exception exception) => exception.InnerException is { } inner ? Innermost(inner) : exception.Message;
}

/// <summary>How a handshake with a backend is done. Its files are read for each, so that new ones need no restart.</summary>
internal static class BackendTls
{
    public static void Apply(ExporterTls tls, SocketsHttpHandler handler)
    {
        handler.SslOptions.CertificateRevocationCheckMode = X509RevocationMode.NoCheck;
        if (tls.CertFile is not null)
        {
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => X509Certificate2.CreateFromPemFile(tls.CertFile, tls.KeyFile);
        }

        if (tls.InsecureSkipVerify || tls.CaFile is not null)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                tls.InsecureSkipVerify || (certificate is X509Certificate2 shown && (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None && IsUnder(tls.CaFile!, shown, chain));
        }
    }

    private static bool IsUnder(string caFile, X509Certificate2 shown, X509Chain? sent)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(caFile);
        foreach (var between in sent?.ChainElements.Skip(1) ?? [])
        {
            chain.ChainPolicy.ExtraStore.Add(between.Certificate);
        }

        return chain.Build(shown);
    }
}

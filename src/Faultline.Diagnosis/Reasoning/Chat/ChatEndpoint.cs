using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;

namespace Faultline.Diagnosis.Reasoning.Chat;

/// <summary>
/// A client of one OpenAI-compatible endpoint (OpenAI, vLLM, Ollama, llama.cpp …). Repeats what may be repeated, finds out what the endpoint takes, bounds
/// what it reads. Its requests carry no trace context, so that an instrumented proxy between takes them for no part of an application's trace.
/// </summary>
public sealed class ChatEndpoint : IDisposable
{
    public const int ResponseBytesMax = 1 << 20;
    private const int RetriesMax = 2;
    private const int AdaptationsMax = 4;
    private const int ReasonCharactersMax = 300;
    private static readonly TimeSpan RetryAfterMax = TimeSpan.FromSeconds(20);

    private readonly LlmOptions _options;
    private readonly LlmFigures _figures;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;
    private volatile ChatShape _shape = new();

    public ChatEndpoint(LlmOptions options, LlmFigures figures, TimeProvider time)
    {
        _options = options;
        _figures = figures;
        _time = time;
        _http = new HttpClient(new SocketsHttpHandler
        {
            // A redirect would carry the key and the telemetry to a host that nobody configured.
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
            AutomaticDecompression = DecompressionMethods.All,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            UseCookies = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("faultline", typeof(ChatEndpoint).Assembly.GetName().Version?.ToString(3)));
        if (options.Key.Length > 0)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", options.Key);
        }
    }

    public string Model => _options.Model;

    public string Host => _options.Host;

    public void Dispose() => _http.Dispose();

    /// <param name="purpose">Who asks, for the figures.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was.</exception>
    internal async Task<ChatOutcome> AskAsync(string purpose, ChatRequest request, CancellationToken cancel)
    {
        for (int retries = 0, adaptations = 0; ;)
        {
            var shape = _shape;
            var started = _time.GetTimestamp();
            var (outcome, again) = await SendAsync(ChatFormat.Write(_options.Model, request, shape), cancel);
            _figures.Called(purpose, outcome is ChatOutcome.Failed failed ? failed.Kind : "replied", _time.GetElapsedTime(started));
            switch (outcome)
            {
                case ChatOutcome.Replied replied:
                    _figures.Used(purpose, replied.Reply.Usage);
                    return outcome;
                case ChatOutcome.Failed { Kind: "bad_request" } refused when adaptations < AdaptationsMax && Adapt(shape, refused.Reason, request) is { } other:
                    adaptations++;
                    _shape = other;
                    break;
                case ChatOutcome.Failed when again is { } delay && retries < RetriesMax:
                    await Task.Delay(delay >= TimeSpan.Zero ? delay : _options.RetryDelay * Math.Pow(3, retries), _time, cancel);
                    retries++;
                    break;
                default:
                    return outcome;
            }
        }
    }

    /// <returns>And when to ask again: null never, below 0 after the usual delay.</returns>
    private async Task<(ChatOutcome Outcome, TimeSpan? Again)> SendAsync(byte[] body, CancellationToken cancel)
    {
        var usual = TimeSpan.FromTicks(-1);
        using var timeout = new CancellationTokenSource(_options.CallTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, _options.Address) { Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } } };
            using var response = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var answer = await ReadAsync(response, either.Token);
            if (answer is not { } bytes)
            {
                return (new ChatOutcome.Failed("malformed", $"the endpoint answered with more than {ResponseBytesMax:N0} bytes"), null);
            }

            return response.StatusCode == HttpStatusCode.OK
                ? (ChatFormat.Read(bytes, body.Length) is { } reply ? new ChatOutcome.Replied(reply) : new ChatOutcome.Failed("malformed", "the endpoint's answer is no chat completion"), null)
                : Failure(response, bytes);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            return (new ChatOutcome.Failed("timeout", $"the endpoint did not answer within {_options.CallTimeout.TotalSeconds:0.##} s"), null);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException && !cancel.IsCancellationRequested)
        {
            return (new ChatOutcome.Failed("unreachable", Clean($"the endpoint could not be reached: {failure.Message}")), usual);
        }

        (ChatOutcome, TimeSpan?) Failure(HttpResponseMessage response, ReadOnlyMemory<byte> bytes)
        {
            var said = Clean($"the endpoint answered {(int)response.StatusCode}: {ChatFormat.ReadError(bytes)}");
            return (int)response.StatusCode switch
            {
                401 or 403 => (new ChatOutcome.Failed("unauthorized", said), null),
                408 => (new ChatOutcome.Failed("timeout", said), usual),
                429 => (new ChatOutcome.Failed("limited", said), After(response) ?? usual),
                >= 500 => (new ChatOutcome.Failed("server_error", said), After(response) ?? usual),
                _ => (new ChatOutcome.Failed("bad_request", said), null),
            };
        }
    }

    private TimeSpan? After(HttpResponseMessage response)
    {
        var after = response.Headers.RetryAfter;
        var delay = after?.Delta ?? (after?.Date is { } date ? date - _time.GetUtcNow() : null);
        return delay is not { } wait ? null : wait < TimeSpan.Zero ? TimeSpan.Zero : wait > RetryAfterMax ? RetryAfterMax : wait;
    }

    private static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancel);
        var all = new byte[16 << 10];
        for (var length = 0; ;)
        {
            if (length == all.Length)
            {
                if (length > ResponseBytesMax)
                {
                    return null;
                }

                Array.Resize(ref all, Math.Min(all.Length * 2, ResponseBytesMax + 1));
            }

            var read = await stream.ReadAsync(all.AsMemory(length), cancel);
            if (read == 0)
            {
                return all.AsMemory(0, length);
            }

            length += read;
        }
    }

    // OpenAI's newer models refuse max_tokens and temperature; older servers know no schemas.
    private static ChatShape? Adapt(ChatShape shape, string reason, ChatRequest request)
    {
        bool Names(string word) => reason.Contains(word, StringComparison.OrdinalIgnoreCase);
        return !shape.CompletionTokens && Names("max_tokens") ? shape with { CompletionTokens = true }
            : shape.Temperature && Names("temperature") ? shape with { Temperature = false }
            : request.Schema is not null && shape.Schema != SchemaMode.None && (Names("response_format") || Names("schema") || Names("guided") || Names("grammar")) ? shape with { Schema = shape.Schema + 1 }
            : null;
    }

    // Servers repeat what they were sent; the key is not for cases and logs.
    private string Clean(string reason)
    {
        var text = Untrusted.OneLine(_options.Key.Length > 0 ? reason.Replace(_options.Key, "(key)", StringComparison.Ordinal) : reason, ReasonCharactersMax);
        return text.TrimEnd(' ', ':', '.');
    }
}

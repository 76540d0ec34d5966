using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Faultline.Composition;

namespace Faultline.Cli;

/// <summary>REST calls to a running server, with failures in words.</summary>
internal sealed class ServerClient : IDisposable
{
    private readonly HttpClient _http;

    private ServerClient(Uri server, string? token)
    {
        Server = server;
        Token = token;
        _http = new HttpClient { BaseAddress = server, Timeout = TimeSpan.FromSeconds(60) };
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    public Uri Server { get; }

    public string? Token { get; }

    /// <summary>The flag, else the environment, else what a server of the same user left in its data directory, else the default.</summary>
    public static ServerClient Find(string? server, string? token, string dataDirectory)
    {
        server ??= Environment.GetEnvironmentVariable("FAULTLINE_SERVER");
        token ??= Environment.GetEnvironmentVariable("FAULTLINE_TOKEN");
        server ??= PortsFile.Url(dataDirectory, "listen.ui") ?? "http://127.0.0.1:4300";
        token ??= AdminToken.Find(dataDirectory);
        return Uri.TryCreate(server, UriKind.Absolute, out var address)
            ? new ServerClient(address, token)
            : throw new CommandException(ExitCode.WrongUse, $"--server {server}: this is not an address like http://127.0.0.1:4300.");
    }

    public Task<JsonDocument> GetAsync(string path, CancellationToken cancel) => SendAsync(HttpMethod.Get, path, null, cancel);

    public Task<JsonDocument> PostAsync(string path, object body, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, path, new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"), cancel);

    public Task<string> GetTextAsync(string path, CancellationToken cancel) => SendTextAsync(HttpMethod.Get, path, null, cancel);

    public async Task<JsonDocument> PostLinesAsync(string path, string lines, CancellationToken cancel) =>
        JsonDocument.Parse(await SendTextAsync(HttpMethod.Post, path, new StringContent(lines, Encoding.UTF8, "application/x-ndjson"), cancel));

    public void Dispose() => _http.Dispose();

    private async Task<JsonDocument> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancel) =>
        JsonDocument.Parse(await SendTextAsync(method, path, content, cancel));

    private async Task<string> SendTextAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancel)
    {
        HttpResponseMessage response;
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = content };
            response = await _http.SendAsync(request, cancel);
        }
        catch (HttpRequestException unreachable)
        {
            throw new CommandException(ExitCode.CouldNotBeDone, $"No Faultline answers at {Server} ({unreachable.Message}). Start it with `faultline`, or name it with --server.");
        }

        using (response)
        {
            var text = await response.Content.ReadAsStringAsync(cancel);
            if (response.IsSuccessStatusCode)
            {
                return text;
            }

            throw response.StatusCode switch
            {
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden =>
                    new CommandException(ExitCode.CouldNotBeDone, $"{Server} does not accept the token. Give it with --token or FAULTLINE_TOKEN; the server keeps its own in DATA/admin.token."),
                HttpStatusCode.NotFound => new CommandException(ExitCode.TheAnswerIsNo, Problem(text, "There is no such thing.")),
                HttpStatusCode.Conflict => new CommandException(ExitCode.TheAnswerIsNo, Problem(text, "The server refused.")),
                HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity => new CommandException(ExitCode.WrongUse, Problem(text, "The server did not understand the request.")),
                _ => new CommandException(ExitCode.CouldNotBeDone, $"{Server} answered {(int)response.StatusCode}: {Problem(text, response.ReasonPhrase ?? "")}"),
            };
        }
    }

    /// <summary>The words of a problem document (RFC 9457) or of Prometheus' error shape.</summary>
    private static string Problem(string text, string otherwise)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            foreach (var name in (ReadOnlySpan<string>)["detail", "error", "title"])
            {
                if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty(name, out var words) && words.ValueKind == JsonValueKind.String)
                {
                    return words.GetString()!;
                }
            }
        }
        catch (JsonException)
        {
            // Not JSON: a proxy's page, say. Its words are better than none.
            return text.Length is > 0 and < 400 ? text : otherwise;
        }

        return otherwise;
    }
}

using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Faultline.Lab.Demo;

/// <summary>The two REST calls of a deployment pipeline: "this changed", and "do you know these services?".</summary>
internal sealed class ChangeClient : IDisposable
{
    private readonly HttpClient _http;

    public ChangeClient(DemoOptions options)
    {
        _http = new HttpClient { BaseAddress = options.Server, Timeout = TimeSpan.FromSeconds(15) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", options.Token);
    }

    /// <returns>The change's id.</returns>
    public async Task<string> RecordAsync(string type, string service, string detail, DateTimeOffset at, CancellationToken cancel)
    {
        using var response = await _http.PostAsJsonAsync("/api/v1/changes", new { type, service, detail, at = at.ToString("O") }, cancel);
        await EnsureAsync(response, "record a change", cancel);
        var body = await response.Content.ReadFromJsonAsync<JsonElement>(cancel);
        return body.GetProperty("change_id").GetString()
            ?? throw new InvalidOperationException("The server recorded a change but gave it no change_id.");
    }

    /// <summary>Whether the server already shows both services of the demo, so that their history need not be sent again.</summary>
    public async Task<bool> KnowsTheDemoAsync(CancellationToken cancel)
    {
        var from = DateTimeOffset.UtcNow.AddDays(-8).ToUnixTimeMilliseconds();
        using var response = await _http.GetAsync($"/api/v1/services?from={from}", cancel);
        await EnsureAsync(response, "list services", cancel);
        var text = await response.Content.ReadAsStringAsync(cancel);
        return text.Contains($"\"{SupportBot.ServiceName}\"", StringComparison.Ordinal) && text.Contains($"\"{ReportWriters.ServiceName}\"", StringComparison.Ordinal);
    }

    public void Dispose() => _http.Dispose();

    private async Task EnsureAsync(HttpResponseMessage response, string what, CancellationToken cancel)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        var hint = response.StatusCode == HttpStatusCode.Unauthorized ? " Give the server's token with --token or FAULTLINE_TOKEN." : "";
        throw new InvalidOperationException($"{_http.BaseAddress} refused to {what}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(cancel)}.{hint}");
    }
}

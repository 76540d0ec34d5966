using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Faultline.Metrics.Internals;

/// <summary>The health door. It asks the store, not itself: a process that runs beside a store that is gone is not healthy.</summary>
/// <param name="check">Null when all is well, else what is wrong in a sentence.</param>
public sealed class Health(Func<CancellationToken, Task<string?>> check, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly DateTimeOffset _upSince = time.GetUtcNow();
    private readonly Lock _gate = new();
    private Task<string?>? _last;
    private DateTimeOffset _checked = DateTimeOffset.MinValue;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/status", AnswerAsync);
        routes.MapGet("/", AnswerAsync);
    }

    private async Task AnswerAsync(HttpContext http)
    {
        var wrong = await CheckAsync().WaitAsync(http.RequestAborted);
        http.Response.StatusCode = wrong is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        http.Response.ContentType = "application/json";
        var uptime = time.GetUtcNow() - _upSince;
        await JsonSerializer.SerializeAsync(
            http.Response.Body,
            new
            {
                status = wrong is null ? "Server available" : "Server not available",
                upSince = _upSince.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffffffZ", CultureInfo.InvariantCulture),
                uptime = string.Create(CultureInfo.InvariantCulture, $"{uptime.TotalSeconds:F3}s"),
                reason = wrong,
            },
            Options,
            http.RequestAborted);
    }

    private static readonly JsonSerializerOptions Options = new() { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };

    /// <summary>One check at a time, whoever asks, and none while the last one is fresh.</summary>
    private Task<string?> CheckAsync()
    {
        lock (_gate)
        {
            if (_last is null || (_last.IsCompleted && time.GetUtcNow() - _checked > Fresh))
            {
                _checked = time.GetUtcNow();
                _last = RunAsync();
            }

            return _last;
        }
    }

    private async Task<string?> RunAsync()
    {
        using var patience = new CancellationTokenSource(Patience, time);
        try
        {
            return await check(patience.Token).WaitAsync(patience.Token);
        }
        catch (Exception failed)
        {
            // Whatever the check met, the answer to "are you well?" is no.
            return patience.IsCancellationRequested ? $"The check did not end within {Patience.TotalSeconds:F0} s." : failed.Message;
        }
    }
}

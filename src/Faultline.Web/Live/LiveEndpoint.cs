using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Faultline.Web.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Faultline.Web.Live;

internal static class LiveEndpoint
{
    /// <summary>A quiet stream says something this often, so that either side notices when the other is gone.</summary>
    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(15);

    public static void MapLive(this IEndpointRouteBuilder routes, WebDependencies web)
    {
        web.Cases.Changed += web.Live.CaseChanged;
        var stopping = routes.ServiceProvider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        routes.MapGet("/live", (HttpContext http) =>
        {
            var subscription = web.Live.Subscribe();
            if (subscription is null)
            {
                http.Response.Headers.RetryAfter = "5";
                return Problems.Of(StatusCodes.Status503ServiceUnavailable, "Too many open pages", $"{LiveFeed.SubscribersMax} live streams are open already. Close some tabs.");
            }

            return TypedResults.ServerSentEvents(EventsAsync(subscription, web.Time, http.RequestAborted, stopping));
        }).ExcludeFromDescription();
    }

    /// <summary>A <c>hello</c> with the number of the last pulse, then pulses, and a heartbeat when it is quiet.</summary>
    internal static async IAsyncEnumerable<SseItem<string>> EventsAsync(LiveFeed.Subscription subscription, TimeProvider time, CancellationToken gone, [EnumeratorCancellation] CancellationToken stopping)
    {
        using var mine = subscription;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(gone, stopping);
        yield return new SseItem<string>(JsonSerializer.Serialize(new { number = subscription.Number }, ApiJson.Options), "hello");
        using var heartbeat = new PeriodicTimer(HeartbeatInterval, time);
        var tick = heartbeat.WaitForNextTickAsync(either.Token).AsTask();
        var next = subscription.Pulses.Reader.WaitToReadAsync(either.Token).AsTask();
        while (!either.IsCancellationRequested)
        {
            var first = await Task.WhenAny(next, tick);
            if (first.IsCanceled)
            {
                yield break;
            }

            if (first == tick)
            {
                tick = heartbeat.WaitForNextTickAsync(either.Token).AsTask();
                yield return new SseItem<string>("{}", "heartbeat");
                continue;
            }

            if (!await next)
            {
                yield break;
            }

            while (subscription.Pulses.Reader.TryRead(out var pulse))
            {
                yield return new SseItem<string>(JsonSerializer.Serialize(pulse, ApiJson.Options), "pulse");
            }

            next = subscription.Pulses.Reader.WaitToReadAsync(either.Token).AsTask();
        }
    }
}

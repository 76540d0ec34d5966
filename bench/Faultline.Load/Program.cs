// Sends OTLP spans as fast as they are acknowledged (or at a fixed rate) for a while, and prints what came of it as JSON.
// It is a process of its own, so that the server's figures are the server's.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Faultline.Load;

var options = new Dictionary<string, string>(StringComparer.Ordinal);
for (var i = 0; i + 1 < args.Length; i += 2)
{
    options[args[i].TrimStart('-')] = args[i + 1];
}

string Text(string name, string otherwise) => options.GetValueOrDefault(name, otherwise);
int Number(string name, int otherwise) => int.Parse(Text(name, otherwise.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);

var isGrpc = string.Equals(Text("protocol", "http"), "grpc", StringComparison.Ordinal);
var endpoint = new Uri(Text("endpoint", isGrpc ? "http://127.0.0.1:4317" : "http://127.0.0.1:4318"));
if (!endpoint.IsLoopback)
{
    Console.Error.WriteLine($"{endpoint}: load is sent to this machine only.");
    return 2;
}

var seconds = Math.Clamp(Number("seconds", 10), 1, 600);
var connections = Math.Clamp(Number("connections", 4), 1, 64);
var spansPerRequest = Math.Clamp(Number("spans-per-request", 1000), 1, 10_000);
var spansPerSecond = Number("rate", 0);
var run = ulong.Parse(Text("run", DateTime.UtcNow.Ticks.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);
var request = new SpanRequest(spansPerRequest, string.Equals(Text("shape", "plain"), "genai", StringComparison.Ordinal), Text("service", "load"));

var latencies = new ConcurrentBag<double>();
var sequence = -1L;
long acknowledged = 0, refused = 0, failed = 0;
var watch = Stopwatch.StartNew();

async Task SendAsync()
{
    var key = Text("api-key", "placeholder_api_key");
    using IClient client = isGrpc ? new OtlpGrpcClient(endpoint, key, request.Length) : new OtlpHttpClient(endpoint, key, request.Length);
    while (watch.Elapsed.TotalSeconds < seconds)
    {
        var mine = Interlocked.Increment(ref sequence);
        if (spansPerSecond > 0)
        {
            var due = TimeSpan.FromSeconds((double)mine * spansPerRequest / spansPerSecond);
            if (due.TotalSeconds >= seconds)
            {
                return;
            }

            if (due - watch.Elapsed is { Ticks: > 0 } early)
            {
                await Task.Delay(early);
            }
        }

        request.Fill(client.Message, run, (ulong)mine, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100);
        while (true)
        {
            var sent = Stopwatch.GetTimestamp();
            try
            {
                if (await client.SendAsync() is not { } retryAfter)
                {
                    latencies.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
                    Interlocked.Add(ref acknowledged, request.Spans);
                    break;
                }

                Interlocked.Add(ref refused, request.Spans);
                await Task.Delay(retryAfter);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or System.Net.Sockets.SocketException)
            {
                // The answer never came: the spans may or may not be there, so they count as neither.
                Interlocked.Add(ref failed, request.Spans);
                return;
            }

            if (watch.Elapsed.TotalSeconds > seconds + 30)
            {
                return;
            }
        }
    }
}

await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(SendAsync)));
var took = watch.Elapsed.TotalSeconds;
var sorted = latencies.Order().ToArray();
double Quantile(double q) => sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, (int)(q * sorted.Length))];
Console.WriteLine(JsonSerializer.Serialize(new
{
    acknowledged,
    refused,
    unanswered = failed,
    seconds = Math.Round(took, 3),
    spans_per_second = Math.Round(acknowledged / took),
    ack_p50_ms = Math.Round(Quantile(0.5), 2),
    ack_p99_ms = Math.Round(Quantile(0.99), 2),
    span_bytes = request.Length / request.Spans,
    run,
}, new JsonSerializerOptions { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals }));
return acknowledged > 0 ? 0 : 1;

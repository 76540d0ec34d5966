using Faultline.Diagnosis.Localisation;

namespace Faultline.Tests.Diagnosis.Localisation;

/// <summary>A shop (<c>web</c> calls <c>cart</c>, which calls <c>stock</c>) whose telemetry is well until something is planted.</summary>
internal sealed class PlantedIncident
{
    private const long Second = 1_000_000_000;
    private const long Noticed = 1_000_600;
    private readonly Dictionary<SeriesName, double[]> _usual = [];
    private readonly Dictionary<SeriesName, double[]> _now = [];
    private readonly List<CallSpan> _spans = [];
    private readonly List<LoggedEvent> _logs = [];

    public static readonly CallEdge[] Calls = [new("web", "cart"), new("cart", "stock")];

    /// <summary>Ten rows a minute apart; from the fifth on it is as planted.</summary>
    public PlantedIncident Series(string service, string metric, string statistic, double well, double suffering, double? longAgo = null)
    {
        _usual[new SeriesName(service, metric, statistic)] = [.. Enumerable.Range(0, 100).Select(row => (longAgo ?? well) * (1 + (row % 10 * 0.002)))];
        _now[new SeriesName(service, metric, statistic)] = [.. Enumerable.Range(0, 10).Select(row => row < 5 ? well : suffering)];
        return this;
    }

    /// <summary>Requests in the order web, cart, stock: the time on the way to the service and its own, and what it logs.</summary>
    /// <param name="logs">For each request and service the statements it writes; one that starts with ! is an error.</param>
    public PlantedIncident Traces(int count, Func<int, string, (long WayMilliseconds, long OwnMilliseconds)> times, Func<int, string, string[]> logs)
    {
        var first = _spans.Count;
        for (var i = 0; i < count; i++)
        {
            var trace = $"t{first}.{i}";
            var (start, end) = ((first + i) * 10 * Second, ((first + i) * 10 * Second) + (9 * Second));
            var parent = "";
            foreach (var service in (string[])["web", "cart", "stock"])
            {
                var (way, own) = times(i, service);
                if (parent.Length > 0)
                {
                    var client = parent + ".call";
                    _spans.Add(new CallSpan(trace, client, parent, parent, "call " + service, start, end));
                    (start, end) = (start + (way * Second / 2000), end - (way * Second / 2000));
                    parent = client;
                }

                _spans.Add(new CallSpan(trace, service, parent, service, "handle " + service, start, end));
                var at = start;
                foreach (var statement in logs(i, service))
                {
                    _logs.Add(new LoggedEvent(trace, service, ++at, statement.TrimStart('!'), statement[0] == '!' ? LogGravity.Error : LogGravity.Usual));
                }

                (start, end) = (start + (own * Second / 2000), end - (own * Second / 2000));
                parent = service;
            }
        }

        return this;
    }

    public RecordedWindow Window => new(MetricWindow.Empty, _spans, _logs);

    public IReadOnlyList<Suspect> Locate(string metric = "latency", string statistic = "Average") => ServiceLocator.Locate(new Incident(
        Calls,
        new RecordedWindow(new MetricWindow([.. Enumerable.Range(0, 100).Select(row => row * 60L)], _usual), [], []),
        new RecordedWindow(new MetricWindow([.. Enumerable.Range(0, 10).Select(row => Noticed - 300 + (row * 60L))], _now), [], []),
        new Symptom("web", metric, statistic, Noticed)));

    public static IReadOnlyList<Suspect> Locate(PlantedIncident usual, PlantedIncident now) =>
        ServiceLocator.Locate(new Incident(Calls, usual.Window, now.Window, null));
}

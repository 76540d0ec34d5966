using Faultline.Diagnosis.Localisation;
using Xunit;

namespace Faultline.Tests.Diagnosis.Localisation;

/// <summary>Faults planted in a chain of three services, so that the right answer is known.</summary>
public sealed class ServiceLocatorTests
{
    [Fact]
    public void The_deepest_service_that_explains_the_time_is_named_not_its_callers()
    {
        var suspects = Shop(web: (0.3, 0.8), cart: (0.2, 0.7), stock: (0.1, 0.6)).Locate();
        Assert.Equal(("stock", "latency"), (suspects[0].Service, suspects[0].Cause));
        Assert.True(suspects[0].Strength > 0.9);
    }

    [Fact]
    public void A_caller_whose_callee_is_as_before_keeps_the_blame() =>
        Assert.Equal("cart", Shop(web: (0.3, 0.8), cart: (0.2, 0.7), stock: (0.1, 0.1)).Locate()[0].Service);

    [Fact]
    public void What_matters_is_amounts_so_a_rare_slow_callee_explains_little() =>
        Assert.Equal("cart", Shop(web: (0.3, 0.8), cart: (0.2, 0.7), stock: (0.1, 5), stockRequests: 2).Locate()[0].Service);

    [Fact]
    public void The_rows_before_count_more_than_a_window_of_long_ago()
    {
        // stock was three times as fast long ago; what is new is cart.
        var suspects = Shop(web: (0.3, 0.8), cart: (0.2, 0.7), stock: (0.1, 0.1), stockLongAgo: 0.03).Locate();
        Assert.Equal("cart", suspects[0].Service);
    }

    [Fact]
    public void A_callee_that_was_never_called_before_is_its_callers_doing()
    {
        var suspects = Shop(web: (100, 80), cart: (100, 80), stock: (double.NaN, 0), stockRequests: 0, metric: "availability")
            .Series("stock", "requests", "Sum", 0, 20).Locate("availability");
        Assert.Equal("cart", suspects[0].Service);
    }

    [Fact]
    public void Failures_are_followed_as_failed_requests() =>
        Assert.Equal("stock", Shop(web: (100, 90), cart: (100, 90), stock: (99.9, 90), metric: "availability").Locate("availability")[0].Service);

    [Fact]
    public void A_symptom_that_lasts_the_whole_window_is_compared_with_the_usual_one()
    {
        var incident = new PlantedIncident();
        foreach (var (service, usual, now) in new[] { ("web", 0.3, 0.8), ("cart", 0.2, 0.7), ("stock", 0.1, 0.6) })
        {
            incident.Series(service, "latency", "Average", now, now, usual).Series(service, "requests", "Sum", 100, 100);
        }

        Assert.Equal("stock", incident.Locate()[0].Service);
    }

    [Fact]
    public void Without_a_change_nothing_can_be_determined() =>
        Assert.Empty(Shop(web: (0.3, 0.3), cart: (0.2, 0.2), stock: (0.1, 0.1)).Locate());

    [Fact]
    public void Calls_in_a_circle_end()
    {
        var metrics = new MetricWindow([0, 60], new Dictionary<SeriesName, double[]>
        {
            [new("a", "latency", "p99")] = [1, 5],
            [new("b", "latency", "p99")] = [1, 5],
        });
        var window = new RecordedWindow(metrics, [], []);
        Assert.NotEmpty(ServiceLocator.Locate(new Incident([new("a", "b"), new("b", "a"), new("a", "a")], window, window, new Symptom("a", "latency", "p99", 60))));
    }

    [Fact]
    public void Windows_that_hold_nothing_are_no_error()
    {
        var nothing = new RecordedWindow(MetricWindow.Empty, [], []);
        Assert.Empty(ServiceLocator.Locate(new Incident([], nothing, nothing, new Symptom("a", "latency", "p99", 60))));
        Assert.Empty(ServiceLocator.Locate(new Incident([], nothing, nothing, null)));
    }

    [Fact]
    public void Code_that_goes_another_way_is_named_with_its_region_and_callers_that_follow_are_not()
    {
        var suspects = PlantedIncident.Locate(Usual(), new PlantedIncident().Traces(40, UsualTimes, (i, service) =>
            service == "stock" && i % 2 == 0 ? ["s.Stock#10", "!s.Stock#99"]
            : service == "cart" && i % 2 == 0 ? ["c.Cart#1"]
            : UsualLogs(i, service)));
        Assert.Equal(("stock", "s.Stock#10 → s.Stock#20"), (suspects[0].Service, suspects[0].Cause));
        Assert.DoesNotContain(suspects, suspect => suspect.Service == "cart");
    }

    [Fact]
    public void An_error_that_is_gone_is_no_fault() =>
        Assert.Empty(PlantedIncident.Locate(
            new PlantedIncident().Traces(40, UsualTimes, (_, service) => service == "stock" ? ["s.Stock#10", "!s.Stock#99"] : ["x"]),
            new PlantedIncident().Traces(40, UsualTimes, (_, service) => service == "stock" ? ["s.Stock#10", "s.Stock#20"] : ["x"])));

    [Fact]
    public void Another_mix_of_the_same_requests_is_no_fault() =>
        Assert.Empty(PlantedIncident.Locate(
            new PlantedIncident().Traces(40, UsualTimes, (i, _) => i % 4 == 0 ? ["a#1", "a#2"] : ["a#1", "a#3"]),
            new PlantedIncident().Traces(40, UsualTimes, (i, _) => i % 4 != 0 ? ["a#1", "a#2"] : ["a#1", "a#3"])));

    [Fact]
    public void Time_on_the_way_to_a_service_is_its_network() =>
        Assert.Equal(("stock", "NetworkP90(ms)"), First(PlantedIncident.Locate(
            Usual(), new PlantedIncident().Traces(40, (i, service) => service == "stock" && i % 2 == 0 ? (2000, 20) : UsualTimes(i, service), UsualLogs))));

    [Fact]
    public void A_resource_far_outside_its_usual_range_is_named() =>
        Assert.Equal(("cart", "cpu.usage"), First(Shop(web: (0.3, 0.3), cart: (0.2, 0.2), stock: (0.1, 0.1))
            .Series("cart", "cpu.usage", "Average", 5, 95).Series("stock", "cpu.usage", "Average", 5, 6).Locate()));

    [Fact]
    public void The_order_of_the_input_changes_nothing()
    {
        var (usual, now) = (Usual().Window, new PlantedIncident().Traces(40, (i, service) => service == "cart" ? (5, 300) : UsualTimes(i, service), (i, service) =>
            service == "stock" && i % 3 == 0 ? ["s.Stock#10"] : UsualLogs(i, service)).Window);
        var random = new Random(17);
        string Answer(RecordedWindow one, RecordedWindow other) => string.Join('\n', ServiceLocator.Locate(new Incident(PlantedIncident.Calls, one, other, null))
            .Select(suspect => FormattableString.Invariant($"{suspect.Service} {suspect.Strength:R} {suspect.Cause} {string.Join(' ', suspect.Evidence)}")));
        RecordedWindow Shuffled(RecordedWindow window)
        {
            var (spans, logs) = (window.Spans.ToArray(), window.Logs.ToArray());
            random.Shuffle(spans);
            random.Shuffle(logs);
            return new RecordedWindow(window.Metrics, spans, logs);
        }

        Assert.NotEmpty(Answer(usual, now));
        Assert.Equal(Answer(usual, now), Answer(Shuffled(usual), Shuffled(now)));
    }

    private static (string, string) First(IReadOnlyList<Suspect> suspects) => (suspects[0].Service, suspects[0].Cause);

    private static PlantedIncident Usual() => new PlantedIncident().Traces(40, UsualTimes, UsualLogs);

    private static (long, long) UsualTimes(int i, string service) => (3 + (i % 3), 20 + (i % 5));

    private static string[] UsualLogs(int i, string service) => service switch
    {
        "stock" => ["s.Stock#10", "s.Stock#20"],
        "cart" => ["c.Cart#1", "c.Cart#2"],
        _ => ["w.Web#1"],
    };

    private static PlantedIncident Shop(
        (double Well, double Now) web, (double Well, double Now) cart, (double Well, double Now) stock,
        double stockRequests = 100, double? stockLongAgo = null, string metric = "latency") =>
        new PlantedIncident()
            .Series("web", metric, "Average", web.Well, web.Now).Series("web", "requests", "Sum", 100, 100)
            .Series("cart", metric, "Average", cart.Well, cart.Now).Series("cart", "requests", "Sum", 100, 100)
            .Series("stock", metric, "Average", stock.Well, stock.Now, stockLongAgo).Series("stock", "requests", "Sum", stockRequests, stockRequests);
}

using System.Text;
using Faultline.Metrics.Exposition;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Metrics;

public sealed class TextFormatTests
{
    private static readonly MetricFamily[] Families =
    [
        MetricFamily.Counter("calls", "Calls, \"all\" of\nthem.", new MetricSample("", Labels.Of(("name", "a\"b\\c\nd")), 3, new Exemplar("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 0.25, 1700000000.5))),
        new("latency_seconds", "histogram", "Latency.", "seconds", [new MetricSample("_bucket", Labels.Of(("le", "+Inf")), 3), new MetricSample("_sum", Labels.Empty, 1.5), new MetricSample("_count", Labels.Empty, 3)]),
        MetricFamily.Gauge("strange", "Strange values.", MetricFamily.Of(double.NaN), MetricFamily.Of(double.NegativeInfinity, ("k", "v"))),
    ];

    [Fact]
    public void Prometheus_text_names_counters_in_full_and_has_no_exemplars() => Assert.Equal(
        """
        # HELP calls_total Calls, "all" of\nthem.
        # TYPE calls_total counter
        calls_total{name="a\"b\\c\nd"} 3
        # HELP latency_seconds Latency.
        # TYPE latency_seconds histogram
        latency_seconds_bucket{le="+Inf"} 3
        latency_seconds_sum 1.5
        latency_seconds_count 3
        # HELP strange Strange values.
        # TYPE strange gauge
        strange NaN
        strange{k="v"} -Inf

        """,
        Encoding.UTF8.GetString(TextFormat.Write(Families, openMetrics: false)));

    [Fact]
    public void OpenMetrics_has_families_without_suffix_units_exemplars_and_an_end()
    {
        var text = Encoding.UTF8.GetString(TextFormat.Write(Families, openMetrics: true));

        Assert.Contains("# TYPE calls counter\ncalls_total{", text, StringComparison.Ordinal);
        Assert.Contains("} 3 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"b7ad6b7169203331\"} 0.25 1700000000.500\n", text, StringComparison.Ordinal);
        Assert.Contains("# UNIT latency_seconds seconds\n", text, StringComparison.Ordinal);
        Assert.EndsWith("\n# EOF\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("*/*", false)]
    [InlineData("text/plain;version=0.0.4", false)]
    [InlineData("application/openmetrics-text", true)]
    [InlineData("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true)]
    [InlineData("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;q=0.9", false)]
    [InlineData("application/openmetrics-text;version=2.0.0,text/plain;q=0.5", false)]
    public void The_scraper_s_preference_decides(string? accept, bool openMetrics) => Assert.Equal(openMetrics, TextFormat.PrefersOpenMetrics(accept));
}

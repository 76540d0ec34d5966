using Faultline.Diagnosis.Facts;
using Faultline.Store.Samples;
using Faultline.Telemetry.Samples;
using Xunit;

namespace Faultline.Tests.Diagnosis.Facts;

public sealed class MetricShiftTests
{
    private static readonly DateTimeOffset Onset = new(2026, 3, 10, 14, 0, 0, TimeSpan.Zero);

    [Fact]
    public void What_left_its_range_at_the_onset_is_found_and_what_wobbles_is_not()
    {
        var found = MetricShift.Among(
            [
                Series("gpu_utilization_ratio", minute => minute < 0 ? 0.4 + (0.02 * (minute % 3)) : 0.97),
                Series("gpu_temperature_celsius", minute => 60 + (minute % 5)),
                Series("queue_wait_seconds_total", minute => 1000 + (minute * 50)),
            ],
            Onset.AddHours(-1),
            Onset,
            Onset.AddMinutes(5));

        var shift = Assert.Single(found);
        Assert.True(shift.Rose);
        Assert.True(shift.IsOf("gpu"));
        Assert.Equal("model-server", shift.Service);
        Assert.Equal(0.97, shift.After, 3);
        Assert.StartsWith("gpu_utilization_ratio{service_name=\"model-server\"}@2026-03-10T13:00:00Z..", shift.Evidence.Ref, StringComparison.Ordinal);
    }

    [Fact]
    public void A_metric_that_began_at_the_onset_has_no_before_and_says_nothing() =>
        Assert.Empty(MetricShift.Among([Series("gpu_utilization_ratio", minute => minute < 0 ? double.NaN : 0.97)], Onset.AddHours(-1), Onset, Onset.AddMinutes(5)));

    [Fact]
    public void What_had_a_fifth_left_and_has_nothing_left_is_at_its_limit()
    {
        IReadOnlyList<MetricShift> Of(double before, double after) =>
            MetricShift.Among([Series("accelerator_utilization_percent", minute => minute < 0 ? before + (0.2 * (minute % 3)) : after)], Onset.AddHours(-1), Onset, Onset.AddMinutes(5));
        Assert.Single(Of(80, 98));
        Assert.Empty(Of(75, 90));       // as far, and a tenth is left
        Assert.Empty(Of(95, 97));       // where it has always been
    }

    private static SeriesData Series(string name, Func<int, double> value)
    {
        var minutes = Enumerable.Range(-60, 66).ToArray();
        return new SeriesData(
            Labels.Of((Labels.MetricName, name), ("service_name", "model-server")),
            [.. minutes.Select(minute => Onset.AddMinutes(minute).ToUnixTimeMilliseconds())],
            [.. minutes.Select(value)]);
    }
}

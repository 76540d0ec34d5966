using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Findings;
using Xunit;

namespace Faultline.Tests.Diagnosis.Facts;

public sealed class ShiftTests
{
    private static readonly DateTimeOffset Onset = new(2026, 3, 10, 14, 0, 0, TimeSpan.Zero);

    [Fact]
    public void What_is_there_in_less_than_half_of_the_windows_is_a_shift_when_it_is_large()
    {
        var flapping = Compare(FeatureTable.RerankLatency, Jitter(60, 0.12), [.. Jitter(20, 0.12).Select(static (window, i) => i % 5 < 2 ? window with { Value = 1.6 } : window)]);
        Assert.True(flapping.Rose);
        Assert.InRange(flapping.After, 0.2, 1.0);
    }

    [Fact]
    public void A_few_wild_windows_are_none()
    {
        var wild = Compare(FeatureTable.RerankLatency, Jitter(60, 0.12), [.. Jitter(20, 0.12).Select(static (window, i) => i % 10 == 0 ? window with { Value = 30 } : window)]);
        Assert.False(wild.IsAbnormal);
    }

    [Fact]
    public void Requests_are_compared_as_rates_with_the_windows_that_hold_none()
    {
        // One request in every fourth window, then one in each: a stored window never says less than one.
        StoredWindow[] before = [.. Enumerable.Range(0, 60).Select(static i => new StoredWindow(i * 4, 1, 1))];
        StoredWindow[] after = [.. Enumerable.Range(0, 40).Select(static i => new StoredWindow(1000 + i, 1, 1))];
        var more = Compare(FeatureTable.Calls, before, after);
        Assert.True(more.Rose);
        Assert.Equal(0.25, more.Before, 2);
        Assert.Equal(1, more.After, 2);
    }

    [Fact]
    public void A_burst_in_a_quiet_service_is_no_other_rate()
    {
        StoredWindow[] before = [.. Enumerable.Range(0, 60).Select(static i => new StoredWindow(i * 2, 1, 1))];
        StoredWindow[] after = [new(1000, 2, 2), new(1002, 2, 2), new(1004, 1, 1)];
        Assert.False(Compare(FeatureTable.Calls, before, after).IsAbnormal);
    }

    [Fact]
    public void Hours_left_out_do_not_make_the_rate_before_small()
    {
        StoredWindow[] before = [.. Enumerable.Range(0, 30).Select(static i => new StoredWindow(i, 1, 1)), .. Enumerable.Range(0, 30).Select(static i => new StoredWindow(100_000 + i, 1, 1))];
        StoredWindow[] after = [.. Enumerable.Range(0, 40).Select(static i => new StoredWindow(200_000 + i, 1, 1))];
        Assert.False(Compare(FeatureTable.Calls, before, after).IsAbnormal);
    }

    [Fact]
    public void What_the_detector_saw_counts_where_the_windows_since_the_onset_agree_with_it()
    {
        var growing = Compare(FeatureTable.Wait, Jitter(60, 0.005), [.. Jitter(20, 0.005).Select(static (window, i) => i < 12 ? window with { Value = 0.007 } : window with { Value = 0.25 })]);
        Assert.False(growing.IsAbnormal);
        var symptom = new Symptom(FeatureTable.Wait.Name, "", growing.Query, 0.005, 0.004, 0.006, 0.3, "s");

        Assert.True(growing.AsDetected([symptom]).Rose);
        Assert.Equal(0.3, growing.AsDetected([symptom]).After);
        Assert.Same(growing, growing.AsDetected([symptom with { Query = "another" }]));
        Assert.Same(growing, growing.AsDetected([symptom with { Observed = 0.0001 }]));
    }

    private static Shift Compare(Feature feature, IReadOnlyList<StoredWindow> before, IReadOnlyList<StoredWindow> after) =>
        Shift.Between("bot", "", feature, "", before, after, Onset.AddHours(-1), Onset.AddMinutes(4));

    /// <summary>Windows around a value, a tenth up and down.</summary>
    private static StoredWindow[] Jitter(int count, double value) => [.. Enumerable.Range(0, count).Select(i => new StoredWindow(i, value * (1 + (((i * 7 % 11) - 5) / 50.0)), 1))];
}

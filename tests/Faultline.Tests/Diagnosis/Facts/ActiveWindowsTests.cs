using Faultline.Diagnosis.Facts;
using Xunit;

namespace Faultline.Tests.Diagnosis.Facts;

public sealed class ActiveWindowsTests
{
    /// <summary>Six minutes of it, four without, again and again.</summary>
    [Fact]
    public void Of_what_comes_and_goes_the_stretches_without_it_are_left_out()
    {
        var active = ActiveWindows.Of(Windows(120, static i => i % 60 < 36), static value => value > 0.5);
        Assert.All(Enumerable.Range(3, 30), i => Assert.True(active.Contains(i)));
        Assert.All(Enumerable.Range(40, 16), i => Assert.False(active.Contains(i)));
        Assert.True(active.Contains(70));
        Assert.False(active.Contains(115));
        Assert.False(active.Contains(500));     // it was not there when it was last looked at
    }

    [Fact]
    public void What_stays_is_active_throughout_though_single_windows_look_well()
    {
        var active = ActiveWindows.Of(Windows(120, static i => i % 5 != 0), static value => value > 0.5);
        Assert.All(Enumerable.Range(0, 120), i => Assert.True(active.Contains(i)));
    }

    [Fact]
    public void Where_hardly_any_window_shows_it_all_count() =>
        Assert.Same(ActiveWindows.Always, ActiveWindows.Of(Windows(120, static i => i == 0), static value => value > 0.5));

    private static List<StoredWindow> Windows(int count, Func<int, bool> shows) => [.. Enumerable.Range(0, count).Select(i => new StoredWindow(i, shows(i) ? 1 : 0, 5))];
}

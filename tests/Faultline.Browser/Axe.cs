using System.Text.Json;
using Faultline.Interop;
using Microsoft.Playwright;
using Xunit;

namespace Faultline.Browser;

/// <summary>axe-core over what a page shows: WCAG 2, levels A and AA.</summary>
public static class Axe
{
    private const string Run = """
        () => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
          .then(found => found.violations.map(one => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map(node => node.target.join(' ')).join(' | ')}`))
        """;

    private static readonly Lazy<Task<string>> Source = new(() =>
        File.ReadAllTextAsync(Path.Combine(FaultlineProcess.RepositoryRoot, "src", "Faultline.Web", "node_modules", "axe-core", "axe.min.js")));

    /// <summary>Both themes, one after the other, without loading the page again.</summary>
    public static async Task AssertNothingAsync(IPage page, string what)
    {
        foreach (var theme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
        {
            await page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = theme, ReducedMotion = ReducedMotion.Reduce });
            await page.EvaluateAsync(await Source.Value);
            var found = (await page.EvaluateAsync(Run))!.Value.EnumerateArray().Select(one => one.GetString());
            Assert.True(!found.Any(), $"{what}, {theme}: {string.Join("; ", found)}");
        }
    }
}

using System.ComponentModel;
using System.Diagnostics;
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

    private static readonly TimeSpan NpmPatience = TimeSpan.FromMinutes(3);

    private static readonly Lazy<Task<string>> Source = new(ReadAsync);

    /// <summary>Skips the test, saying why, where axe-core is not there and npm cannot fetch it. The first line of a test that needs it.</summary>
    public static Task RequireAsync() => Source.Value;

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

    /// <summary>From npm on the lock file of this folder, the first time; the pages' own build has no part in it.</summary>
    private static async Task<string> ReadAsync()
    {
        var folder = Path.Combine(FaultlineProcess.RepositoryRoot, "tests", "Faultline.Browser");
        var script = Path.Combine(folder, "node_modules", "axe-core", "axe.min.js");
        if (!File.Exists(script))
        {
            var failure = await InstallAsync(folder);
            Skip.If(failure is not null, $"axe-core is not installed and `npm ci` in tests/Faultline.Browser did not fetch it: {failure}");
        }

        return await File.ReadAllTextAsync(script);
    }

    /// <returns>Null, or what went wrong.</returns>
    private static async Task<string?> InstallAsync(string folder)
    {
        using var patience = new CancellationTokenSource(NpmPatience);
        try
        {
            using var npm = Process.Start(new ProcessStartInfo("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            try
            {
                var output = npm.StandardOutput.ReadToEndAsync(patience.Token);
                var errors = npm.StandardError.ReadToEndAsync(patience.Token);
                await npm.WaitForExitAsync(patience.Token);
                return npm.ExitCode == 0 ? null : $"exit code {npm.ExitCode}: {(await errors + await output).Trim()}";
            }
            catch (OperationCanceledException)
            {
                npm.Kill(entireProcessTree: true);
                return $"no answer within {NpmPatience.TotalMinutes:0} minutes.";
            }
        }
        catch (Win32Exception absent)
        {
            return absent.Message;
        }
    }
}

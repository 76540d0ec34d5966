using System.Xml.Linq;
using Xunit;

namespace Faultline.Tests.Layout;

public sealed class ProjectEdgesTests
{
    /// <summary>Who may name whom directly; the drawing in ARCHITECTURE.md, as data.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Faultline.Telemetry"] = [],
        ["Faultline.ClickHouse"] = [],
        ["Faultline.Ledger"] = [],
        ["Faultline.Store"] = ["Faultline.Telemetry", "Faultline.ClickHouse"],
        ["Faultline.Metrics"] = ["Faultline.Store"],
        ["Faultline.Ingest"] = ["Faultline.Metrics"],
        ["Faultline.Diagnosis"] = ["Faultline.Metrics"],
        ["Faultline.Cases"] = ["Faultline.Ledger", "Faultline.Diagnosis"],
        ["Faultline.Web"] = ["Faultline.Cases"],
        ["Faultline"] = ["Faultline.Ingest", "Faultline.Web", "Faultline.Lab"],
        ["Faultline.Lab"] = [],
    };

    [Fact]
    public void Projects_reference_each_other_only_along_the_arrows_of_the_architecture()
    {
        var root = RepositoryRoot();
        var seen = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Path.Combine(root, "lab"), "*.csproj", SearchOption.AllDirectories)))
        {
            var name = Path.GetFileNameWithoutExtension(file);
            seen.Add(name);
            var references = XDocument.Load(file).Descendants("ProjectReference").Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
            Assert.True(Allowed.ContainsKey(name), $"{name} is a new project: add it to the table and to ARCHITECTURE.md.");
            Assert.Empty(references.Except(Allowed[name], StringComparer.Ordinal).Select(reference => $"{name} must not reference {reference}"));
        }

        Assert.Equal(Allowed.Keys.Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
    }

    private static string RepositoryRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Faultline.slnx")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new InvalidOperationException("Faultline.slnx was not found above the test's folder.");
    }
}

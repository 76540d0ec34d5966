using System.Globalization;
using System.Net;
using Xunit;

namespace Faultline.Interop;

/// <summary>The folder that the process was started in, here one above its data directory, is none of its business.</summary>
public sealed class StartFolderTests
{
    [SkippableFact]
    public async Task No_folder_is_watched_and_the_pages_have_their_files()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "only Linux lists what a process watches");
        await using var server = await FaultlineProcess.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:1",
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            ["Kestrel__Endpoints__Other__Url"] = "http://127.0.0.1:1",
        });

        using var page = await server.Http.GetAsync(new Uri(server.Door("ui"), "/login"));
        using var asset = await server.Http.GetAsync(new Uri(server.Door("ui"), "/_content/Faultline.Web/built/app.js"));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (page.StatusCode, asset.StatusCode));
        Assert.Empty(Watches(server.Id));
    }

    private static List<string> Watches(int process)
    {
        var folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fdinfo");
        var found = new List<string>();
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            try
            {
                found.AddRange(File.ReadLines(file).Where(line => line.StartsWith("inotify wd:", StringComparison.Ordinal)));
            }
            catch (IOException)
            {
                // A file that was closed meanwhile watches nothing.
            }
        }

        return found;
    }
}

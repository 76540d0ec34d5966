using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Faultline.Bench;

/// <summary>The built server as a child process on free ports, and what the system says of it.</summary>
internal sealed class ServerUnderTest : IDisposable
{
    private static readonly string[] Doors = ["OTLP_GRPC", "OTLP_HTTP", "PROMETHEUS", "VICTORIAMETRICS", "INTERNALS", "DERIVED", "HEALTH", "UI"];

    private readonly Process _process;
    private readonly JsonDocument _ports;

    private ServerUnderTest(Process process, JsonDocument ports, TimeSpan startTook)
    {
        _process = process;
        _ports = ports;
        StartTook = startTook;
    }

    /// <summary>From the start of the process to 200 on the health port.</summary>
    public TimeSpan StartTook { get; }

    public long ResidentBytes => Status("VmRSS:");

    public long PeakResidentBytes => Status("VmHWM:");

    public TimeSpan CpuTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public static async Task<ServerUnderTest> StartAsync(string dataDirectory)
    {
        var start = new ProcessStartInfo("dotnet", [Built("src/Faultline", "faultline.dll"), "run", "--data", dataDirectory]) { RedirectStandardOutput = true };
        foreach (var door in Doors)
        {
            start.Environment["FAULTLINE_LISTEN_" + door] = "127.0.0.1:0";
        }

        var portsFile = Path.Combine(dataDirectory, "ports.json");
        File.Delete(portsFile);
        var watch = Stopwatch.StartNew();
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        using var http = new HttpClient();
        while (watch.Elapsed < TimeSpan.FromMinutes(5))
        {
            if (process.HasExited)
            {
                throw new InvalidOperationException($"The server ended with {process.ExitCode} while starting.");
            }

            if (File.Exists(portsFile))
            {
                var ports = JsonDocument.Parse(await File.ReadAllBytesAsync(portsFile));
                try
                {
                    using var health = await http.GetAsync(new Uri($"http://{ports.RootElement.GetProperty("listen.health").GetString()}/health/status"));
                    if (health.IsSuccessStatusCode)
                    {
                        return new ServerUnderTest(process, ports, watch.Elapsed);
                    }
                }
                catch (HttpRequestException)
                {
                    // Not listening yet; the loop asks again.
                }

                ports.Dispose();
            }

            await Task.Delay(10);
        }

        process.Kill();
        throw new TimeoutException("The server was not healthy within five minutes.");
    }

    public Uri Door(string name) => new("http://" + _ports.RootElement.GetProperty("listen." + name).GetString());

    public async Task StopAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        _ports.Dispose();
    }

    /// <summary>Path of what another project built, in this run's configuration.</summary>
    public static string Built(string project, string assembly)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        var configuration = root.Parent!.Name;
        while (!File.Exists(Path.Combine(root!.FullName, "Faultline.slnx")))
        {
            root = root.Parent;
        }

        return Path.Combine(root.FullName, project, "bin", configuration, "net10.0", assembly);
    }

    private long Status(string field)
    {
        var line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture) * 1024;
    }
}

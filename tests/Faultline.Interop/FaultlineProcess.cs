using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Faultline.Interop;

/// <summary>The built executable as a child process, on ports the system picks, with a data directory of its own. The benchmarks compile this file too.</summary>
public sealed class FaultlineProcess : IAsyncDisposable
{
    public const string ApiKey = "placeholder_api_key";

    private static readonly string[] Doors = ["OTLP_GRPC", "OTLP_HTTP", "PROMETHEUS", "VICTORIAMETRICS", "INTERNALS", "DERIVED", "HEALTH", "UI"];

    private readonly IReadOnlyDictionary<string, string> _settings;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly bool _ownsData;
    private Process _process;
    private JsonDocument? _ports;

    private FaultlineProcess(string dataDirectory, bool ownsData, IReadOnlyDictionary<string, string> settings)
    {
        DataDirectory = dataDirectory;
        _ownsData = ownsData;
        _settings = settings;
        _process = null!;
    }

    public string DataDirectory { get; }

    public HttpClient Http { get; } = new() { Timeout = TimeSpan.FromSeconds(30) };

    public int Id => _process.Id;

    /// <summary>Everything the process has printed so far.</summary>
    public string Output => string.Join('\n', _output);

    public TimeSpan StartTook { get; private set; }

    private string ConfigFile => Path.Combine(DataDirectory, "faultline.yaml");

    public string Token => File.ReadAllText(Path.Combine(DataDirectory, "admin.token")).Trim();

    /// <param name="settings">Environment variables on top of the defaults, e.g. <c>ENVOY_API_KEYS</c>.</param>
    /// <param name="config">What the settings file says; it lies in the data directory.</param>
    /// <param name="envFile">What the <c>.env</c> file beside it says.</param>
    public static async Task<FaultlineProcess> StartAsync(IReadOnlyDictionary<string, string>? settings = null, string? dataDirectory = null, string? config = null, string? envFile = null)
    {
        var server = new FaultlineProcess(dataDirectory ?? Directory.CreateTempSubdirectory("faultline-").FullName, dataDirectory is null, settings ?? new Dictionary<string, string>(StringComparer.Ordinal));
        try
        {
            if (config is not null)
            {
                await File.WriteAllTextAsync(server.ConfigFile, config);
                await File.WriteAllTextAsync(Path.Combine(server.DataDirectory, ".env"), envFile ?? "");
            }

            await server.LaunchAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Address of a door by its settings key, e.g. <c>Door("otlp_http")</c>.</summary>
    public Uri Door(string name) => new("http://" + _ports!.RootElement.GetProperty("listen." + name).GetString());

    public async Task<JsonDocument> ApiAsync(string path, HttpMethod? method = null, object? body = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(Door("ui"), path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        if (body is not null)
        {
            request.Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        }

        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? JsonDocument.Parse(text) : throw new HttpRequestException($"{path}: {(int)response.StatusCode} {text}", null, response.StatusCode);
    }

    /// <summary>An instant PromQL query on a door (<c>prometheus</c> or <c>victoriametrics</c>); the answer's <c>result</c>.</summary>
    public async Task<JsonElement> QueryAsync(string promQl, string door = "prometheus")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Door(door), "/api/v1/query?query=" + Uri.EscapeDataString(promQl)));
        request.Headers.Add("X-API-Key", ApiKey);
        using var response = await Http.SendAsync(request);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        response.EnsureSuccessStatusCode();
        return json.RootElement.GetProperty("data").GetProperty("result").Clone();
    }

    /// <summary>The sum of a family's samples on the port of the server's own metrics; 0 when there is none.</summary>
    /// <param name="name">With its suffix, and as far into its labels as wanted: <c>faultline_x_total{reason="full"</c>.</param>
    public async Task<double> InternalAsync(string name)
    {
        var text = await Http.GetStringAsync(new Uri(Door("internals"), "/metrics"));
        return text.Split('\n').Where(line => line.StartsWith(name, StringComparison.Ordinal) && line[name.Length..] is [' ' or '{' or ',' or '}', ..])
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    /// <summary>Runs a client command of the same executable against this server.</summary>
    public Task<(int ExitCode, string Output, string Errors)> CommandAsync(params string[] arguments) => CommandAsync(CancellationToken.None, arguments);

    /// <param name="enough">Ends the command (SIGTERM) before it ends by itself; what it has said is returned all the same.</param>
    public async Task<(int ExitCode, string Output, string Errors)> CommandAsync(CancellationToken enough, params string[] arguments)
    {
        var start = StartInfo(arguments);
        start.Environment["FAULTLINE_DATA"] = DataDirectory;
        start.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = Door("otlp_http").ToString();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync(enough);
        }
        catch (OperationCanceledException)
        {
            await TerminateAsync(process);
            await process.WaitForExitAsync(CancellationToken.None);
        }

        return (process.ExitCode, await output, await errors);
    }

    public async Task KillAndRestartAsync()
    {
        await KillAsync();
        await LaunchAsync();
    }

    /// <summary>SIGKILL; also while <see cref="RestartAsync"/> is still waiting, which then fails.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Asks it to stop (SIGTERM) and waits; the exit code.</summary>
    public async Task<int> StopAsync()
    {
        await TerminateAsync(_process);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(patience.Token);
        return _process.ExitCode;
    }

    public Task RestartAsync() => LaunchAsync();

    private static async Task TerminateAsync(Process process)
    {
        using var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null && !_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process?.Dispose();
        _ports?.Dispose();
        Http.Dispose();
        if (_ownsData)
        {
            Directory.Delete(DataDirectory, recursive: true);
        }
    }

    public static string RepositoryRoot
    {
        get
        {
            var directory = new DirectoryInfo(AppContext.BaseDirectory);
            while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Faultline.slnx")))
            {
                directory = directory.Parent;
            }

            return directory?.FullName ?? throw new InvalidOperationException("Faultline.slnx was not found above the test's folder.");
        }
    }

    /// <summary>Path of what another project built, in this run's configuration.</summary>
    public static string Built(string project, string file) =>
        Path.Combine(RepositoryRoot, project, "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", file);

    private static ProcessStartInfo StartInfo(IEnumerable<string> arguments)
    {
        // The executable's own output folder: its pages' assets are listed there, and not in the tests' folder.
        var assembly = Built("src/Faultline", "faultline.dll");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() };
        start.ArgumentList.Add(assembly);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("FAULTLINE_", StringComparison.Ordinal) && name is not "FAULTLINE_ENGINE_LIBRARY").ToArray())
        {
            start.Environment.Remove(name);
        }

        return start;
    }

    private async Task LaunchAsync()
    {
        var start = StartInfo(File.Exists(ConfigFile) ? ["run", "--data", DataDirectory, "--config", ConfigFile] : ["run", "--data", DataDirectory]);
        foreach (var door in Doors)
        {
            start.Environment[$"FAULTLINE_LISTEN_{door}"] = "127.0.0.1:0";
        }

        foreach (var (name, value) in _settings)
        {
            start.Environment[name] = value;
        }

        var portsFile = Path.Combine(DataDirectory, "ports.json");
        File.Delete(portsFile);
        var watch = Stopwatch.StartNew();
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await Eventually.TrueAsync(
            async () =>
            {
                if (_process.HasExited)
                {
                    throw new InvalidOperationException($"The server ended with {_process.ExitCode} while starting:\n{Output}");
                }

                if (!File.Exists(portsFile))
                {
                    return false;
                }

                _ports?.Dispose();
                _ports = JsonDocument.Parse(await File.ReadAllBytesAsync(portsFile));
                using var health = await Http.GetAsync(new Uri(Door("health"), "/health/status"));
                return health.IsSuccessStatusCode;
            },
            "the server answers 200 on its health port",
            TimeSpan.FromMinutes(5),
            everyMillis: 10);
        StartTook = watch.Elapsed;
    }

    private void Keep(string? line)
    {
        if (line is not null)
        {
            _output.Enqueue(line);
        }
    }
}

/// <summary>Waits for a condition, never for a time.</summary>
public static class Eventually
{
    public static async Task TrueAsync(Func<Task<bool>> condition, string what, TimeSpan? patience = null, int everyMillis = 100)
    {
        var watch = Stopwatch.StartNew();
        Exception? last = null;
        while (watch.Elapsed < (patience ?? TimeSpan.FromSeconds(60)))
        {
            try
            {
                if (await condition())
                {
                    return;
                }

                last = null;
            }
            catch (Exception notYet) when (notYet is HttpRequestException or JsonException or IOException or KeyNotFoundException)
            {
                last = notYet;
            }

            await Task.Delay(everyMillis);
        }

        throw new TimeoutException($"Waited {watch.Elapsed.TotalSeconds:F0} s in vain until {what}. Last failure: {last?.Message ?? "none; it was just not true"}");
    }
}

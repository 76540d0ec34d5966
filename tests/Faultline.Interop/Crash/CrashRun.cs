using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Faultline.Interop.Crash;

/// <summary>Load runs, the process is killed at random moments, also while it starts, and starts again; then the store is held against what was acknowledged.</summary>
internal static class CrashRun
{
    private const int Clients = 6;
    private const int KillWhileStartingOneIn = 5;
    private const int LoadMillisMax = 1_500;
    private const int StartMillisMax = 1_500;

    /// <param name="seed">Of the moments and of what clients give up; the rest is up to the machine.</param>
    /// <param name="settings">Of the server, as environment variables.</param>
    /// <exception cref="InvalidOperationException">Something acknowledged is missing, or something is doubled or torn.</exception>
    public static async Task<string> KillAsync(int kills, int seed, IReadOnlyDictionary<string, string>? settings, Action<string> say)
    {
        say($"{kills} kills, seed {seed}");
        var random = new Random(seed);
        var watch = Stopwatch.StartNew();
        await using var server = await FaultlineProcess.StartAsync(WithFixedDoors(settings));
        using var load = new CrashLoad(server, Clients, seed);
        var whileStarting = 0;
        for (var kill = 1; kill <= kills; kill++)
        {
            await Task.Delay(random.Next(LoadMillisMax));
            load.ThrowIfBroken();
            await server.KillAsync();
            if (kill < kills && random.Next(KillWhileStartingOneIn) == 0)
            {
                kill++;
                whileStarting += await KillWhileStartingAsync(server, random) ? 1 : 0;
            }

            await server.RestartAsync();
            if (kill % 20 == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture, $"{kill} kills, {load.Acknowledged.Count:N0} requests acknowledged, {watch.Elapsed.TotalSeconds:F0} s"));
            }
        }

        await load.StopAsync();
        await server.StopAsync();
        return Judge(await CrashCheck.RunAsync(server.DataDirectory, load), string.Create(
            CultureInfo.InvariantCulture,
            $"{kills} kills ({whileStarting} while starting), seed {seed}: {load.Acknowledged.Count:N0} requests acknowledged, {load.Resent:N0} resends for want of an answer, {load.GivenUp.Count:N0} given up, {load.TriedLater:N0} told to try later; {watch.Elapsed.TotalSeconds:F0} s"));
    }

    /// <summary>Doors on ports that stay the same over restarts, as exporters know only one address.</summary>
    internal static Dictionary<string, string> WithFixedDoors(IReadOnlyDictionary<string, string>? settings)
    {
        var fixedDoors = new Dictionary<string, string>(settings ?? new Dictionary<string, string>(StringComparer.Ordinal), StringComparer.Ordinal);
        using var grpc = new TcpListener(IPAddress.Loopback, 0);
        using var http = new TcpListener(IPAddress.Loopback, 0);
        grpc.Start();
        http.Start();
        fixedDoors["FAULTLINE_LISTEN_OTLP_GRPC"] = grpc.LocalEndpoint.ToString()!;
        fixedDoors["FAULTLINE_LISTEN_OTLP_HTTP"] = http.LocalEndpoint.ToString()!;
        return fixedDoors;
    }

    internal static string Judge(CrashCheck check, string said)
    {
        var verdict = $"{said}; {check.Missing} missing, {check.Doubled} doubled, {check.Torn} torn";
        return check.IsFine ? verdict : throw new InvalidOperationException(verdict + "\n" + string.Join('\n', check.Examples));
    }

    /// <returns>False when it was up sooner than it was killed.</returns>
    private static async Task<bool> KillWhileStartingAsync(FaultlineProcess server, Random random)
    {
        var starting = server.RestartAsync();
        await Task.Delay(random.Next(StartMillisMax));
        await server.KillAsync();
        try
        {
            await starting;
            return false;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }
}

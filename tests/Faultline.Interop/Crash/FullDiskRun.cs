using System.Diagnostics;
using System.Globalization;

namespace Faultline.Interop.Crash;

/// <summary>Load runs while the disk is full, and while the process is killed and started on the full disk; then there is room again.</summary>
internal static class FullDiskRun
{
    private const int Clients = 6;
    private const int RequestsPerPhase = 200;

    /// <param name="directory">On a small disk of its own; everything that is free there is taken for a while.</param>
    /// <exception cref="InvalidOperationException">Something acknowledged is missing, or something is doubled or torn.</exception>
    public static async Task<string> RunAsync(string directory, int seed, Action<string> say)
    {
        var data = Directory.CreateDirectory(Path.Combine(directory, "data")).FullName;
        await using var server = await FaultlineProcess.StartAsync(CrashRun.WithFixedDoors(null), data);
        using var load = new CrashLoad(server, Clients, seed);
        await AcknowledgedAsync(load, RequestsPerPhase);

        using (var ballast = new Ballast(Path.Combine(directory, "ballast")))
        {
            var before = load.TriedLater;
            await Eventually.TrueAsync(
                () =>
                {
                    // What merges give back is taken too.
                    load.ThrowIfBroken();
                    ballast.Grow();
                    return Task.FromResult(load.TriedLater >= before + (4 * Clients));
                },
                "clients are told to try later");
            say(string.Create(CultureInfo.InvariantCulture, $"disk full after {load.Acknowledged.Count:N0} acknowledged requests: {load.TriedLater:N0} answers 'try later'"));
        }

        // The same bytes are still being sent; nobody restarted anything.
        await AcknowledgedAsync(load, load.Acknowledged.Count + RequestsPerPhase);

        bool isUp;
        using (var ballast = new Ballast(Path.Combine(directory, "ballast")))
        {
            ballast.Grow();
            await server.KillAsync();
            ballast.Grow();
            say("killed with the disk full");
            isUp = await StartsAsync(server, say);
        }

        if (!isUp)
        {
            await server.RestartAsync();
        }

        await AcknowledgedAsync(load, load.Acknowledged.Count + RequestsPerPhase);
        await load.StopAsync();
        await server.StopAsync();
        return CrashRun.Judge(await CrashCheck.RunAsync(server.DataDirectory, load), string.Create(
            CultureInfo.InvariantCulture,
            $"full disk, seed {seed}: {load.Acknowledged.Count:N0} requests acknowledged, {load.TriedLater:N0} told to try later, {load.Resent:N0} resends for want of an answer, {load.GivenUp.Count:N0} given up"));
    }

    private static async Task<bool> StartsAsync(FaultlineProcess server, Action<string> say)
    {
        try
        {
            await server.RestartAsync();
            say("started with the disk full");
            return true;
        }
        catch (InvalidOperationException refused)
        {
            say("does not start with the disk full: " + refused.Message);
            return false;
        }
    }

    private static Task AcknowledgedAsync(CrashLoad load, int requests) => Eventually.TrueAsync(
        () =>
        {
            load.ThrowIfBroken();
            return Task.FromResult(load.Acknowledged.Count >= requests);
        },
        $"{requests} requests are acknowledged");

    /// <summary>A file that takes whatever is free; deleted in the end.</summary>
    private sealed class Ballast(string path) : IDisposable
    {
        private readonly FileStream _file = new(path, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose, BufferSize = 0 });

        public void Grow()
        {
            for (var size = 1 << 20; size >= 1 << 10; size /= 4)
            {
                try
                {
                    while (true)
                    {
                        _file.Write(new byte[size]);
                    }
                }
                catch (IOException)
                {
                    // No room for so much: smaller ones may still fit.
                }
            }
        }

        public void Dispose() => _file.Dispose();
    }
}

/// <summary>A small disk in memory, mounted for a while.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    /// <returns>Null where mounting is not allowed; <paramref name="reason"/> says why.</returns>
    public static SmallDisk? TryMount(int mebibytes, out string reason)
    {
        var path = Directory.CreateTempSubdirectory("faultline-disk-").FullName;
        (var code, reason) = Run("mount", "-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={mebibytes}m"), "faultline-test", path);
        if (code == 0)
        {
            return new SmallDisk(path);
        }

        Directory.Delete(path);
        reason = $"a small disk cannot be mounted here: {reason}";
        return null;
    }

    public void Dispose()
    {
        // Lazily: the engine of this process may still hold a file.
        Run("umount", "--lazy", Path);
        Directory.Delete(Path);
    }

    private static (int Code, string Errors) Run(string command, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, errors.Trim());
        }
        catch (System.ComponentModel.Win32Exception absent)
        {
            return (-1, absent.Message);
        }
    }
}

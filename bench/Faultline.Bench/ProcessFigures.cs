using System.Diagnostics;
using System.Globalization;
using Faultline.Interop;

namespace Faultline.Bench;

/// <summary>What the system says of the server under test.</summary>
internal static class ProcessFigures
{
    public static long ResidentBytes(this FaultlineProcess server) => Status(server.Id, "VmRSS:");

    public static long PeakResidentBytes(this FaultlineProcess server) => Status(server.Id, "VmHWM:");

    public static TimeSpan CpuTime(this FaultlineProcess server)
    {
        using var process = Process.GetProcessById(server.Id);
        return process.TotalProcessorTime;
    }

    private static long Status(int id, string field)
    {
        var line = File.ReadLines($"/proc/{id}/status").First(line => line.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture) * 1024;
    }
}

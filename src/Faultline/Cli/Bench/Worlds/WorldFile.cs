using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Faultline.Ingest.Pipeline;

namespace Faultline.Cli.Bench.Worlds;

/// <summary>One line of a recorded world. See <c>docs/benchmarks.md</c>.</summary>
/// <param name="UnixNanos">When it arrives.</param>
/// <param name="Signal">Null: a change event.</param>
/// <param name="Body">An OTLP/JSON export request, or the body of <c>POST /api/v1/changes</c>.</param>
internal readonly record struct WorldLine(int Number, long UnixNanos, Signal? Signal, ReadOnlyMemory<byte> Body);

/// <summary>A recorded world on disk: a folder with <c>telemetry.jsonl</c> or <c>telemetry.jsonl.gz</c>; its name is the folder's.</summary>
internal sealed record WorldFile(string Name, string Path)
{
    /// <summary>Worlds in and below a folder, by path.</summary>
    public static IReadOnlyList<WorldFile> Below(string folder) =>
        [.. Directory.EnumerateFiles(folder, "telemetry.jsonl*", SearchOption.AllDirectories)
            .Where(path => path.EndsWith(".jsonl", StringComparison.Ordinal) || path.EndsWith(".jsonl.gz", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(path => new WorldFile(new DirectoryInfo(System.IO.Path.GetDirectoryName(path)!).Name, path))];

    /// <exception cref="CommandException">A line is not as the format says.</exception>
    public IEnumerable<WorldLine> Lines()
    {
        using var file = File.OpenRead(Path);
        using var stream = Path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : (Stream)file;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (line.Length > 0)
            {
                yield return Parse(number, line);
            }
        }
    }

    private WorldLine Parse(int number, string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            Signal? signal = root.GetProperty("signal").GetString() switch
            {
                "traces" => Signal.Traces,
                "metrics" => Signal.Metrics,
                "logs" => Signal.Logs,
                "change" => null,
                var other => throw CaseFiles.Malformed(Path, number, $"the signal \"{other}\" is none of traces, metrics, logs, change."),
            };
            return new WorldLine(number, root.GetProperty("t").GetInt64(), signal, Encoding.UTF8.GetBytes(root.GetProperty("body").GetRawText()));
        }
        catch (Exception wrong) when (wrong is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw CaseFiles.Malformed(Path, number, $"not {{\"t\", \"signal\", \"body\"}}: {wrong.Message}");
        }
    }
}

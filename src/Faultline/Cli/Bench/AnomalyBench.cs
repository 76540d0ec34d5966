using System.Globalization;
using System.Text.Json;
using Faultline.Diagnosis.Detectors.Series;

namespace Faultline.Cli.Bench;

/// <summary>How unusual each value of a series is, given those before it.</summary>
internal static class AnomalyBench
{
    public static BenchTask Task { get; } = new("anomaly", "Anomaly scores of series: CSV files with timestamp,value, in folders of any depth.", RunAsync);

    private static async Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel)
    {
        foreach (var folder in folders)
        {
            var files = Directory.GetFiles(folder, "*.csv", SearchOption.AllDirectories);
            Array.Sort(files, StringComparer.Ordinal);
            var lines = new string[files.Length];
            await Parallel.ForAsync(0, files.Length, cancel, (i, _) =>
            {
                var id = Path.GetRelativePath(folder, files[i]).Replace('\\', '/');
                lines[i] = JsonSerializer.Serialize(new { id, scores = Scores(files[i]) });
                return ValueTask.CompletedTask;
            });
            foreach (var line in lines)
            {
                await output.WriteLineAsync(line);
            }
        }
    }

    /// <summary>A score for each row; a row without a number scores 0 and is not learnt.</summary>
    private static List<double> Scores(string path)
    {
        var detector = new SeriesDetector();
        List<double> scores = [];
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            var comma = line.IndexOf(',', StringComparison.Ordinal);
            if (++number == 1)
            {
                if (line != "timestamp,value")
                {
                    throw CaseFiles.Malformed(path, number, $"the header must be timestamp,value, not {line}.");
                }

                continue;
            }

            if (comma < 0 || !DateTimeOffset.TryParse(line.AsSpan(0, comma), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
            {
                throw CaseFiles.Malformed(path, number, "a row needs a time, a comma and a number.");
            }

            var known = double.TryParse(line.AsSpan(comma + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var value);
            scores.Add(Math.Round(detector.Step(at.ToUnixTimeSeconds(), known ? value : double.NaN).Score, 4));
        }

        return scores;
    }
}

using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Diagnosis.Attribution;

namespace Faultline.Cli.Bench;

/// <summary>Which attribute values explain that more is bad at a minute than in the minutes before it.</summary>
internal static class AttributionBench
{
    public static BenchTask Task { get; } = new("attribution", "The attribute values that explain a rise: cases.jsonl and CSV files of counts.", RunAsync);

    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static async Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel)
    {
        foreach (var folder in folders)
        {
            foreach (var one in CaseFiles.Cases(folder))
            {
                cancel.ThrowIfCancellationRequested();
                var causes = RiseLocator.Locate(Read(folder, one));
                await output.WriteLineAsync(JsonSerializer.Serialize(
                    new { id = one.Required("id", JsonValueKind.String).GetString(), causes = causes.Select(cause => new Dictionary<string, string>(cause.Values, StringComparer.Ordinal)) }, Json));
            }
        }
    }

    private static RiseTable Read(string folder, JsonElement one)
    {
        var path = Path.Combine(folder, one.Required("file", JsonValueKind.String).GetString()!);
        var minuteOfCase = one.Required("timestamp", JsonValueKind.Number).GetInt64();
        string[] dimensions = [.. one.Required("dimensions", JsonValueKind.Array).EnumerateArray().Select(name => name.GetString() ?? "")];
        if (dimensions.Length is 0 or > RiseTable.DimensionsMax || dimensions.Distinct(StringComparer.Ordinal).Count() != dimensions.Length)
        {
            throw new CommandException(ExitCode.WrongUse, $"A case needs between 1 and {RiseTable.DimensionsMax} different dimensions: {one.GetRawText()}");
        }

        var table = new RiseTable(dimensions);
        int[] columns = [];
        var (minuteColumn, badColumn, allColumn) = (-1, -1, -1);
        var values = new string?[dimensions.Length];
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            var fields = line.Split(',');
            if (++number == 1)
            {
                columns = Array.ConvertAll(dimensions, name => Array.IndexOf(fields, name));
                (minuteColumn, badColumn, allColumn) = (Array.IndexOf(fields, "min"), Array.IndexOf(fields, "value"), Array.IndexOf(fields, "cnt"));
                if (Math.Min(Math.Min(minuteColumn, badColumn), Math.Min(allColumn, columns.Min())) < 0)
                {
                    throw CaseFiles.Malformed(path, number, $"the header must name min, value, cnt and {string.Join(", ", dimensions)}.");
                }

                continue;
            }

            if (fields.Length <= Math.Max(columns.Max(), Math.Max(minuteColumn, Math.Max(badColumn, allColumn)))
                || !long.TryParse(fields[minuteColumn], NumberStyles.Integer, CultureInfo.InvariantCulture, out var minute)
                || !double.TryParse(fields[badColumn], NumberStyles.Float, CultureInfo.InvariantCulture, out var bad)
                || !double.TryParse(fields[allColumn], NumberStyles.Float, CultureInfo.InvariantCulture, out var all))
            {
                throw CaseFiles.Malformed(path, number, "a row needs a minute, the dimensions and two counts.");
            }

            for (var i = 0; i < values.Length; i++)
            {
                values[i] = fields[columns[i]];
            }

            if (minute < minuteOfCase)
            {
                table.AddBefore(values, bad, all);
            }
            else if (minute == minuteOfCase)
            {
                table.AddNow(values, bad, all);
            }
        }

        return table;
    }
}

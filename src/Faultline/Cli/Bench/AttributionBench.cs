using System.Globalization;
using System.Text.Json;
using Faultline.Diagnosis.Attribution;

namespace Faultline.Cli.Bench;

/// <summary>Which attribute values explain that more is bad at a minute than in the minutes before it.</summary>
internal static class AttributionBench
{
    public static BenchTask Task { get; } = new("attribution", "The attribute values that explain a rise: cases.jsonl and CSV files of counts.", RunAsync);

    private static Task RunAsync(IReadOnlyList<string> folders, TextWriter output, CancellationToken cancel) =>
        CaseFiles.PredictAsync(folders, output, folder => one => Predict(folder, one), cancel);

    private static object Predict(string folder, JsonElement one)
    {
        var causes = RiseLocator.Locate(Read(folder, one));
        return new
        {
            id = one.Required("id", JsonValueKind.String).GetString(),
            causes = causes.Select(cause => new Dictionary<string, string>(cause.Values, StringComparer.Ordinal)),
        };
    }

    private static RiseTable Read(string folder, JsonElement one)
    {
        var path = Path.Combine(folder, one.Required("file", JsonValueKind.String).GetString()!);
        if (!one.Required("timestamp", JsonValueKind.Number).TryGetInt64(out var minuteOfCase))
        {
            throw new CommandException(ExitCode.WrongUse, $"A timestamp is whole Unix seconds: {one.GetRawText()}");
        }

        string[] dimensions = [.. one.Required("dimensions", JsonValueKind.Array).EnumerateArray().Select(name => name.ToString())];
        if (dimensions.Length is 0 or > RiseTable.DimensionsMax || dimensions.Distinct(StringComparer.Ordinal).Count() != dimensions.Length)
        {
            throw new CommandException(ExitCode.WrongUse, $"A case needs between 1 and {RiseTable.DimensionsMax} different dimensions: {one.GetRawText()}");
        }

        var table = new RiseTable(dimensions);
        Columns? columns = null;
        var values = new string?[dimensions.Length];
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            var fields = line.Split(',');
            if (columns is null)
            {
                columns = Columns.Find(fields, dimensions)
                    ?? throw CaseFiles.Malformed(path, number, $"the header must name min, value, cnt and {string.Join(", ", dimensions)}.");
            }
            else if (!columns.TryRead(fields, values, out var minute, out var bad, out var all))
            {
                throw CaseFiles.Malformed(path, number, "a row needs a minute, the dimensions and two counts.");
            }
            else if (minute < minuteOfCase)
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

    /// <summary>Where a file has its columns.</summary>
    private sealed record Columns(int Count, int Minute, int Bad, int All, int[] Dimensions)
    {
        public static Columns? Find(string[] header, string[] dimensions)
        {
            var found = new Columns(
                header.Length, Array.IndexOf(header, "min"), Array.IndexOf(header, "value"), Array.IndexOf(header, "cnt"),
                Array.ConvertAll(dimensions, name => Array.IndexOf(header, name)));
            return found.Minute < 0 || found.Bad < 0 || found.All < 0 || found.Dimensions.Contains(-1) ? null : found;
        }

        public bool TryRead(string[] fields, string?[] values, out long minute, out double bad, out double all)
        {
            (minute, bad, all) = (0, 0, 0);
            if (fields.Length != Count
                || !long.TryParse(fields[Minute], NumberStyles.Integer, CultureInfo.InvariantCulture, out minute)
                || !double.TryParse(fields[Bad], NumberStyles.Float, CultureInfo.InvariantCulture, out bad)
                || !double.TryParse(fields[All], NumberStyles.Float, CultureInfo.InvariantCulture, out all))
            {
                return false;
            }

            for (var i = 0; i < values.Length; i++)
            {
                values[i] = fields[Dimensions[i]];
            }

            return true;
        }
    }
}

using System.Text.Encodings.Web;
using System.Text.Json;

namespace Faultline.Cli.Bench;

/// <summary>What the formats of several tasks have in common.</summary>
internal static class CaseFiles
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Reads the <c>cases.jsonl</c> of each folder and writes what is predicted for each case.</summary>
    /// <param name="predictorOf">Gives for a folder the function from one of its cases to the prediction, an object of the task's format.</param>
    public static async Task PredictAsync(
        IReadOnlyList<string> folders, TextWriter output, Func<string, Func<JsonElement, object>> predictorOf, CancellationToken cancel)
    {
        foreach (var folder in folders)
        {
            var predict = predictorOf(folder);
            foreach (var one in Cases(folder))
            {
                cancel.ThrowIfCancellationRequested();
                await output.WritePredictionAsync(predict(one));
            }
        }
    }

    /// <summary>One line; letters that are not ASCII stay as they are.</summary>
    public static Task WritePredictionAsync(this TextWriter output, object prediction) => output.WriteLineAsync(JsonSerializer.Serialize(prediction, Json));

    /// <summary>Reads <c>cases.jsonl</c>, one JSON object a line.</summary>
    /// <exception cref="CommandException">The file is missing or a line is not JSON.</exception>
    public static IEnumerable<JsonElement> Cases(string folder)
    {
        var path = Path.Combine(folder, "cases.jsonl");
        if (!File.Exists(path))
        {
            throw new CommandException(ExitCode.WrongUse, $"There is no cases.jsonl in {folder}.");
        }

        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
            {
                yield return Parse(path, number, line);
            }
        }
    }

    /// <summary>A property of a case that the format asks for.</summary>
    /// <exception cref="CommandException">It is absent or not of this kind.</exception>
    public static JsonElement Required(this JsonElement one, string name, JsonValueKind kind) =>
        one.ValueKind == JsonValueKind.Object && one.TryGetProperty(name, out var value) && value.ValueKind == kind
            ? value
            : throw new CommandException(ExitCode.WrongUse, $"A case needs \"{name}\" ({kind}), but this has none: {one.GetRawText()}");

    /// <summary>The error for a file that is not in its format.</summary>
    public static CommandException Malformed(string path, int line, string what) =>
        new(ExitCode.WrongUse, $"{path}, line {line}: {what}");

    private static JsonElement Parse(string path, int number, string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        }
        catch (JsonException wrong)
        {
            throw Malformed(path, number, wrong.Message);
        }
    }
}

using System.CommandLine;
using System.Text.Json;

namespace Faultline.Cli;

/// <summary><c>faultline query PROMQL</c>: an instant query.</summary>
internal static class QueryCommand
{
    public static void AddTo(RootCommand root)
    {
        var client = new ClientOptions();
        var expression = new Argument<string>("promql") { Description = "The expression." };
        var time = new Option<string?>("--time") { Description = "When to evaluate it: RFC 3339 or Unix seconds; default now." };
        var command = new Command("query", "Evaluate PromQL.") { expression, time };
        client.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            using var server = client.Client(parsed);
            var path = "/prometheus/api/v1/query?query=" + Uri.EscapeDataString(parsed.GetValue(expression)!)
                + (parsed.GetValue(time) is { } at ? "&time=" + Uri.EscapeDataString(at) : "");
            using var answer = await server.GetAsync(path, cancel);
            if (client.Json(parsed))
            {
                Console.WriteLine(answer.RootElement.GetRawText());
                return ExitCode.Done;
            }

            var data = answer.RootElement.GetProperty("data");
            var result = data.GetProperty("result");
            if (data.GetProperty("resultType").GetString() is "scalar" or "string")
            {
                Console.WriteLine(result[1].GetString());
                return ExitCode.Done;
            }

            foreach (var series in result.EnumerateArray())
            {
                var labels = string.Join(", ", series.GetProperty("metric").EnumerateObject().Where(label => !label.NameEquals("__name__")).Select(label => $"{label.Name}={JsonSerializer.Serialize(label.Value.GetString())}"));
                var name = series.GetProperty("metric").TryGetProperty("__name__", out var metric) ? metric.GetString() : "";
                var values = series.TryGetProperty("value", out var single) ? [single] : series.GetProperty("values").EnumerateArray().ToArray();
                Console.WriteLine($"{name}{{{labels}}}  {string.Join(' ', values.Select(value => value[1].GetString()))}");
            }

            return result.GetArrayLength() == 0 ? ExitCode.TheAnswerIsNo : ExitCode.Done;
        });
        root.Subcommands.Add(command);
    }
}

// Comparisons that are run by hand and, shortened, by CI: `bench/run NAME [--seconds N] [--json]`.
using Faultline.Bench;

var name = args.FirstOrDefault() ?? "";
int Number(string option, int otherwise) =>
    args.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault() is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : otherwise;
var seconds = Number("--seconds", 10);
var json = args.Contains("--json", StringComparer.Ordinal);
switch (name)
{
    case "ingest":
        return await IngestBench.RunAsync("plain", seconds, Number("--connections", 16), json);
    case "ingest-genai":
        return await IngestBench.RunAsync("genai", seconds, Number("--connections", 16), json);
    case "stages":
        return await StagesBench.RunAsync(args.Contains("--genai", StringComparer.Ordinal));
    case "fuzz":
        return FuzzBench.Run(args);
    case "crash":
        return await CrashBench.RunAsync(args);
    case "full-disk":
        return await FullDiskBench.RunAsync(Number("--inserts", 200), Number("--seed", 1));
    case "durability":
        return await DurabilityBench.RunAsync();
    case "deletes":
        return await DeletesBench.RunAsync(args);
    case "cardinality":
        return await CardinalityBench.RunAsync(args);
    case "quiet-month":
        return await QuietMonthBench.RunAsync();
    case "locate":
        return LocateBench.Run(json);
    case "diagnosis":
        return await DiagnosisBench.RunAsync(args);
    case "groundedness-features":
        return await GroundednessFeatures.RunAsync(args.ElementAtOrDefault(1) ?? ".");
    case "topics":
        return await TopicBench.RunAsync([.. args.Skip(1)]);
    case "evaluators":
        return await EvaluatorBench.RunAsync(args.ElementAtOrDefault(1) ?? ".", json);
    default:
        Console.Error.WriteLine("bench/run NAME [--seconds N] [--json], where NAME is ingest, ingest-genai [--connections N], stages [--genai], fuzz [--inputs N] [--seed S], crash [--kills N] [--seed S] [--power] [--full-disk MIB], full-disk [--inserts N] [--seed S], durability, deletes [--spans N] [--deletes N], cardinality [--values N], quiet-month, locate, evaluators DIR, topics WORLD..., groundedness-features DIR (cases.jsonl of faultline bench groundedness) or diagnosis [--worlds N] [--days D] [--seed S] [--dev DIR --held-out DIR [--no-play]].");
        return 2;
}

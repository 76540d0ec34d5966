// Comparisons that are run by hand and, shortened, by CI: `bench/run NAME [--seconds N] [--json]`.
using Faultline.Bench;

var name = args.FirstOrDefault() ?? "";
int Number(string option, int otherwise) =>
    args.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault() is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : otherwise;
string Text(string option, string otherwise) => args.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault() ?? otherwise;
var seconds = Number("--seconds", 10);
var json = args.Contains("--json", StringComparer.Ordinal);
switch (name)
{
    case "ingest":
        return await IngestBench.RunAsync("plain", seconds, Number("--connections", 16), Text("--protocol", "http"), json);
    case "ingest-genai":
        return await IngestBench.RunAsync("genai", seconds, Number("--connections", 16), Text("--protocol", "http"), json);
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
    case "soak":
        return await SoakBench.RunAsync(seconds, Text("--memory", "1GiB"));
    case "forward":
        return await ForwardBench.RunAsync(Number("--outage", 60), Number("--rate", 8000));
    case "redaction":
        return await RedactionBench.RunAsync(Text("--shape", "plain"), seconds, Number("--connections", 32));
    case "merges":
        return await MergesBench.RunAsync(seconds, Number("--rate", 75_000), Number("--rows", 10_000), args.Contains("--genai", StringComparer.Ordinal), Text("--alter", ""));
    case "quiet-month":
        return await QuietMonthBench.RunAsync();
    case "locate":
        return LocateBench.Run(json);
    case "diagnosis":
        return await DiagnosisBench.RunAsync(args);
    case "groundedness-features":
        return await GroundednessFeatures.RunAsync(args.ElementAtOrDefault(1) ?? ".");
    case "healthy-days":
        return await HealthyDaysBench.RunAsync(Number("--seeds", 8), Number("--first", 1000), Text("--rate", ""));
    case "entities":
        return await EntitiesBench.RunAsync(Number("--services", 2000), Number("--minutes", 10), Number("--days", 28), double.Parse(Text("--rate", "1"), System.Globalization.CultureInfo.InvariantCulture));
    case "topics":
        return await TopicBench.RunAsync([.. args.Skip(1)]);
    case "evaluators":
        return await EvaluatorBench.RunAsync(args.ElementAtOrDefault(1) ?? ".", json);
    default:
        Console.Error.WriteLine("bench/run NAME [--seconds N] [--json], where NAME is ingest, ingest-genai [--connections N] [--protocol http|grpc], stages [--genai], fuzz [--inputs N] [--seed S], crash [--kills N] [--seed S] [--power] [--full-disk MIB], full-disk [--inserts N] [--seed S], durability, deletes [--spans N] [--deletes N], cardinality [--values N], merges [--rate N] [--rows N] [--genai] [--alter SQL], soak [--memory 1GiB], forward [--outage SECONDS] [--rate N], redaction [--shape plain|genai] [--connections N], quiet-month, locate, healthy-days [--seeds N] [--first SEED] [--rate R], entities [--services N] [--minutes N] [--days N] [--rate PER_MINUTE], evaluators DIR, topics WORLD..., groundedness-features DIR (cases.jsonl of faultline bench groundedness) or diagnosis [--worlds N] [--days D] [--seed S] [--dev DIR --held-out DIR [--no-play]].");
        return 2;
}

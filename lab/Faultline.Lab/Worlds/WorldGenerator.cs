using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Recording;

namespace Faultline.Lab.Worlds;

/// <summary>What was written of one world.</summary>
public sealed record WrittenWorld(string Name, int Spans, int Faults, long Bytes);

/// <summary>
/// Writes labelled worlds: <c>worlds/NAME/telemetry.jsonl.gz</c> is what a receiver would have got, <c>labels/NAME.json</c> what was wrong.
/// The same options write the same bytes.
/// </summary>
public static class WorldGenerator
{
    /// <param name="directory">Made if need be; worlds of the same name are replaced.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static IEnumerable<WrittenWorld> Write(WorldOptions options, string directory, CancellationToken cancel = default)
    {
        var planner = new WorldPlanner(options);
        var labels = Directory.CreateDirectory(Path.Combine(directory, "labels")).FullName;
        for (var i = 0; i < options.Worlds; i++)
        {
            cancel.ThrowIfCancellationRequested();
            var plan = planner.Next();
            var folder = Directory.CreateDirectory(Path.Combine(directory, "worlds", plan.Name)).FullName;
            using var telemetry = File.Create(Path.Combine(folder, "telemetry.jsonl.gz"));
            var spans = new WorldRecorder(plan).Record(telemetry);
            using var label = File.Create(Path.Combine(labels, $"{plan.Name}.json"));
            LabelFile.Write(label, plan);
            yield return new WrittenWorld(plan.Name, spans, plan.Faults.Count, telemetry.Length);
        }
    }
}

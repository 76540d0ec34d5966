using System.Text.Json;
using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Planning;

namespace Faultline.Lab.Worlds.Recording;

/// <summary>What was wrong with a world, for whoever scores; never for whoever plays it.</summary>
internal static class LabelFile
{
    public static void Write(Stream into, WorldPlan plan)
    {
        using var json = new Utf8JsonWriter(into, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteString("world", plan.Name);
        json.WriteNumber("seed", plan.Options.Seed);
        json.WriteNumber("start", plan.Start);
        json.WriteNumber("end", plan.End);
        json.WriteNumber("service_days_healthy", Math.Round(plan.HealthyServiceDays, 4));
        json.WriteStartArray("systems");
        foreach (var system in plan.Systems)
        {
            json.WriteStartObject();
            json.WriteString("topology", system.Topology.Name);
            json.WriteString("dialect", system.Dialect.Name);
            Texts(json, "services", system.Services.Select(service => service.Name));
            json.WriteString("scores", system.ScoreForm.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("faults");
        foreach (var fault in plan.Faults)
        {
            WriteFault(json, fault);
        }

        json.WriteEndArray();
        json.WriteStartArray("innocent_changes");
        foreach (var change in plan.Changes.Where(change => change.Innocent))
        {
            json.WriteStartObject();
            json.WriteNumber("at", change.At);
            json.WriteString("type", change.Type);
            json.WriteString("service", change.Service);
            json.WriteString("detail", change.Detail);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteFault(Utf8JsonWriter json, PlannedFault fault)
    {
        json.WriteStartObject();
        json.WriteNumber("start", fault.Start);
        json.WriteNumber("end", fault.End);
        Texts(json, "class", fault.Kind.Classes);
        json.WriteString("cause", fault.Kind.Cause);
        json.WriteString("target", fault.Target);
        Texts(json, "targets_accepted", fault.TargetsAccepted);
        Texts(json, "services", fault.System.Services.Select(service => service.Name));
        json.WriteString("kind", fault.Kind.Name);
        json.WriteString("style", fault.System.Dialect.Name);
        json.WriteString("topology", fault.System.Topology.Name);
        json.WriteNumber("severity", fault.Severity);
        json.WriteString("onset", fault.Onset.ToString().ToLowerInvariant());
        json.WriteString("share", fault.Share switch { Share.Tenant => $"tenant {fault.Tenant}", Share.Model => $"model {fault.System.Routes[0].Model}", _ => "all" });
        json.WriteBoolean("change_exists", fault.Change is not null);
        json.WriteBoolean("change_recorded", fault.Change is { Recorded: true });
        json.WriteEndObject();
    }

    private static void Texts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}

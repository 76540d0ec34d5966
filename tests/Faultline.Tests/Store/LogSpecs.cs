using Faultline.Store.Traces;
using Faultline.Telemetry;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Spans;
using static Faultline.Tests.Store.SpanSpecs;

namespace Faultline.Tests.Store;

internal static class LogSpecs
{
    /// <summary>Adds a log record to a batch, with a resource and a scope of its own.</summary>
    internal static void Log(
        TelemetryBatch batch, string body, long at, TraceId trace, int severity = 9, string service = "shop", long? observed = null, IReadOnlyList<StoredAttribute>? attributes = null,
        string name = "an.event", AttributeType bodyType = AttributeType.String, SpanId? span = null)
    {
        var logs = batch.Logs;
        logs.Resources.Attributes.Add("service.name"u8, System.Text.Encoding.UTF8.GetBytes(service), AttributeType.String);
        logs.Resources.Attributes.EndRow();
        logs.Resources.DroppedAttributes.Add(0);
        logs.Resources.SchemaUrl.Add("");
        logs.Scopes.Name.Add("");
        logs.Scopes.Version.Add("");
        logs.Scopes.Attributes.EndRow();
        logs.Scopes.DroppedAttributes.Add(0);
        logs.Scopes.SchemaUrl.Add("");
        logs.Resource.Add(logs.Resources.Count - 1);
        logs.Scope.Add(logs.Scopes.Count - 1);
        logs.UnixNanos.Add(at);
        logs.ObservedUnixNanos.Add(observed ?? at + 1);
        logs.SeverityNumber.Add(severity);
        logs.SeverityText.Add("INFO");
        logs.Body.Add(body);
        logs.BodyType.Add(bodyType);
        logs.EventName.Add(name);
        foreach (var attribute in attributes ?? [])
        {
            logs.Attributes.Add(System.Text.Encoding.UTF8.GetBytes(attribute.Key), System.Text.Encoding.UTF8.GetBytes(attribute.Value), attribute.Type);
        }

        logs.Attributes.EndRow();
        logs.DroppedAttributes.Add(0);
        logs.Flags.Add(1);
        logs.TraceId.Add(trace);
        logs.SpanId.Add(span ?? new SpanId(3));
    }
}

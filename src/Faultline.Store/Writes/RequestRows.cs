using Faultline.ClickHouse;
using Faultline.Telemetry;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Writes;

/// <summary>What every row says of the request that it came in: project, when it was received, its hash.</summary>
internal sealed class RequestRows
{
    private readonly PickedRows _project = new();
    private readonly FixedRows<long> _received = new();
    private readonly IdRows _hash = new(16);

    public void Append(TelemetryBatch batch, int rows)
    {
        _project.Repeat(batch.Project, rows);
        _received.Repeat(batch.ReceivedUnixNanos, rows);
        _hash.Repeat(batch.RequestHash, rows);
    }

    public void Clear()
    {
        _project.Clear();
        _received.Clear();
        _hash.Clear();
    }

    public void WriteTo(NativeBlock block, ushort receivedDay)
    {
        _project.WriteTo(block, "project");
        block.Fixed("received_unix_nanos", "Int64", _received.Values);
        _hash.WriteTo(block, "request_hash");
        block.FixedConstant("received_date", "Date", receivedDay);
    }
}

/// <summary>A row's resource and scope, written out into the row: that is what makes one table enough for every question.</summary>
internal sealed class OriginRows
{
    private readonly PickedRows _service = new();
    private readonly PickedRows _environment = new();
    private readonly PickedRows _release = new();
    private readonly MapRows _resource = new();
    private readonly FixedRows<uint> _resourceDropped = new();
    private readonly PickedRows _resourceSchema = new();
    private readonly PickedRows _scopeName = new();
    private readonly PickedRows _scopeVersion = new();
    private readonly MapRows _scope = new();
    private readonly FixedRows<uint> _scopeDropped = new();
    private readonly PickedRows _scopeSchema = new();

    public void Append(ResourceColumns resources, ScopeColumns scopes, ReadOnlySpan<int> resource, ReadOnlySpan<int> scope)
    {
        for (var row = 0; row < resources.Count; row++)
        {
            _service.Offer(resources.ServiceName(row));
            _environment.Offer(resources.Environment(row));
            _release.Offer(resources.Release(row));
        }

        _service.Pick(resources.Count, resource);
        _environment.Pick(resources.Count, resource);
        _release.Pick(resources.Count, resource);
        _resource.Pick(resources.Attributes, resource);
        _resourceDropped.Pick(resources.DroppedAttributes.Values, resource);
        _resourceSchema.Pick(resources.SchemaUrl, resource);
        _scopeName.Pick(scopes.Name, scope);
        _scopeVersion.Pick(scopes.Version, scope);
        _scope.Pick(scopes.Attributes, scope);
        _scopeDropped.Pick(scopes.DroppedAttributes.Values, scope);
        _scopeSchema.Pick(scopes.SchemaUrl, scope);
    }

    public void Clear()
    {
        _service.Clear();
        _environment.Clear();
        _release.Clear();
        _resource.Clear();
        _resourceDropped.Clear();
        _resourceSchema.Clear();
        _scopeName.Clear();
        _scopeVersion.Clear();
        _scope.Clear();
        _scopeDropped.Clear();
        _scopeSchema.Clear();
    }

    public void WriteTo(NativeBlock block)
    {
        _service.WriteTo(block, "service_name");
        _environment.WriteTo(block, "environment");
        _release.WriteTo(block, "release");
        _resource.WriteTo(block, "resource_attributes", "resource_attribute_types");
        block.Fixed("resource_dropped_attributes", "UInt32", _resourceDropped.Values);
        _resourceSchema.WriteTo(block, "resource_schema_url");
        _scopeName.WriteTo(block, "scope_name");
        _scopeVersion.WriteTo(block, "scope_version");
        _scope.WriteTo(block, "scope_attributes", "scope_attribute_types");
        block.Fixed("scope_dropped_attributes", "UInt32", _scopeDropped.Values);
        _scopeSchema.WriteTo(block, "scope_schema_url");
    }
}

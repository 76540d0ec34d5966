using Faultline.Lab.Worlds.Topologies;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>How one instrumentation tells of a span.</summary>
/// <param name="Scope">Name of the instrumentation scope.</param>
/// <param name="TenantKey">Where applications of this dialect put the tenant.</param>
/// <param name="Tell">Fills name, kind, attributes and events.</param>
internal sealed record Dialect(string Name, Split Split, string Scope, string ScopeVersion, string TenantKey, Action<Span, Told> Tell)
{
    public static readonly IReadOnlyList<Dialect> All =
    [
        new("otel-1.30", Split.Dev, "opentelemetry.instrumentation.openai_v2", "2.1b0", "app.tenant", (span, told) => Otel.Tell(span, told, OtelVersion.V130)),
        new("otel-1.41", Split.Dev, "Experimental.Microsoft.Extensions.AI", "10.0.1", "tenant.id", (span, told) => Otel.Tell(span, told, OtelVersion.V141)),
        new("openinference", Split.Dev, "openinference.instrumentation.langchain", "0.1.56", "metadata", OpenInference.Tell),
        new("openllmetry", Split.Dev, "opentelemetry.instrumentation.openai.v1", "0.40.14", "traceloop.association.properties.tenant", OpenLlmetry.Tell),
        new("otel-genai", Split.HeldOut, "opentelemetry.util.genai", "0.3b0", "organization.id", (span, told) => Otel.Tell(span, told, OtelVersion.Unreleased)),
        new("vercel", Split.HeldOut, "ai", "5.0.60", "ai.telemetry.metadata.organization", Vercel.Tell),
        new("langfuse", Split.HeldOut, "langfuse-sdk", "3.8.1", "langfuse.trace.metadata.customer", Langfuse.Tell),
        new("openlit", Split.HeldOut, "openlit.otel.tracing", "1.35.0", "customer.name", OpenLit.Tell),
    ];
}

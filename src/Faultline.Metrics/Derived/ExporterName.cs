namespace Faultline.Metrics.Derived;

/// <summary>OpenTelemetry names as the collector's Prometheus exporter writes them.</summary>
/// <remarks>Source: opentelemetry-collector-contrib, pkg/translator/prometheus.</remarks>
internal static class ExporterName
{
    public static string Of(string metric) => string.Concat(metric.Select(Sane));

    /// <summary>A label's name cannot begin with a digit, and one that begins with an underscore is taken for an internal one.</summary>
    public static string OfLabel(string attribute)
    {
        var name = Of(attribute);
        return name switch
        {
            [>= '0' and <= '9', ..] => "key_" + name,
            ['_', not '_', ..] or ['_'] => "key" + name,
            _ => name,
        };
    }

    private static char Sane(char character) => char.IsAsciiLetterOrDigit(character) ? character : '_';
}

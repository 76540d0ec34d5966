using System.Globalization;
using System.Text;

namespace Faultline.Metrics.Exposition;

/// <summary>Metrics as text: Prometheus 0.0.4 or OpenMetrics 1.0.</summary>
/// <remarks>
/// Source: prometheus.io/docs/instrumenting/exposition_formats, and the OpenMetrics specification (which wants counters' families
/// without <c>_total</c>, allows exemplars, and ends with <c># EOF</c>).
/// </remarks>
public static class TextFormat
{
    public const string PrometheusType = "text/plain; version=0.0.4; charset=utf-8";
    public const string OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// <summary>Whether an <c>Accept</c> header prefers OpenMetrics 1.0 to Prometheus' text.</summary>
    public static bool PrefersOpenMetrics(string? accept)
    {
        double openMetrics = 0, text = 0;
        foreach (var range in (accept ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = range.Split(';', StringSplitOptions.TrimEntries);
            var weight = 1.0;
            var version = "";
            foreach (var part in parts.Skip(1))
            {
                if (part.StartsWith("q=", StringComparison.OrdinalIgnoreCase) && double.TryParse(part.AsSpan(2), NumberStyles.Float, CultureInfo.InvariantCulture, out var q))
                {
                    weight = q;
                }
                else if (part.StartsWith("version=", StringComparison.OrdinalIgnoreCase))
                {
                    version = part[8..].Trim('"');
                }
            }

            if (parts[0].Equals("application/openmetrics-text", StringComparison.OrdinalIgnoreCase) && (version is "" or "1.0.0" or "0.0.1"))
            {
                openMetrics = Math.Max(openMetrics, weight);
            }
            else if (parts[0] is "text/plain" or "text/*" or "*/*")
            {
                text = Math.Max(text, weight);
            }
        }

        return openMetrics > 0 && openMetrics >= text;
    }

    public static byte[] Write(IEnumerable<MetricFamily> families, bool openMetrics)
    {
        var text = new StringBuilder(16 * 1024);
        foreach (var family in families)
        {
            var name = openMetrics || family.Type is not "counter" ? family.Name : family.Name + "_total";
            text.Append("# HELP ").Append(name).Append(' ').Append(EscapeHelp(family.Help, openMetrics)).Append('\n');
            text.Append("# TYPE ").Append(name).Append(' ').Append(TypeName(family.Type, openMetrics)).Append('\n');
            if (openMetrics && family.Unit.Length > 0)
            {
                text.Append("# UNIT ").Append(name).Append(' ').Append(family.Unit).Append('\n');
            }

            foreach (var sample in family.Samples)
            {
                text.Append(family.Name).Append(sample.Suffix);
                WriteLabels(text, sample);
                text.Append(' ').Append(Number(sample.Value));
                if (openMetrics && sample is { Exemplar: { } exemplar, Suffix: "_bucket" or "_total" })
                {
                    WriteExemplar(text, exemplar);
                }

                text.Append('\n');
            }
        }

        if (openMetrics)
        {
            text.Append("# EOF\n");
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>As Go writes a float: shortest that reads back, <c>+Inf</c>, <c>-Inf</c>, <c>NaN</c>.</summary>
    public static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ when double.IsNaN(value) => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string TypeName(string type, bool openMetrics) => type is "unknown" && !openMetrics ? "untyped" : type;

    private static void WriteLabels(StringBuilder text, MetricSample sample)
    {
        if (sample.Labels.Count == 0)
        {
            return;
        }

        var separator = '{';
        foreach (var (name, value) in sample.Labels.Pairs)
        {
            text.Append(separator).Append(name).Append("=\"");
            foreach (var character in value)
            {
                switch (character)
                {
                    case '\\': text.Append("\\\\"); break;
                    case '"': text.Append("\\\""); break;
                    case '\n': text.Append("\\n"); break;
                    default: text.Append(character); break;
                }
            }

            text.Append('"');
            separator = ',';
        }

        text.Append('}');
    }

    private static void WriteExemplar(StringBuilder text, Exemplar exemplar) =>
        text.Append(" # {trace_id=\"").Append(exemplar.TraceId).Append("\",span_id=\"").Append(exemplar.SpanId).Append("\"} ")
            .Append(Number(exemplar.Value)).Append(' ').Append(exemplar.UnixSeconds.ToString("F3", CultureInfo.InvariantCulture));

    private static string EscapeHelp(string help, bool openMetrics)
    {
        var escaped = help.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return openMetrics ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}

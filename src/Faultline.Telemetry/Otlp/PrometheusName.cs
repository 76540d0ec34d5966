using System.Text;

namespace Faultline.Telemetry.Otlp;

/// <summary>Names of OTLP metrics and attributes as Prometheus writes them.</summary>
/// <remarks>Source: opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics, "Metric Metadata".</remarks>
internal static class PrometheusName
{
    /// <summary>Sanitised, with the unit's word and, for a counter, <c>_total</c>.</summary>
    public static string Of(string name, string unit, bool isCounter, bool isGauge)
    {
        var text = Sanitise(name, allowColon: true);
        var word = UnitWord(unit, isGauge);
        if (isCounter && text.EndsWith("_total", StringComparison.Ordinal))
        {
            text = text[..^6];
        }

        if (word.Length > 0 && !text.EndsWith("_" + word, StringComparison.Ordinal) && text != word)
        {
            text += "_" + word;
        }

        return isCounter ? text + "_total" : text;
    }

    public static string Label(string attribute)
    {
        var text = Sanitise(attribute, allowColon: false);
        return text.Length > 0 && char.IsAsciiDigit(text[0]) ? "key_" + text : text;
    }

    private static string Sanitise(string name, bool allowColon)
    {
        var text = new StringBuilder(name.Length);
        foreach (var character in name)
        {
            var kept = char.IsAsciiLetterOrDigit(character) || character == '_' || (allowColon && character == ':') ? character : '_';
            if (kept != '_' || text.Length == 0 || text[^1] != '_')
            {
                text.Append(kept);
            }
        }

        var trimmed = text.ToString().TrimEnd('_');
        return allowColon && trimmed.Length > 0 && char.IsAsciiDigit(trimmed[0]) ? "_" + trimmed : trimmed;
    }

    private static string UnitWord(string unit, bool isGauge)
    {
        // {braces} are comments of the unit's author.
        var brace = unit.IndexOf('{', StringComparison.Ordinal);
        var bare = brace < 0 ? unit : unit[..brace];
        var slash = bare.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0)
        {
            return $"{Word(bare[..slash], plural: true)}_per_{Word(bare[(slash + 1)..], plural: false)}";
        }

        return bare switch
        {
            "1" => isGauge ? "ratio" : "",
            "" => "",
            _ => Word(bare, plural: true),
        };
    }

    private static string Word(string unit, bool plural) => unit switch
    {
        "s" => plural ? "seconds" : "second",
        "ms" => plural ? "milliseconds" : "millisecond",
        "us" => plural ? "microseconds" : "microsecond",
        "ns" => plural ? "nanoseconds" : "nanosecond",
        "min" => plural ? "minutes" : "minute",
        "h" => plural ? "hours" : "hour",
        "d" => plural ? "days" : "day",
        "By" => plural ? "bytes" : "byte",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "m" when !plural => "minute",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => Sanitise(unit, allowColon: false),
    };
}

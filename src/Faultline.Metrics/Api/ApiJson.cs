using System.Globalization;
using System.Text;
using System.Text.Json;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Telemetry.Samples;

namespace Faultline.Metrics.Api;

/// <summary>Values in the JSON of Prometheus' HTTP API: times are seconds with three decimals when they need them, sample values are strings.</summary>
internal static class ApiJson
{
    /// <summary>How much is written before it is sent on.</summary>
    private const int FlushBytes = 64 * 1024;

    /// <summary>Writes <c>resultType</c> and <c>result</c>, sending as it goes.</summary>
    public static async Task WriteResultAsync(Utf8JsonWriter json, PromQlResult result, CancellationToken cancel)
    {
        json.WriteStartObject();
        json.WriteString("resultType"u8, result switch
        {
            PromQlResult.Scalar => "scalar",
            PromQlResult.Text => "string",
            PromQlResult.Vector => "vector",
            _ => "matrix",
        });
        json.WritePropertyName("result"u8);
        switch (result)
        {
            case PromQlResult.Scalar scalar:
                WritePoint(json, scalar.UnixMillis, scalar.Value);
                break;
            case PromQlResult.Text text:
                json.WriteStartArray();
                WriteTime(json, text.UnixMillis);
                json.WriteStringValue(text.Value);
                json.WriteEndArray();
                break;
            case PromQlResult.Vector vector:
                json.WriteStartArray();
                foreach (var (labels, unixMillis, value) in vector.Samples)
                {
                    json.WriteStartObject();
                    json.WritePropertyName("metric"u8);
                    WriteLabels(json, labels);
                    json.WritePropertyName("value"u8);
                    WritePoint(json, unixMillis, value);
                    json.WriteEndObject();
                    await FlushWhenFullAsync(json, cancel).ConfigureAwait(false);
                }

                json.WriteEndArray();
                break;
            case PromQlResult.Matrix matrix:
                await WriteMatrixAsync(json, matrix, cancel).ConfigureAwait(false);
                break;
            default:
                throw new System.Diagnostics.UnreachableException(result.GetType().Name);
        }

        json.WriteEndObject();
    }

    public static void WriteLabels(Utf8JsonWriter json, Labels labels)
    {
        json.WriteStartObject();
        foreach (var (name, value) in labels.Pairs)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
    }

    /// <summary>A sample value as Go's JSON writes it: plain decimals between 1e-6 and 1e21, else an exponent.</summary>
    public static string Number(double value)
    {
        var size = Math.Abs(value);
        return size is 0 or (>= 1e-6 and < 1e21) || !double.IsFinite(value) ? GoText.FormatFloat(value) : GoText.FormatE(value);
    }

    /// <summary>Seconds; the fraction, when there is one, with all three digits.</summary>
    public static string Time(long unixMillis)
    {
        var size = Math.Abs(unixMillis);
        var text = new StringBuilder(unixMillis < 0 ? "-" : "").Append(size / 1000);
        return size % 1000 == 0 ? text.ToString() : text.Append(CultureInfo.InvariantCulture, $".{size % 1000:000}").ToString();
    }

    public static void WriteTime(Utf8JsonWriter json, long unixMillis) => json.WriteRawValue(Time(unixMillis), skipInputValidation: true);

    public static async ValueTask FlushWhenFullAsync(Utf8JsonWriter json, CancellationToken cancel)
    {
        if (json.BytesPending > FlushBytes)
        {
            await json.FlushAsync(cancel).ConfigureAwait(false);
        }
    }

    private static async Task WriteMatrixAsync(Utf8JsonWriter json, PromQlResult.Matrix matrix, CancellationToken cancel)
    {
        json.WriteStartArray();
        foreach (var series in matrix.Series)
        {
            json.WriteStartObject();
            json.WritePropertyName("metric"u8);
            WriteLabels(json, series.Labels);
            json.WriteStartArray("values"u8);
            for (var i = 0; i < series.Values.Length; i++)
            {
                WritePoint(json, series.UnixMillis[i], series.Values[i]);
                await FlushWhenFullAsync(json, cancel).ConfigureAwait(false);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WritePoint(Utf8JsonWriter json, long unixMillis, double value)
    {
        json.WriteStartArray();
        WriteTime(json, unixMillis);
        json.WriteStringValue(Number(value));
        json.WriteEndArray();
    }
}

using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Redaction;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Otlp;

/// <summary>
/// A metrics request as it may go on: as it was sent, but for attributes and descriptions that are redacted. Samples of Prometheus series, which metrics become
/// here, hold less than what was sent (exemplars, minima, exponential buckets), so the copy is made of the request itself.
/// </summary>
/// <remarks>Source: opentelemetry/proto/metrics/v1/metrics.proto. Fields that this version does not know are copied too.</remarks>
public static class MetricCopy
{
    private const uint Bytes = WireReader.Bytes;

    private static readonly Shape s_attribute = new();
    private static readonly Shape s_text = new();
    private static readonly Shape s_exemplar = new((7, s_attribute));
    private static readonly Shape s_number = new((7, s_attribute), (5, s_exemplar)) { IsPoint = true };
    private static readonly Shape s_histogram = new((9, s_attribute), (8, s_exemplar)) { IsPoint = true };
    private static readonly Shape s_exponential = new((1, s_attribute), (11, s_exemplar)) { IsPoint = true };
    private static readonly Shape s_summary = new((7, s_attribute)) { IsPoint = true };
    private static readonly Shape s_metric = new((2, s_text), (5, new((1, s_number))), (7, new((1, s_number))), (9, new((1, s_histogram))), (10, new((1, s_exponential))), (11, new((1, s_summary))), (12, s_attribute));
    private static readonly Shape s_scope = new((1, new((3, s_attribute))), (2, s_metric));
    private static readonly Shape s_resource = new((1, new((1, s_attribute))), (2, s_scope));

    /// <param name="fields">Of a message: those that hold attributes or texts, at any depth. None: it is a <c>KeyValue</c> or a text itself.</param>
    private sealed class Shape(params (uint Field, Shape Inner)[] fields)
    {
        public bool IsPoint { get; init; }

        public Shape? Find(uint field)
        {
            foreach (var (number, inner) in fields)
            {
                if (number == field)
                {
                    return inner;
                }
            }

            return null;
        }
    }

    /// <param name="request">A well-formed <c>ExportMetricsServiceRequest</c>.</param>
    /// <param name="isWanted">Whether what a resource sent goes into the copy, by the resource's row, already redacted; null: all does.</param>
    /// <returns>The copy, and how many data points are in it.</returns>
    public static (byte[] Request, int Points) Make(ReadOnlySpan<byte> request, Redactor redactor, Func<ResourceColumns, int, bool>? isWanted = null)
    {
        using var into = new TranscodedRequest(Math.Max(256, request.Length + 64));
        var copy = new Copy(redactor.ForCopies(), into);
        var session = new DecodeSession(new OtlpLimits { NowUnixNanos = 0 });
        var reader = new WireReader(request);
        var points = 0;
        while (reader.TryReadTag(out var tag))
        {
            if (tag != ((1 << 3) | Bytes))
            {
                reader.Skip(tag);
                continue;
            }

            var (before, pointsBefore) = (into.Length, copy.Points);
            var message = reader.ReadBytes();
            var start = into.Open(tag);
            copy.Write(message, s_resource);
            into.CloseLength(start);
            var resources = new ResourceColumns();
            if (copy.Points == pointsBefore || (isWanted is not null && (ResourceDecoder.AppendResource(into.Message[start..], resources, session) != WireFault.None || !isWanted(resources, 0))))
            {
                into.Shrink(before);
                continue;
            }

            points += copy.Points - pointsBefore;
        }

        return (into.Message.ToArray(), points);
    }

    /// <inheritdoc cref="Make"/>
    /// <param name="json">A well-formed request as OTLP/JSON.</param>
    public static (byte[] Request, int Points) MakeOfJson(ReadOnlySpan<byte> json, Redactor redactor, Func<ResourceColumns, int, bool>? isWanted = null)
    {
        using var protobuf = JsonTranscoder.ToProtobuf(json, OtlpSchema.Metrics);
        return Make(protobuf.Message, redactor, isWanted);
    }

    private static int Open(this TranscodedRequest into, uint tag)
    {
        into.Varint(tag);
        return into.OpenLength();
    }

    private sealed class Copy((Func<AttributeColumn, int, AttributeChange?> Attribute, Func<ReadOnlySpan<byte>, byte[]?> Text) redact, TranscodedRequest into)
    {
        private readonly DecodeSession _session = new(new OtlpLimits { NowUnixNanos = 0 });
        private readonly AttributeColumn _attribute = new();

        public int Points { get; private set; }

        /// <summary>Writes a message's contents.</summary>
        /// <returns>Whether they differ from what they were.</returns>
        public bool Write(ReadOnlySpan<byte> message, Shape shape)
        {
            Points += shape.IsPoint ? 1 : 0;
            var (isChanged, from) = (false, 0);
            var reader = new WireReader(message);
            while (reader.TryReadTag(out var tag))
            {
                if ((tag & 7) == Bytes && shape.Find(tag >> 3) is { } inner)
                {
                    var contents = reader.ReadBytes();
                    var before = into.Length;
                    if (inner == s_attribute ? WriteAttribute(tag, contents) : inner == s_text ? WriteText(tag, contents) : WriteMessage(tag, contents, inner))
                    {
                        isChanged = true;
                    }
                    else
                    {
                        into.Shrink(before);
                        message[from..reader.At].CopyTo(into.Append(reader.At - from));
                    }
                }
                else
                {
                    reader.Skip(tag);
                    message[from..reader.At].CopyTo(into.Append(reader.At - from));
                }

                from = reader.At;
            }

            // Whoever called copies the whole of an unchanged message.
            return isChanged;
        }

        private bool WriteMessage(uint tag, ReadOnlySpan<byte> contents, Shape shape)
        {
            var start = into.Open(tag);
            var isChanged = Write(contents, shape);
            into.CloseLength(start);
            return isChanged;
        }

        private bool WriteText(uint tag, ReadOnlySpan<byte> text)
        {
            if (redact.Text(text) is not { } changed)
            {
                return false;
            }

            var start = into.Open(tag);
            changed.CopyTo(into.Append(changed.Length));
            into.CloseLength(start);
            return true;
        }

        private bool WriteAttribute(uint tag, ReadOnlySpan<byte> keyValue)
        {
            _attribute.Truncate(0);
            if (AnyValueDecoder.AppendKeyValue(keyValue, _attribute, null, _session) != WireFault.None)
            {
                return false;
            }

            _attribute.EndRow();
            if (redact.Attribute(_attribute, 0) is not { } change)
            {
                return false;
            }

            if (change.Value is not null)
            {
                _attribute.Change([change]);
                using var written = new BackwardsWriter();
                AnyValueEncoder.WriteKeyValue(written, tag >> 3, _attribute, 0);
                written.Written.CopyTo(into.Append(written.Length));
            }

            return true;
        }
    }
}

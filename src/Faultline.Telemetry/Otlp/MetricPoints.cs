using System.Globalization;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Samples;

namespace Faultline.Telemetry.Otlp;

/// <summary>Where the points of one metric become samples.</summary>
/// <param name="name">As Prometheus writes it.</param>
/// <param name="target">Labels of the resource; they win over a point's own.</param>
internal sealed class MetricPoints(string name, IReadOnlyList<KeyValuePair<string, string>> target, bool isDelta, SampleBatch into, DecodeSession session)
{
    private const ulong MillisecondNanos = 1_000_000;

    public bool IsDelta => isDelta;

    public DecodeSession Session => session;

    public void Reject(string problem) => session.RejectPoints(problem, name);

    /// <summary>Counts a point as accepted, or rejects it for its time or because the request has too many series.</summary>
    public bool Admit(ulong time)
    {
        var problem = time == 0 ? "a data point without a time" : session.TimeProblem(time);
        if (problem is null && into.Series.Count >= session.Limits.SeriesMax)
        {
            problem = $"one request may bring {session.Limits.SeriesMax} series";
        }

        if (problem is not null)
        {
            Reject(problem);
            return false;
        }

        session.Accepted++;
        return true;
    }

    public List<KeyValuePair<string, string>> Labels(AttributeColumn attributes)
    {
        var labels = new List<KeyValuePair<string, string>>();
        for (var entry = 0; entry < attributes.Types.Count; entry++)
        {
            labels.Add(new(PrometheusName.Label(attributes.Keys.Text(entry)), attributes.Values.Text(entry)));
        }

        // The target's come last, so that they win: a point cannot pretend to be of another service.
        labels.AddRange(target);
        return labels;
    }

    /// <param name="bound">A label more, <c>le</c> or <c>quantile</c>.</param>
    public void Add(string suffix, double value, ulong time, List<KeyValuePair<string, string>> labels, KeyValuePair<string, string>? bound = null)
    {
        List<KeyValuePair<string, string>> all = [.. labels, new(Samples.Labels.MetricName, name + suffix)];
        if (bound is { } extra)
        {
            all.Add(extra);
        }

        into.Add(Samples.Labels.Of(all), (long)(time / MillisecondNanos), value);
    }

    /// <summary>Adds a histogram's samples: its buckets, the one of everything, its count and, where there is one, its sum.</summary>
    /// <param name="buckets">Rising bounds, each with how many were at most that; without the infinite one.</param>
    /// <param name="instead">Stands in the place of every value.</param>
    public void AddHistogram(IEnumerable<(double Bound, ulong Count)> buckets, ulong count, double? sum, ulong time, double? instead, List<KeyValuePair<string, string>> labels)
    {
        foreach (var (bound, running) in buckets)
        {
            Add("_bucket", instead ?? running, time, labels, Le(bound));
        }

        Add("_bucket", instead ?? count, time, labels, Le(double.PositiveInfinity));
        Add("_count", instead ?? count, time, labels);
        if (sum is { } known)
        {
            Add("_sum", instead ?? known, time, labels);
        }
    }

    private static KeyValuePair<string, string> Le(double bound) =>
        new("le", double.IsPositiveInfinity(bound) ? "+Inf" : LabelNumber(bound));

    /// <summary>A bound or quantile as Prometheus's own OTLP receiver writes it: without an exponent. Bounds of exponential histograms may be beyond what anybody writes out, and keep one.</summary>
    internal static string LabelNumber(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        if (text.IndexOf('E', StringComparison.Ordinal) is not (> 0 and var exponent) || int.Parse(text.AsSpan(exponent + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) is not (>= -WrittenOutMax and <= WrittenOutMax and var power))
        {
            return text;
        }

        var sign = value < 0 ? "-" : "";
        var mantissa = text[sign.Length..exponent];
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var point = power + (mantissa.IndexOf('.', StringComparison.Ordinal) is > 0 and var at ? at : mantissa.Length);
        return sign + (point <= 0 ? "0." + new string('0', -point) + digits : point >= digits.Length ? digits.PadRight(point, '0') : digits.Insert(point, "."));
    }

    private const int WrittenOutMax = 24;

    /// <summary>Adds a delta to its series' total and writes the total; call only when <see cref="IsDelta"/>.</summary>
    /// <param name="kind">Of the metric: a name that is two kinds of metric is two totals.</param>
    /// <param name="add">Adds the point to the total it is given.</param>
    /// <param name="write">Writes the total as samples of a time; <c>isZero</c>: the same series with zeros.</param>
    public void Accumulate(in PointHead point, List<KeyValuePair<string, string>> labels, string kind, Action<DeltaTotal> add, Action<DeltaTotal, ulong, bool> write)
    {
        var deltas = session.Deltas!;
        var series = Samples.Labels.Of([.. labels, new(Samples.Labels.MetricName, name), new("__type__", kind)]);
        lock (deltas.Gate)
        {
            if (point.IsStale)
            {
                deltas.Forget(series);
                return;
            }

            switch (deltas.Find(series, point.Time, session.Limits.NowUnixNanos, out var total))
            {
                case DeltaOutcome.First:
                    deltas.Add(total, add);

                    // A counter that begins at its first delta would hide it from increase(): it began at zero, when the sender says.
                    if (point.Start > 0 && point.Start + MillisecondNanos < point.Time && session.TimeProblem(point.Start) is null)
                    {
                        write(total, point.Start + MillisecondNanos, true);
                    }

                    write(total, point.Time, false);
                    break;
                case DeltaOutcome.Next:
                    deltas.Add(total, add);
                    write(total, point.Time, false);
                    break;
                case DeltaOutcome.Again:
                    write(total, point.Time, false);
                    break;
                case DeltaOutcome.Late:
                    session.Accepted--;
                    Reject("a delta that is older than the newest of its series");
                    break;
                case DeltaOutcome.Full:
                    session.Accepted--;
                    Reject("too many series with delta temporality; set the exporter to cumulative");
                    break;
            }
        }
    }
}

/// <summary>What every kind of data point has: times, attributes, flags; only some field numbers differ.</summary>
internal struct PointHead(uint attributesField, uint flagsField)
{
    private const ulong NoRecordedValue = 1;

    private ulong _flags;

    public ulong Start { get; private set; }

    public ulong Time { get; private set; }

    public readonly bool IsStale => (_flags & NoRecordedValue) != 0;

    public AttributeColumn Attributes { get; } = new();

    public WireFault Fault { get; set; }

    /// <summary>Reads a field, or skips it when it is none of these.</summary>
    public void Read(uint tag, ref WireReader reader, DecodeSession session)
    {
        if (tag == ((2 << 3) | WireReader.Fixed64))
        {
            Start = reader.ReadFixed64();
        }
        else if (tag == ((3 << 3) | WireReader.Fixed64))
        {
            Time = reader.ReadFixed64();
        }
        else if (tag == ((attributesField << 3) | WireReader.Bytes))
        {
            Fault = AnyValueDecoder.AppendKeyValue(reader.ReadBytes(), Attributes, null, session);
        }
        else if (tag == ((flagsField << 3) | WireReader.Varint))
        {
            _flags = reader.ReadVarint();
        }
        else
        {
            reader.Skip(tag);
        }
    }

    public readonly WireFault FaultWith(in WireReader reader) => Fault == WireFault.None ? reader.Fault : Fault;
}

using System.Text;
using System.Text.RegularExpressions;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Logs;
using Faultline.Telemetry.Otlp;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Telemetry.Redaction;

/// <summary>
/// Takes what is sensitive out of a batch, before anything else has seen it: names, status messages, attributes, bodies, events, links,
/// resources, scopes, log bodies, metric labels and descriptions. Keys, ids, metric names and bytes values are left as they are.
/// </summary>
public sealed class Redactor
{
    private readonly RedactionOptions _options;
    private readonly SensitiveScanner _scanner;
    private readonly RedactionRules _attributes;
    private readonly RedactionRules _labels;
    private readonly RedactionRules _events;
    private readonly IReadOnlyList<(RedactionPattern Pattern, Regex Regex)> _patterns;
    private readonly CleanTexts _clean = new();

    /// <exception cref="ArgumentException">The options have <see cref="RedactionOptions.Problems"/>.</exception>
    public Redactor(RedactionOptions options)
    {
        if (options.Problems().FirstOrDefault() is { } problem)
        {
            throw new ArgumentException(problem, nameof(options));
        }

        if (options.Enabled && options.Hashes && options.HashKey.Length < 16)
        {
            throw new ArgumentException("a hash needs a key of at least 16 bytes", nameof(options));
        }

        _options = options;
        Figures = new RedactionFigures(options);
        _scanner = new SensitiveScanner(options.Kinds.Where(kind => kind.Value != RedactionMode.Keep).Select(kind => kind.Key));
        _attributes = new RedactionRules(options.Attributes);
        _labels = new RedactionRules(options.Attributes, asLabels: true);
        _events = new RedactionRules(options.Events);
        _patterns = [.. options.Patterns.Select(pattern => (pattern, RedactionOptions.Compile(pattern, out _)!))];
    }

    public RedactionFigures Figures { get; }

    /// <summary>Changes the batch in place. Safe to call from several threads, for different batches.</summary>
    public void Redact(TelemetryBatch batch)
    {
        if (!_options.Enabled)
        {
            return;
        }

        var text = new TextRedactor(_options, _scanner, _patterns, _clean, Figures);
        Redact(batch.Spans, text);
        Redact(batch.Logs, text);
        Redact(batch.Samples, text);
    }

    /// <summary>Lets go of the texts that are remembered because nothing was found in them.</summary>
    public void Forget() => _clean.Clear();

    private void Redact(SpanBatch spans, TextRedactor text)
    {
        if (spans.Count == 0)
        {
            return;
        }

        Redact(spans.Resources, spans.Scopes, text);
        Redact(spans.Name, text);
        Redact(spans.StatusMessage, text);
        Redact(spans.Attributes, spans.DroppedAttributes, text);
        Redact(spans.Bodies, spans.DroppedAttributes, text);
        Redact(spans.Events.Name, text);
        Redact(spans.Events.Attributes, spans.Events.DroppedAttributes, text, spans.Events.Name);
        Redact(spans.Links.Attributes, spans.Links.DroppedAttributes, text);
    }

    private void Redact(LogBatch logs, TextRedactor text)
    {
        if (logs.Count == 0)
        {
            return;
        }

        Redact(logs.Resources, logs.Scopes, text);
        RedactBodies(logs, text);
        Redact(logs.Attributes, logs.DroppedAttributes, text, logs.EventName);
    }

    private void Redact(ResourceColumns resources, ScopeColumns scopes, TextRedactor text)
    {
        Redact(resources.Attributes, resources.DroppedAttributes, text);
        Redact(scopes.Attributes, scopes.DroppedAttributes, text);
    }

    private static void Redact(ByteColumn column, TextRedactor text)
    {
        List<(int Row, byte[] Value)>? changes = null;
        for (var row = 0; row < column.Count; row++)
        {
            if (StandFor(column[row], text) is { } value)
            {
                (changes ??= []).Add((row, value));
            }
        }

        column.Replace(changes ?? []);
    }

    private void RedactBodies(LogBatch logs, TextRedactor text)
    {
        List<(int Row, byte[] Value)>? changes = null;
        for (var row = 0; row < logs.Count; row++)
        {
            if (_events.Find(logs.EventName[row]) is { } rule)
            {
                if (rule.Mode == RedactionMode.Keep)
                {
                    continue;
                }

                (changes ??= []).Add((row, StandFor(logs.Body[row], rule, RedactionFigures.ByEventRule, text)));
                logs.BodyType[row] = AttributeType.String;
                continue;
            }

            var outcome = text.Redact(logs.Body[row], logs.BodyType[row]);
            if (outcome == TextOutcome.Untouched)
            {
                continue;
            }

            (changes ??= []).Add((row, outcome == TextOutcome.Changed ? text.Written.ToArray() : []));
            logs.BodyType[row] = TypeAfter(outcome, logs.BodyType[row]);
        }

        logs.Body.Replace(changes ?? []);
    }

    /// <param name="eventNames">Where rows are events: their names.</param>
    private void Redact(AttributeColumn attributes, FixedColumn<uint> dropped, TextRedactor text, ByteColumn? eventNames = null)
    {
        List<AttributeChange>? changes = null;
        for (var row = 0; row < attributes.Count; row++)
        {
            var byEvent = eventNames is null || eventNames[row].IsEmpty ? null : _events.Find(eventNames[row]);
            var end = attributes.End(row);
            for (var entry = attributes.Start(row); entry < end; entry++)
            {
                if (Change(attributes, entry, byEvent, text) is not { } change)
                {
                    continue;
                }

                (changes ??= []).Add(change);
                if (change.Value is null && dropped[row] < uint.MaxValue)
                {
                    dropped[row]++;
                }
            }
        }

        attributes.Change(changes ?? []);
    }

    /// <summary>
    /// What becomes of entries of attributes and of texts that are in no batch: a metric's, which go on as they were sent. Nothing is counted, as the same
    /// values are where they become labels. For one thread.
    /// </summary>
    /// <returns>Of a text what stands in its place; null: it may stay.</returns>
    internal (Func<AttributeColumn, int, AttributeChange?> Attribute, Func<ReadOnlySpan<byte>, byte[]?> Text) ForCopies()
    {
        if (!_options.Enabled)
        {
            return ((_, _) => null, _ => null);
        }

        var text = new TextRedactor(_options, _scanner, _patterns, _clean, new RedactionFigures(_options));
        return (
            (attributes, entry) =>
                Change(attributes, entry, _attributes.Find(attributes.Keys[entry]) ?? _labels.Find(Encoding.UTF8.GetBytes(PrometheusName.Label(attributes.Keys.Text(entry)))), RedactionFigures.ByAttributeRule, text),
            value => StandFor(value, text));
    }

    private AttributeChange? Change(AttributeColumn attributes, int entry, RedactionRule? byEvent, TextRedactor text)
    {
        var rule = _attributes.Find(attributes.Keys[entry]) ?? byEvent;
        return Change(attributes, entry, rule, ReferenceEquals(rule, byEvent) ? RedactionFigures.ByEventRule : RedactionFigures.ByAttributeRule, text);
    }

    private AttributeChange? Change(AttributeColumn attributes, int entry, RedactionRule? rule, string counter, TextRedactor text)
    {
        var value = attributes.Values[entry];
        if (rule is not null)
        {
            if (rule.Mode == RedactionMode.Keep || value.IsEmpty)
            {
                return null;
            }

            var stand = StandFor(value, rule, counter, text);
            return new AttributeChange(entry, rule.Mode == RedactionMode.Drop ? null : stand, AttributeType.String);
        }

        return text.Redact(value, attributes.Types[entry]) switch
        {
            TextOutcome.Changed => new AttributeChange(entry, text.Written.ToArray(), TypeAfter(TextOutcome.Changed, attributes.Types[entry])),
            TextOutcome.Dropped => new AttributeChange(entry, null, AttributeType.Empty),
            _ => null,
        };
    }

    private byte[] StandFor(ReadOnlySpan<byte> value, RedactionRule rule, string counter, TextRedactor text)
    {
        Figures.Add(counter, rule.Mode);
        return rule.Mode == RedactionMode.Drop ? [] : text.Stand("redacted", value, rule.Mode).ToArray();
    }

    /// <returns>Null: nothing was found.</returns>
    private static byte[]? StandFor(ReadOnlySpan<byte> value, TextRedactor text) => text.Redact(value, AttributeType.String) switch
    {
        TextOutcome.Changed => text.Written.ToArray(),
        TextOutcome.Dropped => [],
        _ => null,
    };

    private static AttributeType TypeAfter(TextOutcome outcome, AttributeType type) =>
        outcome == TextOutcome.Dropped ? AttributeType.Empty : type == AttributeType.Int ? AttributeType.String : type;

    /// <summary>A label that is dropped or masked can make two series one; hashed ones stay two.</summary>
    private void Redact(SampleBatch samples, TextRedactor text)
    {
        for (var index = 0; index < samples.Series.Count; index++)
        {
            List<KeyValuePair<string, string>>? changed = null;
            foreach (var (name, value) in samples.Series[index].Pairs)
            {
                if (name is Labels.MetricName or "le" or "quantile" || RedactLabel(name, value, text) is not { } redacted)
                {
                    continue;
                }

                changed ??= [.. samples.Series[index].Pairs];
                changed.Add(new(name, redacted));
            }

            if (changed is not null)
            {
                samples.Series[index] = Labels.Of(changed);
            }
        }

        for (var index = 0; index < samples.Metadata.Count; index++)
        {
            if (Redacted(samples.Metadata[index].Help, text) is { } help)
            {
                samples.Metadata[index] = samples.Metadata[index] with { Help = help };
            }
        }
    }

    private static string? Redacted(string value, TextRedactor text) => StandFor(Encoding.UTF8.GetBytes(value), text) is { } stand ? Encoding.UTF8.GetString(stand) : null;

    private string? RedactLabel(string name, string value, TextRedactor text)
    {
        if (_labels.Find(Encoding.UTF8.GetBytes(name)) is { } rule)
        {
            return rule.Mode == RedactionMode.Keep ? null : Encoding.UTF8.GetString(StandFor(Encoding.UTF8.GetBytes(value), rule, RedactionFigures.ByAttributeRule, text));
        }

        return Redacted(value, text);
    }
}

namespace Faultline.Telemetry.Redaction;

/// <summary>How much was redacted since start, by class and mode. A class is a kind, a pattern's name, or <c>attribute</c> and <c>event</c> for rules.</summary>
public sealed class RedactionFigures
{
    public const string ByAttributeRule = "attribute";
    public const string ByEventRule = "event";

    private readonly Dictionary<(string Class, RedactionMode Mode), long[]> _counts = [];

    /// <param name="options">Names every class that can be counted, so that a counter is there before its first hit.</param>
    public RedactionFigures(RedactionOptions options)
    {
        var classes = options.Kinds.Where(kind => kind.Value != RedactionMode.Keep).Select(kind => (RedactionWords.Of(kind.Key), kind.Value))
            .Concat(options.Patterns.Select(pattern => (pattern.Name, pattern.Mode)))
            .Concat(options.Attributes.Where(rule => rule.Mode != RedactionMode.Keep).Select(rule => (ByAttributeRule, rule.Mode)))
            .Concat(options.Events.Where(rule => rule.Mode != RedactionMode.Keep).Select(rule => (ByEventRule, rule.Mode)));
        foreach (var name in classes)
        {
            _counts.TryAdd(name, new long[1]);
        }
    }

    public IEnumerable<(string Class, RedactionMode Mode, long Values)> All() => _counts.Select(pair => (pair.Key.Class, pair.Key.Mode, Interlocked.Read(ref pair.Value[0])));

    internal void Add(string name, RedactionMode mode) => Interlocked.Increment(ref _counts[(name, mode)][0]);
}

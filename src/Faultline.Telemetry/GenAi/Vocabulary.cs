using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>The tables of <c>Dialects/</c>, made ready to be asked.</summary>
internal static class Vocabulary
{
    private static readonly Utf8Table<Meaning[]> s_fields = Fields();

    private static readonly ILookup<string, (string Value, string Operation)> s_operations =
        DialectData.Rows("operations.tsv", 3).ToLookup(row => row[0], row => (row[1], row[2]), StringComparer.Ordinal);

    private static readonly List<string[]> s_providers = DialectData.Rows("providers.tsv", 3);

    private static readonly Dictionary<string, string> s_providerNames =
        s_providers.Where(row => row[0] == "name").ToDictionary(row => row[1], row => row[2], StringComparer.OrdinalIgnoreCase);

    private static readonly Dictionary<string, string> s_finishReasons =
        DialectData.Rows("finish_reasons.tsv", 2).ToDictionary(row => row[0], row => row[1], StringComparer.OrdinalIgnoreCase);

    private static readonly List<string[]> s_usage = DialectData.Rows("usage.tsv", 3);

    /// <summary>What an attribute is read for; null for nearly all of a span that is not GenAI's.</summary>
    public static Meaning[]? Find(ReadOnlySpan<byte> attribute) => s_fields.Find(attribute);

    /// <summary>The canonical operation, or null when the vocabulary does not know the value.</summary>
    public static string? Operation(string vocabulary, string value)
    {
        foreach (var (known, operation) in s_operations[vocabulary])
        {
            if (Matches(known, value))
            {
                return operation;
            }
        }

        return null;
    }

    /// <summary>The canonical name; an unknown one in lower case.</summary>
    public static string Provider(string value) => s_providerNames.TryGetValue(value, out var provider) ? provider : value.ToLowerInvariant();

    /// <summary>Who answers at an address, which may be a URL; null when the address does not say.</summary>
    public static string? ProviderAt(string address)
    {
        var host = address;
        var scheme = host.IndexOf("://", StringComparison.Ordinal);
        host = scheme < 0 ? host : host[(scheme + 3)..];
        var end = host.AsSpan().IndexOfAny('/', ':');
        host = end < 0 ? host : host[..end];
        foreach (var row in s_providers)
        {
            if (row[0] == "host" && Matches(row[1], host))
            {
                return row[2];
            }
        }

        return null;
    }

    /// <summary>stop, length, content_filter, tool_call, error; an unknown one in lower case.</summary>
    public static string FinishReason(string value) => s_finishReasons.TryGetValue(value, out var reason) ? reason : value.ToLowerInvariant();

    /// <summary>inclusive or exclusive, as the table knows who counts how; else null.</summary>
    public static string? UsageBasis(ReadOnlySpan<byte> attribute, ReadOnlySpan<byte> scope, string provider)
    {
        string? attributeText = null, scopeText = null;
        foreach (var row in s_usage)
        {
            var value = row[0] switch
            {
                "attribute" => attributeText ??= Encoding.UTF8.GetString(attribute),
                "scope" => scopeText ??= Encoding.UTF8.GetString(scope),
                _ => provider,
            };
            if (Matches(row[1], value))
            {
                return row[2];
            }
        }

        return null;
    }

    /// <summary>Any case; a <c>*</c> at either end stands for anything.</summary>
    private static bool Matches(string pattern, string value)
    {
        var text = pattern.AsSpan().Trim('*');
        return (pattern.StartsWith('*'), pattern.EndsWith('*')) switch
        {
            (false, false) => text.Equals(value, StringComparison.OrdinalIgnoreCase),
            (true, false) => value.AsSpan().EndsWith(text, StringComparison.OrdinalIgnoreCase),
            (false, true) => value.AsSpan().StartsWith(text, StringComparison.OrdinalIgnoreCase),
            _ => value.AsSpan().Contains(text, StringComparison.OrdinalIgnoreCase),
        };
    }

    private static Utf8Table<Meaning[]> Fields()
    {
        var fields = Enum.GetValues<GenAiField>().ToDictionary(SnakeCase, StringComparer.Ordinal);
        var meanings = new Dictionary<string, List<Meaning>>(StringComparer.Ordinal);
        var rank = 0;
        foreach (var row in DialectData.Rows("fields.tsv", 5))
        {
            var (conversion, argument) = row[3] switch
            {
                "text" => (Conversion.Text, ""),
                "count" => (Conversion.Count, ""),
                "seconds" => (Conversion.Seconds, ""),
                "milliseconds" => (Conversion.Milliseconds, ""),
                "instant" => (Conversion.Instant, ""),
                var path when path.StartsWith("json:", StringComparison.Ordinal) => (Conversion.Json, path[5..]),
                var path when path.StartsWith("json-text:", StringComparison.Ordinal) => (Conversion.JsonText, path[10..]),
                var vocabulary when row[0] == "operation" => (Conversion.Operation, vocabulary),
                var unknown => throw new InvalidDataException($"fields.tsv: unknown conversion '{unknown}' of {row[2]}."),
            };
            if (!meanings.TryGetValue(row[2], out var list))
            {
                meanings.Add(row[2], list = []);
            }

            list.Add(new Meaning(fields[row[0]], row[1], rank++, conversion, argument, row[4] == "yes"));
        }

        return new Utf8Table<Meaning[]>([.. meanings.Select(pair => KeyValuePair.Create(Encoding.UTF8.GetBytes(pair.Key), pair.Value.ToArray()))]);
    }

    private static string SnakeCase(GenAiField field) =>
        string.Concat(field.ToString().Select((character, i) => char.IsUpper(character) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(character) : character.ToString()));
}

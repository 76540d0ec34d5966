using System.Text;

namespace Faultline.Telemetry.GenAi;

/// <summary>Which attributes hold content: prompts, outputs, documents (<c>Dialects/content.tsv</c>).</summary>
public static class ContentKeys
{
    private static readonly Utf8Table<string> s_exact = Table(indexed: false);
    private static readonly Utf8Table<string> s_indexed = Table(indexed: true);

    private static ReadOnlySpan<byte> DocumentScore => ".document.score"u8;

    /// <summary>Whether <paramref name="key"/> is content, or part of it, as <c>gen_ai.prompt.0.content</c> is.</summary>
    /// <remarks>Scores of documents are figures, not content: lists and detectors look for them.</remarks>
    public static bool IsContent(ReadOnlySpan<byte> key) => IsPart(key) && !key.EndsWith(DocumentScore);

    /// <summary>Whether a reader of content needs it: content, and the scores of documents.</summary>
    internal static bool IsPart(ReadOnlySpan<byte> key)
    {
        if (s_exact.Find(key) is not null)
        {
            return true;
        }

        var digit = key.IndexOfAnyInRange((byte)'0', (byte)'9');
        return digit > 1 && key[digit - 1] == '.' && s_indexed.Find(key[..(digit - 1)]) is not null;
    }

    /// <summary>The key as text; of one that the table names, always the same string.</summary>
    internal static string Text(ReadOnlySpan<byte> key) => s_exact.Find(key) ?? Encoding.UTF8.GetString(key);

    /// <summary>Each key by its bytes; of indexed ones what stands before the number.</summary>
    private static Utf8Table<string> Table(bool indexed) => new([..
        from row in DialectData.Rows("content.tsv", 2)
        where row[0].EndsWith('*') == indexed
        let key = row[0].TrimEnd('*')
        select KeyValuePair.Create(Encoding.UTF8.GetBytes(key), key)]);
}

namespace Faultline.Telemetry.GenAi;

/// <summary>The code fence that models put around JSON.</summary>
public static class MarkdownFence
{
    /// <summary>What stands between the lines of a fence that begins the text, without white space at its ends; a text that has none as it is.</summary>
    /// <param name="text">Without white space at its beginning.</param>
    public static ReadOnlySpan<char> Inside(ReadOnlySpan<char> text)
    {
        if (!text.StartsWith("```"))
        {
            return text;
        }

        var line = text.IndexOf('\n');
        var end = text.LastIndexOf("```");
        return line < 0 || end <= line ? text : text[(line + 1)..end].Trim();
    }

    /// <inheritdoc cref="Inside(ReadOnlySpan{char})"/>
    public static ReadOnlySpan<byte> Inside(ReadOnlySpan<byte> text)
    {
        if (!text.StartsWith("```"u8))
        {
            return text;
        }

        var line = text.IndexOf((byte)'\n');
        var end = text.LastIndexOf("```"u8);
        return line < 0 || end <= line ? text : ContentTraits.Trim(text[(line + 1)..end]);
    }
}

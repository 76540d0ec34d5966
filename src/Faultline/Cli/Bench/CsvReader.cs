using System.Text;

namespace Faultline.Cli.Bench;

/// <summary>Records of a CSV file (RFC 4180: fields may be quoted and hold commas, quotes and line breaks).</summary>
internal static class CsvReader
{
    /// <summary>Each record's fields, valid until the next record is asked for.</summary>
    public static IEnumerable<List<string>> Records(string path)
    {
        using var reader = new StreamReader(path, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, 256 * 1024);
        var text = new StringBuilder();
        List<string> fields = [];
        while (reader.ReadLine() is { } line)
        {
            if (!line.Contains('"', StringComparison.Ordinal))
            {
                fields.Clear();
                fields.AddRange(line.Split(','));
                yield return fields;
                continue;
            }

            fields.Clear();
            var quoted = false;
            do
            {
                for (var i = 0; i < line.Length; i++)
                {
                    if (line[i] == '"')
                    {
                        if (quoted && i + 1 < line.Length && line[i + 1] == '"')
                        {
                            text.Append('"');
                            i++;
                        }
                        else
                        {
                            quoted = !quoted;
                        }
                    }
                    else if (line[i] == ',' && !quoted)
                    {
                        fields.Add(text.ToString());
                        text.Clear();
                    }
                    else
                    {
                        text.Append(line[i]);
                    }
                }

                if (quoted)
                {
                    text.Append('\n');
                }
            }
            while (quoted && (line = reader.ReadLine()) is not null);

            fields.Add(text.ToString());
            text.Clear();
            yield return fields;
        }
    }
}

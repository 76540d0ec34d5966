using System.Reflection;

namespace Faultline.Telemetry.GenAi;

/// <summary>The tables under <c>Dialects/</c>: tab-separated, <c>#</c> begins a comment line.</summary>
internal static class DialectData
{
    /// <exception cref="InvalidDataException">The table is not in this assembly, or a row has too few columns.</exception>
    public static List<string[]> Rows(string table, int columns)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(table)
            ?? throw new InvalidDataException($"{table} is not embedded in {Assembly.GetExecutingAssembly().GetName().Name}.");
        using var reader = new StreamReader(stream);
        var rows = new List<string[]>();
        var line = 0;
        while (reader.ReadLine() is { } text)
        {
            line++;
            if (text.Length == 0 || text[0] == '#')
            {
                continue;
            }

            var cells = text.Split('\t');
            if (cells.Length != columns)
            {
                throw new InvalidDataException($"{table}, line {line}: {cells.Length} columns where {columns} are expected: {text}");
            }

            rows.Add(cells);
        }

        return rows;
    }
}

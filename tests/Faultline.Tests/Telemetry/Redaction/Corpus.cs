using System.Text;
using Faultline.Telemetry.Redaction;

namespace Faultline.Tests.Redaction;

/// <summary>A line of the labelled corpus: its text, and where in its UTF-8 bytes something sensitive stands.</summary>
internal sealed record CorpusLine(int Number, string Text, IReadOnlyList<Sighting> Labels)
{
    public byte[] Utf8 => Encoding.UTF8.GetBytes(Text);

    public static IReadOnlyList<CorpusLine> All { get; } = [.. Read()];

    private static IEnumerable<CorpusLine> Read()
    {
        var number = 0;
        foreach (var raw in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "redaction", "corpus.txt")))
        {
            number++;
            if (raw.StartsWith('#'))
            {
                continue;
            }

            var (text, labels, rest) = (new StringBuilder(), new List<Sighting>(), raw.Replace("¬", "", StringComparison.Ordinal));
            while (rest.IndexOf('⟦', StringComparison.Ordinal) is var open and >= 0)
            {
                var (bar, close) = (rest.IndexOf('|', open), rest.IndexOf('⟧', open));
                text.Append(rest, 0, open);
                var start = Encoding.UTF8.GetByteCount(text.ToString());
                text.Append(rest, bar + 1, close - bar - 1);
                if (!RedactionWords.TryParse(rest[(open + 1)..bar], out SensitiveKind kind))
                {
                    throw new InvalidDataException($"corpus.txt:{number}: '{rest[(open + 1)..bar]}' is no class");
                }

                labels.Add(new Sighting(start, Encoding.UTF8.GetByteCount(text.ToString()), kind));
                rest = rest[(close + 1)..];
            }

            yield return new CorpusLine(number, text.Append(rest).ToString(), labels);
        }
    }
}

using System.Text;
using System.Text.Json;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Redaction;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Redaction;

/// <summary>What the detectors find and leave in the labelled corpus.</summary>
public sealed class CorpusTests(ITestOutputHelper output)
{
    private const double PrecisionMin = 0.95;
    private const double RecallMin = 0.95;

    private static readonly SensitiveScanner s_scanner = new(Enum.GetValues<SensitiveKind>());

    [Fact]
    public void Every_class_is_found_and_what_only_looks_like_it_stays()
    {
        var (found, missed, wrong) = (new int[10], new int[10], new int[10]);
        foreach (var line in CorpusLine.All)
        {
            var sightings = Scan(line.Utf8);
            foreach (var label in line.Labels)
            {
                var hit = sightings.Any(sighting => sighting.Kind == label.Kind && sighting.Start <= label.Start && sighting.End >= label.End);
                (hit ? found : missed)[(int)label.Kind]++;
                Say(!hit, "missed", line, label);
            }

            foreach (var sighting in sightings.Where(sighting => !line.Labels.Any(label => label.Kind == sighting.Kind && label.Start < sighting.End && label.End > sighting.Start)))
            {
                wrong[(int)sighting.Kind]++;
                Say(true, "wrong", line, sighting);
            }
        }

        output.WriteLine($"{CorpusLine.All.Count} lines, {CorpusLine.All.Count(line => line.Labels.Count == 0)} of them without anything sensitive");
        output.WriteLine("class        labelled  precision  recall");
        var poor = new List<SensitiveKind>();
        foreach (var kind in Enum.GetValues<SensitiveKind>())
        {
            var (right, all) = (found[(int)kind], found[(int)kind] + missed[(int)kind]);
            var (precision, recall) = (right / (double)Math.Max(1, right + wrong[(int)kind]), right / (double)all);
            output.WriteLine(FormattableString.Invariant($"{RedactionWords.Of(kind),-12} {all,8} {precision,10:F3} {recall,7:F3}"));
            if (precision < PrecisionMin || recall < RecallMin)
            {
                poor.Add(kind);
            }
        }

        Assert.Empty(poor);
    }

    [Fact]
    public void Nothing_beside_what_was_found_is_changed_and_json_stays_json()
    {
        var options = new RedactionOptions { Kinds = Enum.GetValues<SensitiveKind>().ToDictionary(kind => kind, _ => RedactionMode.Mask) };
        var redactor = new TextRedactor(options, s_scanner, [], new CleanTexts(), new RedactionFigures(options));
        foreach (var line in CorpusLine.All)
        {
            var outcome = redactor.Redact(line.Utf8, AttributeType.String);
            var after = outcome == TextOutcome.Untouched ? line.Text : Encoding.UTF8.GetString(redactor.Written);
            foreach (var word in RedactionWords.Kinds)
            {
                after = after.Replace($"[{word}]", "\0", StringComparison.Ordinal);
            }

            // What is left between the masks stands in the text as it was, in this order.
            var at = 0;
            foreach (var part in after.Replace("\"\0\"", "\0", StringComparison.Ordinal).Split('\0'))
            {
                var next = line.Text.IndexOf(part, at, StringComparison.Ordinal);
                Assert.True(next >= 0, $"corpus.txt:{line.Number}: '{part}' was not in the text");
                at = next + part.Length;
            }

            if (IsJson(line.Text))
            {
                Assert.True(outcome == TextOutcome.Untouched || IsJson(Encoding.UTF8.GetString(redactor.Written)), $"corpus.txt:{line.Number} is no JSON any more");
            }
        }
    }

    [Fact]
    public void Any_text_is_scanned_in_order_and_without_overlaps()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        string[] pieces = ["@", "eyJ", ".", "-----BEGIN PRIVATE KEY-----", "-----END ", "4111 1111 1111 1111", "+49", "DE89", "\\n", "\\u002B", "%40", "sk-", "Bearer ", "://a:b@", "::", "1.2.3.4", "é", "aB3dE6gH9jK2mN5pQ8sT1", " ", "\"", "AKIA", "123-45-6789", "SG.", "("];
        for (var round = 0; round < 20_000; round++)
        {
            var text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => pieces[random.Next(pieces.Length)])));
            for (var flip = random.Next(3); flip > 0; flip--)
            {
                text[random.Next(text.Length)] = (byte)random.Next(256);
            }

            var floor = 0;
            foreach (var sighting in Scan(text))
            {
                Assert.True(sighting.Start >= floor && sighting.End > sighting.Start && sighting.End <= text.Length, Convert.ToHexString(text));
                floor = sighting.End;
            }
        }
    }

    private static List<Sighting> Scan(byte[] text)
    {
        var into = new List<Sighting>();
        s_scanner.Scan(text, into);
        return into;
    }

    private void Say(bool isWrong, string what, CorpusLine line, Sighting sighting)
    {
        if (isWrong)
        {
            output.WriteLine($"corpus.txt:{line.Number}: {what} {RedactionWords.Of(sighting.Kind)} '{Encoding.UTF8.GetString(line.Utf8.AsSpan(sighting.Start..sighting.End))}' in: {line.Text}");
        }
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var parsed = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

using System.Text;
using System.Text.RegularExpressions;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Redaction;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Redaction;

/// <summary>What is remembered as clean never lets anything sensitive pass.</summary>
public sealed class CleanTextsTests(ITestOutputHelper output)
{
    [Fact]
    public void A_text_is_known_once_it_came_twice()
    {
        var clean = new CleanTexts();
        var text = "GET /api/orders/{id}"u8;

        Assert.False(clean.Contains(text, out var hash));
        clean.Add(text, hash);
        Assert.False(clean.Contains(text, out hash));
        clean.Add(text, hash);
        Assert.True(clean.Contains(text, out _));

        clean.Clear();
        Assert.False(clean.Contains(text, out _));
    }

    [Fact]
    public void A_text_that_falls_into_the_place_of_another_is_not_taken_for_it()
    {
        var clean = new CleanTexts();
        Assert.False(clean.Contains("card 4111111111111111"u8, out var hash));
        clean.Add("card 4111111111111112"u8, hash);
        clean.Add("card 4111111111111112"u8, hash);

        Assert.False(clean.Contains("card 4111111111111111"u8, out _));
    }

    [Fact]
    public void A_long_text_is_looked_through_every_time()
    {
        var clean = new CleanTexts();
        var text = Encoding.ASCII.GetBytes(new string('a', CleanTexts.TextBytesMax + 1));
        for (var i = 0; i < 3; i++)
        {
            Assert.False(clean.Contains(text, out var hash));
            clean.Add(text, hash);
        }
    }

    [Fact]
    public void Every_length_is_known_whole_only()
    {
        var clean = new CleanTexts();
        for (var length = 1; length <= CleanTexts.TextBytesMax; length++)
        {
            var text = Enumerable.Range(0, length).Select(i => (byte)('a' + (i % 26))).ToArray();
            for (var i = 0; i < 2; i++)
            {
                clean.Contains(text, out var hash);
                clean.Add(text, hash);
            }

            Assert.True(clean.Contains(text, out _));
            for (var at = 0; at < length; at++)
            {
                text[at] ^= 1;
                Assert.False(clean.Contains(text, out _), $"byte {at} of {length} does not count");
                text[at] ^= 1;
            }
        }
    }

    [Fact]
    public async Task With_and_without_memory_the_same_is_found_in_any_texts_by_any_rules_on_any_thread()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var texts = Enumerable.Range(0, 600).Select(_ => Text(random)).Concat(["4111111111111111", "4111111111111112", "078-05-1120", "20240101123456"]).ToArray();
        foreach (var (options, patterns) in Rules())
        {
            var scanner = new SensitiveScanner(options.Kinds.Keys);
            var expected = texts.Select(text => (One(new CleanTexts(), text, AttributeType.String), One(new CleanTexts(), text, AttributeType.Int))).ToArray();
            Assert.Contains(expected, pair => pair.Item1.Outcome == TextOutcome.Changed);
            Assert.Contains(expected, pair => pair.Item1.Outcome == TextOutcome.Untouched);
            var shared = new CleanTexts();
            await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
            {
                var own = new Random(seed + thread);
                var redactor = new TextRedactor(options, scanner, patterns, shared, new RedactionFigures(options));
                for (var round = 0; round < 20_000; round++)
                {
                    var at = own.Next(texts.Length);
                    Assert.Equal(expected[at].Item1, Found(redactor, texts[at], AttributeType.String));
                    Assert.Equal(expected[at].Item2, Found(redactor, texts[at], AttributeType.Int));
                }
            })));
            Assert.Contains(texts, text => shared.Contains(Encoding.UTF8.GetBytes(text), out _));

            (TextOutcome Outcome, string Text) One(CleanTexts clean, string text, AttributeType type) =>
                Found(new TextRedactor(options, scanner, patterns, clean, new RedactionFigures(options)), text, type);
        }
    }

    private static (TextOutcome Outcome, string Text) Found(TextRedactor redactor, string text, AttributeType type)
    {
        var outcome = redactor.Redact(Encoding.UTF8.GetBytes(text), type);
        return (outcome, outcome == TextOutcome.Changed ? Encoding.UTF8.GetString(redactor.Written) : "");
    }

    private static IEnumerable<(RedactionOptions Options, IReadOnlyList<(RedactionPattern Pattern, Regex Regex)> Patterns)> Rules()
    {
        yield return (new RedactionOptions(), []);
        yield return (new RedactionOptions { Kinds = Enum.GetValues<SensitiveKind>().ToDictionary(kind => kind, _ => RedactionMode.Mask) }, []);
        yield return (new RedactionOptions { Kinds = new Dictionary<SensitiveKind, RedactionMode> { [SensitiveKind.Card] = RedactionMode.Drop, [SensitiveKind.Email] = RedactionMode.Mask } }, []);
        var pattern = new RedactionPattern("order", "order-[0-9]{4}");
        yield return (new RedactionOptions { Patterns = [pattern] }, [(pattern, RedactionOptions.Compile(pattern, out _)!)]);
    }

    /// <summary>Some pieces that are sensitive, or are but for a digit; now and then with a byte changed.</summary>
    private static string Text(Random random)
    {
        string[] pieces =
        [
            "GET /api/orders/", "SELECT id FROM t WHERE id = $1", "Mozilla/5.0 (X11)", "worker-7", "order-1234", "user_id", "é", " ", " ", ": ", ",", "\"", "x",
            "4111 1111 1111 1111", "4111111111111111", "4111111111111112", "078-05-1120", "ann@example.com", "10.20.30.40", "DE89370400440532013000",
            "Authorization: Bearer aB3dE6gH9jK2mN5pQ8sT1", "sk-aB3dE6gH9jK2mN5pQ8sT1vW4", "AKIAIOSFODNN7EXAMPLE", "https://u:secret@host/",
        ];
        var text = string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => pieces[random.Next(pieces.Length)])).ToCharArray();
        if (random.Next(4) == 0)
        {
            text[random.Next(text.Length)] = (char)random.Next(0x20, 0x7f);
        }

        return new string(text);
    }
}

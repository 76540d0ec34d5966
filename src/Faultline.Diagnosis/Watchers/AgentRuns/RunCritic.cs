namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>Which agent made a failed run fail, and at which step? Without a model: the signals of each step, weighed.</summary>
/// <remarks>
/// Every step has a suspicion exp(Σ weight × signal); the shares of all steps add up to 1. The agent with the largest sum is answered, and its most
/// suspect step: who went wrong is easier to tell than where. The same run gives the same answer.
/// </remarks>
public static class RunCritic
{
    /// <summary>A signal that adds less is not worth a reason.</summary>
    private const double ReasonMin = 0.3;

    /// <summary>Delegated steps from which on a run that goes on delegating is taken to have lost its plan.</summary>
    private const int DelegationsMin = 5;

    /// <summary>The answer; null when the run has no step of anyone who acts.</summary>
    public static RunCritique? Critique(AgentRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        var readings = StepReader.Read(run);
        if (readings.Count == 0)
        {
            return null;
        }

        var shares = Shares(readings);
        var agent = readings.Select((reading, i) => (reading.Step.Agent, Share: shares[i]))
            .GroupBy(one => one.Agent, one => one.Share, StringComparer.Ordinal)
            .MaxBy(one => one.Sum())!.Key;
        var decisive = Enumerable.Range(0, readings.Count).Where(i => readings[i].Step.Agent == agent).MaxBy(i => shares[i]);
        var reading = readings[decisive];
        return new RunCritique(agent, reading.Step.Number, shares[decisive], Errors(readings, reading), Reasons(reading));
    }

    private static double[] Shares(List<StepReading> readings)
    {
        var scores = readings.ConvertAll(reading => StepWeights.Table.Sum(row => row.Weight * reading[row.Signal]));
        var highest = scores.Max();
        var total = scores.Sum(score => Math.Exp(score - highest));
        return [.. scores.Select(score => Math.Exp(score - highest) / total)];
    }

    private static string[] Reasons(StepReading reading) =>
    [
        .. StepWeights.Table
            .Where(row => row.Sentence.Length > 0 && row.Weight * reading[row.Signal] >= ReasonMin)
            .OrderByDescending(row => row.Weight * reading[row.Signal])
            .Select(row => row.Sentence),
    ];

    /// <summary>The decisive step, and in a run that goes on delegating without end each delegated step that did not settle the matter.</summary>
    private static List<StepError> Errors(List<StepReading> readings, StepReading decisive)
    {
        List<StepError> errors = [new(decisive.Step.Number, KindOf(decisive))];
        var delegated = readings.FindAll(reading => reading[StepSignal.Delegate] > 0);
        if (delegated.Count >= DelegationsMin)
        {
            errors.AddRange(delegated
                .Where(reading => reading.Followed && reading != decisive)
                .Select(reading => new StepError(reading.Step.Number, StepErrorKind.InstructionOrPlanAdherence)));
        }

        return errors;
    }

    private static StepErrorKind KindOf(StepReading reading) =>
        reading.Human ? StepErrorKind.UnderspecifiedUserIntent
        : reading[StepSignal.Acts] > 0 && reading.ResultFailed ? StepErrorKind.InvalidInvocation
        : reading[StepSignal.Acts] > 0 ? StepErrorKind.IntentPlanMisalignment
        : reading[StepSignal.Delegate] > 0 && reading[StepSignal.Blocked] > 0 ? StepErrorKind.GuardrailsTriggered
        : reading[StepSignal.Delegate] > 0 ? StepErrorKind.InstructionOrPlanAdherence
        : reading[StepSignal.FirstInstruction] > 0 ? StepErrorKind.IntentNotSupported
        : StepErrorKind.MisinterpretationOfToolOutput;
}

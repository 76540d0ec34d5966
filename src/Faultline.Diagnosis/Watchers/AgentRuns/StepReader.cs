using static Faultline.Diagnosis.Watchers.AgentRuns.StepPatterns;

namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>A step that may be the decisive one, and what was seen in it.</summary>
/// <param name="Followed">Whether another of the coordinator's steps and a delegate's come after it: it did not settle the matter.</param>
internal sealed record StepReading(AgentStep Step, double[] Signals, bool Human, bool ResultFailed, bool Followed)
{
    public double this[StepSignal signal] => Signals[(int)signal];
}

/// <summary>
/// Reads the messages of a run in their order. Tools, terminals and people are told by the usual names of their roles. Who coordinates is in the run, or
/// shows in what it does: it keeps a ledger or names the next speaker and has half of the steps; those it sends are its delegates.
/// </summary>
internal sealed class StepReader
{
    private const int OpeningCharsMax = 600;
    private const int ResultCharsMax = 400;
    private const int ClosingChars = 30;
    private const int ShortCharsMax = 30;

    /// <summary>The first message of a run holds its whole brief; an agent's own words are at its end.</summary>
    private const int BriefCharsMin = 3000;
    private const int BriefOwnChars = 1500;

    /// <summary>People say what they think of the last step before they go on to the next matter.</summary>
    private const int ReplyCharsMax = 300;
    private const int AssentCharsMax = 120;

    private readonly AgentRun _run;
    private readonly string? _coordinator;
    private readonly int _lastDelegate;
    private readonly Dictionary<string, int> _steps = new(StringComparer.Ordinal);
    private readonly HashSet<string> _numbers = new(StringComparer.Ordinal);
    private string _asked = "";
    private int _place;
    private bool _failed;
    private bool _instructed;

    private StepReader(AgentRun run)
    {
        _run = run;
        _coordinator = run.Coordinator ?? Coordinator(run);
        for (var i = 0; i < run.Steps.Count; i++)
        {
            _lastDelegate = IsDelegate(run.Steps[i]) ? i : _lastDelegate;
            _steps[run.Steps[i].Agent] = _steps.GetValueOrDefault(run.Steps[i].Agent) + 1;
        }

        Remember(_numbers, run.Task);
    }

    public static List<StepReading> Read(AgentRun run)
    {
        var reader = new StepReader(run);
        List<StepReading> readings = [];
        for (var i = 0; i < run.Steps.Count; i++)
        {
            var step = run.Steps[i];
            if (!IsEnvironment(step) && !reader.OnlyAsks(i))
            {
                readings.Add(reader.ReadStep(i, step));
            }

            Remember(reader._numbers, step.Content);
            reader._asked = IsHuman(step) ? Opening(step.Content, ReplyCharsMax) : reader._asked;
        }

        return readings;
    }

    private StepReading ReadStep(int i, AgentStep step)
    {
        var text = step.Content;
        var own = i == 0 && text.Length >= BriefCharsMin ? text[^BriefOwnChars..] : text;
        var calls = step.ToolCalls.Count > 0;
        var code = text.Contains("```", StringComparison.Ordinal);
        var human = IsHuman(step);
        var coordinates = step.Agent == _coordinator;
        var resultFailed = i + 1 < _run.Steps.Count && HasFailed(_run.Steps[i + 1]) && !Succeeded.IsMatch(_run.Steps[i + 1].Content);
        var afterResult = i > 0 && IsEnvironment(_run.Steps[i - 1]);
        var acts = Acts(step);
        var bookkeeping = Ledger.IsMatch(text) || Plan.IsMatch(text);
        var instructs = coordinates && !bookkeeping && text.Length > ShortCharsMax;

        var signals = new double[Enum.GetValues<StepSignal>().Length];
        Set(StepSignal.First, _place == 0);
        Set(StepSignal.FirstWithCode, _place == 0 && code);
        signals[(int)StepSignal.Place] = Math.Log(1 + _place);
        signals[(int)StepSignal.Length] = Math.Log(1 + text.Length);
        Set(StepSignal.Short, text.Length < ShortCharsMax && !calls);
        Set(StepSignal.Bookkeeping, bookkeeping);
        Set(StepSignal.FirstInstruction, instructs && !_instructed);
        Set(StepSignal.Delegate, IsDelegate(step));
        Set(StepSignal.DeclaresDone, coordinates && IsDone(text));
        Set(StepSignal.Code, code);
        Set(StepSignal.FirstToFail, resultFailed && !_failed);
        Set(StepSignal.ClaimAfterFailure, afterResult && HasFailed(_run.Steps[i - 1]) && !code && !calls);
        Set(StepSignal.ReadsResult, afterResult && !calls);
        Set(StepSignal.Blocked, Blocked.IsMatch(Opening(text, OpeningCharsMax)));
        signals[(int)StepSignal.UnsupportedNumbers] = code ? 0 : UnsupportedNumbers(own);
        Set(StepSignal.Guesses, Guess.IsMatch(own));
        Set(StepSignal.Concludes, Conclusion.IsMatch(own));
        Set(StepSignal.Acts, acts);
        Set(StepSignal.ActsUnasked, acts && _asked.Length > 0 && !Assent.IsMatch(_asked));
        Set(StepSignal.ActObjectedTo, acts && Objection.IsMatch(ReplyTo(i)));
        Set(StepSignal.ChangeOfMind, human && ChangeOfMind.IsMatch(text));
        Set(StepSignal.Assents, human && Assent.IsMatch(Opening(text, AssentCharsMax)));

        _place++;
        _failed |= resultFailed;
        _instructed |= instructs;
        return new StepReading(step, signals, human, resultFailed, i < _lastDelegate);

        void Set(StepSignal signal, bool seen) => signals[(int)signal] = seen ? 1 : 0;
    }

    private static bool IsEnvironment(AgentStep step) =>
        StepPatterns.Environment.IsMatch(step.Agent) || step.Content.StartsWith("exitcode:", StringComparison.OrdinalIgnoreCase);

    private static bool IsHuman(AgentStep step) =>
        step.Agent.Equals("user", StringComparison.OrdinalIgnoreCase) || step.Agent.Equals("human", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whoever speaks once, or sets the coordinator to work, only asks.</summary>
    private bool OnlyAsks(int i)
    {
        var step = _run.Steps[i];
        return IsHuman(step) && ((i == 0 && _coordinator is not null) || _steps[step.Agent] <= 1);
    }

    private static string? Coordinator(AgentRun run)
    {
        var actors = run.Steps.Where(step => !IsEnvironment(step) && !IsHuman(step)).ToList();
        var byAgent = actors.GroupBy(step => step.Agent, StringComparer.Ordinal)
            .OrderByDescending(steps => steps.Count()).ThenBy(steps => steps.Key, StringComparer.Ordinal).ToList();
        return byAgent.Count >= 2 && byAgent[0].Count() >= 3 && 2 * byAgent[0].Count() >= actors.Count && run.Steps.Any(step => Ledger.IsMatch(step.Content))
            ? byAgent[0].Key
            : null;
    }

    private bool IsDelegate(AgentStep step) => _coordinator is not null && step.Agent != _coordinator && !IsHuman(step) && !IsEnvironment(step);

    private static bool IsDone(string text) => Done.IsMatch(text[Math.Max(0, text.Length - ClosingChars)..]);

    private static bool HasFailed(AgentStep step) => IsEnvironment(step) && Failed.IsMatch(Opening(step.Content, ResultCharsMax));

    private static string Opening(string text, int charsMax) => text[..Math.Min(text.Length, charsMax)];

    /// <summary>The opening of what a person says next after a step; empty when nobody does.</summary>
    private string ReplyTo(int i)
    {
        for (var next = i + 1; next < _run.Steps.Count; next++)
        {
            if (IsHuman(_run.Steps[next]))
            {
                return Opening(_run.Steps[next].Content, ReplyCharsMax);
            }
        }

        return "";
    }

    private static bool Acts(AgentStep step) => step.ToolCalls.Any(call => !OnlyLooks.IsMatch(call.Name));

    private static void Remember(HashSet<string> numbers, string text)
    {
        foreach (var match in Number.EnumerateMatches(text))
        {
            numbers.Add(text.Substring(match.Index, match.Length));
        }
    }

    private double UnsupportedNumbers(string text)
    {
        HashSet<string> stated = new(StringComparer.Ordinal);
        Remember(stated, text);
        return stated.Count == 0 ? 0 : stated.Count(number => !_numbers.Contains(number)) / (double)stated.Count;
    }
}

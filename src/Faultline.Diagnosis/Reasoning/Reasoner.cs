using Faultline.ClickHouse;
using Faultline.Diagnosis.Causes;
using Faultline.Diagnosis.Facts;
using Faultline.Diagnosis.Reasoning.Chat;
using Faultline.Metrics.PromQL;
using Faultline.Store;
using Faultline.Store.Samples;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>
/// Asks a language model about one case: it reads the store through tools, within budgets, and answers in one form; what it claims is held against the store.
/// Whatever goes wrong, the result says so and the deterministic answer stands.
/// </summary>
public sealed class Reasoner
{
    private readonly ChatEndpoint _endpoint;
    private readonly TelemetrySource _source;
    private readonly ReasoningOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _budget = new();
    private DateOnly _day;
    private long _tokensToday;

    public Reasoner(ChatEndpoint endpoint, TelemetryStore store, ReasoningOptions options, TimeProvider time)
        : this(endpoint, TelemetrySource.Of(store), options, time)
    {
    }

    internal Reasoner(ChatEndpoint endpoint, TelemetrySource source, ReasoningOptions options, TimeProvider time)
    {
        _endpoint = endpoint;
        _source = source;
        _options = options;
        _time = time;
    }

    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was.</exception>
    public async Task<Reasoned> ReasonAsync(ReasoningCase about, CancellationToken cancel = default)
    {
        var library = new Library(_source, about, _time.GetUtcNow());
        var conversation = new Conversation(_endpoint, library, _options, _time);
        if (SpentToday() >= _options.TokensPerDay)
        {
            return End(about, conversation, ContributionOutcome.Failed, Fallback("the tokens of the day are spent"));
        }

        using var deadline = new CancellationTokenSource(_options.TimeMax, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancel);
        try
        {
            var (answer, problem) = await conversation.RunAsync(either.Token);
            if (answer is null)
            {
                return End(about, conversation, ContributionOutcome.Failed, Fallback(problem));
            }

            var (held, dropped) = await new ClaimCheck(library, conversation.Shown).CheckAsync(answer, either.Token);
            var outcome = held.Count > 0 ? ContributionOutcome.Held : ContributionOutcome.NothingHeld;
            var ended = End(about, conversation, outcome, Say(about, held, dropped));
            return ended with { Contribution = ended.Contribution with { Hypotheses = held, Dropped = dropped, Missing = Untrusted.OneLine(answer.Missing, 400) } };
        }
        catch (Exception ended) when (ended is OperationCanceledException or PromQlException && deadline.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            return End(about, conversation, ContributionOutcome.Failed, Fallback($"it took longer than {_options.TimeMax.TotalSeconds:0.##} s"));
        }
        catch (Exception failed) when (failed is ClickHouseException or StoreUnavailableException && !cancel.IsCancellationRequested)
        {
            return End(about, conversation, ContributionOutcome.Failed, Fallback("its claims could not be checked, as the store did not answer"));
        }
        finally
        {
            Spend(conversation.Tokens);
        }
    }

    private Reasoned End(ReasoningCase about, Conversation conversation, ContributionOutcome outcome, string words) =>
        new(new Contribution(outcome, words, _endpoint.Model, _endpoint.Host, Over(about.Verdict), [], [], "", conversation.Cost), conversation.Transcript);

    /// <summary>What a contribution is beside: the first hypothesis of a verdict, "cause of target".</summary>
    public static string Over(Verdict verdict) => verdict.Hypotheses is [var first, ..] ? $"{first.Cause} of {first.Target}" : "";

    private static string Fallback(string reason) => $"The language model gave no answer that could be used: {reason}. The deterministic answer stands alone.";

    private static string Say(ReasoningCase about, IReadOnlyList<CheckedHypothesis> held, IReadOnlyList<DroppedClaim> dropped)
    {
        var lost = dropped.Count switch { 0 => "", 1 => " One thing it said did not hold and was dropped.", var many => $" {many} things it said did not hold and were dropped." };
        if (held.Count == 0)
        {
            return (dropped.Count == 0 ? "The language model names no cause." : "The language model answered, but no hypothesis of it held against the store.") + lost + " The deterministic answer stands alone.";
        }

        var facts = held[0].Claims.Count == 1 ? "one checked fact" : $"{held[0].Claims.Count} checked facts";
        var beside = about.Verdict is { UnableBecause: null, Hypotheses: [var first, ..] }
            ? held[0].Rank == 0 ? ", as the analysis does" : $", where the analysis says {first.Cause}"
            : "";
        return $"The language model holds {held[0].Cause} of {held[0].Target} most likely{beside}, on {facts}.{lost}";
    }

    private long SpentToday()
    {
        lock (_budget)
        {
            Roll();
            return _tokensToday;
        }
    }

    private void Spend(long tokens)
    {
        lock (_budget)
        {
            Roll();
            _tokensToday += tokens;
        }
    }

    private void Roll()
    {
        var today = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime);
        if (today != _day)
        {
            (_day, _tokensToday) = (today, 0);
        }
    }
}

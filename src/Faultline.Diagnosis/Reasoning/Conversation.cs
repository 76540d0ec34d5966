using Faultline.Diagnosis.Reasoning.Chat;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>One conversation with a model about one case: rounds of tool calls, then one answer in the form that is asked for. Bounded in every direction.</summary>
internal sealed class Conversation
{
    public const string Purpose = "reasoning";
    public const int AnswerTokensMax = 4_000;

    /// <summary>More calls in one reply are refused.</summary>
    public const int ToolCallsPerReplyMax = 8;

    /// <summary>So many calls that cannot be carried out, and the answer is asked for.</summary>
    public const int RefusedMax = 6;

    private const int LineCharactersMax = 16_000;

    /// <summary>Of a model's own text that is sent back to it.</summary>
    private const int EchoCharactersMax = 8_000;

    private readonly ChatEndpoint _endpoint;
    private readonly ReasoningOptions _options;
    private readonly TimeProvider _time;
    private readonly ReadTools _tools;
    private readonly Untrusted _fence = new();
    private readonly long _started;
    private readonly List<ChatMessage> _messages = [];
    private readonly List<TranscriptLine> _transcript = [];
    private readonly HashSet<(string Name, string Arguments)> _asked = [];
    private int _calls, _toolCalls, _refused;
    private long _input, _output, _toolBytes;
    private bool _isEstimated;

    /// <summary>The model is to answer now: it wants to, or a budget is spent.</summary>
    private bool _isFinal;

    public Conversation(ChatEndpoint endpoint, Library library, ReasoningOptions options, TimeProvider time)
    {
        _endpoint = endpoint;
        _options = options;
        _time = time;
        _started = time.GetTimestamp();
        _tools = new ReadTools(library, Shown);
        Add(new ChatMessage("system", Brief.Instructions(_fence)));
        Add(new ChatMessage("user", "The case:\n" + _fence.Fence(Brief.Of(library.About, Shown))));
    }

    public Shown Shown { get; } = new();

    public long Tokens => _input + _output;

    public IReadOnlyList<TranscriptLine> Transcript => _transcript;

    public ContributionCost Cost => new(_calls, _toolCalls, _refused, _input, _output, _isEstimated, _toolBytes, Math.Round(_time.GetElapsedTime(_started).TotalSeconds, 2));

    /// <returns>The answer, or why there is none in a sentence's end.</returns>
    public async Task<(StatedAnswer? Answer, string Problem)> RunAsync(CancellationToken cancel)
    {
        var problem = "";
        for (var isRepair = false; _calls < _options.CallsMax;)
        {
            // The last two calls are for the answer and its repair.
            if (!_isFinal && (_calls >= _options.CallsMax - 2 || Tokens + (2 * NextTokens()) > _options.TokensMax))
            {
                AskForAnswer("You have no more calls.");
            }

            if (Tokens + NextTokens() > _options.TokensMax)
            {
                return (null, $"the {_options.TokensMax:N0} tokens of a case are spent");
            }

            _calls++;
            var request = new ChatRequest(_messages, _isFinal ? [] : ReadTools.Specs, _isFinal ? AnswerForm.Schema : null, AnswerTokensMax);
            switch (await _endpoint.AskAsync(Purpose, request, cancel))
            {
                case ChatOutcome.Failed failed:
                    return (null, failed.Reason);
                case ChatOutcome.Replied { Reply: var reply }:
                    Count(reply.Usage);
                    if (reply.Refusal.Length > 0 || reply.FinishReason is "content_filter")
                    {
                        return (null, "the model refused to answer");
                    }

                    if (!_isFinal && reply.ToolCalls.Count > 0)
                    {
                        await CarryOutAsync(reply, cancel);
                        break;
                    }

                    Add(new ChatMessage("assistant", Untrusted.Text(reply.Text, EchoCharactersMax)));
                    (var answer, problem) = AnswerForm.Read(reply.Text);
                    if (answer is not null)
                    {
                        return (answer, "");
                    }

                    problem = reply.FinishReason is "length" ? "its answer was cut off at the limit of tokens" : $"its answer has not the form that was asked for ({problem})";
                    if (_isFinal && isRepair)
                    {
                        return (null, problem);
                    }

                    isRepair = _isFinal;
                    AskForAnswer(_isFinal ? $"That is not the form: {problem}." : "");
                    break;
            }
        }

        return (null, problem.Length > 0 ? problem : $"it gave none within {_options.CallsMax} calls");
    }

    private async Task CarryOutAsync(ChatReply reply, CancellationToken cancel)
    {
        // Ids are the model's own words: they are answered by ours.
        List<ToolCall> calls = [.. reply.ToolCalls.Take(ToolCallsPerReplyMax).Select((call, i) => new ToolCall($"call_{_calls}_{i}", Untrusted.OneLine(call.Name, 64), Untrusted.Text(call.Arguments, 2_000)))];
        Add(new ChatMessage("assistant", Untrusted.Text(reply.Text, EchoCharactersMax)) { ToolCalls = calls });
        _refused += reply.ToolCalls.Count - calls.Count;
        foreach (var call in calls)
        {
            _transcript.Add(new TranscriptLine("call", call.Name, call.Arguments));
            var answer = !_asked.Add((call.Name, call.Arguments)) ? new ToolAnswer("""{"error":"you asked the same before; the answer is above"}""", Refused: true)
                : _toolBytes >= _options.ToolBytesMax ? new ToolAnswer("""{"error":"no more can be read; answer with what you have"}""", Refused: true)
                : await _tools.RunAsync(call.Name, call.Arguments, cancel);
            _toolCalls += answer.Refused ? 0 : 1;
            _refused += answer.Refused ? 1 : 0;
            _toolBytes += System.Text.Encoding.UTF8.GetByteCount(answer.Json);
            Add(new ChatMessage("tool", _fence.Fence(answer.Json), call.Id), call.Name);
        }

        if (_refused >= RefusedMax || _toolBytes >= _options.ToolBytesMax)
        {
            AskForAnswer("You cannot read more.");
        }
    }

    private void AskForAnswer(string why)
    {
        _isFinal = true;
        Add(new ChatMessage("user", $"{why} Give your answer now: one JSON object of this schema and nothing else: {AnswerForm.Schema.Json}".TrimStart()));
    }

    private void Count(ChatUsage usage)
    {
        _input += usage.Input;
        _output += usage.Output;
        _isEstimated |= usage.IsEstimated;
    }

    // What the next request will cost at most, as far as can be told.
    private long NextTokens() => ChatFormat.EstimateTokens(_messages.Sum(message => (long)message.Content.Length + message.ToolCalls.Sum(call => call.Arguments.Length))) + AnswerTokensMax;

    private void Add(ChatMessage message, string tool = "")
    {
        _messages.Add(message);
        if (message.Content.Length > 0)
        {
            _transcript.Add(new TranscriptLine(message.Role, tool, message.Content.Length <= LineCharactersMax ? message.Content : message.Content[..LineCharactersMax] + "…"));
        }
    }
}

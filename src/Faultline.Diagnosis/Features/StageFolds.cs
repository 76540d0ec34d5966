using System.Text;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Spans;

namespace Faultline.Diagnosis.Features;

/// <summary>What one span of a stage adds to its service's features.</summary>
internal static class StageFolds
{
    private static readonly byte[][] DependencyKeys =
        ["peer.service"u8.ToArray(), "server.address"u8.ToArray(), "net.peer.name"u8.ToArray(), "db.system.name"u8.ToArray(), "db.system"u8.ToArray(), "messaging.system"u8.ToArray()];

    public static void ModelCall(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end, double seconds, double failed, Utf8Names names)
    {
        // The model asked for stays the same when a provider swaps what answers, so before and after are one series.
        var requested = genAi.ModelRequested[row];
        var model = names[requested.IsEmpty ? genAi.ModelResponded[row] : requested];
        service.Observe(FeatureTable.ModelErrorRate, model, end, failed, trace);
        if (IsRead(genAi, row))
        {
            Prompt(genAi.Traits, row, service, trace, end);
            Span<char> room = stackalloc char[GenAiContent.PreviewCharactersMax];
            New(FeatureTable.NewInput, service.InputWords, Beginning(genAi.InputPreview[row], room), service, trace, end);
        }

        if (failed > 0)
        {
            return;             // a call that failed has no latency, tokens or finish worth averaging
        }

        service.Observe(FeatureTable.ModelLatency, model, end, seconds, trace);
        Answered(genAi, row, service, trace, end, model, names);
        if (genAi.FirstChunkNanos[row] != GenAiColumns.Absent)
        {
            service.Observe(FeatureTable.FirstToken, model, end, genAi.FirstChunkNanos[row] / 1e9, trace);
        }

        if (genAi.Counted[row] != 0)
        {
            Tokens(genAi, row, service, trace, end);
        }

        var finish = genAi.FinishReasons[row];
        if (!finish.IsEmpty)
        {
            service.Observe(FeatureTable.FinishLength, "", end, finish.IndexOf("length"u8) >= 0 ? 1 : 0, trace);
            service.Observe(FeatureTable.FinishFiltered, "", end, finish.IndexOf("content_filter"u8) >= 0 ? 1 : 0, trace);
        }

        if (IsRead(genAi, row))
        {
            Answer(genAi, row, service, trace, end);
        }
    }

    /// <summary>Which model was asked, told of each that the service is known to ask; and which version of it answered.</summary>
    private static void Answered(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end, string asked, Utf8Names names)
    {
        if (asked.Length == 0)
        {
            return;
        }

        foreach (var known in service.Models.With("", asked))
        {
            service.Observe(FeatureTable.ModelShare, known, end, string.Equals(known, asked, StringComparison.Ordinal) ? 1 : 0, trace);
        }

        var answered = names[genAi.ModelResponded[row]];
        if (answered.Length > 0)
        {
            foreach (var known in service.Models.With(asked, answered))
            {
                service.Observe(FeatureTable.VersionShare, known, end, string.Equals(known, answered, StringComparison.Ordinal) ? 1 : 0, trace);
            }
        }
    }

    /// <summary>Whether the span's content was looked at; spans that come back from the store bring their columns only.</summary>
    private static bool IsRead(GenAiColumns genAi, int row) => row < genAi.Traits.Count;

    public static void Retrieval(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end, double seconds, double failed)
    {
        service.Observe(FeatureTable.RetrievalErrorRate, "", end, failed, trace);
        if (failed > 0)
        {
            return;
        }

        service.Observe(FeatureTable.RetrievalLatency, "", end, seconds, trace);
        if (double.IsFinite(genAi.DocumentTopScore[row]))
        {
            service.Observe(FeatureTable.RetrievalTopScore, "", end, genAi.DocumentTopScore[row], trace);
        }

        if (double.IsFinite(genAi.DocumentMeanScore[row]))
        {
            service.Observe(FeatureTable.RetrievalMeanScore, "", end, genAi.DocumentMeanScore[row], trace);
        }

        // Those that write a document an attribute write nothing of an empty list: once there was one, none means nought.
        var documents = genAi.DocumentCount[row];
        if (documents != GenAiColumns.Absent || service.Find(FeatureTable.RetrievalEmpty, "") is not null)
        {
            service.Observe(FeatureTable.RetrievalEmpty, "", end, documents > 0 ? 0 : 1, trace);
            if (documents > 0)
            {
                service.Observe(FeatureTable.RetrievalDocuments, "", end, documents, trace);
                service.Observe(FeatureTable.RetrievalDocumentsRise, "", end, documents, trace);
            }
        }

        if (!IsRead(genAi, row))
        {
            return;
        }

        if (genAi.Traits.DocumentCharacters[row] is var characters && double.IsFinite(characters))
        {
            service.Observe(FeatureTable.ChunkLength, "", end, characters, trace);
            service.Observe(FeatureTable.ChunkLengthRise, "", end, characters, trace);
        }

        if (genAi.Traits.DocumentDistance[row] is var distance && double.IsFinite(distance))
        {
            service.Observe(FeatureTable.RetrievalDistance, "", end, distance, trace);
        }
    }

    public static void Rerank(ServiceFeatures service, TraceId trace, long end, double seconds, double failed)
    {
        service.Observe(FeatureTable.RerankErrorRate, "", end, failed, trace);
        service.Observe(FeatureTable.RerankLatency, "", end, seconds, trace);
    }

    public static void Tool(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end, double seconds, double failed, string tool)
    {
        service.Observe(FeatureTable.ToolLatency, tool, end, seconds, trace);
        service.Observe(FeatureTable.ToolErrorRate, tool, end, failed, trace);
        if (failed <= 0 && IsRead(genAi, row) && genAi.Traits.OutputForm[row] is var form and not ContentForm.NotSent)
        {
            service.Observe(FeatureTable.ToolUseless, tool, end, form is ContentForm.Empty or ContentForm.BrokenJson ? 1 : 0, trace);
        }
    }

    public static void Guardrail(SpanBatch spans, int row, ServiceFeatures service, TraceId trace, long end, double failed, string name)
    {
        var said = Guardrails.Decision(spans.GenAi.OutputPreview[row], spans.Attributes, row);
        if (said.Length > 0 || failed > 0)
        {
            service.Observe(FeatureTable.Blocked, name, end, failed > 0 || AnswerWords.Blocks(said) ? 1 : 0, trace);
        }
    }

    /// <summary>A call of something outside the chain.</summary>
    public static void Dependency(SpanBatch spans, int row, ServiceFeatures service, TraceId trace, long end, double seconds, double failed, Utf8Names names)
    {
        var name = names[NameOf(spans, row)];
        service.Observe(FeatureTable.DependencyLatency, name, end, seconds, trace);
        service.Observe(FeatureTable.DependencyErrorRate, name, end, failed, trace);
    }

    private static ReadOnlySpan<byte> NameOf(SpanBatch spans, int row)
    {
        var attributes = spans.Attributes;
        var (best, end) = (-1, attributes.End(row));
        var bestKey = DependencyKeys.Length;
        for (var entry = attributes.Start(row); entry < end && bestKey > 0; entry++)
        {
            var key = attributes.Keys[entry];
            for (var i = 0; i < bestKey; i++)
            {
                // Of a key that was sent twice the first counts, also when it is empty.
                if (key.SequenceEqual(DependencyKeys[i]) && !attributes.Values[attributes.Find(row, key)].IsEmpty)
                {
                    (best, bestKey) = (entry, i);
                }
            }
        }

        return best < 0 ? spans.Name[row] : attributes.Values[best];
    }

    private static void Prompt(ContentTraits traits, int row, ServiceFeatures service, TraceId trace, long end)
    {
        if (traits.SystemCharacters[row] < 0)
        {
            return;             // what the model was told was not recorded
        }

        service.Observe(FeatureTable.SystemPromptLength, "", end, traits.SystemCharacters[row], trace);
        service.Observe(FeatureTable.InputMessages, "", end, traits.InputMessages[row], trace);
        service.Observe(FeatureTable.UnfilledShare, "", end, traits.Unfilled[row], trace);
    }

    /// <summary>A preview as characters, in <paramref name="room"/> where it fits.</summary>
    private static ReadOnlySpan<char> Beginning(ReadOnlySpan<byte> preview, Span<char> room) =>
        Encoding.UTF8.TryGetChars(preview, room, out var length) ? room[..length] : Encoding.UTF8.GetString(preview);

    private static void New(Feature feature, KnownWords words, ReadOnlySpan<char> beginning, ServiceFeatures service, TraceId trace, long end)
    {
        if (words.IsNew(beginning, end / 1_000_000_000) is { } isNew)
        {
            service.Observe(feature, "", end, isNew ? 1 : 0, trace);
        }
    }

    private static void Tokens(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end)
    {
        var input = genAi.InputTokens[row];
        if (input > 0)
        {
            service.Observe(FeatureTable.InputTokens, "", end, input, trace);
            service.Observe(FeatureTable.InputTokensFall, "", end, input, trace);
            service.Observe(FeatureTable.ContextSize, "", end, input, trace);

            // Some senders leave the count out when it is 0: once there was one, none means nought.
            var cached = genAi.CacheReadTokens[row];
            if (cached > 0 || service.Find(FeatureTable.CachedInput, "") is not null)
            {
                service.Observe(FeatureTable.CachedInput, "", end, Math.Clamp(cached / (double)input, 0, 1), trace);
            }
        }

        if (genAi.OutputTokens[row] >= 0)
        {
            service.Observe(FeatureTable.OutputTokens, "", end, genAi.OutputTokens[row], trace);
        }
    }

    private static void Answer(GenAiColumns genAi, int row, ServiceFeatures service, TraceId trace, long end)
    {
        var form = genAi.Traits.OutputForm[row];
        if (form == ContentForm.NotSent)
        {
            return;
        }

        service.Observe(FeatureTable.EmptyAnswers, "", end, form == ContentForm.Empty ? 1 : 0, trace);
        service.Observe(FeatureTable.JsonShare, "", end, form == ContentForm.Json ? 1 : 0, trace);
        Span<char> room = stackalloc char[GenAiContent.PreviewCharactersMax];
        var beginning = Beginning(genAi.OutputPreview[row], room);
        New(FeatureTable.NewAnswer, service.AnswerWords, beginning, service, trace, end);
        service.Observe(FeatureTable.Refusals, "", end, form == ContentForm.Text && AnswerWords.Refuses(beginning) ? 1 : 0, trace);
        service.Observe(FeatureTable.Garbled, "", end, AnswerWords.IsGarbled(beginning) ? 1 : 0, trace);
        if (form == ContentForm.Text && genAi.FinishReasons[row].IndexOf("length"u8) < 0)
        {
            service.Observe(FeatureTable.Unfinished, "", end, genAi.Traits.EndsInSentence[row], trace);
        }
    }
}

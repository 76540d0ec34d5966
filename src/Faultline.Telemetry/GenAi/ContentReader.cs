using System.Globalization;
using Faultline.Telemetry.Columns;
using Faultline.Telemetry.Otlp;

namespace Faultline.Telemetry.GenAi;

/// <summary>Reads <see cref="GenAiContent"/> from a span, whichever of a dozen shapes it has. The first shape that says something wins.</summary>
/// <remarks>Shapes and names: docs/genai.md. Messages themselves are read by <see cref="MessageReader"/>.</remarks>
internal sealed class ContentReader
{
    /// <summary>The attribute that holds an event's content; a log record's body is read as if it were one.</summary>
    public const string EventContent = "gen_ai.event.content";

    private const int DocumentsMax = 10_000;

    private readonly Dictionary<string, ContentAttribute> _attributes = new(StringComparer.Ordinal);
    private readonly List<ContentAttribute> _all = [];
    private IReadOnlyList<OtlpEvent> _events = [];
    private IReadOnlyList<OtlpEvent> _logEvents = [];
    private string _operation = "";
    private bool _isTruncated;

    private readonly record struct ContentAttribute(string Key, ContentText Value, AttributeType Type);

    /// <summary>An attribute of the span, in any order; of several of one key the first counts.</summary>
    public void Add(string key, ContentText value, AttributeType type)
    {
        var attribute = new ContentAttribute(key, value, type);
        _all.Add(attribute);
        _attributes.TryAdd(key, attribute);
    }

    /// <summary>Makes ready for another span; what was read before is good no longer than its attributes' texts are.</summary>
    public void Clear()
    {
        _all.Clear();
        _attributes.Clear();
        _isTruncated = false;
    }

    /// <param name="events">The span's; older conventions put messages there.</param>
    /// <param name="logEvents">Log records that say what was said; see <see cref="GenAiContent.LogEvent"/>.</param>
    public GenAiContent Read(IReadOnlyList<OtlpEvent> events, IReadOnlyList<OtlpEvent> logEvents, string operation)
    {
        _events = events;
        _logEvents = logEvents;
        _operation = operation;
        AddDetails(events);
        AddDetails(logEvents);
        var input = Input() ?? [];
        var output = Output() ?? [];
        var system = Node("gen_ai.system_instructions") is { } instructions ? MessageReader.Parts(instructions) : [];
        if (input.Exists(IsSystem))
        {
            // Instructions that came as an attribute and again as a message are shown once.
            system.AddRange(input.Where(IsSystem).SelectMany(message => message.Parts).Where(part => !system.Contains(part)).ToList());
            input = input.FindAll(message => !IsSystem(message));
        }

        var isTool = _operation is "tool" or "mcp";
        var inputText = Text("input.value", "traceloop.entity.input", "langfuse.observation.input", "genkit:input", "mlflow.spanInputs", "ai.value", "ai.values", "embedding.text");
        var outputText = Text("output.value", "traceloop.entity.output", "langfuse.observation.output", "genkit:output", "mlflow.spanOutputs", "ai.response.object", "ai.result.object");
        var arguments = Text("gen_ai.tool.call.arguments", "ai.toolCall.args", "tool.parameters", "gcp.vertex.agent.tool_call_args", "mcp.request.argument");
        var result = Text("gen_ai.tool.call.result", "ai.toolCall.result", "gcp.vertex.agent.tool_response", "mcp.response.value");
        var documents = ReadDocuments(out var isList);
        return new GenAiContent
        {
            System = system,
            Input = input,
            Output = output,
            Tools = ReadTools(),
            ToolArgumentsUtf8 = !arguments.IsEmpty || !isTool ? arguments : inputText.IsEmpty ? Text("gen_ai.prompt") : inputText,
            ToolResultUtf8 = !result.IsEmpty || !isTool ? result : outputText.IsEmpty ? Text("gen_ai.completion") : outputText,
            RetrievalQueryUtf8 = ReadQuery(inputText),
            Documents = documents,
            HasDocumentList = isList,
            PromptTemplateUtf8 = Text("llm.prompt_template.template", "traceloop.prompt.template"),
            PromptVariablesUtf8 = Text("llm.prompt_template.variables", "traceloop.prompt.template_variables"),
            InputTextUtf8 = inputText,
            OutputTextUtf8 = outputText,
            IsTruncated = _isTruncated,
        };
    }

    /// <summary>The opt-in event carries the same three attributes as the span would.</summary>
    private void AddDetails(IReadOnlyList<OtlpEvent> events)
    {
        for (var i = 0; i < events.Count; i++)
        {
            if (events[i].Name == "gen_ai.client.inference.operation.details")
            {
                foreach (var attribute in events[i].Attributes)
                {
                    _attributes.TryAdd(attribute.Key, Of(attribute));
                }
            }
        }
    }

    private static ContentAttribute Of(OtlpAttribute attribute) => new(attribute.Key, attribute.Value, attribute.Type);

    private static bool IsSystem(ContentMessage message) => message.Role is "system" or "developer";

    // The first that says something; null: says nothing.
    private List<ContentMessage>? Input() =>
        Messages("gen_ai.input.messages", "user")
        ?? MessageEvents(_events, isOutput: false)
        ?? EventArray(isOutput: false)
        ?? IndexedMessages("gen_ai.prompt", "", "user")
        ?? IndexedMessages("llm.input_messages", "message.", "user")
        ?? IndexedTexts("llm.prompts", "prompt.text", "user")
        ?? IndexedMessages("llm.prompts", "", "user")
        ?? Messages("ai.prompt.messages", "user")
        ?? Messages("ai.prompt", "user")
        ?? Messages("gen_ai.prompt", "user")
        ?? Messages("pydantic_ai.all_messages", "user")
        ?? Messages("gcp.vertex.agent.llm_request", "user")
        ?? Messages("request_data", "user")
        ?? LooseMessages("langfuse.observation.input", "user")
        ?? LooseMessages("genkit:input", "user")
        ?? LooseMessages("input.value", "user")
        ?? LooseMessages("traceloop.entity.input", "user")
        ?? MessageEvents(_logEvents, isOutput: false);

    private List<ContentMessage>? Output() =>
        Messages("gen_ai.output.messages", "assistant")
        ?? MessageEvents(_events, isOutput: true)
        ?? EventArray(isOutput: true)
        ?? IndexedMessages("gen_ai.completion", "", "assistant")
        ?? IndexedMessages("llm.output_messages", "message.", "assistant")
        ?? IndexedTexts("llm.choices", "completion.text", "assistant")
        ?? IndexedMessages("llm.completions", "", "assistant")
        ?? VercelResponse()
        ?? Messages("gen_ai.completion", "assistant")
        ?? Messages("gcp.vertex.agent.llm_response", "assistant")
        ?? Messages("response_data", "assistant")
        ?? LooseMessages("langfuse.observation.output", "assistant")
        ?? LooseMessages("genkit:output", "assistant")
        ?? LooseMessages("output.value", "assistant")
        ?? LooseMessages("traceloop.entity.output", "assistant")
        ?? MessageEvents(_logEvents, isOutput: true);

    private static List<ContentMessage>? UnlessEmpty(List<ContentMessage> messages) => messages.Count == 0 ? null : messages;

    private ContentNode? Node(string key) => _attributes.TryGetValue(key, out var attribute) ? Node(attribute) : null;

    private ContentNode? Node(ContentAttribute attribute)
    {
        if (attribute.Value.IsEmpty)
        {
            return null;
        }

        var node = ContentNode.Of(attribute.Value, attribute.Type, out var isCut);
        _isTruncated |= isCut;
        return node;
    }

    /// <summary>The first of these that is there: as sent, but for structured values, which become JSON.</summary>
    private ContentText Text(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (_attributes.TryGetValue(key, out var attribute) && !attribute.Value.IsEmpty)
            {
                return attribute.Type is AttributeType.Array or AttributeType.KeyValues ? Node(attribute)?.ToText() ?? default : attribute.Value;
            }
        }

        return default;
    }

    private List<ContentMessage>? Messages(string key, string role)
    {
        if (!_attributes.TryGetValue(key, out var attribute) || attribute.Value.IsEmpty)
        {
            return null;
        }

        var messages = MessageReader.Messages(ContentNode.Of(attribute.Value, attribute.Type, out var isCut), role);
        _isTruncated |= isCut;

        // Cut off before anything was said: what came is shown as it is.
        static bool SaysSomething(ContentMessage message) => message.Parts.Any(part => !part.Said.IsEmpty && part.Type is ("text" or "reasoning" or "tool_call" or "tool_call_response"));
        return isCut && !messages.Exists(SaysSomething) ? [new ContentMessage(role, [new ContentPart("text", attribute.Value)])] : UnlessEmpty(messages);
    }

    /// <summary>A general input or output: messages only when it looks like some, and never on a span that is not a model's.</summary>
    private List<ContentMessage>? LooseMessages(string key, string role) =>
        _operation is "" or "chat" or "completion" or "agent" && Node(key) is { } node && MessageReader.LooksLikeMessages(node) ? UnlessEmpty(MessageReader.Messages(node, role)) : null;

    /// <summary>One event a message, of the span or as a log record: v1.28 to v1.36, and the older pair of prompt and completion.</summary>
    private List<ContentMessage>? MessageEvents(IReadOnlyList<OtlpEvent> events, bool isOutput)
    {
        List<ContentMessage>? messages = null;
        for (var i = 0; i < events.Count; i++)
        {
            var happened = events[i];
            var (role, isAnswer) = happened.Name switch
            {
                "gen_ai.system.message" => ("system", false),
                "gen_ai.user.message" => ("user", false),
                "gen_ai.assistant.message" => ("assistant", false),
                "gen_ai.tool.message" => ("tool", false),
                "gen_ai.tool.developer" => ("developer", false),
                "gen_ai.content.prompt" => ("user", false),
                "gen_ai.choice" or "gen_ai.content.completion" => ("assistant", true),
                _ => ("", false),
            };
            if (role.Length > 0 && isAnswer == isOutput && EventBody(happened) is { } body)
            {
                // A sender that keeps content to itself sends the event all the same: nothing was said in it.
                (messages ??= []).AddRange(MessageReader.Messages(body, role).Where(message => message.Parts.Count > 0));
            }
        }

        return messages is null ? null : UnlessEmpty(messages);
    }

    /// <summary>What an event says: its content as one attribute, or its attributes but those that only name the event; null when that is nothing.</summary>
    private ContentNode? EventBody(OtlpEvent happened)
    {
        if (happened.Attributes.FirstOrDefault(one => one.Key is EventContent or "gen_ai.prompt" or "gen_ai.completion") is { } content)
        {
            return Node(Of(content)) is { } node && !(node.IsObject && node.Members.Count == 0) ? node : null;
        }

        var body = new ContentNode { Kind = ContentKind.Object };
        foreach (var attribute in happened.Attributes.Where(one => one.Key is not ("event.name" or "gen_ai.system" or "gen_ai.provider.name")))
        {
            body.Members.Add(new(attribute.Key, Node(Of(attribute)) ?? ContentNode.Null));
        }

        return body.Members.Count == 0 ? null : body;
    }

    /// <summary>Pydantic AI before 1.0: one attribute with all events.</summary>
    private List<ContentMessage>? EventArray(bool isOutput)
    {
        if (Node("events") is not { Kind: ContentKind.Array } events)
        {
            return null;
        }

        var messages = new List<ContentMessage>();
        foreach (var item in events.Items.Where(item => item.IsObject && item.WordOf("event.name") == "gen_ai.choice" == isOutput))
        {
            messages.AddRange(MessageReader.Messages(item, isOutput ? "assistant" : "user"));
        }

        return UnlessEmpty(messages);
    }

    /// <summary>One attribute a field: <c>gen_ai.prompt.0.content</c>, <c>llm.input_messages.0.message.contents.1.message_content.text</c>.</summary>
    /// <param name="infix">What stands between the number and the field's name.</param>
    private List<ContentMessage>? IndexedMessages(string family, string infix, string role)
    {
        List<ContentMessage>? messages = null;
        foreach (var fields in Indexed(_all, family, infix))
        {
            if (Field(fields, "role").IsEmpty && Field(fields, "content").IsEmpty && Field(fields, "function_call_name").IsEmpty
                && !fields.Any(field => field.Key.StartsWith("contents.", StringComparison.Ordinal) || field.Key.StartsWith("tool_calls.", StringComparison.Ordinal) || field.Key == "reasoning"))
            {
                continue;
            }

            (messages ??= []).Add(IndexedMessage(fields, role));
        }

        return messages;
    }

    private ContentMessage IndexedMessage(List<ContentAttribute> fields, string role)
    {
        var said = Word(fields, "role") is { Length: > 0 } given ? MessageReader.Role(given) : role;
        var parts = new List<ContentPart>();
        if (Field(fields, "reasoning") is { IsEmpty: false } reasoning)
        {
            parts.Add(new ContentPart("reasoning", reasoning));
        }

        var content = fields.Find(field => field.Key == "content");
        if (Node(content) is { } node)
        {
            parts.AddRange(MessageReader.Parts(node, content.Value));
        }

        foreach (var piece in Indexed(fields, "contents", "message_content."))
        {
            var image = Field(piece, "image.image.url");
            parts.Add(!image.IsEmpty
                ? new ContentPart("uri", image, MediaType: "image")
                : new ContentPart(Word(piece, "type") is { Length: > 0 } type ? type : "text", Field(piece, "text") is { IsEmpty: false } text ? text : Field(piece, "data")));
        }

        foreach (var infix in (ReadOnlySpan<string>)["", "tool_call."])
        {
            foreach (var call in Indexed(fields, "tool_calls", infix))
            {
                var name = Word(call, "name") is { Length: > 0 } plain ? plain : Word(call, "function.name");
                var arguments = Field(call, "arguments") is { IsEmpty: false } flat ? flat : Field(call, "function.arguments");
                if (name.Length > 0 || !arguments.IsEmpty)
                {
                    parts.Add(new ContentPart("tool_call", arguments, name, Word(call, "id")));
                }
            }
        }

        if (Word(fields, "function_call_name") is { Length: > 0 } function)
        {
            parts.Add(new ContentPart("tool_call", Field(fields, "function_call_arguments_json"), function));
        }

        if (said == "tool" || !Field(fields, "tool_call_id").IsEmpty)
        {
            parts = [.. parts.Select(part => part.Type == "text" ? part with { Type = "tool_call_response", Name = Word(fields, "name"), Id = Word(fields, "tool_call_id") } : part)];
        }

        return new ContentMessage(said, parts, Word(fields, "finish_reason") is { Length: > 0 } reason ? Vocabulary.FinishReason(reason) : "", Word(fields, "name"));
    }

    private List<ContentMessage>? IndexedTexts(string family, string field, string role) =>
        UnlessEmpty([.. from fields in Indexed(_all, family, "") let text = Field(fields, field) where !text.IsEmpty select new ContentMessage(role, [new ContentPart("text", text)])]);

    private static ContentText Field(List<ContentAttribute> fields, string name) => fields.Find(field => field.Key == name).Value;

    private static string Word(List<ContentAttribute> fields, string name) => Field(fields, name).ToString();

    /// <summary>Attributes <c>family.{N}.infix + field</c>, by number; numbers may have gaps and come in any order.</summary>
    private static List<List<ContentAttribute>> Indexed(List<ContentAttribute> attributes, string family, string infix)
    {
        SortedDictionary<int, List<ContentAttribute>>? found = null;
        foreach (var attribute in attributes)
        {
            var key = attribute.Key.AsSpan();
            if (key.Length <= family.Length + 2 || key[family.Length] != '.' || !key.StartsWith(family, StringComparison.Ordinal))
            {
                continue;
            }

            var rest = key[(family.Length + 1)..];
            var dot = rest.IndexOf('.');
            if (dot <= 0 || !int.TryParse(rest[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var index) || !rest[(dot + 1)..].StartsWith(infix, StringComparison.Ordinal))
            {
                continue;
            }

            found ??= [];
            if (!found.TryGetValue(index, out var fields))
            {
                found.Add(index, fields = []);
            }

            fields.Add(attribute with { Key = rest[(dot + 1 + infix.Length)..].ToString() });
        }

        return found is null ? [] : [.. found.Values];
    }

    private List<ContentMessage>? VercelResponse()
    {
        var parts = new List<ContentPart>();
        if (Text("ai.response.reasoning") is { IsEmpty: false } reasoning)
        {
            parts.Add(new ContentPart("reasoning", reasoning));
        }

        if (Text("ai.response.text", "ai.result.text", "ai.response.object", "ai.result.object") is { IsEmpty: false } text)
        {
            parts.Add(new ContentPart("text", text));
        }

        if ((Node("ai.response.toolCalls") ?? Node("ai.result.toolCalls")) is { Kind: ContentKind.Array } calls)
        {
            parts.AddRange(calls.Items.Where(call => call.IsObject).Select(MessageReader.ToolCall));
        }

        return parts.Count == 0 ? null : [new ContentMessage("assistant", parts, Text("ai.response.finishReason", "ai.finishReason").ToString() is { Length: > 0 } reason ? Vocabulary.FinishReason(reason) : "")];
    }

    private List<ContentTool> ReadTools()
    {
        var tools = new List<ContentTool>();
        foreach (var key in (ReadOnlySpan<string>)["gen_ai.tool.definitions", "ai.prompt.tools"])
        {
            foreach (var item in Node(key)?.Items ?? [])
            {
                Add(item.Kind == ContentKind.Text ? ContentNode.OfJsonText(item.Text, out _) : item);
            }
        }

        foreach (var fields in Indexed(_all, "llm.tools", "tool."))
        {
            Add(ContentNode.OfJsonText(Field(fields, "json_schema"), out _));
        }

        foreach (var family in (ReadOnlySpan<string>)["gen_ai.tool.definitions", "llm.request.functions"])
        {
            tools.AddRange(Indexed(_all, family, "").Select(fields => new ContentTool(Word(fields, "name"), Word(fields, "description"), Field(fields, "parameters"))));
        }

        return tools;

        void Add(ContentNode definition)
        {
            var function = definition.Member("function") is { IsObject: true } inner ? inner : definition;
            if (function.WordOf("name") is { Length: > 0 } name)
            {
                tools.Add(new ContentTool(name, function.WordOf("description"), function.TextOf("parameters", "input_schema", "inputSchema")));
            }
        }
    }

    private ContentText ReadQuery(ContentText inputText)
    {
        var query = Text("gen_ai.retrieval.query.text", "reranker.query", "gen_ai.retrieval.query", "gen_ai.vectordb.search.query", "gen_ai.memory.query.text");
        return !query.IsEmpty || _operation is not ("retrieval" or "rerank" or "memory") ? query
            : !inputText.IsEmpty ? inputText
            : Text("db.query.text");
    }

    /// <param name="isList">A list of documents was sent, be it an empty one.</param>
    private List<ContentDocument> ReadDocuments(out bool isList)
    {
        var documents = new List<ContentDocument>();
        isList = _attributes.ContainsKey("gen_ai.retrieval.documents");
        foreach (var key in (ReadOnlySpan<string>)["gen_ai.retrieval.documents", "gen_ai.memory.records", "ai.ranking"])
        {
            if (Node(key) is { } node)
            {
                var list = node.IsObject ? node.Member("documents", "results", "matches") ?? node : node;
                documents.AddRange(list.Items.Take(DocumentsMax).Select(Document));
            }

            if (documents.Count > 0)
            {
                return documents;
            }
        }

        foreach (var family in (ReadOnlySpan<string>)["reranker.output_documents", "retrieval.documents"])
        {
            documents.AddRange(Indexed(_all, family, "document.").Take(DocumentsMax).Select(fields =>
                new ContentDocument(Word(fields, "id"), Number(Field(fields, "score")), null, Field(fields, "content"), Field(fields, "metadata"))));
            if (documents.Count > 0)
            {
                return documents;
            }
        }

        foreach (var happened in _events.Count == 0 ? [] : _events.Where(one => one.Name is "db.query.result" or "db.search.result").Take(DocumentsMax))
        {
            string Of(string field) => happened.Attributes.FirstOrDefault(one => one.Key == $"{happened.Name}.{field}")?.Value ?? "";
            documents.Add(new ContentDocument(Of("id"), Number(Of("score")), Number(Of("distance")), Of("document") is { Length: > 0 } text ? text : Of("entity"), Of("metadata")));
        }

        // Those that know an output only put the documents there.
        if (documents.Count == 0 && !isList && _operation is "retrieval" or "rerank")
        {
            foreach (var key in (ReadOnlySpan<string>)["langfuse.observation.output", "output.value", "traceloop.entity.output", "gen_ai.completion", "genkit:output", "mlflow.spanOutputs"])
            {
                if (Node(key) is { } node && (node.IsObject ? node.Member("documents", "results", "matches", "chunks", "hits", "passages") : node) is { Kind: ContentKind.Array } list)
                {
                    isList = true;
                    documents.AddRange(list.Items.Take(DocumentsMax).Select(Document));
                    break;
                }
            }
        }

        return documents;
    }

    private static ContentDocument Document(ContentNode item)
    {
        if (!item.IsObject)
        {
            return new ContentDocument("", null, null, item.ToText(), default);
        }

        // What else a document says about itself is metadata, wherever the sender put it.
        var metadata = new ContentNode { Kind = ContentKind.Object };
        metadata.Members.AddRange(item.Member("metadata")?.Members ?? []);
        metadata.Members.AddRange(item.Members.Where(member => member.Key is not ("metadata" or "id" or "document_id" or "documentId" or "score" or "relevance_score" or "relevanceScore"
            or "distance" or "content" or "text" or "page_content" or "pageContent" or "document")));
        var id = item.WordOf("id", "document_id", "documentId", "index", "originalIndex");
        return new ContentDocument(
            id.Length > 0 ? id : metadata.WordOf("id", "source"),
            Number(item.TextOf("score", "relevance_score", "relevanceScore", "similarity") is { IsEmpty: false } score ? score : metadata.TextOf("score", "relevance_score", "similarity")),
            Number(item.TextOf("distance")),
            item.TextOf("content", "text", "page_content", "pageContent", "document"),
            metadata.Members.Count == 0 ? default : metadata.ToText());
    }

    internal static double? Number(ContentText text) =>
        double.TryParse(text.Utf8, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;
}

using Faultline.Telemetry.Columns;
using Faultline.Telemetry.GenAi;
using Faultline.Telemetry.Otlp;
using Xunit;

namespace Faultline.Tests.GenAi;

public class ContentTests
{
    [Fact]
    public void Every_part_of_the_current_form_is_read()
    {
        var content = Read("chat",
            ("gen_ai.system_instructions", """[{"type":"text","content":"S1"},{"type":"text","content":"S2"}]"""),
            ("gen_ai.input.messages", """
                [{"role":"system","parts":[{"type":"text","content":"S3"}]},
                 {"role":"user","name":"ann","parts":[{"type":"text","content":"Look"},{"type":"uri","modality":"image","mime_type":"image/png","uri":"http://x/y.png"},{"type":"blob","modality":"audio","content":"QUJD"},{"type":"file","modality":"document","file_id":"f-1"}]},
                 {"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"find","arguments":{"q":"x"}}]},
                 {"role":"tool","parts":[{"type":"tool_call_response","id":"c1","response":{"hits":1}},{"type":"tool_call_response","id":"c2","result":"old name"}]}]
                """),
            ("gen_ai.output.messages", """[{"role":"assistant","parts":[{"type":"reasoning","content":"thinking"},{"type":"text","content":"Done"},{"type":"vector_store","id":9}],"finish_reason":"end_turn"}]"""),
            ("gen_ai.tool.definitions", """[{"type":"function","name":"find","description":"Finds","parameters":{"type":"object"}}]"""));
        Assert.Equal(["S1", "S2", "S3"], content.System.Select(part => part.Text));
        Assert.Equal(["user", "assistant", "tool"], content.Input.Select(message => message.Role));
        Assert.Equal("ann", content.Input[0].Name);
        Assert.Equal(
            [new("text", "Look"), new("uri", "http://x/y.png", MediaType: "image/png"), new("blob", "", MediaType: "audio"), new ContentPart("file", "f-1", MediaType: "document")], content.Input[0].Parts);
        Assert.Equal(new ContentPart("tool_call", "{\"q\":\"x\"}", "find", "c1"), Assert.Single(content.Input[1].Parts));
        Assert.Equal([new("tool_call_response", "{\"hits\":1}", "", "c1"), new ContentPart("tool_call_response", "old name", "", "c2")], content.Input[2].Parts);
        Assert.Equal("stop", Assert.Single(content.Output).FinishReason);
        Assert.Equal(["reasoning", "text", "vector_store"], content.Output[0].Parts.Select(part => part.Type));
        Assert.Equal(new ContentTool("find", "Finds", "{\"type\":\"object\"}"), Assert.Single(content.Tools));
        Assert.False(content.IsTruncated);
    }

    [Fact]
    public void A_cut_off_conversation_shows_its_readable_beginning_and_says_so()
    {
        var content = Read("chat", ("gen_ai.input.messages", """[{"role":"user","parts":[{"type":"text","content":"one"}]},{"role":"assistant","parts":[{"type":"text","content":"tw\u00"""));
        Assert.True(content.IsTruncated);
        Assert.Equal(["one", "tw"], content.Input.Select(message => message.Words));
    }

    [Fact]
    public void A_mark_that_the_sender_left_at_the_cut_is_no_reason_to_read_nothing()
    {
        var content = Read("chat", ("gen_ai.input.messages", """[{"role":"user","parts":[{"type":"text","content":"one"}]},{"role":...[truncated]"""));
        Assert.True(content.IsTruncated);
        Assert.Equal("one", content.Input[0].Words);
    }

    [Fact]
    public void An_answer_that_is_json_stays_the_text_it_is()
    {
        var content = Read("chat", ("gen_ai.completion.0.role", "assistant"), ("gen_ai.completion.0.content", """{"verdict":"yes"}"""));
        Assert.Equal("""{"verdict":"yes"}""", content.Output[0].Words);
    }

    [Fact]
    public void A_chat_completions_request_is_read_with_its_tool_calls()
    {
        var content = Read("chat", ("input.value", """{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}"""));
        Assert.Equal(["user", "assistant", "tool"], content.Input.Select(message => message.Role));
        Assert.Equal(new ContentPart("tool_call", "{}", "f", "c"), Assert.Single(content.Input[1].Parts));
        Assert.Equal(new ContentPart("tool_call_response", "r", "", "c"), Assert.Single(content.Input[2].Parts));
    }

    [Fact]
    public void Documents_keep_their_content_and_metadata()
    {
        var content = Read("retrieval",
            ("retrieval.documents.1.document.content", "second"), ("retrieval.documents.0.document.id", "d0"), ("retrieval.documents.0.document.score", "0.5"),
            ("retrieval.documents.0.document.metadata", """{"page":1}"""));
        Assert.Equal([new("d0", 0.5, null, "", "{\"page\":1}"), new ContentDocument("", null, null, "second", "")], content.Documents);
    }

    [Fact]
    public void A_conversation_that_was_cut_before_its_first_word_is_shown_as_it_came()
    {
        const string Cut = """[{"role":"user","parts":[{"type":"te""";
        Assert.Equal(Cut, Read("chat", ("gen_ai.input.messages", Cut)).Input[0].Words);
    }

    [Fact]
    public void What_else_a_document_says_is_its_metadata()
    {
        var content = Read("retrieval", ("gen_ai.retrieval.documents", """[{"id":"d","score":"0.5","text":"words","updated":"May","metadata":{"page":2}}]"""));
        Assert.Equal([new ContentDocument("d", 0.5, null, "words", """{"page":2,"updated":"May"}""")], content.Documents);
    }

    [Fact]
    public void A_preview_is_one_line_of_whole_characters()
    {
        var content = Read("chat", ("gen_ai.input.messages", "a\t\n b" + string.Concat(Enumerable.Repeat("😀", 300))));
        var preview = content.InputPreview("chat");
        Assert.StartsWith("a b😀", preview, StringComparison.Ordinal);
        Assert.InRange(preview.Length, GenAiContent.PreviewCharactersMax - 4, GenAiContent.PreviewCharactersMax);
        Assert.DoesNotContain(System.Text.Rune.ReplacementChar, preview.EnumerateRunes());
    }

    [Theory]
    [InlineData("passage", 1)]
    [InlineData("passage", 15)]
    [InlineData("passage", 400)]
    [InlineData("😀", 400)]
    public void The_preview_of_a_long_prompt_has_its_beginning_and_what_is_asked_at_its_end(string passage, int times)
    {
        var prompt = "Context: " + string.Join(' ', Enumerable.Repeat(passage, times)) + "\n\nWhere do I park at the clinic?";
        var preview = Read("chat", ("gen_ai.input.messages", prompt)).InputPreview("chat");
        Assert.StartsWith("Context: " + passage, preview, StringComparison.Ordinal);
        Assert.EndsWith(" Where do I park at the clinic?", preview, StringComparison.Ordinal);
        Assert.InRange(preview.Length, 1, GenAiContent.PreviewCharactersMax);
        Assert.DoesNotContain(System.Text.Rune.ReplacementChar, preview.EnumerateRunes());
    }

    [Fact]
    public void Values_nested_too_deep_are_left_out_and_the_rest_is_read()
    {
        var deep = new string('[', 2_000) + new string(']', 2_000);
        var content = Read("chat", ("gen_ai.input.messages", $$"""[{"role":"user","content":"shallow","x":{{deep}}}]"""));
        Assert.Equal("shallow", content.Input[0].Words);
        Assert.True(content.IsTruncated);
    }

    [Theory]
    [InlineData("""{"a":1,"b":[2]}""", """ { "b" : [ 2 ], "a" : 1 } """, true)]
    [InlineData("""{"a":1}""", """{"a":2}""", false)]
    [InlineData("plain", " plain ", true)]
    [InlineData("""{"a":[1,2]}""", """{"a":[2,1]}""", false)]
    public void Equal_arguments_have_equal_hashes(string one, string other, bool areEqual) =>
        Assert.Equal(areEqual, GenAiNormaliser.ArgumentsHash(one) == GenAiNormaliser.ArgumentsHash(other));

    private static GenAiContent Read(string operation, params (string Key, string Value)[] attributes) =>
        GenAiContent.Read([.. attributes.Select(one => new OtlpAttribute(one.Key, one.Value, AttributeType.String))], [], operation);
}

using Faultline.Store.Traces;
using Faultline.Telemetry.Columns;
using Faultline.Web.Traces;
using Xunit;

namespace Faultline.Tests.Web;

public sealed class SpanContentTests
{
    [Theory]
    [InlineData(AttributeType.Array, """{"values":[{"stringValue":"stop"},{"intValue":"3"},{"boolValue":true},{"doubleValue":0.5}]}""", """["stop",3,true,0.5]""")]
    [InlineData(AttributeType.Array, """{"values":[{"arrayValue":{"values":[{"stringValue":"a"}]}},{}]}""", """[["a"],null]""")]
    [InlineData(AttributeType.Array, """{"values":[]}""", "[]")]
    [InlineData(AttributeType.KeyValues, """{"values":[{"key":"a","value":{"kvlistValue":{"values":[{"key":"b","value":{"stringValue":"c"}}]}}}]}""", """{"a":{"b":"c"}}""")]
    [InlineData(AttributeType.Array, """{"values":[{"stringVal""", """{"values":[{"stringVal""")]
    [InlineData(AttributeType.Array, "[1]", "[1]")]
    [InlineData(AttributeType.KeyValues, """{"values":[1,{"value":{"stringValue":"no key"}}]}""", """{"":"no key"}""")]
    [InlineData(AttributeType.String, """{"values":[{"stringValue":"said so"}]}""", """{"values":[{"stringValue":"said so"}]}""")]
    public void A_list_is_shown_as_people_write_it_and_what_is_none_as_it_came(AttributeType type, string stored, string shown) =>
        Assert.Equal(shown, SpanContent.Plain(new StoredAttribute("key", stored, type)));
}

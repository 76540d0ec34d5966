using System.Text;
using Faultline.ClickHouse;

namespace Faultline.Store.Traces;

/// <summary>A <see cref="TraceFilter"/> as the condition of a query over table <c>spans</c>.</summary>
internal sealed record SpanFilter(string Condition, SqlParameters Parameters)
{
    /// <param name="bodyKeys">Keys of the filter's attributes that some span in the range has as a body. Only for these are bodies read.</param>
    public static SpanFilter Of(string project, TraceFilter filter, IReadOnlySet<string> bodyKeys)
    {
        var where = new StringBuilder("project = {project:String} AND start_unix_nanos BETWEEN {from:Int64} AND {to:Int64}");
        var parameters = new SqlParameters().Add("project", project).Add("from", filter.FromUnixNanos).Add("to", filter.ToUnixNanos);

        Equal("service_name = {service:String}", "service", filter.Service);
        Equal("environment = {environment:String}", "environment", filter.Environment);
        Equal("name = {name:String}", "name", filter.Name);
        Equal("genai_operation = {operation:String}", "operation", filter.Operation);
        Equal("(genai_model_responded = {model:String} OR genai_model_requested = {model:String})", "model", filter.Model);
        Equal("session = {session:String}", "session", filter.Session);
        Equal("user = {user:String}", "user", filter.User);
        Number("status = {status:Int64}", "status", (long?)filter.Status);
        Number("duration_nanos >= {duration_min:Int64}", "duration_min", filter.DurationNanosMin);
        Number("duration_nanos <= {duration_max:Int64}", "duration_max", filter.DurationNanosMax);

        for (var i = 0; i < filter.Attributes.Count; i++)
        {
            var (key, value) = filter.Attributes[i];
            parameters.Add($"key{i}", key).Add($"value{i}", value);
            where.Append(" AND (").Append(Has("attributes", i)).Append(" OR ").Append(Has("resource_attributes", i));
            if (bodyKeys.Contains(key))
            {
                where.Append(" OR ").Append(Has("bodies", i));
            }

            where.Append(')');
        }

        if (filter.Text is { Length: > 0 } text)
        {
            parameters.Add("text", text);
            where.Append(
                """
                 AND (positionCaseInsensitiveUTF8(name, {text:String}) > 0
                  OR positionCaseInsensitiveUTF8(genai_input_preview, {text:String}) > 0
                  OR positionCaseInsensitiveUTF8(genai_output_preview, {text:String}) > 0
                  OR positionCaseInsensitiveUTF8(status_message, {text:String}) > 0
                  OR arrayExists(value -> positionCaseInsensitiveUTF8(value, {text:String}) > 0, mapValues(attributes))
                  OR arrayExists(value -> positionCaseInsensitiveUTF8(value, {text:String}) > 0, mapValues(bodies))
                  OR arrayExists(event -> arrayExists(value -> positionCaseInsensitiveUTF8(value, {text:String}) > 0, mapValues(event)), event_attributes))
                """);
        }

        return new SpanFilter(where.ToString(), parameters);

        void Equal(string condition, string name, string? value)
        {
            if (value is not null)
            {
                where.Append(" AND ").Append(condition);
                parameters.Add(name, value);
            }
        }

        void Number(string condition, string name, long? value)
        {
            if (value is { } number)
            {
                where.Append(" AND ").Append(condition);
                parameters.Add(name, number);
            }
        }
    }

    // A missing key reads as empty text, so the key is asked for as well. The first of duplicate keys counts, as in a lookup.
    private static string Has(string map, int i) => $$"""(mapContains({{map}}, {key{{i}}:String}) AND {{map}}[{key{{i}}:String}] = {value{{i}}:String})""";
}

using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Dialects;

/// <summary>Messages of dialects that have an attribute for each field of each message, numbered from 0.</summary>
internal static class Indexed
{
    /// <param name="key">Stands before the number.</param>
    /// <param name="message">Stands behind it, with its point; empty if the fields follow at once.</param>
    public static void Input(ModelCall call, Told told, string key, string message)
    {
        var i = 0;
        foreach (var (role, text) in Told.Whole(call))
        {
            told.Set($"{key}.{i}{message}.role", role).Set($"{key}.{i++}{message}.content", text);
        }
    }

    /// <summary>The text of the answer, or the tool that the model wants called.</summary>
    /// <param name="key">The message, with its number.</param>
    /// <param name="function">Stands between a tool call's number and its fields, with the point behind it; may be empty.</param>
    public static void Output(ModelCall call, Told told, string key, string function)
    {
        if (call.ToolName is { } tool)
        {
            told.Set($"{key}.tool_calls.0.{function}name", tool).Set($"{key}.tool_calls.0.{function}arguments", call.ToolArguments);
        }
        else
        {
            told.Set($"{key}.content", call.Output);
        }
    }
}

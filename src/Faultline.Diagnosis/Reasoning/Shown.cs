using System.Text.Json.Nodes;

namespace Faultline.Diagnosis.Reasoning;

/// <summary>
/// What a model was shown in one conversation. A claim can only rest on what was: a reference that is right by luck is no evidence, and a name that stands
/// nowhere is made up.
/// </summary>
internal sealed class Shown
{
    private readonly HashSet<string> _refs = new(StringComparer.Ordinal);
    private readonly HashSet<string> _texts = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Fields whose values name things that a cause can be about.</summary>
    private static readonly HashSet<string> Naming = new(StringComparer.Ordinal)
    {
        "service", "name", "target", "value", "release", "model_requested", "model_responded", "prompt", "agent", "tool", "data_source", "dimension",
    };

    public bool HasRef(string reference) => _refs.Contains(reference);

    public bool HasName(string name) => _texts.Contains(name);

    public void Name(string name) => _texts.Add(name);

    public void Ref(string reference) => _refs.Add(reference);

    /// <summary>Takes note of every reference and name in what is about to be shown.</summary>
    public void Note(JsonNode? node)
    {
        switch (node)
        {
            case JsonArray list:
                foreach (var item in list)
                {
                    Note(item);
                }

                break;
            case JsonObject row:
                foreach (var (key, value) in row)
                {
                    if (value is JsonValue single && single.TryGetValue<string>(out var text))
                    {
                        Note(key, text);
                    }
                    else
                    {
                        Note(value, key);
                    }
                }

                break;
        }
    }

    // Attributes and labels name things by whatever key they have.
    private void Note(JsonNode? node, string key)
    {
        if (node is JsonObject named && key is "attributes" or "labels")
        {
            foreach (var (_, value) in named)
            {
                Name(value?.ToString() ?? "");
            }
        }
        else
        {
            Note(node);
        }
    }

    private void Note(string key, string text)
    {
        if (key is "ref" or "id")
        {
            Ref(text);
        }
        else if (Naming.Contains(key))
        {
            Name(text);
            if (key == "prompt" && text.IndexOf('@', StringComparison.Ordinal) is > 0 and var at)
            {
                Name(text[..at]);
            }
        }
    }
}

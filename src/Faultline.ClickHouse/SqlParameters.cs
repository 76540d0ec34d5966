using System.Buffers;
using System.Globalization;
using System.Text;

namespace Faultline.ClickHouse;

/// <summary>Values for <c>{name:Type}</c> placeholders. They never become SQL; the binding escapes them for the engine.</summary>
public sealed class SqlParameters
{
    private static readonly SearchValues<char> Escaped = SearchValues.Create("\\\t\n\r\0\b\f");

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _literals = new(StringComparer.Ordinal);

    /// <summary>Raw values, before escaping.</summary>
    public IReadOnlyDictionary<string, string> Values => _values;

    /// <summary>A value of a plain type. An unpaired surrogate becomes U+FFFD; bytes that are no text go as hex through <c>unhex</c>.</summary>
    public SqlParameters Add(string name, string value)
    {
        _values[name] = value;
        _literals.Remove(name);
        return this;
    }

    public SqlParameters Add(string name, long value) => Add(name, value.ToString(CultureInfo.InvariantCulture));

    public SqlParameters Add(string name, double value) => Add(name, value.ToString("R", CultureInfo.InvariantCulture));

    /// <summary>For <c>{name:Array(String)}</c>.</summary>
    public SqlParameters Add(string name, IEnumerable<string> values) =>
        AddLiteral(name, "[" + string.Join(',', values.Select(value => "'" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal) + "'")) + "]");

    /// <summary>For <c>{name:Array(Int64)}</c>, or of any other width that holds the values.</summary>
    public SqlParameters Add(string name, IEnumerable<long> values) =>
        AddLiteral(name, "[" + string.Join(',', values.Select(value => value.ToString(CultureInfo.InvariantCulture))) + "]");

    /// <summary>The values as the engine reads them.</summary>
    internal IEnumerable<KeyValuePair<string, string>> Encoded() =>
        _values.Select(pair => _literals.Contains(pair.Key) ? pair : KeyValuePair.Create(pair.Key, EscapeTsv(pair.Value)));

    // Arrays are read as literals, whose quoted strings carry their own escapes: escaped once more they would come out doubled.
    private SqlParameters AddLiteral(string name, string literal)
    {
        _values[name] = literal;
        _literals.Add(name);
        return this;
    }

    private static string EscapeTsv(string value)
    {
        if (!value.AsSpan().ContainsAny(Escaped))
        {
            return value;
        }
        var escaped = new StringBuilder(value.Length + 16);
        foreach (var character in value)
        {
            _ = character switch
            {
                '\\' => escaped.Append(@"\\"),
                '\t' => escaped.Append(@"\t"),
                '\n' => escaped.Append(@"\n"),
                '\r' => escaped.Append(@"\r"),
                '\0' => escaped.Append(@"\0"),
                '\b' => escaped.Append(@"\b"),
                '\f' => escaped.Append(@"\f"),
                _ => escaped.Append(character),
            };
        }
        return escaped.ToString();
    }
}

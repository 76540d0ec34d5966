using System.Globalization;

namespace Faultline.ClickHouse;

/// <summary>Values for <c>{name:Type}</c> placeholders. They never become SQL; the binding escapes them for the engine.</summary>
public sealed class SqlParameters
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>Raw values, before escaping.</summary>
    public IReadOnlyDictionary<string, string> Values => _values;

    public SqlParameters Add(string name, string value)
    {
        _values[name] = value;
        return this;
    }

    public SqlParameters Add(string name, long value) => Add(name, value.ToString(CultureInfo.InvariantCulture));

    public SqlParameters Add(string name, double value) => Add(name, value.ToString("R", CultureInfo.InvariantCulture));

    /// <summary>For <c>{name:Array(String)}</c>.</summary>
    public SqlParameters Add(string name, IEnumerable<string> values) =>
        Add(name, "[" + string.Join(',', values.Select(value => "'" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal) + "'")) + "]");
}

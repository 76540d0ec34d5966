using System.Text;
using Microsoft.AspNetCore.Http;

namespace Faultline.Web.Shell;

/// <summary>The address of a page, for making the addresses of its neighbours: the same view with one thing changed.</summary>
public sealed class Address
{
    private readonly string _path;
    private readonly List<KeyValuePair<string, string>> _query;

    private Address(string path, List<KeyValuePair<string, string>> query)
    {
        _path = path;
        _query = query;
    }

    public string Path => _path;

    public static Address Of(HttpRequest request) =>
        new(request.Path.Value ?? "/", [.. request.Query.SelectMany(pair => pair.Value, (pair, value) => KeyValuePair.Create(pair.Key, value ?? "")).Where(pair => pair.Value.Length > 0)]);

    public static Address To(string path) => new(path, []);

    public string? this[string key] => _query.FirstOrDefault(pair => pair.Key == key).Value;

    /// <summary>Every value of a key that may repeat.</summary>
    public IEnumerable<string> All(string key) => _query.Where(pair => pair.Key == key).Select(pair => pair.Value);

    public IEnumerable<KeyValuePair<string, string>> Query => _query;

    /// <summary>The same address with this key set, or taken out when <paramref name="value"/> is null or empty.</summary>
    public Address With(string key, string? value)
    {
        var query = _query.Where(pair => pair.Key != key).ToList();
        if (!string.IsNullOrEmpty(value))
        {
            query.Add(new(key, value));
        }

        return new Address(_path, query);
    }

    /// <summary>The same address with one more value of a key that may repeat.</summary>
    public Address And(string key, string value) => new(_path, [.. _query.Where(pair => pair.Key != key || pair.Value != value), new(key, value)]);

    /// <summary>The same address without one value of a key that may repeat.</summary>
    public Address Without(string key, string value) => new(_path, [.. _query.Where(pair => pair.Key != key || pair.Value != value)]);

    /// <summary>This address's time range on another page.</summary>
    public Address At(string path) => new(path, [.. _query.Where(pair => pair.Key is "from" or "to")]);

    public override string ToString()
    {
        var text = new StringBuilder(_path);
        var separator = '?';
        foreach (var (key, value) in _query)
        {
            text.Append(separator).Append(Uri.EscapeDataString(key)).Append('=').Append(Uri.EscapeDataString(value).Replace("%3A", ":", StringComparison.Ordinal));
            separator = '&';
        }

        return text.ToString();
    }
}

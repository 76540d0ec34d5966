namespace Faultline.Settings;

/// <summary>Which doors speak TLS, and with which files. Files are PEM and are read again when they change.</summary>
public sealed record TlsSettings
{
    /// <summary>The server's certificate, and behind it those that lead to its root. Null: no TLS.</summary>
    public string? Certificate { get; init; }

    /// <summary>Its private key, without a password.</summary>
    public string? Key { get; init; }

    /// <summary>Authorities whose certificates clients may show. Null: clients show none.</summary>
    public string? ClientCa { get; init; }

    /// <summary>Doors that speak TLS, by the second word of their key (<c>otlp_grpc</c>).</summary>
    public IReadOnlyList<string> Listeners { get; init; } = All;

    /// <summary>Doors that let only clients with a certificate in. People's browsers and load balancers' checks have none.</summary>
    public IReadOnlyList<string> MutualListeners { get; init; } = ["otlp_grpc", "otlp_http", "prometheus", "victoriametrics", "internals", "derived"];

    public static IReadOnlyList<string> All { get; } = ["otlp_grpc", "otlp_http", "prometheus", "victoriametrics", "internals", "derived", "health", "ui"];

    /// <param name="key">E.g. <c>listen.otlp_grpc</c>.</param>
    public bool Covers(string key) => Certificate is not null && Listeners.Contains(Word(key), StringComparer.Ordinal);

    /// <inheritdoc cref="Covers"/>
    public bool IsMutual(string key) => Covers(key) && ClientCa is not null && MutualListeners.Contains(Word(key), StringComparer.Ordinal);

    public IEnumerable<string> Problems()
    {
        if ((Certificate is null) != (Key is null))
        {
            yield return "tls.certificate and tls.key: give both, or neither for no TLS.";
        }

        if (ClientCa is not null && Certificate is null)
        {
            yield return "tls.client_ca: clients can show certificates only where the server has one; set tls.certificate and tls.key too.";
        }

        foreach (var (key, name) in Listeners.Select(name => ("tls.listeners", name)).Concat(MutualListeners.Select(name => ("tls.mutual_listeners", name))))
        {
            if (!All.Contains(name, StringComparer.Ordinal))
            {
                yield return $"{key}: there is no listener '{name}'; there are {string.Join(", ", All)}.";
            }
        }
    }

    private static string Word(string key) => key[(key.IndexOf('.', StringComparison.Ordinal) + 1)..];
}

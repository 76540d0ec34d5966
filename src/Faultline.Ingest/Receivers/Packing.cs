namespace Faultline.Ingest.Receivers;

/// <summary>How a body is compressed.</summary>
public enum Packing
{
    None,
    Gzip,
    Zstd,
}

/// <summary>The words for it in <c>Content-Encoding</c> and <c>grpc-encoding</c>.</summary>
public static class PackingWords
{
    /// <summary>What this process takes.</summary>
    public static string Taken { get; } = Zstd.IsPresent ? "gzip, zstd" : "gzip";

    public static string Of(Packing packing) => packing switch
    {
        Packing.Gzip => "gzip",
        Packing.Zstd => "zstd",
        _ => "identity",
    };

    public static bool TryParse(string encoding, out Packing packing)
    {
        packing = encoding.ToLowerInvariant() switch
        {
            "gzip" => Packing.Gzip,
            "zstd" => Packing.Zstd,
            _ => Packing.None,
        };
        return packing != Packing.None ? packing != Packing.Zstd || Zstd.IsPresent : encoding.Length == 0 || encoding.Equals("identity", StringComparison.OrdinalIgnoreCase);
    }
}

namespace Faultline.Load;

/// <summary>One client: sends requests one after the other on a connection of its own.</summary>
internal interface IClient : IDisposable
{
    /// <summary>How long to wait where the server does not say.</summary>
    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    /// <summary>The request to send.</summary>
    Span<byte> Message { get; }

    /// <summary>Sends <see cref="Message"/>.</summary>
    /// <returns>How long to wait before it is sent again; null when it was taken.</returns>
    /// <exception cref="IOException">The answer never came.</exception>
    /// <exception cref="HttpRequestException">The same.</exception>
    Task<TimeSpan?> SendAsync();
}

using Xunit;
using Faultline.ClickHouse.Embedded;

namespace Faultline.Tests.ClickHouse;

/// <summary>A database for one test class.</summary>
public sealed class EngineDatabase : IAsyncLifetime
{
    public EmbeddedClickHouse Engine { get; private set; } = null!;

    public async Task InitializeAsync() => Engine = await EngineFixture.OpenDatabaseAsync();

    public async Task DisposeAsync() => await Engine.DisposeAsync();
}

using Xunit;

namespace Faultline.Interop;

/// <summary>What a full disk left of a delete in a real store.</summary>
public sealed class EmptyMutationTests
{
    [Fact]
    public async Task A_store_with_empty_mutation_files_opens_with_all_its_rows()
    {
        await using var server = await FaultlineProcess.StartAsync();
        var sent = await server.CommandAsync("send-span", "--service", "kept", "--name", "chat x");
        Assert.True(sent.ExitCode == 0, sent.Errors);
        Assert.Equal(0, await server.StopAsync());
        var store = Path.Combine(server.DataDirectory, "clickhouse", "store");
        var tables = Directory.GetFiles(store, "format_version.txt", SearchOption.AllDirectories).Select(file => Path.GetDirectoryName(file)!).ToList();
        Assert.NotEmpty(tables);
        tables.ForEach(table => File.WriteAllText(Path.Combine(table, "mutation_900000.txt"), ""));

        await server.RestartAsync();

        using var trace = await server.ApiAsync("/api/v1/traces/" + sent.Output.Trim());
        var span = trace.RootElement.GetProperty("resourceSpans")[0].GetProperty("scopeSpans")[0].GetProperty("spans")[0];
        Assert.Equal("chat x", span.GetProperty("name").GetString());
        Assert.Equal(tables.Count, Directory.GetFiles(Path.Combine(server.DataDirectory, "clickhouse", "set-aside")).Length);
        Assert.Contains("It was moved to", server.Output, StringComparison.Ordinal);
    }
}

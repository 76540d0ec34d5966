using Faultline.Store.Topics;
using Xunit;

namespace Faultline.Tests.Store;

public sealed class TopicStoreTests : StoreTest
{
    [Fact]
    public async Task The_row_written_last_is_the_one_that_is_read_and_projects_are_apart()
    {
        var store = await OpenAsync(Engine, Soon);
        await store.Topics.WriteAsync("default", [new("bot", "production", "prompt", 1, "{}", "first"), new("bot", "production", "output", 1, "{}", "answers")]);
        await Task.Delay(2);        // rows are told apart by the millisecond in which they were written
        await store.Topics.WriteAsync("default", [new("bot", "production", "prompt", 2, """{"a":1}""", "second")]);
        await store.Topics.WriteAsync("other", [new("bot", "production", "prompt", 3, "{}", "theirs")]);

        Assert.Equal(
            [new StoredTopics("bot", "production", "output", 1, "{}", "answers"), new StoredTopics("bot", "production", "prompt", 2, """{"a":1}""", "second")],
            await store.Topics.ReadAsync("default", withState: true));
        Assert.All(await store.Topics.ReadAsync("default", withState: false), row => Assert.Empty(row.State));
        Assert.Empty(await store.Topics.ReadAsync("nobody", withState: true));
    }
}

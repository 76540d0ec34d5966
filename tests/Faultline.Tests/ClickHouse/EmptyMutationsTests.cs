using Faultline.ClickHouse.Embedded;
using Xunit;

namespace Faultline.Tests.ClickHouse;

public sealed class EmptyMutationsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("faultline-mutations-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void An_empty_mutation_file_is_moved_and_named_and_a_whole_one_stays()
    {
        var table = Directory.CreateDirectory(Path.Combine(_directory, "store", "0a1", "0a1b")).FullName;
        var empty = Path.Combine(table, "mutation_7.txt");
        var whole = Path.Combine(table, "mutation_8.txt");
        File.WriteAllText(empty, "");
        File.WriteAllText(whole, "format version: 1\n");
        File.WriteAllText(Path.Combine(table, "columns.txt"), "");

        var said = Assert.Single(EmptyMutations.SetAside(_directory));

        var aside = Path.Combine(_directory, "set-aside", "0a1b.mutation_7.txt");
        Assert.StartsWith(empty + " was empty", said, StringComparison.Ordinal);
        Assert.Contains(aside, said, StringComparison.Ordinal);
        Assert.True(File.Exists(aside));
        Assert.Equal(["columns.txt", "mutation_8.txt"], Directory.GetFiles(table).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Empty(EmptyMutations.SetAside(_directory));
    }

    [Fact]
    public void A_directory_without_a_store_is_left_as_it_is()
    {
        Assert.Empty(EmptyMutations.SetAside(_directory));
        Assert.Empty(Directory.GetFileSystemEntries(_directory));
    }
}

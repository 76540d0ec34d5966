namespace Faultline.ClickHouse.Embedded;

/// <summary>Takes mutation files that a full disk left empty out of the engine's way.</summary>
/// <remarks>
/// The engine notes a command that changes rows in <c>store/abc/UUID/mutation_N.txt</c> before it begins. An empty one holds no command, was never begun and
/// was told to its caller as failed; but the engine cannot read it, and so does not open the table (ClickHouse, StorageMergeTree::loadMutations).
/// </remarks>
internal static class EmptyMutations
{
    /// <summary>In the engine's data directory. Not beside the table's files, where the engine reads whatever is named mutation_….</summary>
    public const string Folder = "set-aside";

    /// <summary>Moves them into <see cref="Folder"/>. The engine must not be open yet, and the directory ours.</summary>
    /// <returns>A sentence for each: what, where, why it is harmless.</returns>
    /// <exception cref="InvalidOperationException">One cannot be moved.</exception>
    public static IReadOnlyList<string> SetAside(string dataDirectory)
    {
        var store = Path.Combine(dataDirectory, "store");
        if (!Directory.Exists(store))
        {
            return [];
        }

        List<string> moved = [];
        foreach (var table in Directory.EnumerateDirectories(store).SelectMany(Directory.EnumerateDirectories))
        {
            foreach (var file in new DirectoryInfo(table).GetFiles("mutation_*.txt").Where(file => file.Length == 0))
            {
                var from = file.FullName;
                var aside = Path.Combine(dataDirectory, Folder, $"{Path.GetFileName(table)}.{file.Name}");
                try
                {
                    Directory.CreateDirectory(Path.GetDirectoryName(aside)!);
                    file.MoveTo(aside, overwrite: true);
                }
                catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
                {
                    throw new InvalidOperationException($"{from} is empty, as a full disk leaves it, so its table cannot be opened; and it cannot be moved to {aside}: {problem.Message}", problem);
                }

                moved.Add($"{from} was empty, as a full disk leaves it, and the engine cannot open a table with such a file. It was moved to {aside}. An empty one holds no command, so no row is missing and none was changed.");
            }
        }

        return moved;
    }
}

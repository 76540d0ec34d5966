namespace Faultline.Tests.Ledger;

/// <summary>A directory of a test's own, gone after it.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("faultline-test-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Copies every file but the lock, as a crash would leave them.</summary>
    public TemporaryDirectory Copy()
    {
        var copy = new TemporaryDirectory();
        foreach (var file in Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories))
        {
            var relative = System.IO.Path.GetRelativePath(Path, file);
            if (!string.Equals(relative, "lock", StringComparison.Ordinal))
            {
                Directory.CreateDirectory(System.IO.Path.GetDirectoryName(copy[relative])!);
                using var from = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                using var to = new FileStream(copy[relative], FileMode.CreateNew);
                from.CopyTo(to);
            }
        }

        return copy;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

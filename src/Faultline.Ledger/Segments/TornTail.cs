using System.Globalization;

namespace Faultline.Ledger.Segments;

/// <summary>Moves what a crash left behind the last acknowledged byte out of the way, without losing it.</summary>
internal static class TornTail
{
    /// <param name="soundBytes">What stays; 0 moves the whole file.</param>
    /// <returns>What was done, in words for the log.</returns>
    public static string SetAside(string directory, string name, long soundBytes)
    {
        var path = Path.Combine(directory, name);
        var torn = FreeName(directory, name, soundBytes);
        long bytes;
        using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            bytes = file.Length - soundBytes;
            file.Position = soundBytes;
            using (var copy = new FileStream(Path.Combine(directory, torn), FileMode.CreateNew, FileAccess.Write))
            {
                file.CopyTo(copy);
                copy.Flush(flushToDisk: true);
            }

            file.SetLength(soundBytes);
            file.Flush(flushToDisk: true);
        }

        if (soundBytes == 0)
        {
            File.Delete(path);
        }

        return string.Create(
            CultureInfo.InvariantCulture,
            $"{path}: the last write was cut off before it was acknowledged; its {bytes} bytes were moved to {torn}. Every acknowledged event is intact.");
    }

    private static string FreeName(string directory, string name, long offset)
    {
        for (var i = 0; ; i++)
        {
            var candidate = string.Create(CultureInfo.InvariantCulture, $"{name}.at-{offset}{(i == 0 ? "" : $"-{i}")}.torn");
            if (!File.Exists(Path.Combine(directory, candidate)))
            {
                return candidate;
            }
        }
    }
}

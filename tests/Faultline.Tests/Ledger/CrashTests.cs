using Faultline.Ledger;
using Faultline.Ledger.Verification;
using Xunit;

namespace Faultline.Tests.Ledger;

/// <summary>A crash at any byte of an append leaves what was acknowledged, and of the rest all or nothing.</summary>
public class CrashTests
{
    [Fact]
    public async Task A_crash_at_any_byte_of_the_segment_write_leaves_the_acknowledged_events_and_nothing_of_the_batch()
    {
        var (before, after) = await StatesAsync();
        using (before)
        using (after)
        {
            var (old, written) = (File.ReadAllBytes(before["000000.seg"]), File.ReadAllBytes(after["000000.seg"]));
            for (var length = old.Length; length <= written.Length; length++)
            {
                using var crashed = before.Copy();
                File.WriteAllBytes(crashed["000000.seg"], written[..length]);
                await OpensWithAsync(crashed, 3, setAside: length > old.Length);
            }
        }
    }

    [Fact]
    public async Task A_crash_at_any_byte_of_the_checkpoint_write_is_all_or_none()
    {
        var (before, after) = await StatesAsync();
        using (before)
        using (after)
        {
            var (old, written) = (File.ReadAllBytes(before["checkpoints"]), File.ReadAllBytes(after["checkpoints"]));
            for (var length = old.Length; length <= written.Length; length++)
            {
                using var crashed = after.Copy();
                File.Copy(before["checkpoint"], crashed["checkpoint"], overwrite: true);
                File.WriteAllBytes(crashed["checkpoints"], written[..length]);
                await OpensWithAsync(crashed, length == written.Length ? 5 : 3, setAside: length < written.Length);
            }
        }
    }

    [Fact]
    public async Task A_tail_of_zeros_after_a_power_failure_is_set_aside()
    {
        var (before, after) = await StatesAsync();
        using (before)
        using (after)
        {
            File.WriteAllBytes(before["000000.seg"], [.. File.ReadAllBytes(before["000000.seg"]), .. new byte[4096]]);
            File.WriteAllBytes(before["checkpoints"], [.. File.ReadAllBytes(before["checkpoints"]), .. new byte[300]]);
            await OpensWithAsync(before, 3, setAside: true);
        }
    }

    [Fact]
    public async Task A_crash_while_a_new_segment_is_begun_loses_nothing()
    {
        using var directory = new TemporaryDirectory();
        await using (var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System))
        {
            await ledger.AppendAsync([LedgerFileTests.Event("a", "1")]);
        }

        for (var length = 0; length <= 16; length++)
        {
            using var crashed = directory.Copy();
            File.WriteAllBytes(crashed["000001.seg"], [.. "FLTLSEG1"u8.ToArray().Concat(new byte[7]).Append((byte)1).Take(length)]);
            await OpensWithAsync(crashed, 1, setAside: length < 16);
        }
    }

    [Fact]
    public async Task A_crash_at_any_file_of_the_very_first_start_is_no_obstacle_to_the_next()
    {
        using var directory = new TemporaryDirectory();
        await (await LedgerFile.OpenAsync(directory.Path, TimeProvider.System)).DisposeAsync();
        string[] made = ["checkpoint.key", "checkpoint.pub", "checkpoints", "checkpoint"];
        for (var count = 0; count < made.Length; count++)
        {
            using var crashed = new TemporaryDirectory();
            foreach (var name in made.Take(count))
            {
                File.Copy(directory[name], crashed[name]);
            }

            await OpensWithAsync(crashed, 0, setAside: false);
        }
    }

    [Fact]
    public async Task A_ledger_whose_key_or_newest_checkpoint_is_gone_is_refused()
    {
        foreach (var name in (string[])["checkpoint.key", "checkpoint.pub", "checkpoint", "checkpoints"])
        {
            var (before, after) = await StatesAsync();
            using (before)
            using (after)
            {
                File.Delete(after[name]);
                var exception = await Assert.ThrowsAsync<InvalidDataException>(() => LedgerFile.OpenAsync(after.Path, TimeProvider.System));
                Assert.Contains(name, exception.Message, StringComparison.Ordinal);
                Assert.Contains("backup", exception.Message, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>The files after three acknowledged events, and after a batch of two more.</summary>
    private static async Task<(TemporaryDirectory Before, TemporaryDirectory After)> StatesAsync()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        await ledger.AppendAsync([LedgerFileTests.Event("a", "1")]);
        await ledger.AppendAsync([LedgerFileTests.Event("b", "2"), LedgerFileTests.Event("c", "3")]);
        var before = directory.Copy();
        await ledger.AppendAsync([LedgerFileTests.Event("d", "4"), LedgerFileTests.Event("e", "5")]);
        return (before, directory.Copy());
    }

    private static async Task OpensWithAsync(TemporaryDirectory directory, long count, bool setAside)
    {
        await using (var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System))
        {
            Assert.Equal(count, ledger.Count);
            Assert.Equal(setAside, ledger.SetAside.Count > 0);
            Assert.Equal(setAside, Directory.GetFiles(directory.Path, "*.torn").Length > 0);
            await ledger.AppendAsync([LedgerFileTests.Event("next", "{}")]);
            Assert.Equal(count + 1, (await LedgerFileTests.ReadAllAsync(ledger)).Count);
        }

        var sound = Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path));
        Assert.Equal(count + 1, sound.Count);
    }
}

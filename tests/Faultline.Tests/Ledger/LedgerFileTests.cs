using System.Text;
using Faultline.Ledger;
using Faultline.Ledger.Checkpoints;
using Faultline.Ledger.Merkle;
using Faultline.Ledger.Verification;
using Xunit;

namespace Faultline.Tests.Ledger;

public class LedgerFileTests
{
    [Fact]
    public async Task What_was_appended_is_read_back_after_reopening_with_the_same_hashes()
    {
        using var directory = new TemporaryDirectory();
        var time = new ManualTime();
        var written = new List<LedgerEntry>();
        await using (var ledger = await LedgerFile.OpenAsync(directory.Path, time))
        {
            written.AddRange(await ledger.AppendAsync([Event("a.b", "{\"x\":1}")]));
            time.Advance(TimeSpan.FromSeconds(1.5));
            written.AddRange(await ledger.AppendAsync([Event("c.d", "{}"), Event("e.f", "[\"ü\"]", 7)]));
        }

        await using var reopened = await LedgerFile.OpenAsync(directory.Path, time);
        var read = await ReadAllAsync(reopened);
        Assert.Equal(3, reopened.Count);
        Assert.Equal([0L, 1, 2], read.Select(entry => entry.Sequence));
        Assert.Equal(written.Select(Line), read.Select(Line));
        Assert.Equal(MerkleTree.Root([.. written.Select(entry => entry.LeafHash.ToArray())]), reopened.RootHash(3));
        Assert.Equal(MerkleTree.Root([written[0].LeafHash.ToArray()]), reopened.RootHash(1));
        Assert.Equal(MerkleHash.Empty(), reopened.RootHash(0));
        Assert.Equal(["e.f"], (await ReadAllAsync(reopened, 2)).Select(entry => entry.Type));
    }

    [Fact]
    public async Task Entries_go_on_in_new_segments_and_proofs_span_them()
    {
        using var directory = new TemporaryDirectory();
        for (var round = 0; round < 2; round++)
        {
            await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System, segmentBytesMax: 400);
            for (var i = 0; i < 10; i++)
            {
                await ledger.AppendAsync([Event("t", $"{{\"i\":{i}}}")]);
            }
        }

        Assert.True(File.Exists(directory["000002.seg"]));
        await using var all = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System, segmentBytesMax: 400);
        var entries = await ReadAllAsync(all);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (long)i), entries.Select(entry => entry.Sequence));
        Assert.True(MerkleTree.VerifyInclusion(3, 20, entries[3].LeafHash.Span, all.InclusionProof(3, 20), all.RootHash(20)));
        Assert.True(MerkleTree.VerifyConsistency(7, 20, all.RootHash(7), all.RootHash(20), all.ConsistencyProof(7, 20)));
        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path));
    }

    [Fact]
    public async Task Concurrent_appends_each_stay_together_and_none_is_lost()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        var batches = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => ledger.AppendAsync([Event("first", $"{i}"), Event("second", $"{i}")])));
        Assert.All(batches, batch => Assert.Equal(batch[0].Sequence + 1, batch[1].Sequence));
        var entries = await ReadAllAsync(ledger);
        Assert.Equal(80, entries.Count);
        Assert.Equal(40, entries.Where(entry => entry.Type == "second").Select(entry => Encoding.UTF8.GetString(entry.Payload.Span)).Distinct().Count());
    }

    [Fact]
    public async Task A_second_writer_is_refused_by_name()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        var exception = await Assert.ThrowsAsync<IOException>(() => LedgerFile.OpenAsync(directory.Path, TimeProvider.System));
        Assert.Contains("another Faultline has this ledger open", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_private_key_is_readable_by_its_owner_only()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(directory[CheckpointKey.PrivateName]));
        }
    }

    [Fact]
    public async Task A_payload_that_is_too_large_is_refused_and_nothing_is_written()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        await Assert.ThrowsAsync<ArgumentException>(() => ledger.AppendAsync([Event("ok", "1"), ("big", 1, new byte[5 << 20])]));
        Assert.Equal(0, ledger.Count);
        await ledger.AppendAsync([Event("ok", "2")]);
        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path));
    }

    [Fact]
    public async Task A_checkpoint_is_a_signed_note_that_stock_tools_can_check()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        await ledger.AppendAsync([Event("a", "1"), Event("b", "2")]);
        var lines = File.ReadAllText(directory["checkpoint"]).Split('\n');
        Assert.Equal("2", lines[1]);
        Assert.Equal(Convert.ToBase64String(ledger.RootHash(2)), lines[2]);
        Assert.Equal("", lines[3]);

        using var key = System.Security.Cryptography.ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(directory["checkpoint.pub"]));
        var signature = Convert.FromBase64String(lines[4].Split(' ')[2]);
        Assert.Equal(System.Security.Cryptography.SHA256.HashData(key.ExportSubjectPublicKeyInfo())[..4], signature[..4]);
        Assert.True(key.VerifyData(
            Encoding.UTF8.GetBytes(string.Join('\n', lines[..3]) + "\n"), signature.AsSpan(4),
            System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.DSASignatureFormat.Rfc3279DerSequence));
    }

    internal static (string Type, int Version, ReadOnlyMemory<byte> Payload) Event(string type, string json, int version = 1) => (type, version, Encoding.UTF8.GetBytes(json));

    internal static async Task<List<LedgerEntry>> ReadAllAsync(LedgerFile ledger, long from = 0)
    {
        var entries = new List<LedgerEntry>();
        await foreach (var entry in ledger.ReadAsync(from))
        {
            entries.Add(entry);
        }

        return entries;
    }

    private static string Line(LedgerEntry entry) =>
        $"{entry.Sequence} {entry.At:O} {entry.Type} v{entry.Version} {Encoding.UTF8.GetString(entry.Payload.Span)} {Convert.ToHexStringLower(entry.LeafHash.Span)}";
}

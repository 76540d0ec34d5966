using System.Buffers.Binary;
using Faultline.Ledger;
using Faultline.Ledger.Merkle;
using Faultline.Ledger.Segments;
using Faultline.Ledger.Verification;
using Xunit;

namespace Faultline.Tests.Ledger;

/// <summary>Whatever is done to the files behind Faultline's back is found, and the first broken event is named.</summary>
public class TamperTests
{
    private const int Entries = 7;

    [Fact]
    public async Task Every_flipped_byte_of_every_file_is_found_and_in_a_segment_its_event_is_named()
    {
        using var directory = await LedgerAsync(segmentBytesMax: 500);
        var starts = Frames(directory).ToList();
        Assert.True(starts.Select(frame => frame.File).Distinct().Count() > 1);
        var seed = Environment.TickCount;
        var random = new Random(seed);
        foreach (var path in Directory.GetFiles(directory.Path).Where(path => !path.EndsWith("lock", StringComparison.Ordinal) && !path.EndsWith(".key", StringComparison.Ordinal)))
        {
            var name = Path.GetFileName(path);
            var original = File.ReadAllBytes(path);
            for (var i = 0; i < original.Length; i++)
            {
                var changed = (byte[])original.Clone();
                changed[i] ^= (byte)(1 << random.Next(8));
                File.WriteAllBytes(path, changed);
                var verdict = LedgerVerifierOnce(directory.Path);
                var broken = Assert.IsType<LedgerVerdict.Broken>(verdict);
                Assert.True(string.Equals(broken.File, name, StringComparison.Ordinal) || name.StartsWith("checkpoint", StringComparison.Ordinal), $"{name} byte {i}, seed {seed}: {broken}");
                if (name.EndsWith(".seg", StringComparison.Ordinal))
                {
                    var frame = starts.LastOrDefault(frame => frame.File == name && frame.Offset <= i);
                    var expected = frame.File is null ? starts.First(frame => frame.File == name).Sequence : frame.Sequence;
                    Assert.True(expected == broken.Sequence, $"{name} byte {i}, seed {seed}: expected event {expected}, but: {broken}");
                }
            }

            File.WriteAllBytes(path, original);
        }

        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path));
    }

    [Fact]
    public async Task Every_cut_through_a_segment_is_found_and_refused_at_opening_with_the_event_and_what_to_do()
    {
        using var directory = await LedgerAsync();
        var path = directory["000000.seg"];
        var original = File.ReadAllBytes(path);
        var frames = Frames(directory).ToList();
        for (var length = 0; length < original.Length; length++)
        {
            File.WriteAllBytes(path, original[..length]);
            var broken = Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path));
            Assert.Equal(frames.Count(frame => frame.End <= length), broken.Sequence);
            var exception = await Assert.ThrowsAsync<InvalidDataException>(() => LedgerFile.OpenAsync(directory.Path, TimeProvider.System));
            Assert.Contains("000000.seg: event", exception.Message, StringComparison.Ordinal);
            Assert.Contains("restore", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_dropped_event_is_found()
    {
        using var directory = await LedgerAsync();
        Rearrange(directory, frames => frames.RemoveAt(3));
        var broken = Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path));
        Assert.Equal((3L, BrokenWhat.Missing), (broken.Sequence, broken.What));
    }

    [Fact]
    public async Task Reordered_events_are_found()
    {
        using var directory = await LedgerAsync();
        Rearrange(directory, frames => (frames[2], frames[4]) = (frames[4], frames[2]));
        Assert.Equal(2, Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path)).Sequence);
    }

    [Fact]
    public async Task An_event_rewritten_together_with_its_own_hash_is_found_by_the_signed_root()
    {
        using var directory = await LedgerAsync();
        Rearrange(directory, frames => frames[3] = Rewritten(frames[3]));
        var broken = Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path));
        Assert.Equal((3L, BrokenWhat.Changed), (broken.Sequence, broken.What));
    }

    [Fact]
    public async Task History_rewritten_from_an_event_on_with_every_hash_made_anew_is_found_at_that_event()
    {
        using var directory = await LedgerAsync();
        Rearrange(directory, frames =>
        {
            frames[2] = Rewritten(frames[2]);
            for (var i = 3; i < frames.Count; i++)
            {
                // Chain each to the new hash of the one before, as somebody thorough would.
                var entry = frames[i][4..^32];
                frames[i - 1][^32..].CopyTo(entry, 17);
                frames[i] = [.. frames[i][..4], .. entry, .. MerkleHash.Leaf(entry)];
            }
        });
        Assert.Equal(2, Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path)).Sequence);
    }

    [Fact]
    public async Task A_tail_cut_off_at_the_edge_of_an_event_is_found_against_the_last_signed_checkpoint()
    {
        using var directory = await LedgerAsync();
        Rearrange(directory, frames => frames.RemoveAt(frames.Count - 1));
        var broken = Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path));
        Assert.Equal((Entries - 1L, BrokenWhat.CutOff), (broken.Sequence, broken.What));
    }

    [Fact]
    public async Task Added_bytes_are_found_and_set_aside_at_the_next_start()
    {
        using var directory = await LedgerAsync();
        await File.AppendAllTextAsync(directory["000000.seg"], "more");
        var broken = Assert.IsType<LedgerVerdict.Broken>(await LedgerVerifier.VerifyAsync(directory.Path));
        Assert.Equal((Entries, BrokenWhat.Unsigned), ((int)broken.Sequence!, broken.What));
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        Assert.Equal(Entries, ledger.Count);
        Assert.Contains("4 bytes were moved", Assert.Single(ledger.SetAside), StringComparison.Ordinal);
        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path));
    }

    [Fact]
    public async Task A_ledger_rolled_back_as_a_whole_is_found_against_a_checkpoint_kept_elsewhere()
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System);
        await ledger.AppendAsync([LedgerFileTests.Event("a", "1")]);
        using var early = directory.Copy();
        var noted = ledger.Newest.Note;
        await ledger.AppendAsync([LedgerFileTests.Event("b", "2")]);
        var later = ledger.Newest.Note;

        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path, noted));
        Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(early.Path, noted));
        var broken = Assert.IsType<LedgerVerdict.Broken>(await LedgerVerifier.VerifyAsync(early.Path, later));
        Assert.Contains("rolled back", broken.Words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_directory_is_no_ledger_rather_than_a_sound_one()
    {
        using var directory = new TemporaryDirectory();
        Assert.IsType<LedgerVerdict.Absent>(await LedgerVerifier.VerifyAsync(directory.Path));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task Verification_beside_a_busy_writer_finds_it_sound(int pauseMillis)
    {
        using var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, TimeProvider.System, segmentBytesMax: 2_000);
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await ledger.AppendAsync([LedgerFileTests.Event("busy", "{}"), LedgerFileTests.Event("busy", "{}")]);
                await Task.Delay(pauseMillis);
            }
        });
        for (var i = 0; i < 10; i++)
        {
            var before = ledger.Count;
            var sound = Assert.IsType<LedgerVerdict.Sound>(await LedgerVerifier.VerifyAsync(directory.Path));

            // One batch is signed on the disk a moment before its writer hears of it.
            Assert.InRange(sound.Count, before, ledger.Count + 2);
        }

        await stop.CancelAsync();
        await writing;
    }

    [Fact]
    public async Task What_lay_there_before_the_checkpoints_were_read_must_be_signed_and_what_came_later_need_not()
    {
        using var directory = await LedgerAsync();
        var path = directory["000000.seg"];
        var before = SegmentLengths.Now(directory.Path);
        File.AppendAllBytes(path, [0, 0, 0, 9]);
        var added = SegmentLengths.Now(directory.Path);
        File.WriteAllBytes(directory["000001.seg"], [1]);
        Assert.IsType<LedgerVerdict.Sound>(LedgerVerifier.VerifyOnce(directory.Path, known: null, before));
        var broken = Assert.IsType<LedgerVerdict.Broken>(LedgerVerifier.VerifyOnce(directory.Path, known: null, added));
        Assert.Equal(("000000.seg", BrokenWhat.Unsigned), (broken.File, broken.What));
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^4]);
        broken = Assert.IsType<LedgerVerdict.Broken>(LedgerVerifierOnce(directory.Path));
        Assert.Equal(("000001.seg", BrokenWhat.Unsigned), (broken.File, broken.What));
    }

    /// <summary>Without the second looks that tell a writer at work from damage.</summary>
    private static LedgerVerdict LedgerVerifierOnce(string directory) => LedgerVerifier.VerifyOnce(directory, known: null, SegmentLengths.Now(directory));

    private static async Task<TemporaryDirectory> LedgerAsync(long segmentBytesMax = 1 << 20)
    {
        var directory = new TemporaryDirectory();
        await using var ledger = await LedgerFile.OpenAsync(directory.Path, new ManualTime(), segmentBytesMax);
        for (var i = 0; i < Entries; i++)
        {
            await ledger.AppendAsync([LedgerFileTests.Event("case.commented", $"{{\"text\":\"number {i}\"}}")]);
        }

        return directory;
    }

    private static IEnumerable<(string File, long Sequence, int Offset, int End)> Frames(TemporaryDirectory directory)
    {
        var sequence = 0L;
        foreach (var path in Directory.GetFiles(directory.Path, "*.seg").Order(StringComparer.Ordinal))
        {
            var bytes = File.ReadAllBytes(path);
            for (var offset = 16; offset < bytes.Length;)
            {
                var end = offset + 4 + (int)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset)) + 32;
                yield return (Path.GetFileName(path), sequence++, offset, end);
                offset = end;
            }
        }
    }

    private static void Rearrange(TemporaryDirectory directory, Action<List<byte[]>> change)
    {
        var path = directory["000000.seg"];
        var bytes = File.ReadAllBytes(path);
        var frames = Frames(directory).Select(frame => bytes[frame.Offset..frame.End]).ToList();
        change(frames);
        File.WriteAllBytes(path, [.. bytes[..16], .. frames.SelectMany(frame => frame)]);
    }

    private static byte[] Rewritten(byte[] frame)
    {
        var entry = frame[4..^32];
        entry[^3] = (byte)'X';
        return [.. frame[..4], .. entry, .. MerkleHash.Leaf(entry)];
    }
}

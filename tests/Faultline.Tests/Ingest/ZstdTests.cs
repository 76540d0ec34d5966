using Faultline.Ingest.Receivers;
using Xunit;

namespace Faultline.Tests.Ingest;

public sealed class ZstdTests
{
    private readonly BytesBudget _budget = new(64 << 20);

    public ZstdTests() => Skip.IfNot(Zstd.IsPresent, "libzstd is not installed");

    [SkippableFact]
    public void What_was_packed_comes_back_also_in_several_frames()
    {
        var (first, second) = (Noise(300_000), Noise(2_000));
        using var body = new RequestBody(_budget);

        Assert.Equal(BodyFault.None, body.Unpack(Packing.Zstd, (byte[])[.. ZstdPacker.Pack(first), .. ZstdPacker.Pack(second)], 1 << 20));
        Assert.Equal([.. first, .. second], body.Bytes.ToArray());
    }

    [SkippableFact]
    public void A_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not()
    {
        var packed = ZstdPacker.Pack(Noise(100_000));
        using var fits = new RequestBody(_budget);
        using var over = new RequestBody(_budget);

        Assert.Equal(BodyFault.None, fits.Unpack(Packing.Zstd, packed, 100_000));
        Assert.Equal(BodyFault.TooLarge, over.Unpack(Packing.Zstd, packed, 99_999));
    }

    [SkippableFact]
    public void A_bomb_is_too_large_though_the_limit_would_allow_it()
    {
        using var body = new RequestBody(_budget);

        Assert.Equal(BodyFault.TooLarge, body.Unpack(Packing.Zstd, ZstdPacker.Pack(new byte[30 << 20]), 32 << 20));
        Assert.True(body.Bytes.Length < 4 << 20, $"{body.Bytes.Length} bytes were unpacked before the bomb was seen.");
    }

    [SkippableFact]
    public void A_frame_that_wants_a_huge_window_is_refused()
    {
        // Magic, no content size, window descriptor for 2 GiB, then an empty last block.
        byte[] greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        using var body = new RequestBody(_budget);

        Assert.Equal(BodyFault.NotPacked, body.Unpack(Packing.Zstd, greedy, 1 << 20));
    }

    [SkippableFact]
    public void What_was_cut_off_anywhere_is_never_taken_for_whole_and_memory_is_given_back()
    {
        var packed = ZstdPacker.Pack(Noise(2_000));
        for (var length = 0; length < packed.Length; length++)
        {
            using var body = new RequestBody(_budget);
            Assert.True(body.Unpack(Packing.Zstd, packed.AsMemory(0, length), 1 << 20) == BodyFault.NotPacked, $"The first {length} of {packed.Length} bytes were taken.");
        }

        Assert.Equal(0, _budget.Taken);
    }

    [SkippableFact]
    public void When_too_much_is_read_already_it_is_try_later()
    {
        using var body = new RequestBody(new BytesBudget(1 << 20));

        Assert.Equal(BodyFault.NoMemory, body.Unpack(Packing.Zstd, ZstdPacker.Pack(Noise(100)), 1 << 20));
    }

    private static byte[] Noise(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}

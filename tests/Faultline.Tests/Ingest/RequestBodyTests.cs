using System.IO.Compression;
using System.IO.Pipelines;
using Faultline.Ingest.Receivers;
using Xunit;

namespace Faultline.Tests.Ingest;

public sealed class RequestBodyTests
{
    private readonly BytesBudget _budget = new(64 << 20);

    [Fact]
    public void What_was_compressed_comes_back()
    {
        var bytes = Noise(300_000);
        using var body = new RequestBody(_budget);

        Assert.Equal(BodyFault.None, body.Gunzip(Gzip(bytes), bytes.Length));
        Assert.Equal(bytes, body.Bytes.ToArray());
    }

    [Fact]
    public void Members_that_follow_each_other_are_one_body()
    {
        var (first, second) = (Noise(3_000), Noise(2_000));
        using var body = new RequestBody(_budget);

        Assert.Equal(BodyFault.None, body.Gunzip((byte[])[.. Gzip(first), .. Gzip(second)], 1 << 20));
        Assert.Equal([.. first, .. second], body.Bytes.ToArray());
    }

    [Fact]
    public void A_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not()
    {
        var compressed = Gzip(Noise(100_000));
        using var fits = new RequestBody(_budget);
        using var over = new RequestBody(_budget);

        Assert.Equal(BodyFault.None, fits.Gunzip(compressed, 100_000));
        Assert.Equal(BodyFault.TooLarge, over.Gunzip(compressed, 99_999));
    }

    [Fact]
    public void A_bomb_is_too_large_though_the_limit_would_allow_it()
    {
        using var body = new RequestBody(_budget);

        Assert.Equal(BodyFault.TooLarge, body.Gunzip(Gzip(new byte[10 << 20]), 32 << 20));
        Assert.True(body.Bytes.Length < 4 << 20, $"{body.Bytes.Length} bytes were unpacked before the bomb was seen.");
    }

    [Fact]
    public void Gzip_that_was_cut_off_anywhere_is_never_taken_for_whole()
    {
        var compressed = Gzip(Noise(2_000));
        for (var length = 0; length < compressed.Length; length++)
        {
            using var body = new RequestBody(_budget);
            Assert.True(body.Gunzip(compressed.AsMemory(0, length), 1 << 20) == BodyFault.NotPacked, $"The first {length} of {compressed.Length} bytes were taken.");
        }
    }

    [Fact]
    public void Gzip_with_a_wrong_byte_is_not_taken_for_what_was_sent()
    {
        var bytes = Noise(2_000);
        var compressed = Gzip(bytes);
        for (var at = 10; at < compressed.Length; at++)
        {
            compressed[at] ^= 0x40;
            using var body = new RequestBody(_budget);

            // In a long run of equal bytes another code can mean the same: then nothing is wrong.
            Assert.True(body.Gunzip(compressed, 1 << 20) == BodyFault.NotPacked || body.Bytes.Span.SequenceEqual(bytes), $"Byte {at} was wrong and nobody saw it.");
            compressed[at] ^= 0x40;
        }
    }

    [Fact]
    public async Task What_is_too_much_to_read_now_is_refused_and_the_budget_comes_back()
    {
        var budget = new BytesBudget(100_000);
        using (var first = new RequestBody(budget))
        {
            Assert.Equal(BodyFault.None, await first.ReadAsync(PipeReader.Create(new MemoryStream(new byte[50_000])), 1 << 20, CancellationToken.None));
            using var second = new RequestBody(budget);
            Assert.Equal(BodyFault.NoMemory, await second.ReadAsync(PipeReader.Create(new MemoryStream(new byte[90_000])), 1 << 20, CancellationToken.None));
        }

        Assert.Equal(0, budget.Taken);
        using var third = new RequestBody(budget);
        Assert.Equal(BodyFault.None, await third.ReadAsync(PipeReader.Create(new MemoryStream(new byte[50_000])), 1 << 20, CancellationToken.None));
    }

    // Half noise, so that it neither stays as it is nor shrinks like a bomb. The seed is fixed: these are examples, not a search.
    private static byte[] Noise(int length)
    {
        var bytes = new byte[length];
        new Random(7).NextBytes(bytes.AsSpan(0, length / 2));
        return bytes;
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return target.ToArray();
    }
}

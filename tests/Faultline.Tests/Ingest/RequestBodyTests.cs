using System.IO.Compression;
using System.IO.Pipelines;
using Faultline.Ingest.Receivers;
using Xunit;

namespace Faultline.Tests.Ingest;

public sealed class RequestBodyTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly DeclaredLength Undeclared = _ => null;

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
            Assert.Equal(BodyFault.None, await first.ReadAsync(PipeReader.Create(new MemoryStream(new byte[50_000])), Undeclared, 1 << 20, Minute, CancellationToken.None));
            using var second = new RequestBody(budget);
            Assert.Equal(BodyFault.NoMemory, await second.ReadAsync(PipeReader.Create(new MemoryStream(new byte[90_000])), Undeclared, 1 << 20, Minute, CancellationToken.None));
        }

        Assert.Equal(0, budget.Taken);
        using var third = new RequestBody(budget);
        Assert.Equal(BodyFault.None, await third.ReadAsync(PipeReader.Create(new MemoryStream(new byte[50_000])), Undeclared, 1 << 20, Minute, CancellationToken.None));
    }

    /// <summary>Room for what a client says that it will send is taken when a part of it is there, and then at once.</summary>
    [Fact]
    public async Task A_declared_length_is_believed_when_a_part_of_it_has_come()
    {
        const int Declared = 8 << 20;
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        using var body = new RequestBody(_budget);
        var reading = body.ReadAsync(pipe.Reader, _ => Declared, 32 << 20, Minute, CancellationToken.None);
        await pipe.Writer.WriteAsync(new byte[100]);
        await Task.Delay(50);
        Assert.InRange(_budget.Taken, 1, 16_384);

        await pipe.Writer.WriteAsync(new byte[Declared / 32]);
        await Store.Eventually.TrueAsync(() => _budget.Taken >= Declared);
        Assert.Equal(Declared, _budget.Taken);
        await pipe.Writer.WriteAsync(new byte[Declared - 100 - (Declared / 32)]);
        await pipe.Writer.CompleteAsync();
        Assert.Equal(BodyFault.None, await reading);
        Assert.Equal((Declared, Declared), (body.Bytes.Length, (int)_budget.Taken));
    }

    [Fact]
    public async Task More_than_the_limit_is_never_believed()
    {
        using var body = new RequestBody(_budget);
        Assert.Equal(BodyFault.TooLarge, await body.ReadAsync(PipeReader.Create(new MemoryStream(new byte[100_000])), _ => long.MaxValue, 90_000, Minute, CancellationToken.None));
        Assert.InRange(_budget.Taken, 1, 256 * 1024);
    }

    [Fact]
    public async Task A_body_that_does_not_come_in_time_is_given_up_and_its_room_with_it()
    {
        var pipe = new Pipe();
        using (var body = new RequestBody(_budget))
        {
            await pipe.Writer.WriteAsync(new byte[100]);
            Assert.Equal(BodyFault.TooSlow, await body.ReadAsync(pipe.Reader, Undeclared, 1 << 20, TimeSpan.FromMilliseconds(50), CancellationToken.None));
        }

        Assert.Equal(0, _budget.Taken);
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

using System.Globalization;
using System.Text;
using Faultline.Ingest.Forwarding;
using Faultline.Store;
using Faultline.Tests.Ledger;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Faultline.Tests.Ingest.Forwarding;

/// <summary>What waits on disk is whole after any end, in order, bounded.</summary>
public sealed class ForwardQueueTests : IDisposable
{
    private const long Large = 64L << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("faultline-queue-").FullName;
    private readonly ManualTime _time = new(DateTimeOffset.UnixEpoch.AddYears(50));
    private int _directories;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_queued_is_sent_in_order_and_together_up_to_a_size()
    {
        using var queue = Open(NewDirectory());
        Append(queue, "one", "two", "three");

        Assert.Equal(["onetwo", "three"], Drain(queue, bytesMax: 6));
        Assert.Equal((0, 0, null), (queue.Figures().Bytes, queue.Figures().Items, queue.Figures().OldestUnixMillis));
    }

    // FsCheck names the failing seed and the replay values when a property does not hold.
    [Fact]
    public void Cut_at_any_byte_the_whole_requests_before_the_cut_are_there_and_new_ones_follow_them() => ForSeeds(seed =>
    {
        var (random, directory) = (new Random(seed), NewDirectory());
        var bodies = Enumerable.Range(0, random.Next(1, 8)).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i}:") + new string('x', random.Next(200))).ToArray();
        using (var queue = Open(directory))
        {
            Append(queue, bodies);
        }

        var file = Directory.GetFiles(directory, "*.seg").Single();
        var cut = random.NextInt64(new FileInfo(file).Length + 1);
        using (var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite))
        {
            RandomAccess.SetLength(handle, cut);
        }

        var (whole, at) = (0, 0L);
        while (whole < bodies.Length && at + QueueRecord.HeaderBytes + bodies[whole].Length <= cut)
        {
            at += QueueRecord.HeaderBytes + bodies[whole++].Length;
        }

        using var after = Open(directory);
        Append(after, "later");
        Assert.Equal([.. bodies[..whole], "later"], Drain(after, bytesMax: 1));
        Assert.Equal((cut - at, 0L), (after.Figures().TornBytes, after.Figures().SetAside));
    });

    [Fact]
    public void Through_any_ends_of_the_process_everything_is_sent_in_order_and_only_what_was_under_way_twice_and_as_it_was() => ForSeeds(seed =>
    {
        var (random, directory) = (new Random(seed), NewDirectory());
        var (appended, arrived) = (new List<string>(), new List<string>());
        var queue = Open(directory);
        string? underWay = null;
        for (var step = 0; step < 60; step++)
        {
            switch (random.Next(4))
            {
                case 0 or 1:
                    appended.Add(string.Create(CultureInfo.InvariantCulture, $"<{step}>"));
                    Append(queue, appended[^1]);
                    break;
                case 2 when queue.Next(random.Next(1, 12)) is { } group:
                    var text = Encoding.UTF8.GetString(group.Body);
                    Assert.Equal(underWay ?? text, text);
                    queue.Begin(group);
                    underWay = text;
                    if (random.Next(3) > 0)
                    {
                        queue.Confirm(group);
                        arrived.Add(text);
                        underWay = null;
                    }
                    else
                    {
                        // The process ends before the answer.
                        queue.Dispose();
                        queue = Open(directory);
                    }

                    break;
                case 3:
                    _time.Advance(TimeSpan.FromMinutes(random.Next(3)));
                    queue.Dispose();
                    queue = Open(directory);
                    break;
            }
        }

        arrived.AddRange(Drain(queue, bytesMax: 1 << 20));
        queue.Dispose();
        Assert.Equal(string.Concat(appended), string.Concat(arrived));
    });

    [Fact]
    public void A_full_queue_drops_the_oldest_counts_them_and_stays_within_its_bytes()
    {
        var directory = NewDirectory();
        using var queue = Open(directory, bytesMax: 8 << 20);
        var body = new byte[300_000];
        for (var i = 0; i < 100; i++)
        {
            BitConverter.TryWriteBytes(body, i);
            queue.Append((UInt128)i, body, 10, isRepeat: false);
            Assert.InRange(Directory.GetFiles(directory, "*.seg").Sum(file => new FileInfo(file).Length), 0, 8 << 20);
        }

        var left = new List<int>();
        while (queue.Next(1) is { } group)
        {
            left.Add(BitConverter.ToInt32(group.Body));
            queue.Begin(group);
            queue.Confirm(group);
        }

        Assert.Equal(Enumerable.Range(100 - left.Count, left.Count), left);
        Assert.InRange(left.Count, 20, 27);
        Assert.Equal((100 - left.Count) * 10, queue.Figures().Dropped[ForwardDrop.QueueFull]);
    }

    [Fact]
    public void What_is_under_way_is_not_dropped_when_the_queue_is_full()
    {
        using var queue = Open(NewDirectory(), bytesMax: 8 << 20);
        Append(queue, "first");
        var group = queue.Next(1)!;
        queue.Begin(group);
        for (var i = 0; i < 60; i++)
        {
            queue.Append((UInt128)(i + 100), new byte[300_000], 1, isRepeat: false);
        }

        queue.Confirm(group);
        var dropped = queue.Figures().Dropped[ForwardDrop.QueueFull];
        Assert.InRange(dropped, 33, 40);
        Assert.Equal(60 - dropped, Drain(queue, bytesMax: 1).Count);
    }

    [Fact]
    public void A_request_larger_than_the_queue_is_dropped_and_counted()
    {
        using var queue = Open(NewDirectory(), bytesMax: 1000);
        queue.Append(1, new byte[2000], 7, isRepeat: false);

        Assert.Null(queue.Next(1));
        Assert.Equal(7, queue.Figures().Dropped[ForwardDrop.TooLarge]);
    }

    [Fact]
    public void A_damaged_body_is_set_aside_and_counted_and_what_follows_is_sent()
    {
        var directory = NewDirectory();
        using (var queue = Open(directory))
        {
            Append(queue, "one", "two", "three");
        }

        Damage(directory, QueueRecord.HeaderBytes + "one".Length + QueueRecord.HeaderBytes);

        using var after = Open(directory);
        Assert.Equal(["one", "three"], Drain(after, bytesMax: 1 << 20));
        Assert.Equal((1L, 1L), (after.Figures().Dropped[ForwardDrop.Unreadable], after.Figures().SetAside));
        Assert.Single(Directory.GetFiles(Path.Combine(directory, "aside")));
        after.DropAside();
        Assert.Empty(Directory.GetFiles(Path.Combine(directory, "aside")));
    }

    [Fact]
    public void A_damaged_header_sets_the_rest_of_its_file_aside_and_never_stops_a_start()
    {
        var directory = NewDirectory();
        using (var queue = Open(directory))
        {
            Append(queue, "one", "two", "three");
        }

        Damage(directory, QueueRecord.HeaderBytes + "one".Length + 20);

        using var after = Open(directory);
        Append(after, "four");
        Assert.Equal(["one", "four"], Drain(after, bytesMax: 1));
        Assert.Equal((0L, 1L), (after.Figures().TornBytes, after.Figures().SetAside));
    }

    [Fact]
    public void A_broken_cursor_sends_again_rather_than_not()
    {
        var directory = NewDirectory();
        using (var queue = Open(directory))
        {
            Append(queue, "one");
            Drain(queue, 1);
            Append(queue, "two");
        }

        File.WriteAllText(Path.Combine(directory, "cursor"), "nonsense that is as long as a slot would be");

        using var after = Open(directory);
        Assert.Equal(["one", "two"], Drain(after, bytesMax: 1));
    }

    [Fact]
    public void A_request_that_the_last_process_stored_is_queued_when_it_is_sent_again_unless_it_was_queued()
    {
        var directory = NewDirectory();
        using (var queue = Open(directory))
        {
            queue.Append(1, "queued"u8.ToArray(), 1, isRepeat: false);
            Drain(queue, 1);
        }

        _time.Advance(TimeSpan.FromSeconds(50));
        using var after = Open(directory);
        after.Append(1, "queued"u8.ToArray(), 1, isRepeat: true);
        after.Append(2, "stored, not queued"u8.ToArray(), 1, isRepeat: true);
        after.Append(2, "stored, not queued"u8.ToArray(), 1, isRepeat: true);
        _time.Advance(ForwardQueue.Remembered + TimeSpan.FromSeconds(1));
        after.Append(3, "stored by this process, which queued it"u8.ToArray(), 1, isRepeat: true);

        Assert.Equal(["stored, not queued"], Drain(after, bytesMax: 1 << 20));
    }

    [Fact]
    public void Sent_segments_go_when_their_requests_need_not_be_remembered_any_more()
    {
        var directory = NewDirectory();
        for (var process = 0; process < 5; process++)
        {
            using var queue = Open(directory);
            Append(queue, "one");
            Drain(queue, 1);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        using var last = Open(directory);
        Assert.InRange(Directory.GetFiles(directory, "*.seg").Length, 1, 2);
        Append(last, "two");
        Assert.Equal(["two"], Drain(last, 1));
    }

    [Fact]
    public void Nothing_that_was_sent_lies_on_the_disk_for_longer_than_it_is_of_use()
    {
        var directory = NewDirectory();
        using var queue = Open(directory);
        Append(queue, "one");
        Drain(queue, 1);
        _time.Advance(ForwardQueue.Remembered + TimeSpan.FromSeconds(1));
        queue.Tidy();

        Assert.Empty(Directory.GetFiles(directory, "*.seg"));
        Append(queue, "two");
        Assert.Equal(["two"], Drain(queue, 1));
    }

    private static void ForSeeds(Action<int> holds) => Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), holds).QuickCheckThrowOnFailure();

    private static void Damage(string directory, long offset)
    {
        using var file = File.OpenHandle(Directory.GetFiles(directory, "*.seg").Single(), FileMode.Open, FileAccess.ReadWrite);
        var one = new byte[1];
        RandomAccess.Read(file, one, offset);
        one[0] ^= 0x55;
        RandomAccess.Write(file, one, offset);
    }

    private static List<string> Drain(ForwardQueue queue, int bytesMax)
    {
        var sent = new List<string>();
        while (queue.Next(bytesMax) is { } group)
        {
            queue.Begin(group);
            queue.Confirm(group);
            sent.Add(Encoding.UTF8.GetString(group.Body));
        }

        return sent;
    }

    private void Append(ForwardQueue queue, params string[] bodies)
    {
        foreach (var body in bodies)
        {
            queue.Append(Crc32C.Of(Encoding.UTF8.GetBytes(body + _directories++)), Encoding.UTF8.GetBytes(body), 1, isRepeat: false);
        }
    }

    private string NewDirectory() => Path.Combine(_folder, (_directories++).ToString(CultureInfo.InvariantCulture));

    private ForwardQueue Open(string directory, long bytesMax = Large) => ForwardQueue.Open(directory, bytesMax, _time, NullLogger.Instance);
}

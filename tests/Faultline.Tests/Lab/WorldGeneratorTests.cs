using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Faultline.Cli.Bench.Worlds;
using Faultline.Diagnosis.Evaluators;
using Faultline.Lab.Worlds;
using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Words;
using Xunit;

namespace Faultline.Tests.Lab;

public sealed class WorldGeneratorTests : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("faultline-tests-lab-").FullName;

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Theory]
    [InlineData(Split.Dev)]
    [InlineData(Split.HeldOut)]
    public void The_same_options_write_the_same_bytes_and_a_world_is_the_same_however_many_are_asked_for(Split split)
    {
        Write("one", split, 3);
        Write("two", split, 2);
        var second = Files("two");
        Assert.NotEmpty(second);
        foreach (var (name, path) in second)
        {
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(_scratch, "one", name)));
        }
    }

    [Fact]
    public void Another_seed_writes_another_world()
    {
        Write("one", Split.Dev, 1, seed: 1);
        Write("two", Split.Dev, 1, seed: 2);
        Assert.NotEqual(Telemetry("one"), Telemetry("two"));
    }

    [Theory]
    [InlineData(Split.Dev)]
    [InlineData(Split.HeldOut)]
    public void Lines_come_in_the_order_of_arrival_and_tell_of_some_things_late(Split split)
    {
        Write("worlds", split, 2);
        foreach (var file in WorldFile.Below(Path.Combine(_scratch, "worlds")))
        {
            long last = 0, newest = 0;
            var late = 0;
            foreach (var line in file.Lines())
            {
                Assert.True(line.UnixNanos >= last);
                last = line.UnixNanos;
                using var body = JsonDocument.Parse(line.Body);
                if (!body.RootElement.TryGetProperty("resourceSpans", out var resources))
                {
                    continue;
                }

                var ends = resources[0].GetProperty("scopeSpans")[0].GetProperty("spans").EnumerateArray().Select(span => long.Parse(span.GetProperty("endTimeUnixNano").GetString()!, System.Globalization.CultureInfo.InvariantCulture)).ToList();
                Assert.All(ends, end => Assert.True(end <= line.UnixNanos));
                late += ends.Max() < newest ? 1 : 0;
                newest = Math.Max(newest, ends.Max());
            }

            Assert.True(late > 0);
        }
    }

    [Theory]
    [InlineData(Split.Dev)]
    [InlineData(Split.HeldOut)]
    public async Task A_small_world_is_decoded_whole_and_played_twice_gives_the_same_cases(Split split)
    {
        Write("worlds", split, 1, days: 0.12);
        var file = Assert.Single(WorldFile.Below(Path.Combine(_scratch, "worlds")));
        Assert.Equal(await PlayAsync(file, "first"), await PlayAsync(file, "second"));
    }

    private async Task<string> PlayAsync(WorldFile file, string name)
    {
        await using var engine = await EngineFixture.OpenDatabaseAsync();
        await using var replay = await WorldReplay.OpenAsync(engine, Path.Combine(_scratch, name), file.Lines().First().UnixNanos, LanguageResources.None, CancellationToken.None);
        await replay.PlayAsync(file.Lines(), CancellationToken.None);
        Assert.Equal(0, replay.Rejected);
        using var buffer = new MemoryStream();
        foreach (var view in replay.Cases)
        {
            await using var json = new Utf8JsonWriter(buffer);
            WorldReplay.Write(json, file.Name, view);
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private void Write(string folder, Split split, int worlds, long seed = 7, double days = 0.1) =>
        Assert.Equal(worlds, WorldGenerator.Write(new WorldOptions(seed, days, split, worlds), Path.Combine(_scratch, folder)).Count(world => world.Spans > 0));

    private string Telemetry(string folder)
    {
        using var stream = new GZipStream(File.OpenRead(Directory.GetFiles(Path.Combine(_scratch, folder), "*.gz", SearchOption.AllDirectories).Single()), CompressionMode.Decompress);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private List<(string Name, string Path)> Files(string folder)
    {
        var root = Path.Combine(_scratch, folder);
        return [.. Directory.GetFiles(root, "*", SearchOption.AllDirectories).Select(path => (Path.GetRelativePath(root, path), path))];
    }
}

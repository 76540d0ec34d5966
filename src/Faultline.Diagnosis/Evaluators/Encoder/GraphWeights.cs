using System.Runtime.InteropServices;
using System.Text.Json;

namespace Faultline.Diagnosis.Evaluators.Encoder;

/// <summary>The weights of a TensorFlow.js graph model: a manifest in <c>model.json</c>, little-endian numbers in shards beside it.</summary>
internal sealed class GraphWeights
{
    private readonly Dictionary<string, (int Offset, int Count)> _places = new(StringComparer.Ordinal);
    private readonly byte[] _bytes;

    private GraphWeights(byte[] bytes) => _bytes = bytes;

    public static GraphWeights Load(string folder)
    {
        var path = Path.Combine(folder, "model.json");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var group = document.RootElement.GetProperty("weightsManifest")[0];
            var shards = group.GetProperty("paths").EnumerateArray().Select(shard => File.ReadAllBytes(Path.Combine(folder, Path.GetFileName(shard.GetString()!))));
            var weights = new GraphWeights([.. shards.SelectMany(shard => shard)]);
            var offset = 0;
            foreach (var weight in group.GetProperty("weights").EnumerateArray())
            {
                var count = weight.GetProperty("shape").EnumerateArray().Aggregate(1, (product, size) => checked(product * size.GetInt32()));
                weights._places[weight.GetProperty("name").GetString()!] = (offset, count);
                offset = checked(offset + (count * sizeof(float)));      // float32 and int32 only
            }

            return offset == weights._bytes.Length
                ? weights
                : throw new InvalidDataException($"{path} lists {offset} bytes of weights, its shards have {weights._bytes.Length}. Fetch the encoder anew.");
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException or OverflowException)
        {
            throw new InvalidDataException($"{path} is no graph model: {problem.Message}", problem);
        }
    }

    public float[] Vector(string name, int count) =>
        _places.TryGetValue(name, out var place) && place.Count == count
            ? MemoryMarshal.Cast<byte, float>(_bytes.AsSpan(place.Offset, count * sizeof(float))).ToArray()
            : throw new InvalidDataException($"The encoder's weights have no {name} of {count} numbers: it is another model, or another version.");

    public PackedMatrix Matrix(string name, int inner, int columns) => new(Vector(name, inner * columns), inner, columns);
}

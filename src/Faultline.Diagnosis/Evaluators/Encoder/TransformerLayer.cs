using System.Buffers;
using System.Numerics.Tensors;

namespace Faultline.Diagnosis.Evaluators.Encoder;

/// <summary>One pre-norm transformer layer: self-attention with four heads, then a feed-forward network, each added to its input.</summary>
/// <remarks>Source: Vaswani et al. 2017. The first layer is narrower, so its input is widened by a dense layer before it is added.</remarks>
internal sealed class TransformerLayer
{
    private const int Width = SentenceEncoder.Dimensions;
    private const int FeedForwardWidth = 1536;
    private const int Heads = 4;
    private const float NormEpsilon = 1e-6f;

    private readonly int _inputWidth;
    private readonly float[] _attentionNormScale;
    private readonly float[] _attentionNormBias;
    private readonly PackedMatrix _queryKeyValue;
    private readonly float[] _queryKeyValueBias;
    private readonly PackedMatrix _attended;
    private readonly float[] _attendedBias;
    private readonly (PackedMatrix Weights, float[] Bias)? _widen;
    private readonly float[] _forwardNormScale;
    private readonly float[] _forwardNormBias;
    private readonly PackedMatrix _expand;
    private readonly float[] _expandBias;
    private readonly PackedMatrix _contract;
    private readonly float[] _contractBias;

    public TransformerLayer(GraphWeights weights, int index, int inputWidth)
    {
        var layer = $"module_apply_default/Encoder_en/KonaTransformer/Encode/Layer_{index}/TransformerLayer/";
        var stack = $"module_apply_default/Encoder_en/KonaTransformer/Encode/TransformerStack/Layer_{index}/TransformerLayer/";
        var raw = $"module/Encoder_en/KonaTransformer/Encode/Layer_{index}/TransformerLayer/";
        const string Joined = "/ConcatPartitions/concat";
        _inputWidth = inputWidth;
        _attentionNormScale = weights.Vector(layer + "layer_prepostprocess/layer_norm/layer_norm_scale" + Joined, inputWidth);
        _attentionNormBias = weights.Vector(layer + "layer_prepostprocess/layer_norm/layer_norm_bias" + Joined, inputWidth);
        _queryKeyValue = weights.Matrix(raw + "MultiheadAttention/qkv_transform_single/kernel/part_0", inputWidth, 3 * inputWidth);
        _queryKeyValueBias = weights.Vector(layer + "MultiheadAttention/qkv_transform_single/bias" + Joined, 3 * inputWidth);
        _attended = weights.Matrix(raw + "MultiheadAttention/output_transform_single/kernel/part_0", inputWidth, Width);
        _attendedBias = weights.Vector(layer + "MultiheadAttention/output_transform_single/bias" + Joined, Width);
        _widen = inputWidth == Width ? null : (weights.Matrix(layer + "dense/kernel" + Joined, inputWidth, Width), weights.Vector(layer + "dense/bias" + Joined, Width));
        _forwardNormScale = weights.Vector(layer + "FFN/layer_prepostprocess/layer_norm/layer_norm_scale" + Joined, Width);
        _forwardNormBias = weights.Vector(layer + "FFN/layer_prepostprocess/layer_norm/layer_norm_bias" + Joined, Width);
        _expand = weights.Matrix(stack + "FFN/conv1/Tensordot/Reshape_1", Width, FeedForwardWidth);
        _expandBias = weights.Vector(layer + "FFN/conv1/bias" + Joined, FeedForwardWidth);
        _contract = weights.Matrix(stack + "FFN/conv2/Tensordot/Reshape_1", FeedForwardWidth, Width);
        _contractBias = weights.Vector(layer + "FFN/conv2/bias" + Joined, Width);
    }

    /// <param name="input">Row-major, padded rows × input width.</param>
    /// <param name="count">Rows that are pieces; the others only fill a block and are never attended to.</param>
    /// <param name="output">Padded rows × 512; overwritten.</param>
    public void Apply(ReadOnlySpan<float> input, int count, int rows, Span<float> output)
    {
        var wide = ArrayPool<float>.Shared.Rent(rows * FeedForwardWidth);
        var narrow = ArrayPool<float>.Shared.Rent(rows * Width);
        var added = ArrayPool<float>.Shared.Rent(rows * Width);
        Array.Clear(narrow);                              // the rows that only fill a block stay finite
        Normalise(input, rows, _inputWidth, _attentionNormScale, _attentionNormBias, narrow);
        _queryKeyValue.Multiply(narrow, rows, _queryKeyValueBias, wide);
        Attend(wide, count, narrow);
        _attended.Multiply(narrow, rows, _attendedBias, output);
        if (_widen is var (weights, bias))
        {
            weights.Multiply(input, rows, bias, added);
            TensorPrimitives.Add(output[..(rows * Width)], added.AsSpan(0, rows * Width), output);
        }
        else
        {
            TensorPrimitives.Add(output[..(rows * Width)], input[..(rows * Width)], output);
        }

        Normalise(output, rows, Width, _forwardNormScale, _forwardNormBias, narrow);
        _expand.Multiply(narrow, rows, _expandBias, wide);
        TensorPrimitives.Max(wide.AsSpan(0, rows * FeedForwardWidth), 0f, wide);
        _contract.Multiply(wide, rows, _contractBias, added);
        TensorPrimitives.Add(output[..(rows * Width)], added.AsSpan(0, rows * Width), output);
        ArrayPool<float>.Shared.Return(wide);
        ArrayPool<float>.Shared.Return(narrow);
        ArrayPool<float>.Shared.Return(added);
    }

    private static void Normalise(ReadOnlySpan<float> input, int rows, int width, float[] scale, float[] bias, Span<float> output)
    {
        for (var row = 0; row < rows; row++)
        {
            var from = input.Slice(row * width, width);
            var to = output.Slice(row * width, width);
            TensorPrimitives.Subtract(from, TensorPrimitives.Sum(from) / width, to);
            var variance = TensorPrimitives.SumOfSquares<float>(to) / width;
            TensorPrimitives.Multiply(to, 1 / MathF.Sqrt(variance + NormEpsilon), to);
            TensorPrimitives.MultiplyAdd(to, scale, bias, to);
        }
    }

    // Rows of queryKeyValue: query, key, value, each inputWidth long, each four heads side by side.
    private void Attend(ReadOnlySpan<float> queryKeyValue, int count, Span<float> output)
    {
        var stride = 3 * _inputWidth;
        var size = _inputWidth / Heads;
        var scale = 1 / MathF.Sqrt(size);
        Span<float> weights = stackalloc float[count];
        for (var row = 0; row < count; row++)
        {
            for (var head = 0; head < Heads; head++)
            {
                var query = queryKeyValue.Slice((row * stride) + (head * size), size);
                for (var other = 0; other < count; other++)
                {
                    weights[other] = scale * TensorPrimitives.Dot(query, queryKeyValue.Slice((other * stride) + _inputWidth + (head * size), size));
                }

                TensorPrimitives.SoftMax(weights, weights);
                var to = output.Slice((row * _inputWidth) + (head * size), size);
                to.Clear();
                for (var other = 0; other < count; other++)
                {
                    TensorPrimitives.MultiplyAdd(queryKeyValue.Slice((other * stride) + (2 * _inputWidth) + (head * size), size), weights[other], to, to);
                }
            }
        }
    }
}

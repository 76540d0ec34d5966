using System.Collections.Concurrent;
using Faultline.Diagnosis.Evaluators.Encoder;

namespace Faultline.Diagnosis.Evaluators.Language;

/// <summary>An encoder that remembers; the same passages are asked for again and again. Forgets everything when full.</summary>
internal sealed class EncoderCache(SentenceEncoder encoder)
{
    /// <summary>2 KB each.</summary>
    public const int VectorsMax = 16_384;

    private readonly ConcurrentDictionary<string, float[]> _vectors = new(StringComparer.Ordinal);

    public float[] Encode(string text)
    {
        if (_vectors.TryGetValue(text, out var known))
        {
            return known;
        }

        if (_vectors.Count >= VectorsMax)
        {
            _vectors.Clear();
        }

        return _vectors[text] = encoder.Encode(text);
    }

    public float Cosine(string left, string right) => System.Numerics.Tensors.TensorPrimitives.Dot<float>(Encode(left), Encode(right));
}

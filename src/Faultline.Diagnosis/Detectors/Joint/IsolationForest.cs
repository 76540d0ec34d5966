using Faultline.Diagnosis.Topics;

namespace Faultline.Diagnosis.Detectors.Joint;

/// <summary>How few random cuts separate a vector from the usual ones: the fewer, the stranger it is.</summary>
/// <remarks>
/// Liu, Ting and Zhou 2008, "Isolation Forest", with cuts across two coordinates (Liu, Ting and Zhou 2010, "On Detecting Clustered Anomalies Using SCiForest"; Hariri,
/// Kind and Brunner 2019, "Extended Isolation Forest"): a cut along an axis cannot see that two figures part which usually move together. Trees are flat arrays; nothing is allocated to score.
/// </remarks>
internal sealed class IsolationForest
{
    /// <summary>Where more trees change little (Liu, Ting and Zhou 2008).</summary>
    internal const int Trees = 50;

    /// <summary>Usual vectors that one tree is made of.</summary>
    internal const int SampleSize = 128;

    /// <summary>Cuts after which a usual vector of such a sample is alone, on average: deeper it is not strange.</summary>
    private const int DepthMax = 7;

    /// <summary>Coordinates tried for a cut before a set is taken for vectors that are all the same.</summary>
    private const int TriesMax = 8;

    /// <summary>Cosine and sine of 256 even angles.</summary>
    private static readonly (float Cos, float Sin)[] Directions =
        [.. Enumerable.Range(0, 256).Select(i => ((float)Math.Cos(Math.PI * i / 128), (float)Math.Sin(Math.PI * i / 128)))];

    private Node[] _nodes;
    private readonly int[] _roots = new int[Trees];
    private int _used;

    /// <param name="vectors">Usual vectors, one after the other, at least one.</param>
    /// <param name="width">Coordinates of each, at most 256.</param>
    /// <param name="seed">The same seed and vectors give the same forest.</param>
    public IsolationForest(ReadOnlySpan<sbyte> vectors, int width, ulong seed)
    {
        var random = new SeededRandom(seed);
        var count = vectors.Length / width;
        var size = Math.Min(SampleSize, count);
        _nodes = new Node[Trees * 2 * size];
        var order = new int[count];
        for (var i = 0; i < count; i++)
        {
            order[i] = i;
        }

        Span<float> along = stackalloc float[size];
        for (var tree = 0; tree < Trees; tree++)
        {
            for (var i = 0; i < size; i++)
            {
                var other = i + random.Next(count - i);
                (order[i], order[other]) = (order[other], order[i]);
            }

            _roots[tree] = _used++;
            Grow(_roots[tree], vectors, width, order.AsSpan(0, size), along, 0, ref random);
        }

        Array.Resize(ref _nodes, _used);
    }

    /// <summary>Mean number of cuts that separate the vector, over the trees; what a leaf would still need is added.</summary>
    public float Depth(ReadOnlySpan<sbyte> vector)
    {
        var sum = 0f;
        var nodes = _nodes;
        foreach (var root in _roots)
        {
            ref readonly var node = ref nodes[root];
            while (node.Next > 0)
            {
                var (a, b) = Directions[node.Angle];
                node = ref nodes[(a * vector[node.First]) + (b * vector[node.Second]) < node.At ? node.Next : node.Next + 1];
            }

            sum += node.At;
        }

        return sum / Trees;
    }

    private void Grow(int at, ReadOnlySpan<sbyte> vectors, int width, Span<int> members, Span<float> along, int depth, ref SeededRandom random)
    {
        if (members.Length <= 1 || depth >= DepthMax || !TryCut(vectors, width, members, along, ref random, out var cut))
        {
            _nodes[at].At = depth + Expected(members.Length);
            return;
        }

        // Those on the near side come first.
        var near = 0;
        for (var i = 0; i < members.Length; i++)
        {
            if (along[i] < cut.At)
            {
                (members[near], members[i]) = (members[i], members[near]);
                (along[near], along[i]) = (along[i], along[near]);
                near++;
            }
        }

        cut.Next = (ushort)_used;
        _used += 2;
        _nodes[at] = cut;
        Grow(cut.Next, vectors, width, members[..near], along, depth + 1, ref random);
        Grow(cut.Next + 1, vectors, width, members[near..], along, depth + 1, ref random);
    }

    private static bool TryCut(ReadOnlySpan<sbyte> vectors, int width, ReadOnlySpan<int> members, Span<float> along, ref SeededRandom random, out Node cut)
    {
        cut = default;
        for (var tries = 0; tries < TriesMax; tries++)
        {
            cut.First = (byte)random.Next(width);
            cut.Second = (byte)random.Next(width);
            cut.Angle = (byte)random.Next(Directions.Length);
            var (a, b) = Directions[cut.Angle];
            float low = float.MaxValue, high = float.MinValue;
            for (var i = 0; i < members.Length; i++)
            {
                var vector = vectors.Slice(members[i] * width, width);
                var value = along[i] = (a * vector[cut.First]) + (b * vector[cut.Second]);
                low = Math.Min(low, value);
                high = Math.Max(high, value);
            }

            cut.At = low + ((high - low) * (float)random.NextDouble());
            if (cut.At > low && cut.At <= high)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Mean depth of an unsuccessful search in a binary search tree of so many (Preiss 1999; Liu, Ting and Zhou 2008, equation 1).</summary>
    private static float Expected(int count) => count switch
    {
        <= 1 => 0,
        2 => 1,
        _ => (float)((2 * (Math.Log(count - 1) + 0.5772156649)) - (2.0 * (count - 1) / count)),
    };

    /// <summary>A cut a·x[first] + b·x[second] &lt; at, or a leaf with the depth that it stands for.</summary>
    /// <remarks>Twelve bytes: a forest is most of the memory that a quiet service takes.</remarks>
    private struct Node
    {
        public float At;

        /// <summary>The near side; the far one is the next. 0: a leaf.</summary>
        public ushort Next;
        public byte First;
        public byte Second;

        /// <summary>Which of <see cref="Directions"/> a and b are.</summary>
        public byte Angle;
    }
}

namespace Faultline.Diagnosis.Detectors.Joint;

/// <summary>
/// Sums up how strange windows are beside usual ones that the forest was not made of: each window's rank among them is a p-value whatever the distribution is (Vovk, Gammerman
/// and Shafer 2005), and a bet against it a factor of evidence.
/// </summary>
/// <remarks>
/// The bet is <c>κ·p^(κ−1)</c>, whose mean over even p-values is 1. A sum of its logarithms that begins anew at nought fires at <em>h</em> no oftener than once in e^h windows, if
/// windows could be exchanged (Shin, Ramdas and Rinaldo 2022, "E-detectors"; Volkhonskiy et al. 2017, "Inductive Conformal Martingales for Change-Point Detection"). Neighbours are alike, so the logarithms are divided by the learnt ratio
/// of the variance of sums over sixty windows to what it were if they were independent; a bet to a power below 1 is still none that chance can win by.
/// </remarks>
internal sealed class ConformalEvidence
{
    /// <summary>Sum at which it fires: once in 440,000 windows, fifty days of steady traffic.</summary>
    public const double Threshold = 13;

    /// <summary>The smaller, the more is staked on rare ranks, and the more a spread that is learnt a little too small may be wrong without adding anything.</summary>
    private const double Stake = 0.08;

    /// <summary>The same while too few blocks are known: that of a moving average with a weight of 0.4, (1+0.6)/(1−0.6).</summary>
    private const double AlikeUnknown = 4;

    /// <summary>Windows of a block, over which what drifts shows.</summary>
    private const int BlockWindows = 60;

    private const int BlocksMin = 6;
    private const int BlocksMemory = 100;

    private readonly float[] _usual = new float[JointWindows.Max];
    private int _count;
    private int _inBlock;
    private double _block;
    private double _blockSquares;
    private int _blocks;
    private double _mean;
    private double _meanSquare;
    private double _meanBlockSquare;

    public double Sum { get; private set; }

    public bool IsAtRest => Sum <= 0;

    /// <summary>Forgets the depths of usual windows: they are another forest's.</summary>
    public void Clear() => _count = 0;

    public void Reset() => Sum = 0;

    /// <summary>Takes up what an earlier process had seen.</summary>
    public void Resume() => Sum = Threshold;

    /// <summary>Takes in the depth of a usual window.</summary>
    public void Learn(float depth)
    {
        if (_count == _usual.Length)
        {
            return;         // the next forest is due long before
        }

        var at = Rank(depth);
        Array.Copy(_usual, at, _usual, at + 1, _count - at);
        _usual[at] = depth;
        _count++;
    }

    /// <summary>Share of usual windows that are as strange, this one among them.</summary>
    public double P(float depth) => (1.0 + Rank(depth)) / (_count + 1);

    /// <summary>Adds a window's evidence.</summary>
    public void Step(double p) => Sum = Math.Clamp(Sum + (Bet(p) / Alike()), 0, Threshold);

    /// <summary>Learns from a usual window how alike neighbours are; windows come in order.</summary>
    public void Note(double p)
    {
        var bet = Bet(p);
        _block += bet;
        _blockSquares += bet * bet;
        if (++_inBlock == BlockWindows)
        {
            var memory = Math.Min(++_blocks, BlocksMemory);
            _mean += ((_block / BlockWindows) - _mean) / memory;
            _meanSquare += ((_blockSquares / BlockWindows) - _meanSquare) / memory;
            _meanBlockSquare += ((_block * _block / BlockWindows) - _meanBlockSquare) / memory;
            (_inBlock, _block, _blockSquares) = (0, 0, 0);
        }
    }

    private static double Bet(double p) => Math.Log(Stake) + ((Stake - 1) * Math.Log(p));

    /// <summary>Variance of a sum of neighbouring windows over what it were if they were independent (batch means: Schmeiser 1982).</summary>
    private double Alike()
    {
        var variance = _meanSquare - (_mean * _mean);
        return _blocks < BlocksMin || variance <= 0 ? AlikeUnknown : Math.Max(1, (_meanBlockSquare - (BlockWindows * _mean * _mean)) / variance);
    }

    /// <summary>How many are no deeper.</summary>
    private int Rank(float depth)
    {
        int low = 0, high = _count;
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _usual[middle] <= depth ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}

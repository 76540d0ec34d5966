namespace Faultline.Diagnosis.Baselines;

/// <summary>How far the means of many windows in a row stray from what is usual for their hour.</summary>
/// <remarks>
/// Where each window is noisy and what they have in common drifts slowly, neighbours hardly tell; so the variance of means of many is learnt
/// (batch means: Conway 1963, "Some Tactical Problems in Digital Simulation").
/// </remarks>
internal sealed class BatchMeans
{
    /// <summary>Windows of which the mean is looked at: about as many as the slow sum takes.</summary>
    private const int Windows = 16;

    /// <summary>Windows further apart than this are not of one batch.</summary>
    private const long GapSecondsMax = 300;

    /// <summary>Batches after which what was seen counts for a third.</summary>
    private const int Memory = 200;

    /// <summary>Batches without drift that are added: few are no proof of it.</summary>
    private const int Added = 10;

    /// <summary>Standard errors that are taken off: a share that is steady is five times in six taken for one.</summary>
    private const double ErrorsOff = 1;

    /// <summary>A batch counts as no further off than by three standard deviations: one burst is not the rule.</summary>
    private const double ClampSquared = 9;

    private int _batches;
    private int _windows;
    private double _sum;
    private double _squares;
    private double _off;
    private double _count;
    private double _mean;
    private double _meanSquare;
    private double _windowMeanSquare;
    private double _strayed;
    private double _chance;

    /// <param name="gapSeconds">Since the window before; not positive when that was later.</param>
    /// <param name="standardised">How far off the window is, in standard deviations.</param>
    /// <param name="residual">The same as a share, of one that drifts.</param>
    /// <param name="chance">Variance of one of its observations by chance alone; 0 of anything else.</param>
    public void Add(long gapSeconds, double standardised, double residual = 0, double count = 0, double chance = 0)
    {
        if (gapSeconds is <= 0 or > GapSecondsMax)
        {
            Begin();
        }

        _sum += standardised;
        _squares += standardised * standardised;
        _off += residual * count;
        _count += count;
        if (++_windows < Windows)
        {
            return;
        }

        var memory = Math.Min(++_batches, Memory);
        var mean = _sum / Windows;
        _mean += (mean - _mean) / memory;
        _meanSquare += ((mean * mean) - _meanSquare) / memory;
        _windowMeanSquare += ((_squares / Windows) - _windowMeanSquare) / memory;
        if (chance > 0)
        {
            var ofBatch = chance / _count;
            var off = _off / _count;
            _strayed += (Math.Min(off * off, ClampSquared * (ofBatch + Math.Max(0, _strayed))) - ofBatch - _strayed) / memory;
            _chance += (ofBatch - _chance) / memory;
        }

        Begin();
    }

    /// <summary>The standard deviation of means of many windows over what it would be if they were independent.</summary>
    public double Inflation()
    {
        var windows = _windowMeanSquare - (_mean * _mean);
        if (_batches < 2 || windows <= 0)
        {
            return 1;
        }

        var ratio = Windows * (_meanSquare - (_mean * _mean)) / windows;
        return Math.Sqrt(1 + (Math.Max(0, ratio - 1) * _batches / (_batches + Added)));
    }

    /// <summary>Standard deviation of a drifting share over many windows beyond what chance gives; 0 where it may all be chance.</summary>
    /// <remarks>The square of what is nearly normal has a standard deviation of √2 times its mean.</remarks>
    public double Strays() =>
        _batches < 2 ? 0 : Math.Sqrt(Math.Max(0, _strayed - (ErrorsOff * Math.Sqrt(2.0 / Math.Min(_batches, Memory)) * _chance)));

    public void Restart()
    {
        Begin();
        (_batches, _strayed, _chance) = (0, 0, 0);
    }

    private void Begin() => (_windows, _sum, _squares, _off, _count) = (0, 0, 0, 0, 0);
}

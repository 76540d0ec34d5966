using Faultline.Diagnosis.Detectors;
using Faultline.Diagnosis.Detectors.Joint;
using Faultline.Diagnosis.Features;
using Faultline.Diagnosis.Topics;

namespace Faultline.Tests.Diagnosis.Detectors;

/// <summary>
/// One service's features, window by window: with a daily rhythm, drift of their own, and latency, the model's latency and output tokens that rise and fall together, as long answers
/// take long. Each has its own baseline and detector, and one detector looks at all of them.
/// </summary>
/// <param name="every">Windows from one with data to the next.</param>
/// <param name="count">Observations a window.</param>
internal sealed class SimulatedFeatures(ulong seed, int every = 1, int count = 10, int features = 8, double drift = 0.15)
{
    /// <summary>Standard deviation of a window's logarithm, and of a score.</summary>
    private const double Sigma = 0.1, ScoreSigma = 0.012;

    private readonly JointDeviation _joint = new(seed);
    private readonly List<FeatureSeries> _series =
    [
        .. new[]
        {
            (FeatureTable.LatencyP50, ""), (FeatureTable.OutputTokens, ""), (FeatureTable.ModelLatency, "gpt-4o"), (FeatureTable.RetrievalLatency, ""), (FeatureTable.InputTokens, ""),
            (FeatureTable.RetrievalTopScore, ""), (FeatureTable.ErrorRate, ""), (FeatureTable.ToolLatency, "search"),
        }.Take(features).Select((one, i) => new FeatureSeries(i, "bot", "", one.Item1, one.Item2)),
    ];

    private SeededRandom _random = new(seed);
    private double _drift;
    private long _index = 178_000_000;

    public JointDeviation Joint => _joint;

    public int Raised { get; private set; }

    /// <summary>Findings of single features.</summary>
    public int RaisedAlone { get; private set; }

    public int Windows { get; private set; }

    /// <param name="shift">How many standard deviations each feature is off.</param>
    /// <param name="untilRaised">Stops when all together are found.</param>
    /// <returns>Windows lived through.</returns>
    public int Live(int windows, Func<Feature, double>? shift = null, bool untilRaised = false)
    {
        for (var i = 1; i <= windows; i++)
        {
            _index += every;
            Windows++;
            _drift = (0.97 * _drift) + (Math.Sqrt(1 - (0.97 * 0.97)) * _random.NextNormal());
            var day = 0.15 * Math.Sin(2 * Math.PI * (_index % 8640) / 8640.0);
            var length = _random.NextNormal();
            var learn = !_joint.Abnormal && !_series.Exists(series => series.Detector.Abnormal);
            foreach (var series in _series)
            {
                var value = Value(series.Feature, shift?.Invoke(series.Feature) ?? 0, length, day);
                RaisedAlone += series.Detector.Step(_index, value, count, learn) == Turn.Raised ? 1 : 0;
            }

            if (_joint.Step(_index, _series, learn) == Turn.Raised)
            {
                Raised++;
                if (untilRaised)
                {
                    return i;
                }
            }
        }

        return windows;
    }

    private double Value(Feature feature, double shift, double length, double day)
    {
        if (feature == FeatureTable.ErrorRate)
        {
            var failed = 0.0;
            for (var i = 0; i < count; i++)
            {
                failed += _random.NextDouble() < 0.005 ? 1 : 0;
            }

            return failed / count;
        }

        var noise = _random.NextNormal();
        if (feature == FeatureTable.RetrievalTopScore)
        {
            return 0.84 + (ScoreSigma * (noise - shift));
        }

        var isLong = feature == FeatureTable.LatencyP50 || feature == FeatureTable.ModelLatency || feature == FeatureTable.OutputTokens;
        var own = isLong ? (0.95 * length) + (Math.Sqrt(1 - (0.95 * 0.95)) * noise) : noise;
        var usual = feature.Unit == "tokens" ? 400 : 1.2;
        return usual * Math.Exp(day + (Sigma * (own + (drift * _drift) + shift)));
    }
}

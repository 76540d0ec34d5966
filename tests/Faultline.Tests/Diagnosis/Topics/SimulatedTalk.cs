using System.Numerics.Tensors;
using Faultline.Diagnosis.Evaluators.Encoder;
using Faultline.Diagnosis.Findings;
using Faultline.Diagnosis.Topics;
using Faultline.Telemetry.Samples;
using Faultline.Telemetry.Spans;

namespace Faultline.Tests.Diagnosis.Topics;

/// <summary>
/// Users who ask about some subjects, as the encoder would see it: vectors of one subject have a cosine of some 0.6, those of two some 0.15, which is what it gives
/// sentences. No encoder is needed, and the truth is known.
/// </summary>
internal sealed class SimulatedTalk
{
    public const long Minute = 60_000_000_000;
    public static readonly long Start = new DateTimeOffset(2026, 3, 2, 0, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds() * 1_000_000;

    private static readonly string[][] Subjects =
    [
        ["refund", "invoice", "charged"], ["password", "login", "locked"], ["delivery", "parcel", "courier"], ["warranty", "repair", "broken"],
        ["voucher", "discount", "coupon"], ["allergy", "ingredient", "gluten"], ["visa", "embassy", "passport"], ["mortgage", "interest", "loan"],
    ];

    private readonly float[] _common;
    private readonly float[][] _centres;
    private SeededRandom _random;
    private ulong _next;

    public SimulatedTalk(ulong seed)
    {
        _random = new SeededRandom(seed);
        _common = Direction();
        _centres = [.. Subjects.Select(_ => Direction())];
        Topics = New();
    }

    public ServiceTopics Topics { get; private set; }

    public TopicReport Report { get; private set; } = new();

    public long Now { get; private set; } = Start;

    /// <summary>Share of the calls that fail.</summary>
    public double Failing { get; set; }

    public IReadOnlyList<Finding> Raised => [.. Report.News.OfType<FindingNews.Raised>().Select(news => news.Finding)];

    public static IReadOnlyList<string> WordsOf(int subject) => Subjects[subject];

    /// <summary>Users ask for a while.</summary>
    /// <param name="shares">Of each subject; those left out get 0.</param>
    /// <param name="fails">How often a call about a subject fails; as <see cref="Failing"/> says when null.</param>
    public void Pass(TimeSpan time, double callsPerMinute, double[] shares, Func<int, double>? fails = null)
    {
        var end = Now + (time.Ticks * 100);
        while (true)
        {
            Now += (long)(-Math.Log(1 - _random.NextDouble()) / callsPerMinute * Minute);
            if (Now >= end)
            {
                Now = end;
                return;
            }

            Ask(Draw(shares), fails);
        }
    }

    /// <summary>As a new process: from what the last one stored.</summary>
    public void Restart()
    {
        var state = System.Text.Json.JsonSerializer.Serialize(Topics.ToState());
        Topics = New();
        Topics.Restore(System.Text.Json.JsonSerializer.Deserialize<SideState>(state)!);
    }

    public void Forget() => Report = new TopicReport();

    /// <summary>Newest value of a series; NaN when there is none.</summary>
    public double Last(string metric, string? topic = null)
    {
        var last = double.NaN;
        var samples = Report.Samples;
        for (var i = 0; i < samples.Count; i++)
        {
            Labels labels = samples.Series[samples.SeriesIndex[i]];
            if (labels.Name == metric && (topic is null || labels["topic"] == topic))
            {
                last = samples.Value[i];
            }
        }

        return last;
    }

    private static ServiceTopics New() => new(new TopicOwner("default", "bot", "production", TopicSide.Prompt));

    private void Ask(int subject, Func<int, double>? fails)
    {
        // The usual words of every question, and one or two of its subject.
        var words = Subjects[subject];
        List<SaidWord> said = [Word("please"), Word("question")];
        said.Add(Word(words[_random.Next(words.Length)]));
        said.Add(Word(words[_random.Next(words.Length)]));
        var failure = _random.NextDouble() < (fails?.Invoke(subject) ?? Failing) ? CallFailure.Error : CallFailure.None;
        _next++;
        Topics.Add(new TopicText(new TraceId(_next), _next, Now, Vector(subject), [.. said.Distinct()], failure), _next, Report);
    }

    private static SaidWord Word(string word) => new(word, word);

    private float[] Vector(int subject)
    {
        var vector = Direction();
        for (var i = 0; i < vector.Length; i++)
        {
            vector[i] = (0.632f * vector[i]) + (0.67f * _centres[subject][i]) + (0.39f * _common[i]);
        }

        return Unit(vector);
    }

    private float[] Direction()
    {
        var vector = new float[SentenceEncoder.Dimensions];
        for (var i = 0; i < vector.Length; i++)
        {
            vector[i] = (float)(_random.NextDouble() - 0.5);
        }

        return Unit(vector);
    }

    private static float[] Unit(float[] vector)
    {
        TensorPrimitives.Divide(vector, MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(vector)), vector);
        return vector;
    }

    private int Draw(double[] shares)
    {
        var at = _random.NextDouble() * shares.Sum();
        for (var i = 0; i < shares.Length; i++)
        {
            at -= shares[i];
            if (at < 0)
            {
                return i;
            }
        }

        return shares.Length - 1;
    }
}

using Faultline.Diagnosis.Baselines;

namespace Faultline.Diagnosis.Localisation;

/// <summary>
/// Follows the amount of a symptom along the call graph: of the seconds (or failures) that the target has too many, how many have its
/// callees too many, and theirs? What a service has and its callees do not explain is its own.
/// </summary>
/// <remarks>
/// A rate or a mean says nothing about how much of the caller's trouble it is, so both become amounts: seconds in all (latency × requests)
/// or failed requests. The rows in which the target suffers are compared with the rows beside them in which it does not; only where there
/// is none with the usual window, which may be long ago and of another release. A callee that had no requests before cannot
/// have become worse: that it is called at all is its caller's doing.
/// </remarks>
internal sealed class SymptomFlow
{
    /// <summary>A row suffers when it has at least this part of the excess that was noticed.</summary>
    private const double SufferingMin = 0.5;

    /// <summary>Shares of the symptom below this are not followed.</summary>
    private const double ShareMin = 1e-3;

    private const int DepthMax = 32;
    private const int StepsMax = 100_000;
    private static readonly string[] VolumeWords = ["request", "workload", "call", "throughput"];
    private static readonly string[] HealthWords = ["availab", "success"];

    private readonly Incident _incident;
    private readonly Symptom _symptom;
    private readonly Dictionary<string, SortedSet<string>> _callees = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SeriesName> _volumeName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (double Excess, bool Known)> _excesses = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, double> _own = new(StringComparer.Ordinal);
    private readonly bool _health;
    private int[] _suffering = [];
    private int[] _well = [];
    private int _steps;

    private SymptomFlow(Incident incident, Symptom symptom)
    {
        (_incident, _symptom) = (incident, symptom);
        _health = HealthWords.Any(word => symptom.Metric.Contains(word, StringComparison.OrdinalIgnoreCase));
        foreach (var (caller, callee) in _incident.Calls)
        {
            if (caller != callee)
            {
                (_callees.TryGetValue(caller, out var known) ? known : _callees[caller] = new(StringComparer.Ordinal)).Add(callee);
            }
        }

        foreach (var name in incident.Abnormal.Metrics.Series.Keys
            .Where(name => VolumeWords.Any(word => name.Metric.Contains(word, StringComparison.OrdinalIgnoreCase)))
            .OrderBy(name => name.Metric, StringComparer.Ordinal).ThenBy(name => name.Statistic, StringComparer.Ordinal))
        {
            _volumeName.TryAdd(name.Service, name);
        }
    }

    /// <summary>A clue for every service that has a share of the symptom; none when the target's series is missing or shows nothing.</summary>
    public static IEnumerable<Clue> Clues(Incident incident)
    {
        if (incident.Symptom is not { Service.Length: > 0 } symptom)
        {
            return [];
        }

        var flow = new SymptomFlow(incident, symptom);
        return flow.FindRows() && flow.Excess(symptom.Service).Excess > 0 ? flow.Follow() : [];
    }

    private IEnumerable<Clue> Follow()
    {
        Divide(_symptom.Service, 1, [_symptom.Service]);
        var (what, happens) = _health ? ("failed requests", "arise") : ("time", "is spent");
        return _own.Select(share => new Clue(
            share.Key, ClueKind.SymptomFlow, share.Value, _symptom.Metric,
            FormattableString.Invariant($"{share.Value:P0} of the additional {what} of {_symptom.Service} {happens} here and not in what it calls.")));
    }

    /// <summary>Divides the rows by how much the target suffers.</summary>
    private bool FindRows()
    {
        var rows = _incident.Abnormal.Metrics.UnixSeconds;
        if (Amounts(_incident.Abnormal.Metrics, _symptom.Service) is not { Length: > 0 } amounts)
        {
            return false;
        }

        var least = amounts.Min();
        var usual = UsualAmount(_symptom.Service);
        var noticed = 0.0;
        if (_symptom.UnixSeconds > 0 && rows.Count > 1)
        {
            var spacing = rows[1] - rows[0];
            noticed = Enumerable.Range(0, rows.Count)
                .Where(row => Math.Abs(rows[row] - _symptom.UnixSeconds) < spacing)
                .Select(row => amounts[row] - least).DefaultIfEmpty().Max();
        }

        if (noticed <= 0)
        {
            noticed = amounts.Max() - least;
        }

        var always = least - usual > noticed;
        _suffering = [.. Enumerable.Range(0, rows.Count).Where(row => always || amounts[row] - least >= SufferingMin * noticed)];
        _well = [.. Enumerable.Range(0, rows.Count).Except(_suffering)];
        return _suffering.Length > 0 && (noticed > 0 || always);
    }

    private void Divide(string service, double share, HashSet<string> path)
    {
        var (excess, _) = Excess(service);
        List<(string Callee, double Part)> parts = [];
        if (excess > 0 && path.Count < DepthMax && _callees.TryGetValue(service, out var called))
        {
            foreach (var callee in called)
            {
                if (!path.Contains(callee) && Excess(callee) is { Known: true, Excess: > 0 } below)
                {
                    parts.Add((callee, Math.Min(1, below.Excess / excess)));
                }
            }
        }

        var total = parts.Sum(part => part.Part);
        _own[service] = _own.GetValueOrDefault(service) + (share * Math.Max(0, 1 - total));
        foreach (var (callee, part) in parts)
        {
            var passed = share * part / Math.Max(1, total);
            if (passed >= ShareMin && ++_steps < StepsMax)
            {
                path.Add(callee);
                Divide(callee, passed, path);
                path.Remove(callee);
            }
        }
    }

    /// <summary>Amount in suffering rows beyond what as many requests had otherwise; whether it had requests otherwise.</summary>
    private (double Excess, bool Known) Excess(string service)
    {
        if (_excesses.TryGetValue(service, out var known))
        {
            return known;
        }

        if (Amounts(_incident.Abnormal.Metrics, service) is not { } amounts)
        {
            return _excesses[service] = (0, true);
        }

        var excess = MedianOf(amounts, _suffering);
        var volumes = Volumes(_incident.Abnormal.Metrics, service);
        var seen = volumes is null || Volumes(_incident.Normal.Metrics, service)?.Any(volume => volume > 0) == true;
        if (_well.Length == 0)
        {
            excess -= UsualAmount(service);
        }
        else if (volumes is null)
        {
            excess -= MedianOf(amounts, _well);
        }
        else if (_well.Average(row => volumes[row]) is > 0 and var volumeThen)
        {
            excess -= MedianOf(amounts, _well) * _suffering.Average(row => volumes[row]) / volumeThen;
            seen = true;
        }

        return _excesses[service] = (Math.Max(0, excess), seen);
    }

    private double UsualAmount(string service) =>
        Amounts(_incident.Normal.Metrics, service) is { Length: > 0 } amounts ? RobustStatistics.Median(amounts) : 0;

    /// <summary>Seconds or failures of each row; null when the service does not report the metric.</summary>
    private double[]? Amounts(MetricWindow window, string service)
    {
        if (window.Find(service, _symptom.Metric, _symptom.Statistic) is not { } values)
        {
            return null;
        }

        var volumes = Volumes(window, service);
        var whole = _health && values.Where(double.IsFinite).DefaultIfEmpty().Max() > 1 ? 100.0 : 1.0;
        return [.. values.Select((value, row) => !double.IsFinite(value) ? 0 : (volumes?[row] ?? 1) * (_health ? (whole - value) / whole : value))];
    }

    private double[]? Volumes(MetricWindow window, string service) =>
        _volumeName.TryGetValue(service, out var name) && window.Series.TryGetValue(name, out var values)
            ? [.. values.Select(value => double.IsFinite(value) ? value : 0)]
            : null;

    private static double MedianOf(double[] values, int[] rows) => RobustStatistics.Median(Array.ConvertAll(rows, row => values[row]));
}

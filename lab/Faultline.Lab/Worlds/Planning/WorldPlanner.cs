using System.Globalization;
using Faultline.Lab.Worlds.Dialects;
using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Topologies;
using Faultline.Lab.Worlds.Words;

namespace Faultline.Lab.Worlds.Planning;

/// <summary>
/// Plans the worlds of one seed, one after the other: shapes and dialects take turns, and fault kinds come from a shuffled deck, so
/// that a few dozen worlds have every kind. World N is the same however many are asked for.
/// </summary>
internal sealed class WorldPlanner
{
    private const long NanosPerMinute = 60 * RequestRun.NanosPerSecond;
    private const long NanosPerDay = 24 * 60 * NanosPerMinute;

    /// <summary>2026-06-01, a Monday.</summary>
    private const long FirstDayNanos = 1_780_272_000L * RequestRun.NanosPerSecond;

    /// <summary>Before the first fault: what is usual must have been seen.</summary>
    private const double HealthyPart = 0.42;
    private const double HealthyWorlds = 0.12;
    private const double TwoSystems = 0.3;

    private readonly WorldOptions _options;
    private readonly Rng _rng;
    private readonly List<Topology> _topologies;
    private readonly List<Dialect> _dialects;
    private readonly List<FaultKind> _deck = [];
    private int _planned;
    private int _systems;

    public WorldPlanner(WorldOptions options)
    {
        _options = options;
        _rng = Rng.For(options.Seed, $"{options.Split} order");
        _topologies = _rng.Shuffled(Topology.All.Where(topology => topology.Split == options.Split));
        _dialects = _rng.Shuffled(Dialect.All.Where(dialect => dialect.Split == options.Split));
    }

    public WorldPlan Next()
    {
        var number = _planned++;
        var split = _options.Split == Split.Dev ? "dev" : "held-out";
        var rng = Rng.For(_options.Seed, $"{split} world {number}");
        var start = FirstDayNanos + (rng.Below(90) * NanosPerDay) + (rng.Below(24) * 60 * NanosPerMinute);
        var end = start + (long)(_options.Days * NanosPerDay);
        var stems = rng.Shuffled(WordPools.Of(_options.Split)["service-stems"]);
        var count = rng.Chance(TwoSystems) ? 2 : 1;
        var systems = Enumerable.Range(0, count).Select(i => NextSystem(stems[i], _options.SpansPerDay / 86_400.0 / count, rng)).ToList();
        var faults = rng.Chance(HealthyWorlds) ? [] : PlanFaults(systems, start, end, rng);
        var changes = new ChangePlanner(rng).Plan(systems, faults, start, end);
        return new WorldPlan(string.Create(CultureInfo.InvariantCulture, $"{split}-{_options.Seed}-{number:00}"), _options, start, end, systems, faults, changes);
    }

    /// <summary>Every shape meets every dialect: their numbers are stepped together, and a round later with another offset.</summary>
    private GenAiSystem NextSystem(string stem, double spansPerSecond, Rng rng)
    {
        var number = _systems++;
        var dialect = _dialects[(number + (number / _topologies.Count)) % _dialects.Count];
        return SystemMaker.Make(_topologies[number % _topologies.Count], dialect, stem, spansPerSecond, rng);
    }

    private List<PlannedFault> PlanFaults(List<GenAiSystem> systems, long start, long end, Rng rng)
    {
        var count = Math.Clamp((int)Math.Round((_options.Days * 1.25) + rng.Between(-0.5, 1.0)), 1, 12);
        var from = start + (long)((end - start) * HealthyPart);
        var slot = (end - from) / count;
        var faults = new List<PlannedFault>();
        for (var i = 0; i < count; i++)
        {
            var system = rng.Pick(systems);
            if (Draw(system) is not { } kind)
            {
                continue;
            }

            var length = Math.Min(rng.Between(45, 120) * NanosPerMinute, slot * 2 / 5);
            var begin = from + (slot * i) + (long)(rng.Unit() * (slot - length) * 0.7);
            faults.Add(FaultMaker.Make(kind, system, begin, begin + length, rng));
        }

        return faults;
    }

    private FaultKind? Draw(GenAiSystem system)
    {
        for (var refilled = false; ; refilled = true)
        {
            if (_deck.Find(kind => Fits(kind, system)) is { } kind)
            {
                _deck.Remove(kind);
                return kind;
            }

            if (refilled)
            {
                return null;
            }

            _deck.AddRange(_rng.Shuffled(FaultCatalogue.All));
        }
    }

    private static bool Fits(FaultKind kind, GenAiSystem system) =>
        system.Has(kind.Needs) && (!kind.SeenInQuality || system.Has(Abilities.Scores) || system.Has(Abilities.Texts));
}

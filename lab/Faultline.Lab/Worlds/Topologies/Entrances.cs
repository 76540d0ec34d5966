namespace Faultline.Lab.Worlds.Topologies;

/// <summary>How a request comes in, and what may answer it before any work is done.</summary>
internal static class Entrances
{
    /// <summary>A whole request. <paramref name="work"/> gets its first span, unless the input was blocked.</summary>
    public static void Serve(this RequestRun run, string role, string name, Action<Span> work)
    {
        var root = run.Enter(role, name);
        if (run.Prelude(role, root))
        {
            work(root);
        }

        run.Finish(root);
    }

    /// <summary>A whole request to a system that has answered some before. <paramref name="work"/> is for the others.</summary>
    /// <param name="knownShare">Chance that the answer is stored when the cache works as usual.</param>
    public static void ServeUnlessKnown(this RequestRun run, string role, string name, double knownShare, Action<Span> work)
    {
        var root = run.Enter(role, name);
        run.CallDatabase(role, root);
        if (!run.Rng.Chance(knownShare * run.Conditions.ResponseCache))
        {
            work(root);
        }

        run.Finish(root);
    }

    /// <summary>What stands before the work in those systems that have it. False: the input was blocked.</summary>
    public static bool Prelude(this RequestRun run, string role, Span root)
    {
        if (run.System.Has(Abilities.Database))
        {
            run.CallDatabase(role, root);
        }

        return !run.System.Has(Abilities.Guardrail) || run.Guard(role, "input", root);
    }
}

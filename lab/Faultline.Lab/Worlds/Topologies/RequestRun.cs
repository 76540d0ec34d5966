using Faultline.Lab.Worlds.Faults;

namespace Faultline.Lab.Worlds.Topologies;

/// <summary>One request on its way through a system: a clock of its own, the spans so far, and how things are for it.</summary>
internal sealed class RequestRun(GenAiSystem system, Request request, Conditions conditions, Rng rng)
{
    public const long NanosPerSecond = 1_000_000_000;

    private const int SpansMax = 400;

    public GenAiSystem System => system;

    public Request Request => request;

    public Conditions Conditions => conditions;

    public Rng Rng => rng;

    public List<Span> Spans { get; } = [];

    public long Now { get; private set; } = request.At;

    public bool Full => Spans.Count >= SpansMax;

    public void Wait(double seconds) => Now += Math.Max(1000, (long)(seconds * NanosPerSecond));

    public Span Open(Work work, string name, string role, Span? parent)
    {
        var span = new Span { Work = work, Name = name, Run = this, Service = system.Role(role), Parent = parent, Id = rng.Bits() | 1, Start = Now, End = Now };
        Spans.Add(span);
        return span;
    }

    public void Close(Span span) => span.End = Math.Max(Now, span.Start + 1000);

    public void Fail(Span span, string error, string message, int? status = null)
    {
        span.Error = error;
        span.ErrorMessage = message;
        span.Status = status;
        Close(span);
    }

    /// <summary>The entry of a request: the wait for a worker comes before the first span of work.</summary>
    public Span Enter(string role, string name)
    {
        var root = Open(Work.Request, name, role, null);
        Wait(rng.Tailed(0.004, 0.6) * conditions.OwnWorkSlow);
        if (conditions.QueueSeconds > 0)
        {
            Wait(rng.Exponential(conditions.QueueSeconds));
        }

        return root;
    }

    /// <summary>The callee's side of a call to another service; the caller's own span when both are one service.</summary>
    public Span Hop(string role, string name, Span parent)
    {
        if (system.Role(role) == parent.Service)
        {
            return parent;
        }

        Wait(rng.Tailed(0.002, 0.4));
        return Open(Work.Hop, name, role, parent);
    }

    public void Leave(Span hop, Span parent)
    {
        if (hop != parent)
        {
            Wait(rng.Tailed(0.001, 0.4));
            Close(hop);
        }
    }

    /// <summary>The application's own work and the end of the request.</summary>
    public void Finish(Span root)
    {
        Wait(rng.Tailed(0.01, 0.5) * conditions.OwnWorkSlow);
        if (rng.Chance(conditions.OwnErrors))
        {
            Fail(root, "NullReferenceException", "Object reference not set to an instance of an object.", 500);
            return;
        }

        root.Status ??= root.Error is null ? 200 : 502;
        Close(root);
    }
}

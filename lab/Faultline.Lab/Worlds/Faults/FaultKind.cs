using Faultline.Lab.Worlds.Topologies;

namespace Faultline.Lab.Worlds.Faults;

/// <summary>What a fault sits on; decides the target's name and the names that are as honest.</summary>
internal enum On
{
    Index,
    Embedding,
    Reranker,
    Template,
    Model,
    Provider,
    Tool,
    Agents,
    Memory,
    Guardrail,
    Cache,
    Gpu,
    Entry,
    Database,
    Dependency,
    Input,
    Tenant,
    Judge,
    Stage,
}

/// <summary>A change that brings a fault: its type and how a pipeline would word it. <c>{t}</c> is the target, <c>{v}</c> a version.</summary>
internal sealed record ChangeText(string Type, params string[] Details);

/// <summary>
/// One way a GenAI system goes wrong. <paramref name="Apply"/> sets the conditions of one affected request; its number is the
/// dose, 0 to 1: the severity, times how far a gradual fault has come.
/// </summary>
/// <param name="Cause">From the vocabulary of causes; <c>unknown</c> for what lies outside.</param>
/// <param name="Classes">Failure classes that are right for it; none when it is cost alone, missing telemetry or outside.</param>
/// <param name="Change">Null: nothing of ours changed.</param>
/// <param name="Gradual">The dose grows; otherwise the share of affected requests does.</param>
internal sealed record FaultKind(string Name, string Cause, string[] Classes, On On, Abilities Needs, ChangeText? Change, Action<Conditions, double> Apply, bool Gradual = false, bool SeenInQuality = false);

using Faultline.Cases.Deletions;
using Faultline.Diagnosis;
using Faultline.Diagnosis.Changes;
using Faultline.Diagnosis.Topics;
using Faultline.Metrics.Derived;
using Faultline.Store.Deletions;

namespace Faultline.Composition;

/// <summary>How each part of the process forgets what is deleted.</summary>
internal static class MemoryDeletion
{
    public static ForgetInMemory Of(DerivedMetrics derived, Detection detection, SeenChanges seen) => (what, _) =>
    {
        switch (what.Scope)
        {
            case { Kind: ScopeKind.Project, Project: { } project }:
                derived.Forget(project);
                detection.Forget(project);
                seen.Forget(project);
                break;
            case { IsOfTraces: true, Project: { } project, Value: var value }:
                derived.Forget(project, what.Traces, new HashSet<string>(value.Length == 0 ? [] : [value], StringComparer.Ordinal));
                break;
        }

        return Task.CompletedTask;
    };

    /// <param name="topics">Null where topics are not watched: then what an earlier process stored of them goes.</param>
    public static ForgetInMemory Of(TopicWatch? topics, DeletionStore rows, TimeProvider time) => async (what, cancel) =>
    {
        if (what.Scope is not { Project: { } project, Kind: not ScopeKind.Before } || (what.Scope.IsOfTraces && what.Traces.Count == 0))
        {
            return;
        }

        var before = time.GetUtcNow();
        if (topics is not null)
        {
            await topics.ForgetAsync(project, what.Scope.IsOfTraces ? what.Traces : null, cancel);
        }

        await rows.DeleteTopicsAsync(project, before, cancel);
    };
}

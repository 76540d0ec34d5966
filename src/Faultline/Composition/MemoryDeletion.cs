using Faultline.Cases.Deletions;
using Faultline.Diagnosis;
using Faultline.Diagnosis.Changes;
using Faultline.Diagnosis.Topics;
using Faultline.Ingest.Forwarding;
using Faultline.Ingest.Pipeline;
using Faultline.Metrics.Derived;
using Faultline.Metrics.Scrape;
using Faultline.Store.Deletions;

namespace Faultline.Composition;

/// <summary>How each part of the process forgets what is deleted, in memory and beside the tables.</summary>
internal static class MemoryDeletion
{
    public static ForgetInMemory Of(IngestPipeline pipeline, Forwarder? forwarder, DerivedMetrics derived, SelfScrape scrape, Detection detection, SeenChanges seen) => async (what, cancel) =>
    {
        pipeline.Forget();
        forwarder?.DropAside();
        switch (what)
        {
            case { Kind: ScopeKind.Project, Project: { } project }:
                await scrape.ForgetAsync(() => derived.Forget(project), cancel);
                detection.Forget(project);
                seen.Forget(project);
                break;
            case { Kind: ScopeKind.Traces, Project: { } project }:
                await scrape.ForgetAsync(() => derived.Forget(project, what.Traces, what.Values), cancel);
                break;
        }
    };

    /// <param name="topics">Null where topics are not watched: then what an earlier process stored of them goes.</param>
    public static ForgetInMemory Of(TopicWatch? topics, DeletionStore rows, TimeProvider time) => async (what, cancel) =>
    {
        if (what is not { Kind: ScopeKind.Project or ScopeKind.Traces, Project: { } project } || (what.Kind == ScopeKind.Traces && what.Traces.Count == 0))
        {
            return;
        }

        var before = time.GetUtcNow();
        if (topics is not null)
        {
            await topics.ForgetAsync(project, what.Kind == ScopeKind.Traces ? what.Traces : null, cancel);
        }

        await rows.DeleteTopicsAsync(project, before, cancel);
    };
}

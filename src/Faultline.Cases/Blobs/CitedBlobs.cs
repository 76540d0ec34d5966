using Faultline.Cases.Events;

namespace Faultline.Cases.Blobs;

/// <summary>What kind of text a blob holds, as far as deleting from it goes.</summary>
internal enum BlobForm
{
    /// <summary>JSON whose parts name the traces that they are from: such parts can be taken out.</summary>
    Evidence,

    /// <summary>Words of a person or a model: deleted whole.</summary>
    Words,
}

/// <summary>The blobs that events cite, with whose they are.</summary>
internal sealed class CitedBlobs
{
    private readonly List<CitedBlob> _all = [];
    private readonly Dictionary<int, string> _projectOfCase = [];

    public IReadOnlyList<CitedBlob> All => _all;

    public void Apply(DateTimeOffset at, FaultlineEvent happened)
    {
        if (happened is CaseOpened opened)
        {
            _projectOfCase[opened.Case] = opened.Project;
        }

        var project = happened is CaseEvent ofCase ? _projectOfCase.GetValueOrDefault(ofCase.Case, "") : "";
        void Add(BlobForm form, string? blob, string? of = null)
        {
            if (blob is not null)
            {
                _all.Add(new CitedBlob(of ?? project, at, form, blob));
            }
        }

        switch (happened)
        {
            case CaseOpened one:
                Add(BlobForm.Evidence, one.Context);
                break;
            case SymptomsAdded one:
                Add(BlobForm.Evidence, one.Context);
                break;
            case CaseDiagnosed one:
                Add(BlobForm.Evidence, one.Verdict);
                break;
            case CaseReasoned one:
                Add(BlobForm.Words, one.Contribution);
                Add(BlobForm.Words, one.Transcript);
                break;
            case CaseCommented one:
                Add(BlobForm.Words, one.Text);
                break;
            case FixApplied one:
                Add(BlobForm.Words, one.Fix);
                break;
            case CaseResolved one:
                Add(BlobForm.Words, one.Reason);
                break;
            case CaseReopened one:
                Add(BlobForm.Words, one.Reason);
                break;
            case ChangeRecorded one:
                Add(BlobForm.Evidence, one.Words, one.Project);
                break;
            case ChangeSeen one:
                Add(BlobForm.Evidence, one.Words, one.Project);
                break;
            case KnowledgeImported one:
                Add(BlobForm.Evidence, one.Cases, one.Project);
                break;
        }
    }
}

/// <param name="At">When the event was told.</param>
internal sealed record CitedBlob(string Project, DateTimeOffset At, BlobForm Form, string Name);

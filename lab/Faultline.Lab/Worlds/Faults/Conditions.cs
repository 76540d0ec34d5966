namespace Faultline.Lab.Worlds.Faults;

/// <summary>
/// How the parts of a system behave for one request. Everything starts as usual; a fault changes what it changes, and the
/// simulated system does the rest: nothing here says what telemetry should look like.
/// </summary>
internal sealed class Conditions
{
    /// <summary>What the fault sits on: an index, a tool, a model. Parts with another name behave as usual. Null: all.</summary>
    public string? Target { get; set; }

    // Retrieval. Factors multiply what is usual; shares are chances for each call.
    public double Relevance { get; set; } = 1;
    public double ScoreFactor { get; set; } = 1;
    public double TopKFactor { get; set; } = 1;
    public double ScoreFloor { get; set; }
    public double ChunkFactor { get; set; } = 1;
    public double StaleShare { get; set; }
    public double StaleDays { get; set; }
    public double EmptyShare { get; set; }
    public double RetrievalErrors { get; set; }
    public bool OtherEmbedding { get; set; }
    public double RerankErrors { get; set; }
    public double RerankSlow { get; set; } = 1;
    public bool RerankSkipped { get; set; }

    // Prompt.
    public string? TemplateVersion { get; set; }
    public bool BadTemplate { get; set; }
    public bool VerboseTemplate { get; set; }
    public bool SystemLost { get; set; }
    public bool FewShotLost { get; set; }
    public double UnfilledShare { get; set; }
    public int InputCeiling { get; set; } = int.MaxValue;
    public double HistoryFactor { get; set; } = 1;

    // Model.
    public bool NextVersion { get; set; }
    public bool OtherModel { get; set; }
    public double FirstTokenSlow { get; set; } = 1;
    public double PerTokenSlow { get; set; } = 1;
    public double ModelErrors { get; set; }
    public string ModelError { get; set; } = "server_error";
    public double? Temperature { get; set; }
    public int? MaxTokens { get; set; }
    public double Invents { get; set; }
    public double Garbles { get; set; }
    public double Verbosity { get; set; } = 1;

    // Tools, agents, memory.
    public double ToolErrors { get; set; }
    public double ToolSlow { get; set; } = 1;
    public double ToolBadArguments { get; set; }
    public double ToolEmpty { get; set; }
    public double ToolCut { get; set; }
    public double SameCall { get; set; }
    public double PingPong { get; set; }
    public double PlanChurn { get; set; }
    public double Poisoned { get; set; }

    // Output.
    public double Blocks { get; set; }
    public double Refuses { get; set; }
    public double BreaksFormat { get; set; }
    public double WrongLanguage { get; set; }
    public double Mixup { get; set; }
    public double Mojibake { get; set; }
    public double FiguresOff { get; set; }
    public double CutInTransit { get; set; }

    // Infrastructure.
    public double PromptCache { get; set; } = 1;
    public double ResponseCache { get; set; } = 1;
    public double QueueSeconds { get; set; }
    public double GpuLoad { get; set; }
    public double DependencySlow { get; set; } = 1;
    public double DependencyErrors { get; set; }
    public double OwnWorkSlow { get; set; } = 1;
    public double OwnErrors { get; set; }

    // Input. Volume is asked for before a request exists; the rest shapes the request.
    public double Volume { get; set; } = 1;
    public double LongQuestions { get; set; }
    public double ForeignLanguage { get; set; }
    public double NewTopics { get; set; }
    public double Injections { get; set; }
    public double Scraping { get; set; }

    // Judges and telemetry.
    public double ScoreShift { get; set; }
    public bool OtherJudge { get; set; }
    public double StageSilent { get; set; }

    public bool Hits(string name) => Target is null || Target == name;
}

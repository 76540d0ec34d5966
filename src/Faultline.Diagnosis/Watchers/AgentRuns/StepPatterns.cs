using System.Text.RegularExpressions;

namespace Faultline.Diagnosis.Watchers.AgentRuns;

/// <summary>Words by which a step shows what it does.</summary>
internal static partial class StepPatterns
{
    private const RegexOptions Options = RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    [GeneratedRegex(@"terminal|executor|interpreter|environment|^tool$|tool_|^system$", Options)]
    public static partial Regex Environment { get; }

    [GeneratedRegex(@"^exitcode: 0", Options)]
    public static partial Regex Succeeded { get; }

    [GeneratedRegex(@"exitcode: [1-9]|exit code: [1-9]|execution failed|traceback|^error\b|\berror:|exception|not found|failed|timed? ?out", Options)]
    public static partial Regex Failed { get; }

    [GeneratedRegex(@"\b(simulat|hypothetical|assum|mock|sample data|example data|placeholder|for demonstration|typical(ly)?|likely|approximat|general knowledge|estimate)", Options)]
    public static partial Regex Guess { get; }

    [GeneratedRegex(@"\b(conclude|conclusion|final answer|confirmed|therefore|thus|verified|in summary|the answer is|correct)\b", Options)]
    public static partial Regex Conclusion { get; }

    [GeneratedRegex(@"access (to this page )?(has been )?denied|captcha|just a moment|verify you are human|forbidden|\b403\b|\b404\b|error processing|content.?filter|max (time|rounds)|sponsored|advert", Options)]
    public static partial Regex Blocked { get; }

    [GeneratedRegex(@"(request satisfied|terminate)\W*$", Options)]
    public static partial Regex Done { get; }

    [GeneratedRegex(@"^(updated ledger|\{|stalled|next speaker)", Options)]
    public static partial Regex Ledger { get; }

    [GeneratedRegex(@"^(initial plan|new plan|here is the plan|plan:)", Options)]
    public static partial Regex Plan { get; }

    [GeneratedRegex(@"^(get|find|list|search|read|calc|think|look|query|fetch|check|show|view|track|describe|count|compare|retrieve|recall|browse|verify|validate)|(search|lookup|look_up|retriever|query)$", Options)]
    public static partial Regex OnlyLooks { get; }

    [GeneratedRegex(@"\b(actually|instead|decided|changed my mind|rather|never mind|might as well|what if)\b", Options)]
    public static partial Regex ChangeOfMind { get; }

    [GeneratedRegex(@"\b(i only|not (that|the|what)|wrong|actually|i thought|but i|instead|(did|do)n['’]t (want|ask)|why)\b|\bno,", Options)]
    public static partial Regex Objection { get; }

    [GeneratedRegex(@"\b(yes|yep|confirm|proceed|go ahead|please do|sure|correct|that['’]s right)\b", Options)]
    public static partial Regex Assent { get; }

    [GeneratedRegex(@"\d[\d,.]*\d", Options)]
    public static partial Regex Number { get; }
}

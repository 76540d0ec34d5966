using Faultline.Store.Traces;
using Faultline.Telemetry.Spans;

namespace Faultline.Web.Traces;

/// <summary>One bar of a waterfall.</summary>
/// <param name="Depth">0 for a root.</param>
/// <param name="StartNanos">After the trace's start.</param>
/// <param name="Label">What the span is about: a model, a tool, an agent.</param>
/// <param name="Critical">True when the trace would have ended sooner had this span been shorter.</param>
/// <param name="Fold">Row in <see cref="Waterfall.Folds"/> of the group that it is part of, or -1.</param>
public sealed record WaterfallSpan(
    SpanId Id, SpanId Parent, int Depth, string Name, string Service, string Operation, string Label, long StartNanos, long DurationNanos,
    bool Error, bool Critical, int Fold, long? InputTokens, long? OutputTokens, double? WorstScore);

/// <summary>Siblings of one name, shown as one row until somebody opens it: "search × 50".</summary>
public sealed record WaterfallFold(string Name, int Count, int Errors, long TotalNanos);

/// <summary>A trace laid out from top to bottom.</summary>
/// <param name="MissingParents">Spans that are named as a parent and are not here.</param>
/// <param name="StillArriving">True when a part of it came moments ago, or its root has not come.</param>
public sealed record Waterfall(
    TraceId TraceId, long StartUnixNanos, long DurationNanos, int MissingParents, bool StillArriving,
    IReadOnlyList<WaterfallSpan> Spans, IReadOnlyList<WaterfallFold> Folds)
{
    /// <summary>As many siblings of one name become one row.</summary>
    public const int FoldMin = 5;

    /// <summary>A trace is called "still arriving" for this long after its last span came in.</summary>
    public static readonly TimeSpan ArrivingFor = TimeSpan.FromSeconds(5);

    /// <param name="spans">At least one, in any order.</param>
    public static Waterfall Of(IReadOnlyList<StoredSpan> spans, DateTimeOffset now)
    {
        var order = spans.Select(span => span.Summary).OrderBy(span => span.StartUnixNanos).ThenByDescending(span => span.DurationNanos).ToList();
        var byId = new Dictionary<SpanId, int>(order.Count);
        for (var row = 0; row < order.Count; row++)
        {
            byId.TryAdd(order[row].SpanId, row);
        }

        var children = new List<int>?[order.Count];
        var roots = new List<int>();
        var missing = new HashSet<SpanId>();
        for (var row = 0; row < order.Count; row++)
        {
            var parent = order[row].ParentSpanId;
            if (!parent.IsNone && byId.TryGetValue(parent, out var above) && above != row)
            {
                (children[above] ??= []).Add(row);
                continue;
            }

            roots.Add(row);
            if (!parent.IsNone && parent != order[row].SpanId)
            {
                missing.Add(parent);
            }
        }

        var start = order[0].StartUnixNanos;
        var end = order.Max(span => span.StartUnixNanos + span.DurationNanos);
        var layout = new Layout(order, children, start, ScoresOf(spans), CriticalPath(order, children, roots));
        foreach (var root in roots)
        {
            layout.Walk(root);
        }

        // What no root leads to is a ring of parents; it is shown from its first span on.
        for (var row = 0; row < order.Count; row++)
        {
            layout.Walk(row);
        }

        var received = spans.Max(span => span.ReceivedUnixNanos);
        var rootMissing = !order.Exists(span => span.ParentSpanId.IsNone);
        var sinceLast = now - Shell.TimeRange.At(received);
        return new Waterfall(order[0].TraceId, start, Math.Max(end - start, 1), missing.Count, sinceLast < ArrivingFor || (rootMissing && sinceLast < ArrivingFor * 12), layout.Rows, layout.Folds);
    }

    private static Dictionary<SpanId, double> ScoresOf(IReadOnlyList<StoredSpan> spans)
    {
        var worst = new Dictionary<SpanId, double>();
        foreach (var span in spans)
        {
            var values = span.Scores.Select(score => score.Value).Where(double.IsFinite).DefaultIfEmpty(double.NaN).Min();
            if (double.IsFinite(values))
            {
                worst[span.Summary.SpanId] = values;
            }
        }

        return worst;
    }

    /// <summary>
    /// From the end of the longest root backwards: the child that ended last before this moment held the parent up; go on
    /// from where that child began.
    /// </summary>
    private static HashSet<int> CriticalPath(List<SpanSummary> order, List<int>?[] children, List<int> roots)
    {
        var path = new HashSet<int>();
        if (roots.Count == 0)
        {
            return path;
        }

        var waiting = new Stack<(int Row, long Until)>();
        var longest = roots.MaxBy(row => order[row].DurationNanos);
        waiting.Push((longest, order[longest].StartUnixNanos + order[longest].DurationNanos));
        while (waiting.TryPop(out var item))
        {
            if (!path.Add(item.Row) || children[item.Row] is not { } below)
            {
                continue;
            }

            var until = item.Until;
            foreach (var child in below.OrderByDescending(row => order[row].StartUnixNanos + order[row].DurationNanos))
            {
                var childEnd = order[child].StartUnixNanos + order[child].DurationNanos;
                if (childEnd <= until && order[child].DurationNanos > 0)
                {
                    waiting.Push((child, childEnd));
                    until = order[child].StartUnixNanos;
                }
            }
        }

        return path;
    }

    private sealed class Layout(List<SpanSummary> order, List<int>?[] children, long start, Dictionary<SpanId, double> scores, HashSet<int> critical)
    {
        private readonly bool[] _seen = new bool[order.Count];

        public List<WaterfallSpan> Rows { get; } = new(order.Count);

        public List<WaterfallFold> Folds { get; } = [];

        public void Walk(int root)
        {
            var waiting = new Stack<(int Row, int Depth, int Fold)>();
            waiting.Push((root, 0, -1));
            while (waiting.TryPop(out var item))
            {
                if (_seen[item.Row])
                {
                    continue;
                }

                _seen[item.Row] = true;
                Rows.Add(Bar(item.Row, item.Depth, item.Fold));
                if (children[item.Row] is not { } below)
                {
                    continue;
                }

                var folds = FoldsOf(below);
                // The members of a group stand together, where its first one is.
                var ordered = below.OrderBy(child => folds.TryGetValue(child, out var fold) ? fold.First : child).ThenBy(child => child).ToList();
                for (var i = ordered.Count - 1; i >= 0; i--)
                {
                    waiting.Push((ordered[i], item.Depth + 1, folds.TryGetValue(ordered[i], out var fold) ? fold.Fold : -1));
                }
            }
        }

        private Dictionary<int, (int Fold, int First)> FoldsOf(List<int> below)
        {
            var folds = new Dictionary<int, (int, int)>();
            if (below.Count < FoldMin)
            {
                return folds;
            }

            foreach (var group in below.GroupBy(child => (order[child].Name, order[child].Service)))
            {
                var members = group.ToList();
                if (members.Count < FoldMin)
                {
                    continue;
                }

                foreach (var member in members)
                {
                    folds[member] = (Folds.Count, members[0]);
                }

                Folds.Add(new WaterfallFold(group.Key.Name, members.Count, members.Count(member => order[member].Status == SpanStatus.Error), members.Sum(member => order[member].DurationNanos)));
            }

            return folds;
        }

        private WaterfallSpan Bar(int row, int depth, int fold)
        {
            var span = order[row];
            var genAi = span.GenAi;
            string[] labels = [genAi.Tool, genAi.ModelResponded, genAi.ModelRequested, genAi.Agent, genAi.DataSource];
            return new WaterfallSpan(
                span.SpanId, span.ParentSpanId, depth, span.Name, span.Service, genAi.Operation, labels.FirstOrDefault(label => label.Length > 0) ?? "",
                span.StartUnixNanos - start, span.DurationNanos, span.Status == SpanStatus.Error, critical.Contains(row), fold,
                genAi.Counted ? genAi.InputTokens : null, genAi.Counted ? genAi.OutputTokens : null, scores.TryGetValue(span.SpanId, out var score) ? score : null);
        }
    }
}

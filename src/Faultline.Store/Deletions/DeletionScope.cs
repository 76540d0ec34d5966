using Faultline.ClickHouse;
using Faultline.Telemetry.Spans;

namespace Faultline.Store.Deletions;

/// <summary>By what is deleted.</summary>
public enum ScopeKind
{
    Traces,
    User,
    Session,
    Project,
    Before,
}

/// <summary>What is to be deleted, or held: all that is stored of some traces, of a user's or a session's traces, of a project, or received before a moment.</summary>
/// <param name="Project">Null only for <see cref="ScopeKind.Before"/>: every project.</param>
public sealed record DeletionScope(ScopeKind Kind, string? Project)
{
    /// <summary>Most traces that one deletion names.</summary>
    public const int TracesMax = 10_000;

    public IReadOnlyList<TraceId> Traces { get; init; } = [];

    /// <summary>The user's or the session's id, as it was sent.</summary>
    public string Value { get; init; } = "";

    public DateTimeOffset? Before { get; init; }

    public bool IsOfTraces => Kind is ScopeKind.Traces or ScopeKind.User or ScopeKind.Session;

    public static DeletionScope OfTraces(string project, params IReadOnlyList<TraceId> traces) => new(ScopeKind.Traces, project) { Traces = traces };

    public static DeletionScope OfUser(string project, string user) => new(ScopeKind.User, project) { Value = user };

    public static DeletionScope OfSession(string project, string session) => new(ScopeKind.Session, project) { Value = session };

    public static DeletionScope OfProject(string project) => new(ScopeKind.Project, project);

    /// <param name="project">Null: of all projects.</param>
    public static DeletionScope OfAge(DateTimeOffset before, string? project = null) => new(ScopeKind.Before, project) { Before = before };

    /// <summary>The traces as a sub-query with one column of ids; of kinds that are of traces only.</summary>
    /// <param name="name">Begins the parameters' names.</param>
    internal string TracesSql(string name, SqlParameters parameters)
    {
        parameters.Add(name + "project", Project!);
        if (Kind == ScopeKind.Traces)
        {
            parameters.Add(name + "traces", Traces.Select(trace => trace.ToString()));
            return $$"""SELECT toFixedString(unhex(arrayJoin({{{name}}traces:Array(String)})), 16)""";
        }

        parameters.Add(name + "value", Value);
        var column = Column;
        return $$"""
            SELECT trace_id FROM spans WHERE project = {{{name}}project:String} AND {{column}} = {{{name}}value:String}
            UNION DISTINCT SELECT trace_id FROM logs WHERE project = {{{name}}project:String} AND {{column}} = {{{name}}value:String} AND trace_id != toFixedString('', 16)
            """;
    }

    /// <summary>The scope as a condition on a table with <c>project</c>, <c>trace_id</c> and <c>received_unix_nanos</c>.</summary>
    internal string Condition(string name, SqlParameters parameters)
    {
        if (Project is not null)
        {
            parameters.Add(name + "project", Project);
        }

        var project = Project is null ? "1" : $$"""project = {{{name}}project:String}""";
        switch (Kind)
        {
            case ScopeKind.Project:
                return project;
            case ScopeKind.Before:
                parameters.Add(name + "before", Nanos(Before!.Value));
                return $$"""{{project}} AND received_unix_nanos < {{{name}}before:Int64}""";
            default:
                return $"{project} AND trace_id IN ({TracesSql(name, parameters)})";
        }
    }

    /// <summary>Log records of the user or the session that belong to no trace.</summary>
    internal string? LonelyLogs(string name, SqlParameters parameters)
    {
        if (Kind is not (ScopeKind.User or ScopeKind.Session))
        {
            return null;
        }

        parameters.Add(name + "project", Project!).Add(name + "value", Value);
        return $$"""project = {{{name}}project:String} AND {{Column}} = {{{name}}value:String} AND trace_id = toFixedString('', 16)""";
    }

    internal static long Nanos(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks * 100;

    private string Column => Kind == ScopeKind.User ? "user" : "session";
}

/// <summary>What a deletion found and did.</summary>
/// <param name="Found">Rows by table, before.</param>
/// <param name="Left">Rows by table, counted afterwards; every one 0, or the deletion is not over.</param>
/// <param name="Traces">That it was about; empty for projects and ages.</param>
public sealed record DeletedRows(IReadOnlyDictionary<string, long> Found, IReadOnlyDictionary<string, long> Left, IReadOnlyCollection<TraceId> Traces)
{
    public bool IsProven => Left.Values.All(rows => rows == 0);
}

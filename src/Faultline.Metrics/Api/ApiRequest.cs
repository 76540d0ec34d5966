using System.Globalization;
using Faultline.Metrics.PromQL;
using Faultline.Metrics.PromQL.Syntax;
using Faultline.Store.Samples;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Faultline.Metrics.Api;

/// <summary>Parameters of one request, from the address and a POSTed form, read and refused as Prometheus does.</summary>
internal sealed class ApiRequest
{
    /// <summary>From the first to the last day of the calendar: "no time given".</summary>
    private const long MinUnixMillis = -62_135_596_800_000;
    private const long MaxUnixMillis = 253_402_300_799_999;

    private readonly IQueryCollection _query;
    private readonly IFormCollection? _form;

    private ApiRequest(string project, IQueryCollection query, IFormCollection? form)
    {
        Project = project;
        _query = query;
        _form = form;
    }

    public string Project { get; }

    public static async Task<ApiRequest> ReadAsync(HttpContext context, string project)
    {
        try
        {
            var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted).ConfigureAwait(false) : null;
            return new ApiRequest(project, context.Request.Query, form);
        }
        catch (Exception fault) when (fault is InvalidDataException or BadHttpRequestException)
        {
            throw Wrong($"error parsing form values: {fault.Message}");
        }
    }

    public static PromQlException Wrong(string message) => new("bad_data", message);

    public static PromQlException Invalid(string parameter, string message) => Wrong($"invalid parameter {GoText.Quote(parameter)}: {message}");

    /// <summary>The parameter's text, or empty. The form comes before the address.</summary>
    public string Text(string name) => All(name) is [{ } first, ..] ? first : "";

    public StringValues All(string name) => _form is not null && _form.TryGetValue(name, out var values) && values.Count > 0 ? values : _query[name];

    /// <summary>Most results wanted; 0 for all.</summary>
    public int Limit(string name = "limit")
    {
        var text = Text(name);
        if (text.Length == 0)
        {
            return 0;
        }

        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var limit))
        {
            throw Invalid(name, $"strconv.Atoi: parsing {GoText.Quote(text)}: invalid syntax");
        }

        return limit >= 0 ? limit : throw Invalid(name, "limit must be non-negative");
    }

    /// <summary>A time that must be there.</summary>
    public long Time(string name) => TryParseTime(Text(name), out var unixMillis) ? unixMillis : throw Invalid(name, $"cannot parse {GoText.Quote(Text(name))} to a valid timestamp");

    public long Time(string name, long otherwise)
    {
        var text = Text(name);
        return text.Length == 0 ? otherwise
            : TryParseTime(text, out var unixMillis) ? unixMillis
            : throw Invalid(name, $"invalid time value for '{name}': cannot parse {GoText.Quote(text)} to a valid timestamp");
    }

    /// <returns>Milliseconds.</returns>
    public double Duration(string name)
    {
        var text = Text(name);
        if (GoNumber.TryParseFloat(text, out var seconds))
        {
            return DurationMath.IsOutOfRange(seconds) || double.IsNaN(seconds)
                ? throw Invalid(name, $"cannot parse {GoText.Quote(text)} to a valid duration. It overflows int64")
                : seconds * 1000;
        }

        return GoText.TryParseDuration(text, out var millis, out _) ? millis : throw Invalid(name, $"cannot parse {GoText.Quote(text)} to a valid duration");
    }

    /// <summary><c>match[]</c>, <c>start</c> and <c>end</c>.</summary>
    public SeriesQuery SeriesQuery(bool mustMatch = false)
    {
        var selectors = All("match[]");
        if (mustMatch && selectors.Count == 0)
        {
            throw Wrong("no match[] parameter provided");
        }

        var from = Time("start", MinUnixMillis);
        var to = Time("end", MaxUnixMillis);
        var anyOf = new List<IReadOnlyList<LabelMatcher>>(selectors.Count);
        foreach (var selector in selectors)
        {
            var matchers = Selector(selector ?? "", mustMatch);
            anyOf.Add(matchers.Any(matcher => !TypeChecker.MatchesEmpty(matcher)) ? matchers : throw Wrong("match[] must contain at least one non-empty matcher"));
        }

        return new SeriesQuery(Project, anyOf, from, to);
    }

    internal static bool TryParseTime(string text, out long unixMillis)
    {
        unixMillis = 0;
        if (GoNumber.TryParseFloat(text, out var seconds))
        {
            if (!double.IsFinite(seconds))
            {
                return false;
            }

            unixMillis = Math.Abs(seconds) < MaxUnixMillis / 1000.0 ? (long)Math.Round(seconds * 1000, MidpointRounding.AwayFromZero) : seconds > 0 ? MaxUnixMillis : MinUnixMillis;
            return true;
        }

        if (text.Length < 20 || text[10] is not ('T' or 't') || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            return false;
        }

        unixMillis = time.ToUnixTimeMilliseconds();
        return true;
    }

    private static IReadOnlyList<LabelMatcher> Selector(string selector, bool named)
    {
        try
        {
            return Parser.ParseSelector(selector);
        }
        catch (PromQlException fault) when (named)
        {
            throw Invalid("match[]", fault.Message);
        }
    }
}

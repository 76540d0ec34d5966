using System.Text.Json;
using Faultline.Web.Changes;
using Xunit;

namespace Faultline.Tests.Web;

/// <summary>Pages of the audit trail and of changes, as the server answers them.</summary>
public sealed class TrailPagesTests
{
    [Fact]
    public async Task The_audit_page_proves_the_ledger_and_names_what_was_tampered_with()
    {
        await using var server = await WebServer.StartAsync();
        var change = await ChangeAsync(server, "checkout");
        await ChangeAsync(server, "search");

        var list = await server.Client.GetStringAsync("/audit?verify=now");
        Assert.Contains("Every byte is as it was written and signed", list, StringComparison.Ordinal);
        Assert.Contains("/changes/" + change, list, StringComparison.Ordinal);
        Assert.DoesNotContain("deploy of search", await server.Client.GetStringAsync("/audit?q=checkout"), StringComparison.Ordinal);
        Assert.Contains("it is in the signed tree", await server.Client.GetStringAsync("/audit/0"), StringComparison.Ordinal);
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await server.Client.GetAsync("/audit/2")).StatusCode);
        var lines = (await server.Client.GetStringAsync("/audit/events.jsonl")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(new long[] { 0, 1 }, lines.Select(line => JsonSerializer.Deserialize<JsonElement>(line).GetProperty("sequence").GetInt64()));

        var segment = Directory.EnumerateFiles(server.Web.LedgerDirectory, "*.seg").First();
        await using (var file = new FileStream(segment, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            file.Position = file.Length - 40;
            var one = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(one ^ 1));
        }

        Assert.Contains("is not as it was written", await (await server.Client.GetAsync("/audit/1")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("Event 1 is the first that cannot be trusted", await server.Client.GetStringAsync("/audit?verify=now"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_that_only_telemetry_shows_says_so_and_can_be_filtered()
    {
        await using var server = await WebServer.StartAsync();
        await ChangeAsync(server, "checkout");
        await server.Web.Cases.NoteSeenAsync(new Faultline.Telemetry.Changes.ChangeEvent(
            "chg-00000000000000aa", "default", "model", "checkout", "model gpt-5 first seen, gpt-4o before", DateTimeOffset.UtcNow, new Dictionary<string, string>(StringComparer.Ordinal))
        { Source = Faultline.Telemetry.Changes.ChangeEvent.Telemetry });

        Assert.Contains(">seen in telemetry</span>", await server.Client.GetStringAsync("/changes"), StringComparison.Ordinal);
        Assert.DoesNotContain("release 1.9.3", await server.Client.GetStringAsync("/changes?source=telemetry"), StringComparison.Ordinal);
        Assert.DoesNotContain("gpt-5", await server.Client.GetStringAsync("/changes?source=recorded"), StringComparison.Ordinal);
        Assert.Contains("seen in telemetry", await server.Client.GetStringAsync("/changes/chg-00000000000000aa"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_has_a_page_also_when_nothing_was_measured_around_it()
    {
        await using var server = await WebServer.StartAsync();
        var id = await ChangeAsync(server, "quo\"ted\\service");

        Assert.Contains("release 1.9.3", await server.Client.GetStringAsync("/changes?type=deploy"), StringComparison.Ordinal);
        Assert.Contains("No change matches", await server.Client.GetStringAsync("/changes?type=index"), StringComparison.Ordinal);
        Assert.Contains("No figure of", await server.Client.GetStringAsync("/changes/" + id), StringComparison.Ordinal);
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await server.Client.GetAsync("/changes/chg-none")).StatusCode);
    }

    [Theory]
    [InlineData(0.9, 0.5, 0.02, true)]
    [InlineData(0.9, 0.85, 0.001, false)]
    [InlineData(1.0, 1.5, 0.4, false)]
    [InlineData(0, 0, 0, false)]
    public void A_figure_moved_when_it_left_what_the_hour_before_was_like(double before, double after, double spread, bool moved) =>
        Assert.Equal(moved, new Movement("score:relevance", before, after, spread).Moved);

    private static async Task<string> ChangeAsync(WebServer server, string service) =>
        (await server.Web.Cases.RecordChangeAsync("default", "deploy", service, "release 1.9.3", DateTimeOffset.UtcNow.AddMinutes(-20), new Dictionary<string, string>(StringComparer.Ordinal), "mira")).Id;
}

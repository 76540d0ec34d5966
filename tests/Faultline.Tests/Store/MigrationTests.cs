using Faultline.Store.Schema;
using Xunit;

namespace Faultline.Tests.Store;

public sealed class MigrationTests : StoreTest
{
    private static readonly Migration First = Migration.Parse("0001_first.sql", "-- why; not\nCREATE TABLE IF NOT EXISTS a (x Int64)\nENGINE = MergeTree ORDER BY x;\nCREATE TABLE IF NOT EXISTS b (x Int64) ENGINE = MergeTree ORDER BY x;\n");
    private static readonly Migration Second = Migration.Parse("0002_second.sql", "ALTER TABLE a ADD COLUMN IF NOT EXISTS y Int64;");

    [Fact]
    public void A_file_is_cut_into_statements_without_comments()
    {
        Assert.Equal((1, "0001_first", 2), (First.Version, First.Name, First.Statements.Count));
        Assert.StartsWith("CREATE TABLE IF NOT EXISTS a", First.Statements[0], StringComparison.Ordinal);
        Assert.EndsWith("ORDER BY x", First.Statements[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Every_statement_of_ours_can_run_twice_and_every_version_is_there_once()
    {
        var all = Migration.OfThisProgram();
        Assert.Equal(Enumerable.Range(1, all.Count), all.Select(migration => migration.Version));
        Assert.All(all.SelectMany(migration => migration.Statements), statement => Assert.Matches("IF NOT EXISTS|MODIFY SETTING", statement));
    }

    [Fact]
    public async Task Opening_a_store_again_changes_nothing()
    {
        await OpenAsync(Engine, Soon);
        Assert.Equal(0, await Migrations.RunAsync(Engine, Migration.OfThisProgram(), TimeProvider.System, default));
        await (await OpenAsync(Engine, Soon)).PingAsync();
    }

    [Fact]
    public async Task A_migration_that_was_cut_off_runs_again_from_its_beginning()
    {
        var broken = First with { Statements = [First.Statements[0], "CREATE NONSENSE"] };
        await Assert.ThrowsAnyAsync<Exception>(() => Migrations.RunAsync(Engine, [broken, Second], TimeProvider.System, default));
        await Engine.ExecuteAsync("INSERT INTO a SELECT 42");

        Assert.Equal(2, await Migrations.RunAsync(Engine, [First, Second], TimeProvider.System, default));
        Assert.Equal(0, await Migrations.RunAsync(Engine, [First, Second], TimeProvider.System, default));
        Assert.Equal(1, await CountAsync("a"));
        Assert.Equal(0, await CountAsync("b"));
    }

    [Fact]
    public async Task A_newer_schema_is_refused_in_words()
    {
        await Migrations.RunAsync(Engine, [First, Second], TimeProvider.System, default);
        var refusal = await Assert.ThrowsAsync<SchemaException>(() => Migrations.RunAsync(Engine, [First], TimeProvider.System, default));
        Assert.Contains("schema 2 (0002_second)", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("up to 1", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_edition_of_an_applied_migration_is_refused_in_words()
    {
        await Migrations.RunAsync(Engine, [First], TimeProvider.System, default);
        var edited = Migration.Parse("0001_first.sql", "CREATE TABLE IF NOT EXISTS a (x Int32) ENGINE = MergeTree ORDER BY x;");
        var refusal = await Assert.ThrowsAsync<SchemaException>(() => Migrations.RunAsync(Engine, [edited], TimeProvider.System, default));
        Assert.Contains("another edition", refusal.Message, StringComparison.Ordinal);
    }
}

using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Faultline.ClickHouse;

namespace Faultline.Store.Schema;

/// <summary>One <c>NNNN_what.sql</c>: statements that only add, each harmless when it runs again.</summary>
internal sealed record Migration(int Version, string Name, IReadOnlyList<string> Statements)
{
    /// <summary>SHA-256 over the statements; comments and line ends do not count.</summary>
    public string Checksum { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(";\n", Statements))));

    /// <summary>A comment is a line of its own; a statement ends with <c>;</c> at the end of a line.</summary>
    public static Migration Parse(string fileName, string sql)
    {
        var code = sql.ReplaceLineEndings("\n").Split('\n').Where(line => !line.TrimStart().StartsWith("--", StringComparison.Ordinal));
        var statements = string.Join('\n', code).Split(";\n", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(statement => statement.TrimEnd(';', '\n', ' '));
        var name = Path.GetFileNameWithoutExtension(fileName);
        return new Migration(int.Parse(name.AsSpan(0, 4), System.Globalization.CultureInfo.InvariantCulture), name, [.. statements]);
    }

    /// <summary>Those of this program, in order.</summary>
    public static IReadOnlyList<Migration> OfThisProgram()
    {
        var assembly = typeof(Migration).Assembly;
        return [.. assembly.GetManifestResourceNames()
            .Where(name => name.EndsWith(".sql", StringComparison.Ordinal))
            .Select(name => Parse(name, Read(assembly, name)))
            .OrderBy(migration => migration.Version)];
    }

    private static string Read(Assembly assembly, string name)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}

/// <summary>The store's schema is not one that this program can work with. The message says what to do.</summary>
public sealed class SchemaException(string message) : Exception(message);

/// <summary>Brings a database to the schema of this program.</summary>
/// <remarks>
/// Additive, in order, and resumable: a migration is noted when its last statement has run, and its statements say
/// <c>IF NOT EXISTS</c>, so one that was cut off runs again from its beginning.
/// </remarks>
internal static class Migrations
{
    private const string CreateTable = """
        CREATE TABLE IF NOT EXISTS schema_migrations
        (
          version UInt32,
          name String,
          checksum String,
          applied_unix_millis Int64
        )
        ENGINE = MergeTree
        ORDER BY version
        """;

    private const string Note = """
        INSERT INTO schema_migrations (version, name, checksum, applied_unix_millis)
        SELECT {version:UInt32}, {name:String}, {checksum:String}, {now:Int64}
        """;

    /// <returns>How many migrations ran.</returns>
    /// <exception cref="SchemaException">The database is newer than this program, or was made by another edition of a migration.</exception>
    public static async Task<int> RunAsync(IClickHouse engine, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancel)
    {
        await engine.ExecuteAsync(CreateTable, cancel: cancel);
        var applied = (await engine.QueryAsync("SELECT version, name, checksum FROM schema_migrations ORDER BY version", cancel: cancel)).Rows
            .Select(row => (Version: (int)row.Int64("version"), Name: row.Text("name"), Checksum: row.Text("checksum")))
            .ToList();

        var newest = migrations.Max(migration => migration.Version);
        if (applied.Find(row => row.Version > newest) is { Name: not null } unknown)
        {
            throw new SchemaException(
                $"The store has schema {unknown.Version} ({unknown.Name}), but this program knows schemas up to {newest} only: a newer Faultline has written it. Start that version or a later one, or give this one another data directory.");
        }

        var ran = 0;
        foreach (var migration in migrations)
        {
            var earlier = applied.FindAll(row => row.Version == migration.Version);
            if (earlier.Count == 0)
            {
                foreach (var statement in migration.Statements)
                {
                    await engine.ExecuteAsync(statement, cancel: cancel);
                }

                await engine.ExecuteAsync(
                    Note,
                    new SqlParameters().Add("version", migration.Version).Add("name", migration.Name).Add("checksum", migration.Checksum).Add("now", time.GetUtcNow().ToUnixTimeMilliseconds()),
                    cancel);
                ran++;
            }
            else if (earlier.Exists(row => !string.Equals(row.Checksum, migration.Checksum, StringComparison.Ordinal)))
            {
                throw new SchemaException(
                    $"The store was made with another edition of schema {migration.Name} (checksum {earlier[0].Checksum[..12]}, this program has {migration.Checksum[..12]}). Start the Faultline that wrote it, or give this one another data directory.");
            }
        }

        return ran;
    }
}

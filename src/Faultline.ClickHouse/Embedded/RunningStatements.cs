using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Faultline.ClickHouse.Embedded;

/// <summary>
/// Notes the queries that run in a small mapped file, which outlives a crash of this process. A query that was running at two
/// crashes, without having come to an end in between, is refused for a while: else one bad query would end the process
/// at every reload of the page that asks it.
/// </summary>
internal sealed class RunningStatements : IDisposable
{
    /// <summary>Crashes after which a query is refused. One is not enough: a <c>kill -9</c> blames whatever runs.</summary>
    public const int CrashesMax = 2;

    private const string NotesFile = "running-statements";
    private const string SuspectsFile = "suspect-statements.json";
    private const int SlotCount = 64;
    private const int SlotBytes = 4096;
    private const int LengthAt = 0;
    private const int HashAt = 4;
    private const int TextAt = 36;
    private static readonly TimeSpan RefusedFor = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly string _suspectsPath;
    private readonly TimeProvider _time;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _slots;
    private readonly bool[] _taken = new bool[SlotCount];
    private readonly Dictionary<string, Suspect> _suspects;

    /// <summary>Reads what the last process left. The directory must be ours alone, as the engine's lock makes it.</summary>
    public RunningStatements(string dataDirectory, TimeProvider time)
    {
        _time = time;
        _suspectsPath = Path.Combine(dataDirectory, SuspectsFile);
        _suspects = ReadSuspects();
        var notes = Path.Combine(dataDirectory, NotesFile);
        Reserve(notes);
        _file = MemoryMappedFile.CreateFromFile(notes, FileMode.Open, mapName: null, (long)SlotCount * SlotBytes);
        _slots = _file.CreateViewAccessor();
        OfLastCrash = TakeOver();
    }

    /// <summary>The queries that were running when the last process ended without closing the engine.</summary>
    public IReadOnlyList<string> OfLastCrash { get; }

    /// <summary>Notes a query until the result is disposed.</summary>
    /// <exception cref="ClickHouseException">It is refused; the message says why and until when.</exception>
    public Note Begin(string sql, SqlParameters? parameters)
    {
        var hash = HashOf(sql, parameters);
        lock (_gate)
        {
            if (_suspects.TryGetValue(hash, out var suspect) && suspect.Crashes >= CrashesMax && _time.GetUtcNow() < suspect.LastUtc + RefusedFor)
            {
                throw new ClickHouseException(
                    0,
                    $"This query was running at each of the last {suspect.Crashes} crashes of the server, so it is not run again before {suspect.LastUtc + RefusedFor:u}. "
                    + $"To run it earlier, delete {_suspectsPath} and restart.",
                    sql);
            }
            var slot = Array.IndexOf(_taken, false);
            if (slot >= 0)
            {
                _taken[slot] = true;
                Write(slot, hash, sql);
            }
            return new Note(this, slot, hash);
        }
    }

    public void Dispose()
    {
        _slots.Dispose();
        _file.Dispose();
    }

    // A mapped file may have no holes: filling one when the disk is full ends the process (SIGBUS).
    private static void Reserve(string path)
    {
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        var bytes = new byte[SlotCount * SlotBytes];
        _ = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        file.Position = 0;
        file.Write(bytes);
        file.SetLength(bytes.Length);
    }

    // The hash covers the values: the same statement with other values may well be harmless.
    private static string HashOf(string sql, SqlParameters? parameters)
    {
        var text = new StringBuilder(sql);
        if (parameters is not null)
        {
            foreach (var (name, value) in parameters.Values)
            {
                text.Append('\0').Append(name).Append('\0').Append(value);
            }
        }
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, (TextAt - HashAt) / 2));
    }

    private void Write(int slot, string hash, string sql)
    {
        var text = Encoding.UTF8.GetBytes(sql);
        var length = Math.Min(text.Length, SlotBytes - TextAt);
        var start = (long)slot * SlotBytes;
        _slots.WriteArray(start + HashAt, Encoding.ASCII.GetBytes(hash), 0, hash.Length);
        _slots.WriteArray(start + TextAt, text, 0, length);
        _slots.Write(start + LengthAt, length);        // last: a slot with a length is whole
    }

    private void End(int slot, string hash)
    {
        lock (_gate)
        {
            if (slot >= 0)
            {
                _slots.Write(((long)slot * SlotBytes) + LengthAt, 0);
                _taken[slot] = false;
            }
            if (_suspects.Remove(hash))
            {
                WriteSuspects();
            }
        }
    }

    private List<string> TakeOver()
    {
        var found = new List<string>();
        var bytes = new byte[SlotBytes];
        for (var slot = 0; slot < SlotCount; slot++)
        {
            _slots.ReadArray((long)slot * SlotBytes, bytes, 0, SlotBytes);
            var length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
            if (length is <= 0 or > SlotBytes - TextAt)
            {
                continue;
            }
            var hash = Encoding.ASCII.GetString(bytes, HashAt, TextAt - HashAt);
            var sql = Encoding.UTF8.GetString(bytes, TextAt, length);
            _suspects[hash] = new Suspect(sql, (_suspects.TryGetValue(hash, out var known) ? known.Crashes : 0) + 1, _time.GetUtcNow());
            found.Add(sql);
            _slots.Write(((long)slot * SlotBytes) + LengthAt, 0);
        }
        var now = _time.GetUtcNow();
        foreach (var (hash, _) in _suspects.Where(pair => now > pair.Value.LastUtc + RefusedFor).ToList())
        {
            _suspects.Remove(hash);
        }
        if (found.Count > 0)
        {
            WriteSuspects();
        }
        return found;
    }

    private Dictionary<string, Suspect> ReadSuspects()
    {
        try
        {
            return File.Exists(_suspectsPath)
                ? JsonSerializer.Deserialize<Dictionary<string, Suspect>>(File.ReadAllBytes(_suspectsPath)) ?? []
                : [];
        }
        catch (JsonException)
        {
            return [];      // cut off by the crash it was to record: the count starts again
        }
    }

    private void WriteSuspects() => File.WriteAllBytes(_suspectsPath, JsonSerializer.SerializeToUtf8Bytes(_suspects));

    /// <summary>A query that runs.</summary>
    internal readonly struct Note(RunningStatements owner, int slot, string hash) : IDisposable
    {
        public void Dispose() => owner.End(slot, hash);
    }

    internal sealed record Suspect(string Sql, int Crashes, DateTimeOffset LastUtc);
}

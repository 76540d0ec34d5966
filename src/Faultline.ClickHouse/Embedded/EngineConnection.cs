using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Faultline.ClickHouse.Native;

namespace Faultline.ClickHouse.Embedded;

/// <summary>One connection to the engine. It runs one statement at a time, so one thread owns it.</summary>
internal sealed unsafe class EngineConnection : IDisposable
{
    private static readonly byte[] NativeFormat = "Native"u8.ToArray();
    private static readonly byte[] NullFormat = "Null"u8.ToArray();

    private nint* _handle;
    private readonly long _queryMemoryBytesMax;
    private QueryLimits? _limits;

    /// <param name="arguments">As on ClickHouse's command line; see <see cref="EngineSettings"/>.</param>
    /// <param name="mark">How this connection's statements are found in <c>system.processes</c>: their <c>log_comment</c>.</param>
    /// <param name="queryMemoryBytesMax">Cap of a query that names none.</param>
    /// <exception cref="InvalidOperationException">The engine refused; what it said is on standard error.</exception>
    public EngineConnection(IReadOnlyList<string> arguments, string mark, long queryMemoryBytesMax)
    {
        Mark = mark;
        _queryMemoryBytesMax = queryMemoryBytesMax;
        var bytes = arguments.Select(argument => Encoding.UTF8.GetBytes(argument + '\0')).ToArray();
        using var pins = new Pins(bytes);
        fixed (nint* pointers = pins.Pointers)
        {
            _handle = Chdb.chdb_connect(bytes.Length, (byte**)pointers);
        }
        if (_handle is null)
        {
            throw new InvalidOperationException("The embedded engine did not open; its own message, on standard error, says why.");
        }
    }

    public string Mark { get; }

    private nint Handle => _handle is null ? throw new ObjectDisposedException(nameof(EngineConnection)) : *_handle;

    public void Dispose()
    {
        if (_handle is not null)
        {
            Chdb.chdb_close_conn(_handle);
            _handle = null;
        }
    }

    /// <summary>Runs any statement and drops its answer.</summary>
    public void Execute(string sql, SqlParameters? parameters)
    {
        var result = Start(sql, parameters, NullFormat, stream: false);
        try
        {
            ThrowOn(Chdb.ErrorOf(result), sql);
        }
        finally
        {
            Chdb.chdb_destroy_query_result(result);
        }
    }

    /// <summary>Runs a query and decodes its answer as it comes. Stops between two blocks once <paramref name="cancelled"/> says so.</summary>
    public QueryResult Query(string sql, SqlParameters? parameters, QueryLimits limits, Func<bool> cancelled)
    {
        Apply(limits);
        try
        {
            return Stream(sql, parameters, cancelled) ?? Whole(sql, parameters);
        }
        catch
        {
            ReleaseFailedStream();
            throw;
        }
    }

    /// <summary>One INSERT of all the blocks: committed as a whole when this returns, not at all when it throws.</summary>
    public void Insert(string sql, IReadOnlyList<NativeBlock> blocks)
    {
        var statement = Encoding.UTF8.GetBytes(sql);
        nint stream;
        fixed (byte* text = statement)
        fixed (byte* format = NativeFormat)
        {
            stream = Chdb.chdb_stream_insert_n(Handle, text, (nuint)statement.Length, format, (nuint)NativeFormat.Length);
        }
        try
        {
            ThrowOn(Chdb.InsertErrorOf(stream), sql);
            foreach (var block in blocks)
            {
                var bytes = block.Bytes.Span;
                int state;
                fixed (byte* data = bytes)
                {
                    state = Chdb.chdb_stream_append(stream, data, (nuint)bytes.Length);
                }
                if (state != 0)
                {
                    throw Refusal(Chdb.InsertErrorOf(stream) ?? "The engine stopped reading the insert and gave no reason.", sql);
                }
            }
            var done = Chdb.chdb_stream_done(stream);
            try
            {
                ThrowOn(Chdb.ErrorOf(done), sql);
            }
            finally
            {
                Chdb.chdb_destroy_query_result(done);
            }
        }
        finally
        {
            Chdb.chdb_destroy_insert_stream(stream);
        }
    }

    // A failed stream keeps its memory and its place in system.processes until the connection's next statement.
    private void ReleaseFailedStream()
    {
        try
        {
            Execute($"SET log_comment = '{Mark}'", null);
        }
        catch (ClickHouseException)
        {
            _limits = null;        // the next statement releases it; the first error is the one to tell
        }
    }

    // Limits are settings of the connection: SET costs 0.2 ms, and a SETTINGS clause would clash with the statement's own.
    private void Apply(QueryLimits limits)
    {
        if (limits == _limits)
        {
            return;
        }
        var seconds = (limits.Time ?? TimeSpan.Zero).TotalSeconds.ToString("0.######", CultureInfo.InvariantCulture);
        Execute($"SET max_execution_time = {seconds}, max_result_rows = {limits.RowsMax ?? 0}, max_memory_usage = {limits.MemoryBytesMax ?? _queryMemoryBytesMax}", null);
        _limits = limits;
    }

    private QueryResult? Stream(string sql, SqlParameters? parameters, Func<bool> cancelled)
    {
        var decoder = new NativeDecoder();
        var stream = Start(sql, parameters, NativeFormat, stream: true);
        try
        {
            var error = Chdb.ErrorOf(stream);
            if (error is not null && error.Contains("Streaming query is not supported", StringComparison.Ordinal))
            {
                return null;       // SHOW, EXPLAIN, DESCRIBE …: nothing has run yet
            }
            ThrowOn(error, sql);
            while (true)
            {
                if (cancelled())
                {
                    Chdb.chdb_stream_cancel_query(Handle, stream);
                    throw new OperationCanceledException();
                }
                var chunk = Chdb.chdb_stream_fetch_result(Handle, stream);
                try
                {
                    ThrowOn(Chdb.ErrorOf(chunk), sql);
                    var length = Chdb.chdb_result_length(chunk);
                    if (length == 0)
                    {
                        break;
                    }
                    decoder.Decode(new ReadOnlySpan<byte>(Chdb.chdb_result_buffer(chunk), checked((int)length)));
                }
                finally
                {
                    Chdb.chdb_destroy_query_result(chunk);
                }
            }
        }
        finally
        {
            Chdb.chdb_destroy_query_result(stream);
        }
        return decoder.HasColumns ? decoder.Result() : EmptyWithColumns(sql, parameters);
    }

    private QueryResult Whole(string sql, SqlParameters? parameters)
    {
        var decoder = new NativeDecoder();
        var result = Start(sql, parameters, NativeFormat, stream: false);
        try
        {
            ThrowOn(Chdb.ErrorOf(result), sql);
            decoder.Decode(new ReadOnlySpan<byte>(Chdb.chdb_result_buffer(result), checked((int)Chdb.chdb_result_length(result))));
        }
        finally
        {
            Chdb.chdb_destroy_query_result(result);
        }
        return decoder.Result();
    }

    // An answer without rows comes without a block, so its columns have to be asked for.
    private QueryResult EmptyWithColumns(string sql, SqlParameters? parameters)
    {
        var described = Whole($"DESCRIBE TABLE (\n{sql.AsSpan().TrimEnd().TrimEnd(';')}\n)", parameters);
        return NativeDecoder.Empty(described.Rows.Select(row => (row.Text("name"), row.Text("type"))));
    }

    private nint Start(string sql, SqlParameters? parameters, byte[] format, bool stream)
    {
        var statement = Encoding.UTF8.GetBytes(sql);
        var pairs = parameters is null ? [] : parameters.Encoded().ToArray();
        var names = Array.ConvertAll(pairs, pair => Encoding.UTF8.GetBytes(pair.Key));
        var values = Array.ConvertAll(pairs, pair => Encoding.UTF8.GetBytes(pair.Value));
        using var namePins = new Pins(names);
        using var valuePins = new Pins(values);
        fixed (byte* text = statement)
        fixed (byte* formatText = format)
        fixed (nint* namePointers = namePins.Pointers)
        fixed (nuint* nameLengths = namePins.Lengths)
        fixed (nint* valuePointers = valuePins.Pointers)
        fixed (nuint* valueLengths = valuePins.Lengths)
        {
            return stream
                ? Chdb.chdb_stream_query_with_params_n(
                    Handle, text, (nuint)statement.Length, formatText, (nuint)format.Length,
                    (byte**)namePointers, nameLengths, (byte**)valuePointers, valueLengths, (nuint)pairs.Length)
                : Chdb.chdb_query_with_params_n(
                    Handle, text, (nuint)statement.Length, formatText, (nuint)format.Length,
                    (byte**)namePointers, nameLengths, (byte**)valuePointers, valueLengths, (nuint)pairs.Length);
        }
    }

    private static void ThrowOn(string? error, string sql)
    {
        if (error is not null)
        {
            throw Refusal(error, sql);
        }
    }

    private static ClickHouseException Refusal(string error, string sql) => new(ClickHouseException.CodeIn(error), error, sql);

    /// <summary>Byte arrays held in place for the length of one call.</summary>
    private readonly struct Pins : IDisposable
    {
        private readonly GCHandle[] _handles;

        public Pins(byte[][] arrays)
        {
            _handles = Array.ConvertAll(arrays, array => GCHandle.Alloc(array, GCHandleType.Pinned));
            Pointers = Array.ConvertAll(_handles, handle => handle.AddrOfPinnedObject());
            Lengths = Array.ConvertAll(arrays, array => (nuint)array.Length);
        }

        public nint[] Pointers { get; }

        public nuint[] Lengths { get; }

        public void Dispose() => Array.ForEach(_handles, handle => handle.Free());
    }
}

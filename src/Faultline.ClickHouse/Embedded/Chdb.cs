using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;

namespace Faultline.ClickHouse.Embedded;

/// <summary>The C interface of chDB. Every native handle of the program lives in this file or in <see cref="EngineConnection"/>.</summary>
/// <remarks>Source: programs/local/chdb.h of chdb-io/chdb-core, 26.7.</remarks>
internal static unsafe partial class Chdb
{
    private const string Library = "chdb";
    private static readonly Lock Gate = new();
    private static string? loadedPath;
    private static nint handle;

    /// <summary>Loads the library; later calls must name the same file. Must come before any other call.</summary>
    /// <exception cref="InvalidOperationException">It is not there, cannot be loaded, or another one is loaded already.</exception>
    public static void Load(string path)
    {
        lock (Gate)
        {
            path = Path.GetFullPath(path);
            if (loadedPath is not null)
            {
                if (!string.Equals(loadedPath, path, StringComparison.Ordinal))
                {
                    throw new InvalidOperationException($"The engine library {loadedPath} is loaded already; {path} cannot be loaded beside it.");
                }
                return;
            }
            if (!File.Exists(path))
            {
                throw new InvalidOperationException($"The engine library {path} does not exist.");
            }
            try
            {
                handle = NativeLibrary.Load(path);
            }
            catch (Exception problem) when (problem is DllNotFoundException or BadImageFormatException)
            {
                throw new InvalidOperationException($"The engine library {path} cannot be loaded: {problem.Message}", problem);
            }
            loadedPath = path;
            NativeLibrary.SetDllImportResolver(typeof(Chdb).Assembly, Resolve);
            // Otherwise it takes the runtime's SIGSEGV, SIGABRT and SIGTERM, and a null reference ends the process.
            chdb_set_signal_handlers_enabled(0);
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) =>
        string.Equals(name, Library, StringComparison.Ordinal) ? handle : 0;

    [LibraryImport(Library)]
    private static partial void chdb_set_signal_handlers_enabled(int enabled);

    [LibraryImport(Library)]
    public static partial nint* chdb_connect(int argumentCount, byte** arguments);

    [LibraryImport(Library)]
    public static partial void chdb_close_conn(nint* connection);

    /// <summary>0 once no thread of the engine is left; afterwards no connection can be opened in this process.</summary>
    [LibraryImport(Library)]
    public static partial int chdb_shutdown();

    [LibraryImport(Library)]
    public static partial nint chdb_query_with_params_n(
        nint connection, byte* sql, nuint sqlLength, byte* format, nuint formatLength,
        byte** names, nuint* nameLengths, byte** values, nuint* valueLengths, nuint count);

    [LibraryImport(Library)]
    public static partial nint chdb_stream_query_with_params_n(
        nint connection, byte* sql, nuint sqlLength, byte* format, nuint formatLength,
        byte** names, nuint* nameLengths, byte** values, nuint* valueLengths, nuint count);

    [LibraryImport(Library)]
    public static partial nint chdb_stream_fetch_result(nint connection, nint stream);

    [LibraryImport(Library)]
    public static partial void chdb_stream_cancel_query(nint connection, nint stream);

    [LibraryImport(Library)]
    public static partial void chdb_destroy_query_result(nint result);

    [LibraryImport(Library)]
    public static partial byte* chdb_result_buffer(nint result);

    [LibraryImport(Library)]
    public static partial nuint chdb_result_length(nint result);

    [LibraryImport(Library)]
    private static partial byte* chdb_result_error(nint result);

    [LibraryImport(Library)]
    public static partial nint chdb_stream_insert_n(nint connection, byte* sql, nuint sqlLength, byte* format, nuint formatLength);

    [LibraryImport(Library)]
    public static partial int chdb_stream_append(nint stream, byte* data, nuint length);

    [LibraryImport(Library)]
    public static partial nint chdb_stream_done(nint stream);

    [LibraryImport(Library)]
    private static partial byte* chdb_stream_insert_error(nint stream);

    [LibraryImport(Library)]
    public static partial void chdb_destroy_insert_stream(nint stream);

    public static string? ErrorOf(nint result) => Text(chdb_result_error(result));

    public static string? InsertErrorOf(nint stream) => Text(chdb_stream_insert_error(stream));

    private static string? Text(byte* text) =>
        text is null ? null : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
}

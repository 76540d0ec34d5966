using System.Globalization;

namespace Faultline.ClickHouse.Embedded;

/// <summary>
/// What the engine is told when it opens. ClickHouse's own defaults are for a server that owns its machine (caches of several
/// GB, 90 % of RAM); these are for a guest in another process. Its system logs are off in this build.
/// </summary>
internal static class EngineSettings
{
    private const int MergeThreadsMax = 4;

    /// <summary>A query may take half of the total, so that one greedy query cannot starve the inserts.</summary>
    public static long QueryMemoryBytesMax(long memoryBytesMax) => memoryBytesMax / 2;

    /// <summary>Server-level settings: used by the connection that opens the engine, ignored on later ones.</summary>
    public static IEnumerable<string> Server(EmbeddedOptions options)
    {
        var cacheBytes = Math.Clamp(options.MemoryBytesMax / 32, 8L << 20, 256L << 20);
        yield return $"--path={options.DataDirectory}";
        yield return Setting("max_server_memory_usage", options.MemoryBytesMax);
        // Else it counts the memory of the whole container, ours included, against its own limit.
        yield return "--memory_worker_use_cgroup=0";
        yield return "--memory_worker_period_ms=1000";
        yield return Setting("mark_cache_size", cacheBytes);
        yield return Setting("primary_index_cache_size", cacheBytes);
        yield return Setting("index_mark_cache_size", cacheBytes / 2);
        yield return Setting("query_condition_cache_size", cacheBytes / 4);
        yield return Setting("vector_similarity_index_cache_size", cacheBytes);
        yield return Setting("text_index_tokens_cache_size", cacheBytes / 2);
        yield return Setting("text_index_header_cache_size", cacheBytes / 2);
        yield return Setting("text_index_postings_cache_size", cacheBytes / 2);
        yield return Setting("compiled_expression_cache_size", 32L << 20);
        yield return Setting("parquet_metadata_cache_size", 16L << 20);
        yield return "--uncompressed_cache_size=0";
        yield return "--index_uncompressed_cache_size=0";
        // More merges at once than half of the cores, and inserts wait for them: on two cores their 99th percentile was twice as long.
        yield return Setting("background_pool_size", Math.Clamp(Environment.ProcessorCount / 2, 1, MergeThreadsMax));
        yield return "--background_move_pool_size=1";
        yield return "--background_fetches_pool_size=1";
        yield return "--background_common_pool_size=1";
        yield return "--background_schedule_pool_size=2";
        // Old parts are removed by one thread: dozens at once held the directory for a second, and inserts waited for it.
        yield return "--max_parts_cleaning_thread_pool_size=1";
        yield return "--max_thread_pool_free_size=32";
    }

    /// <summary>Settings of one connection, the same as a ClickHouse server would be sent.</summary>
    public static IEnumerable<string> Connection(string mark)
    {
        yield return "--log_comment=" + mark;
        yield return "--log_queries=0";
        yield return "--session_timezone=UTC";
        yield return "--async_insert=0";
        yield return "--allow_introspection_functions=0";
        yield return "--implicit_select=0";
        yield return "--result_overflow_mode=throw";
        yield return "--timeout_overflow_mode=throw";
        yield return "--output_format_native_write_json_as_string=1";
        // One insert becomes one part a partition, whatever the number and size of its blocks: that is what makes it all or nothing.
        yield return "--min_insert_block_size_rows=1000000000";
        yield return "--min_insert_block_size_bytes=100000000000";
        yield return "--max_insert_block_size=1000000000";
        yield return "--max_insert_threads=1";
        // Skipping indexes are a quarter of an insert's time and of use in large parts only: merges, which make those, make them too.
        yield return "--materialize_skip_indexes_on_insert=0";
    }

    private static string Setting(string name, long value) => string.Create(CultureInfo.InvariantCulture, $"--{name}={value}");
}

using System.Diagnostics;
using System.Globalization;
using Faultline.Metrics.Exposition;
using Faultline.Store.Disk;
using Faultline.Store.Writes;

namespace Faultline.Metrics.Internals;

/// <summary>What the process and the store's writer say of themselves; names that dashboards know keep <c>otelcol_</c>.</summary>
public sealed class ProcessMetrics(BatchWriter writer, DiskGuard disk, long queueBytesMax, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();

    public IReadOnlyList<MetricFamily> Families()
    {
        using var process = Process.GetCurrentProcess();
        var figures = writer.Figures;
        return
        [
            MetricFamily.Counter("otelcol_process_uptime_seconds", "Seconds since the process began.", MetricFamily.Of(time.GetElapsedTime(_started).TotalSeconds)),
            MetricFamily.Counter("otelcol_process_cpu_seconds", "CPU seconds, user and system.", MetricFamily.Of(process.TotalProcessorTime.TotalSeconds)),
            MetricFamily.Gauge("otelcol_process_memory_rss_bytes", "Resident memory.", MetricFamily.Of(process.WorkingSet64)),
            MetricFamily.Gauge("otelcol_process_runtime_heap_alloc_bytes", "Managed heap.", MetricFamily.Of(GC.GetTotalMemory(forceFullCollection: false))),
            MetricFamily.Gauge("otelcol_exporter_queue_size", "Batches that wait for a commit.", MetricFamily.Of(figures.WaitingBatches, ("exporter", "clickhouse"))),
            MetricFamily.Gauge("otelcol_exporter_queue_capacity", "Most batches that may wait for a commit; faultline_store_waiting_max_bytes is reached first, as a rule.", MetricFamily.Of(BatchWriter.WaitingBatchesMax, ("exporter", "clickhouse"))),
            MetricFamily.Counter("process_cpu_seconds", "CPU seconds, user and system.", MetricFamily.Of(process.TotalProcessorTime.TotalSeconds)),
            MetricFamily.Gauge("process_resident_memory_bytes", "Resident memory.", MetricFamily.Of(process.WorkingSet64)),
            MetricFamily.Gauge("process_virtual_memory_bytes", "Virtual memory.", MetricFamily.Of(process.VirtualMemorySize64)),
            MetricFamily.Gauge("process_start_time_seconds", "When the process began, in Unix time.", MetricFamily.Of((process.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds)),
            MetricFamily.Gauge("process_threads", "Threads of the operating system.", MetricFamily.Of(process.Threads.Count)),
            MetricFamily.Gauge("faultline_store_waiting_bytes", "Bytes that wait for a commit.", MetricFamily.Of(figures.WaitingBytes)),
            MetricFamily.Gauge("faultline_store_waiting_max_bytes", "Bytes that may wait before senders are told to try later (ingest.queue_bytes_max).", MetricFamily.Of(queueBytesMax)),
            MetricFamily.Gauge("faultline_store_journal_bytes", "Acknowledged and not yet in the tables, as bytes in the journal.", MetricFamily.Of(figures.JournalBytes)),
            MetricFamily.Gauge("faultline_store_set_aside_requests", "Acknowledged requests that the store will never take, kept in the journal's directory 'aside'.", MetricFamily.Of(figures.SetAside)),
            MetricFamily.Counter("faultline_store_commits", "Inserts that were committed.", MetricFamily.Of(figures.Commits)),
            MetricFamily.Counter("faultline_store_committed_rows", "Rows that were committed.", MetricFamily.Of(figures.CommittedRows)),
            MetricFamily.Counter("faultline_store_failed_commits", "Inserts that failed; their batches were tried again one by one.", MetricFamily.Of(figures.FailedCommits)),
            MetricFamily.Counter("faultline_store_refused_batches", "Batches answered with 'try later'.", MetricFamily.Of(figures.RefusedBatches)),
            MetricFamily.Counter("faultline_store_repeated_batches", "Requests that were sent again within a minute and were there already.", MetricFamily.Of(figures.RepeatedBatches)),
            MetricFamily.Gauge("faultline_store_disk_free_bytes", "What is free on the store's disk; below faultline_store_disk_free_min_bytes senders are told to try later.", MetricFamily.Of(disk.FreeBytes)),
            MetricFamily.Gauge("faultline_store_disk_free_min_bytes", "What must be free before rows are written.", MetricFamily.Of(DiskGuard.FreeBytesMin)),
            MetricFamily.Counter("faultline_store_damaged_parts", "Parts that a full disk left damaged, and that were laid aside.", MetricFamily.Of(disk.Damaged)),
            MetricFamily.Counter("faultline_reader_failures", "Committed batches that a reader (derived metrics, detection, live tail) failed on.", MetricFamily.Of(figures.ReaderFailures)),
            MetricFamily.Gauge("faultline_reader_waiting_batches", "Committed batches that not every reader has seen yet.", MetricFamily.Of(figures.WaitingForReaders)),
            MetricFamily.Gauge("faultline_store_last_commit_seconds", "How long the last commit took.", MetricFamily.Of(figures.LastCommit.TotalSeconds)),
            new MetricFamily("faultline_build_info", "gauge", "Version of this Faultline.", "", [MetricFamily.Of(1, ("version", typeof(ProcessMetrics).Assembly.GetName().Version!.ToString(3)), ("runtime", string.Create(CultureInfo.InvariantCulture, $"{Environment.Version}")))]),
        ];
    }
}

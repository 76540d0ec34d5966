using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using System.Text.Encodings.Web;
using System.Text.Json;
using Faultline.Lab.Worlds.Faults;
using Faultline.Lab.Worlds.Planning;
using Faultline.Lab.Worlds.Topologies;
using Faultline.Lab.Worlds.Traffic;

namespace Faultline.Lab.Worlds.Recording;

/// <summary>Lives a world and records what arrives, line by line in the order of arrival.</summary>
internal sealed class WorldRecorder(WorldPlan plan)
{
    private const long NanosPerSecond = RequestRun.NanosPerSecond;

    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly List<Line> _lines = [];
    private readonly ArrayBufferWriter<byte> _buffer = new(64 * 1024);

    /// <summary>One arrival; its body is written when its turn comes.</summary>
    private sealed record Line(long At, int Order, string Signal, Action<Utf8JsonWriter> Write);

    /// <returns>Spans that were written.</returns>
    public int Record(Stream into)
    {
        var spans = 0;
        for (var i = 0; i < plan.Systems.Count; i++)
        {
            spans += Live(plan.Systems[i], Rng.For(plan.Options.Seed, $"{plan.Name} system {i}"));
        }

        foreach (var change in plan.Changes.Where(change => change.Recorded))
        {
            Add(change.At + (NanosPerSecond * 2), "change", json => WriteChange(json, change));
        }

        _lines.Sort((a, b) => (a.At, a.Order).CompareTo((b.At, b.Order)));
        using var gzip = new GZipStream(into, CompressionLevel.Optimal, leaveOpen: true);
        foreach (var line in _lines)
        {
            WriteLine(gzip, line);
        }

        return spans;
    }

    private int Live(GenAiSystem system, Rng rng)
    {
        var faults = plan.Faults.Where(fault => fault.System == system).ToList();
        var exporter = new Exporter(plan.Start, plan.End, new Rng(rng.Bits()));
        var batches = new Dictionary<(Service Service, int Instance, long At), Batch>();
        var spans = 0;
        foreach (var (request, conditions) in new RequestSource(system, faults, plan.Start, plan.End, new Rng(rng.Bits())).Requests())
        {
            var run = new RequestRun(system, request, conditions, new Rng(rng.Bits()));
            system.Topology.Run(run);
            foreach (var span in run.Spans)
            {
                if (conditions.StageSilent > 0 && IsSilent(span) && rng.Chance(conditions.StageSilent))
                {
                    continue;
                }

                var instance = (int)(request.TraceLow % (ulong)span.Service.Instances);
                if (exporter.Arrival(span.Service, instance, span.End) is not { } at)
                {
                    continue;
                }

                spans++;
                BatchOf(span.Service, instance, at).Spans.Add(span);
                foreach (var record in Scores.Late(span, rng).Concat(ErrorLog(span)))
                {
                    if (exporter.Arrival(span.Service, instance, record.UnixNanos) is { } then)
                    {
                        BatchOf(span.Service, instance, then).Logs.Add(record);
                    }
                }
            }
        }

        foreach (var ((service, instance, at), batch) in batches)
        {
            if (batch.Spans.Count > 0)
            {
                Add(at, "traces", json => OtlpWriter.Traces(json, service, instance, batch.Spans[0].Start, batch.Spans));
            }

            foreach (var records in batch.Logs.GroupBy(record => record.Scope, StringComparer.Ordinal).Select(group => group.ToList()))
            {
                Add(at, "logs", json => OtlpWriter.Logs(json, service, instance, records[0].UnixNanos, records));
            }
        }

        ModelServer.Tell(system, faults, plan, new Rng(rng.Bits()), Add);
        return spans;

        Batch BatchOf(Service service, int instance, long at)
        {
            if (!batches.TryGetValue((service, instance, at), out var batch))
            {
                batches[(service, instance, at)] = batch = new Batch([], []);
            }

            return batch;
        }
    }

    private sealed record Batch(List<Span> Spans, List<LogRecord> Logs);

    /// <summary>The stage whose telemetry goes missing: the last service, or in a single service its retrieval, tools or model calls.</summary>
    private static bool IsSilent(Span span)
    {
        var system = span.Run.System;
        return system.Services.Count > 1 ? span.Service == system.Services[^1]
            : system.Has(Abilities.Retrieval) ? span.Work == Work.Retrieval
            : system.Has(Abilities.Tools) ? span.Work == Work.Tool
            : span.Work == Work.Chat;
    }

    private static IEnumerable<LogRecord> ErrorLog(Span span) => span.Parent is null && span.Error is { } error
        ? [new LogRecord(span, span.End, "app", null, Error: true, $"request failed: {error}: {span.ErrorMessage}", [new("exception.type", error)])]
        : [];

    private void Add(long at, string signal, Action<Utf8JsonWriter> write) => _lines.Add(new Line(at, _lines.Count, signal, write));

    private void WriteLine(Stream into, Line line)
    {
        _buffer.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_buffer, Compact))
        {
            json.WriteStartObject();
            json.WriteNumber("t", line.At);
            json.WriteString("signal", line.Signal);
            json.WritePropertyName("body");
            line.Write(json);
            json.WriteEndObject();
        }

        into.Write(_buffer.WrittenSpan);
        into.WriteByte((byte)'\n');
    }

    private static void WriteChange(Utf8JsonWriter json, PlannedChange change)
    {
        json.WriteStartObject();
        json.WriteString("type", change.Type);
        json.WriteString("service", change.Service);
        json.WriteString("detail", change.Detail);
        json.WriteString("at", DateTimeOffset.UnixEpoch.AddTicks(change.At / 100).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        json.WriteStartObject("attributes");
        foreach (var (name, value) in change.Attributes)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}

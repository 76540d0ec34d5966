-- Traces that outlive the hot window, by which rule and until when; of several rows of a trace the latest date counts. Decided once, when a day leaves the window.
CREATE TABLE IF NOT EXISTS kept_traces
(
  project LowCardinality(String),
  trace_id FixedString(16),
  rule LowCardinality(String),
  keep_until Date,
  decided_date Date
)
ENGINE = ReplacingMergeTree(keep_until)
ORDER BY (project, trace_id);

-- Received days that have been gone through, and the day on which some trace in what is left of them is due.
CREATE TABLE IF NOT EXISTS retention_days
(
  day Date,
  next_look Date,
  looked_unix_millis Int64
)
ENGINE = ReplacingMergeTree(looked_unix_millis)
ORDER BY day;

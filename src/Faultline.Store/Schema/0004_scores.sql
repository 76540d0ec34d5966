-- Evaluation results. They arrive after the span they judge and are joined when read. A NaN value: only a label was sent.
CREATE TABLE IF NOT EXISTS scores
(
  project LowCardinality(String),
  environment LowCardinality(String),
  received_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  received_date Date,
  request_hash FixedString(16) CODEC(ZSTD(1)),
  service_name LowCardinality(String),
  trace_id FixedString(16) CODEC(ZSTD(1)),
  span_id FixedString(8) CODEC(ZSTD(1)),
  response_id String,
  name LowCardinality(String),
  value Float64,
  label LowCardinality(String),
  explanation String CODEC(ZSTD(3)),
  evaluator LowCardinality(String),
  unix_nanos Int64 CODEC(Delta, ZSTD(1)),

  INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_response response_id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_time unix_nanos TYPE minmax GRANULARITY 1,
  INDEX by_received received_unix_nanos TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY received_date
ORDER BY (project, service_name, name, unix_nanos)
SETTINGS ttl_only_drop_parts = 1;

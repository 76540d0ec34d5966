-- Log records. time_unix_nanos is the event's time, or when it was observed where no time was sent.
CREATE TABLE IF NOT EXISTS logs
(
  project LowCardinality(String),
  environment LowCardinality(String),
  release LowCardinality(String),
  session String,
  user String,
  received_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  received_date Date,
  request_hash FixedString(16) CODEC(ZSTD(1)),

  time_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  observed_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  severity_number Int32,
  severity_text LowCardinality(String),
  body String CODEC(ZSTD(3)),
  body_type LowCardinality(String),
  event_name LowCardinality(String),
  flags UInt32,
  trace_id FixedString(16) CODEC(ZSTD(1)),
  span_id FixedString(8) CODEC(ZSTD(1)),
  attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  attribute_types LowCardinality(String),
  dropped_attributes UInt32,

  service_name LowCardinality(String),
  resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  resource_attribute_types LowCardinality(String),
  resource_dropped_attributes UInt32,
  resource_schema_url LowCardinality(String),
  scope_name LowCardinality(String),
  scope_version LowCardinality(String),
  scope_attributes Map(LowCardinality(String), String),
  scope_attribute_types LowCardinality(String),
  scope_dropped_attributes UInt32,
  scope_schema_url LowCardinality(String),

  INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_time time_unix_nanos TYPE minmax GRANULARITY 1,
  INDEX by_received received_unix_nanos TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY received_date
ORDER BY (project, service_name, intDiv(time_unix_nanos, 600000000000), time_unix_nanos)
-- Compact parts up to 128 MB: a fresh part is then a few files, not some hundred, which is most of an insert's fixed cost.
SETTINGS ttl_only_drop_parts = 1, min_bytes_for_wide_part = 134217728;

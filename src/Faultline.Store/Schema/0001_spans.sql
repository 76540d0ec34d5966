-- One wide, immutable row a span. Partitioned by the day received, so that one request is one partition and one atomic insert;
-- the sort key leads by service and ten minutes of the span's own time, then keeps a trace together.
-- Only columns with weight have a codec: with one on each of some hundred streams an insert of few rows took twice as long.
-- Every map has a String beside it with one letter an entry: the OTLP type of the value (AttributeType).
CREATE TABLE IF NOT EXISTS spans
(
  project LowCardinality(String),
  environment LowCardinality(String),
  release LowCardinality(String),
  session String,
  user String,
  received_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  received_date Date,
  request_hash FixedString(16) CODEC(ZSTD(1)),

  trace_id FixedString(16) CODEC(ZSTD(1)),
  span_id FixedString(8) CODEC(ZSTD(1)),
  parent_span_id FixedString(8) CODEC(ZSTD(1)),
  trace_state String,
  flags UInt32,
  name LowCardinality(String),
  kind UInt8,
  start_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  end_unix_nanos Int64 CODEC(Delta, ZSTD(1)),
  duration_nanos Int64 MATERIALIZED end_unix_nanos - start_unix_nanos,
  status UInt8,
  status_message String CODEC(ZSTD(1)),
  dropped_attributes UInt32,
  dropped_events UInt32,
  dropped_links UInt32,

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

  attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  attribute_types LowCardinality(String),

  -- Prompts, outputs, documents, anything long: no list reads these.
  bodies Map(LowCardinality(String), String) CODEC(ZSTD(3)),
  body_types LowCardinality(String),

  event_unix_nanos Array(Int64),
  event_names Array(LowCardinality(String)),
  event_attributes Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
  event_attribute_types Array(String),
  event_dropped_attributes Array(UInt32),

  link_trace_ids Array(FixedString(16)),
  link_span_ids Array(FixedString(8)),
  link_trace_states Array(String),
  link_flags Array(UInt32),
  link_attributes Array(Map(LowCardinality(String), String)),
  link_attribute_types Array(String),
  link_dropped_attributes Array(UInt32),

  -- The canonical GenAI vocabulary. Empty or NULL: not sent.
  genai_operation LowCardinality(String),
  genai_provider LowCardinality(String),
  genai_model_requested LowCardinality(String),
  genai_model_responded LowCardinality(String),
  genai_response_id String,
  genai_finish_reasons LowCardinality(String),
  genai_input_tokens Nullable(Int64),
  genai_output_tokens Nullable(Int64),
  genai_cache_read_tokens Nullable(Int64),
  genai_cache_write_tokens Nullable(Int64),
  genai_reasoning_tokens Nullable(Int64),
  genai_usage_basis LowCardinality(String),
  genai_counted UInt8,
  genai_first_chunk_nanos Nullable(Int64),
  genai_agent LowCardinality(String),
  genai_tool LowCardinality(String),
  genai_tool_arguments_hash String,
  genai_data_source LowCardinality(String),
  genai_prompt_name LowCardinality(String),
  genai_prompt_version LowCardinality(String),
  genai_document_count Nullable(Int64),
  genai_document_top_score Nullable(Float64),
  genai_document_mean_score Nullable(Float64),
  genai_input_preview String CODEC(ZSTD(1)),
  genai_output_preview String CODEC(ZSTD(1)),
  genai_source LowCardinality(String),

  INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_start start_unix_nanos TYPE minmax GRANULARITY 1,
  INDEX by_received received_unix_nanos TYPE minmax GRANULARITY 1,
  INDEX by_session session TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_user user TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_attribute_key mapKeys(attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_attribute_value mapValues(attributes) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY received_date
ORDER BY (project, service_name, intDiv(start_unix_nanos, 600000000000), trace_id)
-- Compact parts up to 128 MB: a fresh part is then a few files, not some hundred, which is most of an insert's fixed cost.
SETTINGS ttl_only_drop_parts = 1, min_bytes_for_wide_part = 134217728;

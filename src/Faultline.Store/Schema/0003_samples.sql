-- Prometheus series and samples. A series is written once a day that it is seen; readers take one row a series by GROUP BY.
CREATE TABLE IF NOT EXISTS metric_series
(
  project LowCardinality(String),
  metric LowCardinality(String),
  series_id UInt128 CODEC(ZSTD(1)),
  labels Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  received_date Date CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(received_date)
PARTITION BY toStartOfMonth(received_date)
ORDER BY (project, metric, series_id);

-- Of several samples of a series at one time the one with the highest version counts: the last one written. So a request
-- that is written twice changes nothing, and no request hash (16 bytes that do not compress) is kept here.
CREATE TABLE IF NOT EXISTS metric_samples
(
  project LowCardinality(String),
  series_id UInt128 CODEC(ZSTD(1)),
  unix_millis Int64 CODEC(DoubleDelta, ZSTD(1)),
  value Float64 CODEC(Gorilla, ZSTD(1)),
  version Int64 CODEC(DoubleDelta, ZSTD(1)),
  received_date Date CODEC(Delta, ZSTD(1)),

  INDEX by_time unix_millis TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY received_date
ORDER BY (project, series_id, unix_millis)
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS metric_metadata
(
  project LowCardinality(String),
  metric LowCardinality(String),
  type LowCardinality(String),
  unit LowCardinality(String),
  help String CODEC(ZSTD(1)),
  version Int64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, metric);

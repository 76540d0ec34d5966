-- Topics of what services are asked and answer, one row a side of a service; the row written last counts. `summary` is JSON for readers, `state` is
-- what a restart of topic watching goes on from. Derived from spans: losing a row costs what was learnt, nothing else.
CREATE TABLE IF NOT EXISTS topics
(
  project LowCardinality(String),
  service LowCardinality(String),
  environment LowCardinality(String),
  side LowCardinality(String),
  newest_unix_millis Int64,
  summary String CODEC(ZSTD(3)),
  state String CODEC(ZSTD(3)),
  written_unix_millis Int64
)
ENGINE = ReplacingMergeTree(written_unix_millis)
ORDER BY (project, service, environment, side);

-- Failure signatures of resolved cases as vectors, derived from the ledger. Vectors have 64 entries, the unused ones 0; the row written
-- last counts. The index is a hierarchical navigable small world graph (Malkov and Yashunin 2018) over the cosine distance.
CREATE TABLE IF NOT EXISTS failure_signatures
(
  project LowCardinality(String),
  case_id String,
  service LowCardinality(String),
  failure_class LowCardinality(String),
  cause LowCardinality(String),
  target String,
  resolved_unix_millis Int64,
  digest String,
  signature Array(Float32),
  written_unix_millis Int64,

  INDEX by_signature signature TYPE vector_similarity('hnsw', 'cosineDistance', 64) GRANULARITY 100000000
)
ENGINE = ReplacingMergeTree(written_unix_millis)
ORDER BY (project, case_id);

-- What deletions are about, for the time that its late arrivals are still deleted: ids of traces, hashes of rows that belong to no trace, ids of series.
-- No text of anybody: a mutation's file names only the batch, and looks the rest up here.
CREATE TABLE IF NOT EXISTS deletion_targets
(
  asked_date Date,
  batch String,
  deletion String,
  project LowCardinality(String),
  kind LowCardinality(String),
  id FixedString(16)
)
ENGINE = MergeTree
PARTITION BY asked_date
ORDER BY (batch, kind, project, id);

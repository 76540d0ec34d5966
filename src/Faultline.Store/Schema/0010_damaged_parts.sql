-- A part that a full disk left damaged is laid aside when its table is opened, and what it was merged from taken up again. Many or large ones must not keep the table from being opened.
ALTER TABLE schema_migrations MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE spans MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE logs MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE metric_series MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE metric_samples MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE metric_metadata MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE scores MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE failure_signatures MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE topics MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE deletion_targets MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE kept_traces MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;
ALTER TABLE retention_days MODIFY SETTING max_suspicious_broken_parts = 100000, max_suspicious_broken_parts_bytes = 1000000000000000;

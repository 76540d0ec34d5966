-- Merges were the dearest part of sustained ingest: a row was merged three times, and from 128 MB on into wide parts, at about twice the price of compact ones.
-- Now more parts are merged at a time, so a row is merged less often, and parts stay compact up to 1 GB. Where few rows come, parts age and are merged as before.
-- The index over attribute keys is not built any more: a service's spans have mostly the same keys, so it left out little of what the index over values does not.
ALTER TABLE spans MODIFY SETTING min_bytes_for_wide_part = 1073741824, merge_selector_base = 15, exclude_materialize_skip_indexes_on_merge = 'by_attribute_key';
ALTER TABLE logs MODIFY SETTING min_bytes_for_wide_part = 1073741824, merge_selector_base = 15;

-- How many events there are of each type, category and severity, kept beside each part: the statistics
-- of a trail that grows for ever read some rows a part instead of all of them.
ALTER TABLE neurorail_audit MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE neurorail_audit ADD PROJECTION IF NOT EXISTS counts
(
    SELECT tenant, event_type, event_category, severity, count()
    GROUP BY tenant, event_type, event_category, severity
);

ALTER TABLE neurorail_audit MATERIALIZE PROJECTION IF EXISTS counts;

-- What is written with every request costs less to write: nothing reads column statistics, a merge of
-- ten parts writes each row half as often as merges of five, and new parts, which are soon merged, have
-- a few files rather than three for every column.
ALTER TABLE otel_traces MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_traces_trace_id_ts MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_traces_mission_ts MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_logs MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_metrics_gauge MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_metrics_sum MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_metrics_summary MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_metrics_histogram MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE otel_metrics_exp_histogram MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_audit MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_state_transitions MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_metrics_snapshots MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_usage MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_entities MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_callers MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE neurorail_records MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;
ALTER TABLE governor_decisions MODIFY SETTING auto_statistics_types = '', merge_selector_base = 10, min_level_for_wide_part = 1;

-- An event's data is read once for all columns that come from it.
ALTER TABLE neurorail_usage_mv MODIFY QUERY
SELECT
    tenant,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    if(moved, ifNull(if(sign < 0, said.from_ids, said.to_ids)[1], ''), mission_id) AS mission_id,
    if(moved, ifNull(if(sign < 0, said.from_ids, said.to_ids)[3], ''), job_id) AS job_id,
    if(moved, ifNull(if(sign < 0, said.from_ids, said.to_ids)[4], ''), attempt_id) AS attempt_id,
    said.operation AS operation,
    said.provider AS provider,
    said.model AS model,
    said.agent AS agent,
    said.service AS service,
    said.tool AS tool,
    sign AS calls,
    if(moved OR said.priced, 0, 1) AS unpriced,
    sign * said.input_tokens AS input_tokens,
    sign * said.output_tokens AS output_tokens,
    sign * said.cost_usd_pico AS cost_usd_pico,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    node, epoch, seq, `index`
FROM
(
    SELECT
        tenant, event_time_unix_nano, timestamp_unix_nano, mission_id, job_id, attempt_id, node, epoch, seq, `index`,
        event_type = 'usage_moved' AS moved,
        JSONExtract(data, 'Tuple(from_ids Array(Nullable(String)), to_ids Array(Nullable(String)),
            operation String, provider String, model String, agent String, service String, tool String,
            priced Bool, input_tokens Int64, output_tokens Int64, cost_usd_pico Int64)') AS said
    FROM neurorail_events_in
    WHERE event_type IN ('cost_tracked', 'usage_moved')
)
ARRAY JOIN if(moved, if(length(said.to_ids) > 0, [-1, 1], [-1]), [1]) AS sign;

ALTER TABLE neurorail_entities_mv MODIFY QUERY
WITH JSONExtract(data, 'Tuple(created_at_unix_nano Int64, state String, started_at_unix_nano Int64,
    completed_at_unix_nano Int64, duration_ms Nullable(Int64), kind String, agent String, service String,
    model String, tags Map(LowCardinality(String), String), error_code String, input_tokens UInt64,
    output_tokens UInt64, cost_usd_pico Int64, tool_calls UInt64, attempt_count UInt64,
    retry_count UInt64)') AS said
SELECT
    tenant, entity_type,
    fromUnixTimestamp64Nano(said.created_at_unix_nano) AS created,
    entity_id,
    said.state AS state,
    fromUnixTimestamp64Nano(said.started_at_unix_nano) AS started,
    fromUnixTimestamp64Nano(said.completed_at_unix_nano) AS ended,
    said.duration_ms AS duration_ms,
    said.kind AS kind,
    said.agent AS agent,
    said.service AS service,
    said.model AS model,
    said.tags AS tags,
    said.error_code AS error_code,
    said.input_tokens AS input_tokens,
    said.output_tokens AS output_tokens,
    said.cost_usd_pico AS cost_usd_pico,
    said.tool_calls AS tool_calls,
    said.attempt_count AS attempt_count,
    said.retry_count AS retry_count,
    mission_id, plan_id, job_id,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE event_type = 'metrics_recorded';

-- One event as the outbox holds it, a JSON array a line, in the order of these columns; nothing is stored here. `data` is read as
-- the text it is, byte for byte, because `details_hash` covers exactly those bytes.
CREATE TABLE IF NOT EXISTS neurorail_events_in
(
    node String,
    epoch UInt32,
    seq UInt64,
    `index` UInt32,
    tenant String,
    timestamp_unix_nano UInt64,
    event_time_unix_nano UInt64,
    channel String,
    event_type String,
    event_category String,
    severity String,
    message String,
    mission_id String,
    plan_id String,
    job_id String,
    attempt_id String,
    resource_id String,
    entity_type String,
    entity_id String,
    principal String,
    details_hash String,
    prev_hash String,
    hash String,
    data String,
    -- True when only the derived tables lack the event: the audit is never written twice.
    audited Bool DEFAULT false
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_audit_mv TO neurorail_audit AS
SELECT
    tenant,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    node, epoch, seq, `index`,
    event_time_unix_nano,
    channel, event_type, event_category, severity, message,
    mission_id, plan_id, job_id, attempt_id, resource_id, entity_type, entity_id, principal,
    if(event_type = 'audit_logged', JSONExtractString(data, 'caused_by_agent'), '') AS caused_by_agent,
    if(event_type = 'audit_logged', JSONExtractString(data, 'caused_by_event'), '') AS caused_by_event,
    data AS details,
    toFixedString(unhex(details_hash), 32) AS details_hash,
    toFixedString(unhex(prev_hash), 32) AS prev_hash,
    toFixedString(unhex(hash), 32) AS hash
FROM neurorail_events_in
WHERE NOT audited;

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_state_transitions_mv TO neurorail_state_transitions AS
SELECT
    tenant,
    JSONExtractString(data, 'transition_id') AS transition_id,
    entity_type, entity_id,
    JSONExtractString(data, 'from_state') AS from_state,
    JSONExtractString(data, 'to_state') AS to_state,
    JSONExtractString(data, 'transition') AS transition,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    JSONExtractBool(data, 'inferred') AS inferred,
    JSONExtractBool(data, 'gap') AS gap,
    JSONExtractString(data, 'reason') AS reason,
    JSONExtractString(data, 'error_code') AS error_code,
    mission_id, plan_id, job_id, attempt_id, resource_id, principal,
    JSONExtractRaw(data, 'metadata') AS metadata,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE event_type = 'state_changed';

CREATE MATERIALIZED VIEW IF NOT EXISTS governor_decisions_mv TO governor_decisions AS
SELECT
    tenant,
    if(JSONHas(data, 'decision_id'), JSONExtractString(data, 'decision_id'),
        concat(node, '.', toString(epoch), '.', toString(seq), '.', toString(`index`))) AS decision_id,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    event_type AS decision_type,
    JSONExtractString(data, 'mode') AS mode,
    JSONExtractBool(data, 'allowed') AS allowed,
    JSONExtractString(data, 'code') AS code,
    JSONExtractString(data, 'reason') AS reason,
    JSONExtractString(data, 'job_type') AS job_type,
    JSONExtractString(data, 'recovery_strategy') AS recovery_strategy,
    JSONExtractString(data, 'manifest_version') AS manifest_version,
    JSONExtractString(data, 'reservation_id') AS reservation_id,
    mission_id, plan_id, job_id, attempt_id, resource_id, principal,
    data AS details,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE channel = 'governor' AND event_type != 'manifest_activated';

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_metrics_snapshots_mv TO neurorail_metrics_snapshots AS
SELECT
    tenant,
    concat(node, '.', toString(epoch), '.', toString(seq), '.', toString(`index`)) AS snapshot_id,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    entity_type, entity_id,
    JSONExtract(data, 'duration_ms', 'Nullable(Float64)') AS duration_ms,
    JSONExtractUInt(data, 'input_tokens') AS input_tokens,
    JSONExtractUInt(data, 'output_tokens') AS output_tokens,
    toDecimal128(JSONExtractInt(data, 'cost_usd_pico'), 12) / toDecimal128(1000000000000, 0)
        AS cost_usd,
    JSONExtractUInt(data, 'unpriced_calls') AS unpriced_calls,
    JSONExtractUInt(data, 'tool_calls') AS tool_calls,
    JSONExtractUInt(data, 'attempt_count') AS attempt_count,
    JSONExtractUInt(data, 'retry_count') AS retry_count,
    JSONExtract(data, 'tt_first_signal_ms', 'Nullable(Float64)') AS tt_first_signal_ms,
    JSONExtract(data, 'success', 'Nullable(Bool)') AS success,
    JSONExtractString(data, 'error_code') AS error_code,
    mission_id, plan_id, job_id, attempt_id, resource_id,
    data AS metrics,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE event_type IN ('metrics_recorded', 'snapshot_created');

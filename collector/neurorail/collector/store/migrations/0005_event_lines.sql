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
    -- Reading an empty text costs nothing; reading the whole of every event for two rare fields would.
    JSONExtractString(if(event_type = 'audit_logged', data, ''), 'caused_by_agent') AS caused_by_agent,
    JSONExtractString(if(event_type = 'audit_logged', data, ''), 'caused_by_event') AS caused_by_event,
    data AS details,
    toFixedString(unhex(details_hash), 32) AS details_hash,
    toFixedString(unhex(prev_hash), 32) AS prev_hash,
    toFixedString(unhex(hash), 32) AS hash
FROM neurorail_events_in
WHERE NOT audited;

-- Each of the following reads `data` once, into a tuple.
CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_state_transitions_mv TO neurorail_state_transitions AS
WITH JSONExtract(data, 'Tuple(transition_id String, from_state String, to_state String, transition String,
    inferred Bool, gap Bool, reason String, error_code String)') AS said
SELECT
    tenant,
    said.transition_id AS transition_id,
    entity_type, entity_id,
    said.from_state AS from_state,
    said.to_state AS to_state,
    said.transition AS transition,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    said.inferred AS inferred,
    said.gap AS gap,
    said.reason AS reason,
    said.error_code AS error_code,
    mission_id, plan_id, job_id, attempt_id, resource_id, principal,
    JSONExtractRaw(if(position(data, '"metadata"') > 0, data, ''), 'metadata') AS metadata,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE event_type = 'state_changed';

CREATE MATERIALIZED VIEW IF NOT EXISTS governor_decisions_mv TO governor_decisions AS
WITH JSONExtract(data, 'Tuple(decision_id String, mode String, allowed Bool, code String, reason String,
    job_type String, recovery_strategy String, manifest_version String, reservation_id String)') AS said
SELECT
    tenant,
    if(said.decision_id != '', said.decision_id,
        concat(node, '.', toString(epoch), '.', toString(seq), '.', toString(`index`))) AS decision_id,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    event_type AS decision_type,
    said.mode AS mode,
    said.allowed AS allowed,
    said.code AS code,
    said.reason AS reason,
    said.job_type AS job_type,
    said.recovery_strategy AS recovery_strategy,
    said.manifest_version AS manifest_version,
    said.reservation_id AS reservation_id,
    mission_id, plan_id, job_id, attempt_id, resource_id, principal,
    data AS details,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE channel = 'governor' AND NOT startsWith(event_type, 'manifest_');

CREATE MATERIALIZED VIEW IF NOT EXISTS governor_manifests_mv TO governor_manifests AS
SELECT
    tenant,
    JSONExtractString(data, 'version') AS version,
    transform(event_type,
        ['manifest_created', 'manifest_shadowed', 'manifest_activated', 'manifest_retired'],
        ['draft', 'shadow', 'active', 'retired'], '') AS status,
    JSONExtractString(data, 'sha256') AS sha256,
    JSONExtractString(data, 'manifest') AS manifest,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    principal AS changed_by,
    JSONExtractString(data, 'reason') AS change_reason,
    JSONExtractString(data, 'previous_version') AS prev_version,
    JSONExtractString(data, 'previous_sha256') AS previous_sha256,
    JSONExtractString(data, 'chain_sha256') AS chain_sha256,
    JSONExtractString(data, 'source') AS source,
    JSONExtractRaw(data, 'compared') AS report,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE startsWith(event_type, 'manifest_') AND event_type != 'manifest_refused';

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_metrics_snapshots_mv TO neurorail_metrics_snapshots AS
WITH JSONExtract(data, 'Tuple(duration_ms Nullable(Float64), input_tokens UInt64, output_tokens UInt64,
    cost_usd_pico Int64, unpriced_calls UInt64, tool_calls UInt64, attempt_count UInt64, retry_count UInt64,
    tt_first_signal_ms Nullable(Float64), success Nullable(Bool), error_code String)') AS said
SELECT
    tenant,
    concat(node, '.', toString(epoch), '.', toString(seq), '.', toString(`index`)) AS snapshot_id,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    entity_type, entity_id,
    said.duration_ms AS duration_ms,
    said.input_tokens AS input_tokens,
    said.output_tokens AS output_tokens,
    toDecimal128(said.cost_usd_pico, 12) / toDecimal128(1000000000000, 0) AS cost_usd,
    said.unpriced_calls AS unpriced_calls,
    said.tool_calls AS tool_calls,
    said.attempt_count AS attempt_count,
    said.retry_count AS retry_count,
    said.tt_first_signal_ms AS tt_first_signal_ms,
    said.success AS success,
    said.error_code AS error_code,
    mission_id, plan_id, job_id, attempt_id, resource_id,
    data AS metrics,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE event_type IN ('metrics_recorded', 'snapshot_created');

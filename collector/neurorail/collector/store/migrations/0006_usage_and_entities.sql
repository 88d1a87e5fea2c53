-- What each call consumed, and what of it was moved or taken back later (two rows: away and toward,
-- or one away). The sum over any group is what the group consumed.
CREATE TABLE IF NOT EXISTS neurorail_usage
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    event_time DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1)),
    operation LowCardinality(String) CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    calls Int8 CODEC(ZSTD(1)),
    unpriced Int8 CODEC(ZSTD(1)),
    input_tokens Int64 CODEC(ZSTD(1)),
    output_tokens Int64 CODEC(ZSTD(1)),
    cost_usd_pico Int64 CODEC(ZSTD(1)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1)),
    INDEX idx_mission_id mission_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (tenant, event_time, mission_id)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_usage_mv TO neurorail_usage AS
WITH
    JSONExtract(data, 'from_ids', 'Array(Nullable(String))') AS from_ids,
    JSONExtract(data, 'to_ids', 'Array(Nullable(String))') AS to_ids,
    event_type = 'usage_moved' AS moved
SELECT
    tenant,
    fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))) AS event_time,
    if(moved, ifNull(if(sign < 0, from_ids, to_ids)[1], ''), mission_id) AS mission_id,
    if(moved, ifNull(if(sign < 0, from_ids, to_ids)[3], ''), job_id) AS job_id,
    if(moved, ifNull(if(sign < 0, from_ids, to_ids)[4], ''), attempt_id) AS attempt_id,
    JSONExtractString(data, 'operation') AS operation,
    JSONExtractString(data, 'provider') AS provider,
    JSONExtractString(data, 'model') AS model,
    JSONExtractString(data, 'agent') AS agent,
    JSONExtractString(data, 'service') AS service,
    JSONExtractString(data, 'tool') AS tool,
    sign AS calls,
    if(moved OR JSONExtractBool(data, 'priced'), 0, 1) AS unpriced,
    sign * JSONExtractInt(data, 'input_tokens') AS input_tokens,
    sign * JSONExtractInt(data, 'output_tokens') AS output_tokens,
    sign * JSONExtractInt(data, 'cost_usd_pico') AS cost_usd_pico,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    node, epoch, seq, `index`
FROM neurorail_events_in
ARRAY JOIN if(event_type = 'usage_moved',
    if(length(JSONExtract(data, 'to_ids', 'Array(Nullable(String))')) > 0, [-1, 1], [-1]), [1]) AS sign
WHERE event_type IN ('cost_tracked', 'usage_moved');

-- Missions, plans, jobs and attempts that have ended, in the order in which they were created.
CREATE TABLE IF NOT EXISTS neurorail_entities
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    entity_type LowCardinality(String) CODEC(ZSTD(1)),
    created DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    entity_id String CODEC(ZSTD(1)),
    state LowCardinality(String) CODEC(ZSTD(1)),
    started DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    ended DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    duration_ms Nullable(Int64) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    tags Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    error_code LowCardinality(String) CODEC(ZSTD(1)),
    input_tokens UInt64 CODEC(ZSTD(1)),
    output_tokens UInt64 CODEC(ZSTD(1)),
    cost_usd_pico Int64 CODEC(ZSTD(1)),
    tool_calls UInt64 CODEC(ZSTD(1)),
    attempt_count UInt64 CODEC(ZSTD(1)),
    retry_count UInt64 CODEC(ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    plan_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1)),
    INDEX idx_mission_id mission_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_entity_id entity_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_tag_values mapValues(tags) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_state state TYPE set(8) GRANULARITY 1,
    INDEX idx_cost cost_usd_pico TYPE minmax GRANULARITY 1,
    INDEX idx_duration duration_ms TYPE minmax GRANULARITY 1,
    INDEX idx_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (tenant, entity_type, created, entity_id)
SETTINGS index_granularity = 2048, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_entities_mv TO neurorail_entities AS
SELECT
    tenant, entity_type,
    fromUnixTimestamp64Nano(least(JSONExtractInt(data, 'created_at_unix_nano'), 9223372036854775807)) AS created,
    entity_id,
    JSONExtractString(data, 'state') AS state,
    fromUnixTimestamp64Nano(JSONExtractInt(data, 'started_at_unix_nano')) AS started,
    fromUnixTimestamp64Nano(JSONExtractInt(data, 'completed_at_unix_nano')) AS ended,
    JSONExtract(data, 'duration_ms', 'Nullable(Int64)') AS duration_ms,
    JSONExtractString(data, 'kind') AS kind,
    JSONExtractString(data, 'agent') AS agent,
    JSONExtractString(data, 'service') AS service,
    JSONExtractString(data, 'model') AS model,
    JSONExtract(data, 'tags', 'Map(LowCardinality(String), String)') AS tags,
    JSONExtractString(data, 'error_code') AS error_code,
    JSONExtractUInt(data, 'input_tokens') AS input_tokens,
    JSONExtractUInt(data, 'output_tokens') AS output_tokens,
    JSONExtractInt(data, 'cost_usd_pico') AS cost_usd_pico,
    JSONExtractUInt(data, 'tool_calls') AS tool_calls,
    JSONExtractUInt(data, 'attempt_count') AS attempt_count,
    JSONExtractUInt(data, 'retry_count') AS retry_count,
    mission_id, plan_id, job_id,
    fromUnixTimestamp64Nano(toInt64(least(timestamp_unix_nano, 9223372036854775807))) AS timestamp,
    node, epoch, seq, `index`
FROM neurorail_events_in
WHERE event_type = 'metrics_recorded';

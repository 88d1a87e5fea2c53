-- The traces that name a mission, and when its spans in each began: its spans are found by trace and
-- time, in few granules, however many spans there are.
CREATE TABLE IF NOT EXISTS otel_traces_mission_ts
(
    MissionId String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime) CODEC(Delta(4), ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime) CODEC(Delta(4), ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default',
    ReceivedAt SimpleAggregateFunction(max, DateTime64(9)) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (MissionId, Tenant, TraceId)
SETTINGS index_granularity = 256, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_mission_ts_mv TO otel_traces_mission_ts AS
WITH (t -> toDateTime(least(toUnixTimestamp64Second(t), 4294967295))) AS second_of
SELECT
    SpanAttributes['neurorail.mission.id'] AS MissionId,
    TraceId,
    second_of(min(Timestamp)) AS Start,
    second_of(max(Timestamp)) AS End,
    Tenant,
    max(otel_traces.ReceivedAt) AS ReceivedAt
FROM otel_traces
WHERE SpanAttributes['neurorail.mission.id'] != ''
GROUP BY MissionId, Tenant, TraceId, toDate(otel_traces.ReceivedAt);

-- What was stored before; twice it is the same.
INSERT INTO otel_traces_mission_ts
WITH (t -> toDateTime(least(toUnixTimestamp64Second(t), 4294967295))) AS second_of
SELECT
    SpanAttributes['neurorail.mission.id'] AS MissionId,
    TraceId,
    second_of(min(Timestamp)) AS Start,
    second_of(max(Timestamp)) AS End,
    Tenant,
    max(otel_traces.ReceivedAt) AS ReceivedAt
FROM otel_traces
WHERE SpanAttributes['neurorail.mission.id'] != ''
GROUP BY MissionId, Tenant, TraceId, toDate(otel_traces.ReceivedAt)
SETTINGS max_partitions_per_insert_block = 0;

-- Which missions, jobs and attempts made calls of an agent or a model: for lists that ask for them.
CREATE TABLE IF NOT EXISTS neurorail_callers
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, agent, model, mission_id, job_id, attempt_id)
SETTINGS index_granularity = 2048, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS neurorail_callers_mv TO neurorail_callers AS
SELECT DISTINCT tenant, agent, model, mission_id, job_id, attempt_id
FROM neurorail_usage
WHERE agent != '' OR model != '';

INSERT INTO neurorail_callers
SELECT DISTINCT tenant, agent, model, mission_id, job_id, attempt_id
FROM neurorail_usage
WHERE agent != '' OR model != '';

-- Sequence numbers count within a node: without this, those of others lie in between.
ALTER TABLE neurorail_audit ADD INDEX IF NOT EXISTS idx_node node TYPE set(8) GRANULARITY 1;

-- Every event the engine made, for ever. Rows come in the order of their chain and are kept in it:
-- within a node, `timestamp` (when the record was received) only grows, so one order serves the
-- newest first, the chain's own order, and a mission (its events lie together; the filter finds them).
CREATE TABLE IF NOT EXISTS neurorail_audit
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    audit_id String ALIAS concat(node, '.', toString(epoch), '.', toString(seq), '.', toString(`index`)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    event_time DateTime64(9) ALIAS
        fromUnixTimestamp64Nano(toInt64(least(event_time_unix_nano, 9223372036854775807))),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1)),
    event_time_unix_nano UInt64 CODEC(Delta(8), ZSTD(1)),
    channel LowCardinality(String) CODEC(ZSTD(1)),
    event_type LowCardinality(String) CODEC(ZSTD(1)),
    event_category LowCardinality(String) CODEC(ZSTD(1)),
    severity LowCardinality(String) CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    plan_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1)),
    resource_id String CODEC(ZSTD(1)),
    entity_type LowCardinality(String) CODEC(ZSTD(1)),
    entity_id String CODEC(ZSTD(1)),
    principal LowCardinality(String) CODEC(ZSTD(1)),
    caused_by_agent String CODEC(ZSTD(1)),
    caused_by_event String CODEC(ZSTD(1)),
    details String CODEC(ZSTD(1)),
    details_hash FixedString(32) CODEC(NONE),
    prev_hash FixedString(32) CODEC(NONE),
    hash FixedString(32) CODEC(NONE),
    INDEX idx_seq seq TYPE minmax GRANULARITY 1,
    INDEX idx_mission_id mission_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_entity_id entity_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_event_type event_type TYPE set(100) GRANULARITY 1,
    INDEX idx_severity severity TYPE set(8) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (tenant, timestamp, node, epoch, seq, `index`)
SETTINGS index_granularity = 4096, non_replicated_deduplication_window = 1000;

-- Transitions, ordered for the history of an entity and for the chain of a mission.
CREATE TABLE IF NOT EXISTS neurorail_state_transitions
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    transition_id String CODEC(ZSTD(1)),
    entity_type LowCardinality(String) CODEC(ZSTD(1)),
    entity_id String CODEC(ZSTD(1)),
    from_state LowCardinality(String) CODEC(ZSTD(1)),
    to_state LowCardinality(String) CODEC(ZSTD(1)),
    transition LowCardinality(String) CODEC(ZSTD(1)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    event_time DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    inferred Bool CODEC(ZSTD(1)),
    gap Bool CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    error_code LowCardinality(String) CODEC(ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    plan_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1)),
    resource_id String CODEC(ZSTD(1)),
    principal LowCardinality(String) CODEC(ZSTD(1)),
    metadata String CODEC(ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1)),
    INDEX idx_entity_id entity_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (tenant, mission_id, entity_id, epoch, seq, `index`)
SETTINGS index_granularity = 4096, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS governor_decisions
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    decision_id String CODEC(ZSTD(1)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    event_time DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    decision_type LowCardinality(String) CODEC(ZSTD(1)),
    mode LowCardinality(String) CODEC(ZSTD(1)),
    allowed Bool CODEC(ZSTD(1)),
    code LowCardinality(String) CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    job_type LowCardinality(String) CODEC(ZSTD(1)),
    recovery_strategy LowCardinality(String) CODEC(ZSTD(1)),
    manifest_version LowCardinality(String) CODEC(ZSTD(1)),
    reservation_id String CODEC(ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    plan_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1)),
    resource_id String CODEC(ZSTD(1)),
    principal LowCardinality(String) CODEC(ZSTD(1)),
    details String CODEC(ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1)),
    INDEX idx_mission_id mission_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_decision_id decision_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (tenant, timestamp, node, epoch, seq, `index`)
SETTINGS index_granularity = 4096, non_replicated_deduplication_window = 1000;

-- The totals of entities when they ended, and snapshots of the whole (entity_id empty).
CREATE TABLE IF NOT EXISTS neurorail_metrics_snapshots
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    snapshot_id String CODEC(ZSTD(1)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    event_time DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    entity_type LowCardinality(String) CODEC(ZSTD(1)),
    entity_id String CODEC(ZSTD(1)),
    duration_ms Nullable(Float64) CODEC(ZSTD(1)),
    input_tokens UInt64 CODEC(ZSTD(1)),
    output_tokens UInt64 CODEC(ZSTD(1)),
    cost_usd Decimal(38, 12) CODEC(ZSTD(1)),
    unpriced_calls UInt64 CODEC(ZSTD(1)),
    tool_calls UInt64 CODEC(ZSTD(1)),
    attempt_count UInt64 CODEC(ZSTD(1)),
    retry_count UInt64 CODEC(ZSTD(1)),
    tt_first_signal_ms Nullable(Float64) CODEC(ZSTD(1)),
    success Nullable(Bool) CODEC(ZSTD(1)),
    error_code LowCardinality(String) CODEC(ZSTD(1)),
    mission_id String CODEC(ZSTD(1)),
    plan_id String CODEC(ZSTD(1)),
    job_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1)),
    resource_id String CODEC(ZSTD(1)),
    metrics String CODEC(ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1)),
    INDEX idx_entity_id entity_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(timestamp)
ORDER BY (tenant, mission_id, entity_id, timestamp, epoch, seq, `index`)
SETTINGS index_granularity = 4096, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- One row for each change of a manifest; the newest row of a version is its state.
CREATE TABLE IF NOT EXISTS governor_manifests
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    version String CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    sha256 String CODEC(ZSTD(1)),
    manifest String CODEC(ZSTD(3)),
    timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    changed_by LowCardinality(String) CODEC(ZSTD(1)),
    change_reason String CODEC(ZSTD(1)),
    prev_version String CODEC(ZSTD(1)),
    previous_sha256 String CODEC(ZSTD(1)),
    chain_sha256 String CODEC(ZSTD(1)),
    source String CODEC(ZSTD(3)),
    report String CODEC(ZSTD(3)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    epoch UInt32 CODEC(Delta(4), ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    `index` UInt32 CODEC(Delta(4), ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (tenant, version, timestamp, node, epoch, seq, `index`)
SETTINGS non_replicated_deduplication_window = 1000;

-- The envelopes of all records, and what telemetry was normalised to: what replay reads.
CREATE TABLE IF NOT EXISTS neurorail_records
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    seq UInt64 CODEC(Delta(8), ZSTD(1)),
    kind UInt8 CODEC(ZSTD(1)),
    signal UInt8 CODEC(ZSTD(1)),
    encoding LowCardinality(String) CODEC(ZSTD(1)),
    principal LowCardinality(String) CODEC(ZSTD(1)),
    received DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    schema_version UInt16 CODEC(ZSTD(1)),
    items UInt32 CODEC(ZSTD(1)),
    observations String CODEC(ZSTD(3)),
    INDEX idx_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (tenant, node, seq)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000;

-- What ClickHouse refuses for good: kept as it came, so that it can be looked at and sent again.
CREATE TABLE IF NOT EXISTS neurorail_dead_letter
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    first_seq UInt64 CODEC(ZSTD(1)),
    last_seq UInt64 CODEC(ZSTD(1)),
    put_aside_at DateTime64(3) DEFAULT now64(3) CODEC(ZSTD(1)),
    error String CODEC(ZSTD(1)),
    body String CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(put_aside_at)
ORDER BY (tenant, node, source, first_seq)
SETTINGS non_replicated_deduplication_window = 1000;

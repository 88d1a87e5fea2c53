-- The engine's whole state after a record: where a replay of stored history can begin. One file,
-- compressed, in parts.
CREATE TABLE IF NOT EXISTS neurorail_engine_states
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    node LowCardinality(String) CODEC(ZSTD(1)),
    seq UInt64 CODEC(ZSTD(1)),
    part UInt32 CODEC(ZSTD(1)),
    parts UInt32 CODEC(ZSTD(1)),
    taken DateTime64(9) CODEC(ZSTD(1)),
    config String CODEC(ZSTD(1)),
    body String CODEC(NONE)
)
ENGINE = MergeTree
ORDER BY (tenant, node, seq, part)
SETTINGS index_granularity = 1, non_replicated_deduplication_window = 1000;

-- Made by scripts/generate_clickhouse.py from the migrations of NeuroRail; do not edit.
-- The tables of a ClickHouse server. Needed only where NeuroRail's own user may not make them.
--   clickhouse-client --multiquery < single.sql
CREATE DATABASE IF NOT EXISTS neurorail ENGINE = Atomic;
USE neurorail;

CREATE TABLE IF NOT EXISTS neurorail_migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (version, checksum);

-- Spans, in the columns of the OpenTelemetry Collector's ClickHouse exporter. The extra columns say
-- whose they are and which inbox record brought them. Partitioned by receive date, because the
-- event times of one request may spread over any number of days.
CREATE TABLE IF NOT EXISTS otel_traces
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested
    (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested
    (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, SpanName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- When a trace began and ended, so that a look-up by trace id reads few granules.
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime) CODEC(Delta(4), ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime) CODEC(Delta(4), ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default',
    ReceivedAt SimpleAggregateFunction(max, DateTime64(9)) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (TraceId, Tenant)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- DateTime ends in the year 2106; later times are shown as its last second.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
WITH (t -> toDateTime(least(toUnixTimestamp64Second(t), 4294967295))) AS second_of
SELECT
    TraceId,
    second_of(min(Timestamp)) AS Start,
    second_of(max(Timestamp)) AS End,
    Tenant,
    max(otel_traces.ReceivedAt) AS ReceivedAt
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId, Tenant, toDate(otel_traces.ReceivedAt);

-- What one OTLP request looks like; nothing is stored here.
CREATE TABLE IF NOT EXISTS otlp_traces_in
(
    seq UInt64,
    received_unix_nano UInt64,
    tenant String,
    node String,
    request Tuple(resource_spans Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(
            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
            array_value Tuple(values Array(Tuple(
                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                trace_id String,
                span_id String,
                trace_state String,
                parent_span_id String,
                name String,
                kind Int32,
                start_time_unix_nano UInt64,
                end_time_unix_nano UInt64,
                attributes Array(Tuple(key String, value Tuple(
                    string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                    value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                        'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                    array_value Tuple(values Array(Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                events Array(Tuple(
                    time_unix_nano UInt64,
                    name String,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))))),
                links Array(Tuple(
                    trace_id String,
                    span_id String,
                    trace_state String,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))))),
                status Tuple(message String, code Int32))))))))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_mv TO otel_traces AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    time_of(span.start_time_unix_nano) AS Timestamp,
    id_text(span.trace_id) AS TraceId,
    id_text(span.span_id) AS SpanId,
    id_text(span.parent_span_id) AS ParentSpanId,
    span.trace_state AS TraceState,
    span.name AS SpanName,
    transform(span.kind, [1, 2, 3, 4, 5],
        ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified') AS SpanKind,
    ServiceName,
    ResourceAttributes,
    ScopeName,
    ScopeVersion,
    attributes_map(span.attributes) AS SpanAttributes,
    if(span.end_time_unix_nano > span.start_time_unix_nano,
        span.end_time_unix_nano - span.start_time_unix_nano, 0) AS Duration,
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset') AS StatusCode,
    span.status.message AS StatusMessage,
    arrayMap(e -> time_of(e.time_unix_nano), span.events) AS `Events.Timestamp`,
    span.events.name AS `Events.Name`,
    arrayMap(e -> attributes_map(e.attributes), span.events) AS `Events.Attributes`,
    arrayMap(l -> id_text(l.trace_id), span.links) AS `Links.TraceId`,
    arrayMap(l -> id_text(l.span_id), span.links) AS `Links.SpanId`,
    span.links.trace_state AS `Links.TraceState`,
    arrayMap(l -> attributes_map(l.attributes), span.links) AS `Links.Attributes`,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        seq, received_unix_nano, tenant, node, ServiceName, ResourceAttributes,
        scope_span.scope.name AS ScopeName,
        scope_span.scope.version AS ScopeVersion,
        scope_span.spans AS spans
    FROM
    (
        SELECT
            seq, received_unix_nano, tenant, node,
            attributes_map(resource_span.resource.attributes) AS ResourceAttributes,
            ResourceAttributes['service.name'] AS ServiceName,
            resource_span.scope_spans AS scope_spans
        FROM otlp_traces_in
        ARRAY JOIN request.resource_spans AS resource_span
    )
    ARRAY JOIN scope_spans AS scope_span
)
ARRAY JOIN spans AS span;

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (1, 'traces', '1da8605007faf4c33138cc0acba2c17a88039e4ce480091045afd66f198f401f');

-- Log records, in the columns of the exporter's newest generation (event name, no TimestampTime).
CREATE TABLE IF NOT EXISTS otel_logs
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    TraceFlags UInt8,
    SeverityText LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    EventName String CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_event_name EventName TYPE set(100) GRANULARITY 1,
    INDEX idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otlp_logs_in
(
    seq UInt64,
    received_unix_nano UInt64,
    tenant String,
    node String,
    request Tuple(resource_logs Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(
            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
            array_value Tuple(values Array(Tuple(
                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))),
        schema_url String,
        scope_logs Array(Tuple(
            scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(
                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                array_value Tuple(values Array(Tuple(
                    string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                    value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                        'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))),
            schema_url String,
            log_records Array(Tuple(
                time_unix_nano UInt64,
                observed_time_unix_nano UInt64,
                severity_number Int32,
                severity_text String,
                body Tuple(
                    string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                    value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                        'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                    array_value Tuple(values Array(Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))),
                attributes Array(Tuple(key String, value Tuple(
                    string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                    value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                        'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                    array_value Tuple(values Array(Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                flags UInt32,
                trace_id String,
                span_id String,
                event_name String))))))
    )
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_logs_mv TO otel_logs AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    -- A record without its own time has the time at which it was observed.
    time_of(if(log.time_unix_nano = 0, log.observed_time_unix_nano, log.time_unix_nano)) AS Timestamp,
    id_text(log.trace_id) AS TraceId,
    id_text(log.span_id) AS SpanId,
    toUInt8(bitAnd(log.flags, 255)) AS TraceFlags,
    log.severity_text AS SeverityText,
    toUInt8(bitAnd(log.severity_number, 255)) AS SeverityNumber,
    ServiceName,
    value_text(log.body) AS Body,
    ResourceSchemaUrl,
    ResourceAttributes,
    ScopeSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    attributes_map(log.attributes) AS LogAttributes,
    log.event_name AS EventName,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        seq, received_unix_nano, tenant, node, ServiceName, ResourceAttributes, ResourceSchemaUrl,
        scope_log.schema_url AS ScopeSchemaUrl,
        scope_log.scope.name AS ScopeName,
        scope_log.scope.version AS ScopeVersion,
        attributes_map(scope_log.scope.attributes) AS ScopeAttributes,
        scope_log.log_records AS log_records
    FROM
    (
        SELECT
            seq, received_unix_nano, tenant, node,
            attributes_map(resource_log.resource.attributes) AS ResourceAttributes,
            ResourceAttributes['service.name'] AS ServiceName,
            resource_log.schema_url AS ResourceSchemaUrl,
            resource_log.scope_logs AS scope_logs
        FROM otlp_logs_in
        ARRAY JOIN request.resource_logs AS resource_log
    )
    ARRAY JOIN scope_logs AS scope_log
)
ARRAY JOIN log_records AS log;

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (2, 'logs', '1ea6b333bce612ffb8263ddc7dc666d73931b9bf8c22df69d9b42b406554e07e');

-- Metric data points, one table per kind, in the columns of the exporter.
CREATE TABLE IF NOT EXISTS otel_metrics_gauge
(
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl String CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName String CODEC(ZSTD(1)),
    MetricDescription String CODEC(ZSTD(1)),
    MetricUnit String CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Value Float64 CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, MetricName, cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otel_metrics_sum
(
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl String CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName String CODEC(ZSTD(1)),
    MetricDescription String CODEC(ZSTD(1)),
    MetricUnit String CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Value Float64 CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    IsMonotonic Bool CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, MetricName, cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otel_metrics_summary
(
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl String CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName String CODEC(ZSTD(1)),
    MetricDescription String CODEC(ZSTD(1)),
    MetricUnit String CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Count UInt64 CODEC(Delta(8), ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    ValueAtQuantiles Nested
    (
        Quantile Float64,
        Value Float64
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, MetricName, cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otel_metrics_histogram
(
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl String CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName String CODEC(ZSTD(1)),
    MetricDescription String CODEC(ZSTD(1)),
    MetricUnit String CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Count UInt64 CODEC(Delta(8), ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    BucketCounts Array(UInt64) CODEC(ZSTD(1)),
    ExplicitBounds Array(Float64) CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Min Float64 CODEC(ZSTD(1)),
    Max Float64 CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, MetricName, cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otel_metrics_exp_histogram
(
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl String CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName String CODEC(ZSTD(1)),
    MetricDescription String CODEC(ZSTD(1)),
    MetricUnit String CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Count UInt64 CODEC(Delta(8), ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    Scale Int32 CODEC(ZSTD(1)),
    ZeroCount UInt64 CODEC(ZSTD(1)),
    PositiveOffset Int32 CODEC(ZSTD(1)),
    PositiveBucketCounts Array(UInt64) CODEC(ZSTD(1)),
    NegativeOffset Int32 CODEC(ZSTD(1)),
    NegativeBucketCounts Array(UInt64) CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Min Float64 CODEC(ZSTD(1)),
    Max Float64 CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    Node LowCardinality(String) DEFAULT '' CODEC(ZSTD(1)),
    Seq UInt64 DEFAULT 0 CODEC(Delta(8), ZSTD(1)),
    ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_seq Seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(ReceivedAt)
ORDER BY (Tenant, ServiceName, MetricName, cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS otlp_metrics_in
(
    seq UInt64,
    received_unix_nano UInt64,
    tenant String,
    node String,
    request Tuple(resource_metrics Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(
            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
            array_value Tuple(values Array(Tuple(
                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))),
        schema_url String,
        scope_metrics Array(Tuple(
            scope Tuple(
                name String,
                version String,
                dropped_attributes_count UInt32,
                attributes Array(Tuple(key String, value Tuple(
                    string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                    value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                        'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                    array_value Tuple(values Array(Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))),
            schema_url String,
            metrics Array(Tuple(
                name String,
                description String,
                unit String,
                gauge Tuple(data_points Array(Tuple(
                    start_time_unix_nano UInt64,
                    time_unix_nano UInt64,
                    flags UInt32,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                    as_double Float64,
                    as_int Int64,
                    exemplars Array(Tuple(
                        time_unix_nano UInt64,
                        as_double Float64,
                        as_int Int64,
                        span_id String,
                        trace_id String,
                        filtered_attributes Array(Tuple(key String, value Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                            array_value Tuple(values Array(Tuple(
                                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))))))),
                sum Tuple(aggregation_temporality Int32, is_monotonic Bool, data_points Array(Tuple(
                    start_time_unix_nano UInt64,
                    time_unix_nano UInt64,
                    flags UInt32,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                    as_double Float64,
                    as_int Int64,
                    exemplars Array(Tuple(
                        time_unix_nano UInt64,
                        as_double Float64,
                        as_int Int64,
                        span_id String,
                        trace_id String,
                        filtered_attributes Array(Tuple(key String, value Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                            array_value Tuple(values Array(Tuple(
                                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))))))),
                histogram Tuple(aggregation_temporality Int32, data_points Array(Tuple(
                    start_time_unix_nano UInt64,
                    time_unix_nano UInt64,
                    flags UInt32,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                    count UInt64,
                    sum Float64,
                    bucket_counts Array(UInt64),
                    explicit_bounds Array(Float64),
                    min Float64,
                    max Float64,
                    exemplars Array(Tuple(
                        time_unix_nano UInt64,
                        as_double Float64,
                        as_int Int64,
                        span_id String,
                        trace_id String,
                        filtered_attributes Array(Tuple(key String, value Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                            array_value Tuple(values Array(Tuple(
                                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))))))),
                exponential_histogram Tuple(aggregation_temporality Int32, data_points Array(Tuple(
                    start_time_unix_nano UInt64,
                    time_unix_nano UInt64,
                    flags UInt32,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                    count UInt64,
                    sum Float64,
                    scale Int32,
                    zero_count UInt64,
                    positive Tuple(offset Int32, bucket_counts Array(UInt64)),
                    negative Tuple(offset Int32, bucket_counts Array(UInt64)),
                    min Float64,
                    max Float64,
                    exemplars Array(Tuple(
                        time_unix_nano UInt64,
                        as_double Float64,
                        as_int Int64,
                        span_id String,
                        trace_id String,
                        filtered_attributes Array(Tuple(key String, value Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                            array_value Tuple(values Array(Tuple(
                                string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                                value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                    'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7)))))))))))),
                summary Tuple(data_points Array(Tuple(
                    start_time_unix_nano UInt64,
                    time_unix_nano UInt64,
                    flags UInt32,
                    attributes Array(Tuple(key String, value Tuple(
                        string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                        value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                            'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7),
                        array_value Tuple(values Array(Tuple(
                            string_value String, bool_value Bool, int_value Int64, double_value Float64, bytes_value String,
                            value Enum8('none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4,
                                'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7))))))),
                    count UInt64,
                    sum Float64,
                    quantile_values Array(Tuple(quantile Float64, value Float64)))))))))))
    )
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_gauge_mv TO otel_metrics_gauge AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    attributes_map(point.attributes) AS Attributes,
    time_of(point.start_time_unix_nano) AS StartTimeUnix,
    time_of(point.time_unix_nano) AS TimeUnix,
    point.as_double + point.as_int AS Value,
    point.flags AS Flags,
    arrayMap(e -> attributes_map(e.filtered_attributes), point.exemplars) AS `Exemplars.FilteredAttributes`,
    arrayMap(e -> time_of(e.time_unix_nano), point.exemplars) AS `Exemplars.TimeUnix`,
    arrayMap(e -> e.as_double + e.as_int, point.exemplars) AS `Exemplars.Value`,
    arrayMap(e -> id_text(e.span_id), point.exemplars) AS `Exemplars.SpanId`,
    arrayMap(e -> id_text(e.trace_id), point.exemplars) AS `Exemplars.TraceId`,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        * EXCEPT metrics,
        metric.name AS MetricName,
        metric.description AS MetricDescription,
        metric.unit AS MetricUnit,
        metric.gauge.data_points AS points
    FROM
    (
        SELECT
            * EXCEPT scope_metrics,
            scope_metric.schema_url AS ScopeSchemaUrl,
            scope_metric.scope.name AS ScopeName,
            scope_metric.scope.version AS ScopeVersion,
            scope_metric.scope.dropped_attributes_count AS ScopeDroppedAttrCount,
            attributes_map(scope_metric.scope.attributes) AS ScopeAttributes,
            scope_metric.metrics AS metrics
        FROM
        (
            SELECT
                seq, received_unix_nano, tenant, node,
                attributes_map(resource_metric.resource.attributes) AS ResourceAttributes,
                ResourceAttributes['service.name'] AS ServiceName,
                resource_metric.schema_url AS ResourceSchemaUrl,
                resource_metric.scope_metrics AS scope_metrics
            FROM otlp_metrics_in
            ARRAY JOIN request.resource_metrics AS resource_metric
        )
        ARRAY JOIN scope_metrics AS scope_metric
    )
    ARRAY JOIN metrics AS metric
)
ARRAY JOIN points AS point;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_sum_mv TO otel_metrics_sum AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    attributes_map(point.attributes) AS Attributes,
    time_of(point.start_time_unix_nano) AS StartTimeUnix,
    time_of(point.time_unix_nano) AS TimeUnix,
    point.as_double + point.as_int AS Value,
    point.flags AS Flags,
    AggregationTemporality,
    IsMonotonic,
    arrayMap(e -> attributes_map(e.filtered_attributes), point.exemplars) AS `Exemplars.FilteredAttributes`,
    arrayMap(e -> time_of(e.time_unix_nano), point.exemplars) AS `Exemplars.TimeUnix`,
    arrayMap(e -> e.as_double + e.as_int, point.exemplars) AS `Exemplars.Value`,
    arrayMap(e -> id_text(e.span_id), point.exemplars) AS `Exemplars.SpanId`,
    arrayMap(e -> id_text(e.trace_id), point.exemplars) AS `Exemplars.TraceId`,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        * EXCEPT metrics,
        metric.name AS MetricName,
        metric.description AS MetricDescription,
        metric.unit AS MetricUnit,
        metric.sum.aggregation_temporality AS AggregationTemporality,
        metric.sum.is_monotonic AS IsMonotonic,
        metric.sum.data_points AS points
    FROM
    (
        SELECT
            * EXCEPT scope_metrics,
            scope_metric.schema_url AS ScopeSchemaUrl,
            scope_metric.scope.name AS ScopeName,
            scope_metric.scope.version AS ScopeVersion,
            scope_metric.scope.dropped_attributes_count AS ScopeDroppedAttrCount,
            attributes_map(scope_metric.scope.attributes) AS ScopeAttributes,
            scope_metric.metrics AS metrics
        FROM
        (
            SELECT
                seq, received_unix_nano, tenant, node,
                attributes_map(resource_metric.resource.attributes) AS ResourceAttributes,
                ResourceAttributes['service.name'] AS ServiceName,
                resource_metric.schema_url AS ResourceSchemaUrl,
                resource_metric.scope_metrics AS scope_metrics
            FROM otlp_metrics_in
            ARRAY JOIN request.resource_metrics AS resource_metric
        )
        ARRAY JOIN scope_metrics AS scope_metric
    )
    ARRAY JOIN metrics AS metric
)
ARRAY JOIN points AS point;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_summary_mv TO otel_metrics_summary AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    attributes_map(point.attributes) AS Attributes,
    time_of(point.start_time_unix_nano) AS StartTimeUnix,
    time_of(point.time_unix_nano) AS TimeUnix,
    point.count AS Count,
    point.sum AS Sum,
    point.quantile_values.quantile AS `ValueAtQuantiles.Quantile`,
    point.quantile_values.value AS `ValueAtQuantiles.Value`,
    point.flags AS Flags,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        * EXCEPT metrics,
        metric.name AS MetricName,
        metric.description AS MetricDescription,
        metric.unit AS MetricUnit,
        metric.summary.data_points AS points
    FROM
    (
        SELECT
            * EXCEPT scope_metrics,
            scope_metric.schema_url AS ScopeSchemaUrl,
            scope_metric.scope.name AS ScopeName,
            scope_metric.scope.version AS ScopeVersion,
            scope_metric.scope.dropped_attributes_count AS ScopeDroppedAttrCount,
            attributes_map(scope_metric.scope.attributes) AS ScopeAttributes,
            scope_metric.metrics AS metrics
        FROM
        (
            SELECT
                seq, received_unix_nano, tenant, node,
                attributes_map(resource_metric.resource.attributes) AS ResourceAttributes,
                ResourceAttributes['service.name'] AS ServiceName,
                resource_metric.schema_url AS ResourceSchemaUrl,
                resource_metric.scope_metrics AS scope_metrics
            FROM otlp_metrics_in
            ARRAY JOIN request.resource_metrics AS resource_metric
        )
        ARRAY JOIN scope_metrics AS scope_metric
    )
    ARRAY JOIN metrics AS metric
)
ARRAY JOIN points AS point;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_histogram_mv TO otel_metrics_histogram AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    attributes_map(point.attributes) AS Attributes,
    time_of(point.start_time_unix_nano) AS StartTimeUnix,
    time_of(point.time_unix_nano) AS TimeUnix,
    point.count AS Count,
    point.sum AS Sum,
    point.bucket_counts AS BucketCounts,
    point.explicit_bounds AS ExplicitBounds,
    point.flags AS Flags,
    point.min AS Min,
    point.max AS Max,
    AggregationTemporality,
    arrayMap(e -> attributes_map(e.filtered_attributes), point.exemplars) AS `Exemplars.FilteredAttributes`,
    arrayMap(e -> time_of(e.time_unix_nano), point.exemplars) AS `Exemplars.TimeUnix`,
    arrayMap(e -> e.as_double + e.as_int, point.exemplars) AS `Exemplars.Value`,
    arrayMap(e -> id_text(e.span_id), point.exemplars) AS `Exemplars.SpanId`,
    arrayMap(e -> id_text(e.trace_id), point.exemplars) AS `Exemplars.TraceId`,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        * EXCEPT metrics,
        metric.name AS MetricName,
        metric.description AS MetricDescription,
        metric.unit AS MetricUnit,
        metric.histogram.aggregation_temporality AS AggregationTemporality,
        metric.histogram.data_points AS points
    FROM
    (
        SELECT
            * EXCEPT scope_metrics,
            scope_metric.schema_url AS ScopeSchemaUrl,
            scope_metric.scope.name AS ScopeName,
            scope_metric.scope.version AS ScopeVersion,
            scope_metric.scope.dropped_attributes_count AS ScopeDroppedAttrCount,
            attributes_map(scope_metric.scope.attributes) AS ScopeAttributes,
            scope_metric.metrics AS metrics
        FROM
        (
            SELECT
                seq, received_unix_nano, tenant, node,
                attributes_map(resource_metric.resource.attributes) AS ResourceAttributes,
                ResourceAttributes['service.name'] AS ServiceName,
                resource_metric.schema_url AS ResourceSchemaUrl,
                resource_metric.scope_metrics AS scope_metrics
            FROM otlp_metrics_in
            ARRAY JOIN request.resource_metrics AS resource_metric
        )
        ARRAY JOIN scope_metrics AS scope_metric
    )
    ARRAY JOIN metrics AS metric
)
ARRAY JOIN points AS point;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_metrics_exp_histogram_mv TO otel_metrics_exp_histogram AS
WITH
    -- A JSON string as Go's encoding/json writes it: no escaped slash, but <, > and & escaped.
    (s -> replaceAll(replaceAll(replaceAll(replaceAll(toJSONString(s),
        '\\/', '/'), '<', '\\u003c'), '>', '\\u003e'), '&', '\\u0026')) AS json_string,
    (v -> multiIf(
        v.value = 'string_value', json_string(v.string_value),
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'bytes_value', concat('"', base64Encode(v.bytes_value), '"'),
        'null')) AS leaf_json,
    -- An attribute value as the Collector's exporter renders it. What SQL cannot render exactly
    -- (maps, deeper nesting, numbers of 1e21 and above) comes here as text already.
    (v -> multiIf(
        v.value = 'string_value', v.string_value,
        v.value = 'int_value', toString(v.int_value),
        v.value = 'double_value', toString(v.double_value),
        v.value = 'bool_value', if(v.bool_value, 'true', 'false'),
        v.value = 'array_value', concat('[',
            arrayStringConcat(arrayMap(x -> leaf_json(x), v.array_value.values), ','), ']'),
        v.value = 'bytes_value', base64Encode(v.bytes_value),
        '')) AS value_text,
    (kvs -> CAST(arrayMap(kv -> (kv.key, value_text(kv.value)), kvs),
        'Map(LowCardinality(String), String)')) AS attributes_map,
    -- DateTime64(9) ends in the year 2262.
    (nanos -> fromUnixTimestamp64Nano(toInt64(least(nanos, 9223372036854775807)))) AS time_of,
    (id -> lower(hex(id))) AS id_text
SELECT
    ResourceAttributes,
    ResourceSchemaUrl,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttrCount,
    ScopeSchemaUrl,
    ServiceName,
    MetricName,
    MetricDescription,
    MetricUnit,
    attributes_map(point.attributes) AS Attributes,
    time_of(point.start_time_unix_nano) AS StartTimeUnix,
    time_of(point.time_unix_nano) AS TimeUnix,
    point.count AS Count,
    point.sum AS Sum,
    point.scale AS Scale,
    point.zero_count AS ZeroCount,
    point.positive.offset AS PositiveOffset,
    point.positive.bucket_counts AS PositiveBucketCounts,
    point.negative.offset AS NegativeOffset,
    point.negative.bucket_counts AS NegativeBucketCounts,
    point.flags AS Flags,
    point.min AS Min,
    point.max AS Max,
    AggregationTemporality,
    arrayMap(e -> attributes_map(e.filtered_attributes), point.exemplars) AS `Exemplars.FilteredAttributes`,
    arrayMap(e -> time_of(e.time_unix_nano), point.exemplars) AS `Exemplars.TimeUnix`,
    arrayMap(e -> e.as_double + e.as_int, point.exemplars) AS `Exemplars.Value`,
    arrayMap(e -> id_text(e.span_id), point.exemplars) AS `Exemplars.SpanId`,
    arrayMap(e -> id_text(e.trace_id), point.exemplars) AS `Exemplars.TraceId`,
    tenant AS Tenant,
    node AS Node,
    seq AS Seq,
    time_of(received_unix_nano) AS ReceivedAt
FROM
(
    SELECT
        * EXCEPT metrics,
        metric.name AS MetricName,
        metric.description AS MetricDescription,
        metric.unit AS MetricUnit,
        metric.exponential_histogram.aggregation_temporality AS AggregationTemporality,
        metric.exponential_histogram.data_points AS points
    FROM
    (
        SELECT
            * EXCEPT scope_metrics,
            scope_metric.schema_url AS ScopeSchemaUrl,
            scope_metric.scope.name AS ScopeName,
            scope_metric.scope.version AS ScopeVersion,
            scope_metric.scope.dropped_attributes_count AS ScopeDroppedAttrCount,
            attributes_map(scope_metric.scope.attributes) AS ScopeAttributes,
            scope_metric.metrics AS metrics
        FROM
        (
            SELECT
                seq, received_unix_nano, tenant, node,
                attributes_map(resource_metric.resource.attributes) AS ResourceAttributes,
                ResourceAttributes['service.name'] AS ServiceName,
                resource_metric.schema_url AS ResourceSchemaUrl,
                resource_metric.scope_metrics AS scope_metrics
            FROM otlp_metrics_in
            ARRAY JOIN request.resource_metrics AS resource_metric
        )
        ARRAY JOIN scope_metrics AS scope_metric
    )
    ARRAY JOIN metrics AS metric
)
ARRAY JOIN points AS point;

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (3, 'metrics', '22c40897eddb1a3c4ae635c05af6d1e814cacbc7b88fdee54d2319723d515104');

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

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (4, 'governance', 'f07cde4653c41394ebc914f51551944fdd64069138f4a4ecc19545ad6ddb6f29');

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

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (5, 'event_lines', '478d3c4fcafffd5f184b6f27e2dc89d6b4dd26d571402ba1e66de84cf0be634a');

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

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (6, 'usage_and_entities', '7d3eb6cf4151888037c8c716fb997f8d22595a2851c717de8ceaa1c6fa156413');

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

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (7, 'engine_states', '6c491ae5583e32ada7c2afce61f5ef651b74f14cf7b70498f9808a42a9844d87');

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

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (8, 'lookups', 'f1637ce85594e9149ddf01327f29da8e83e67a9eecf0d057d5dcc41d080779bd');

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

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (9, 'lighter_writes', '655b673a7e7517c8769e03fad0f9f26fadf1c4992f078925f0e665253ab7cd8f');

-- How many events there are of each type, category and severity, kept beside each part: the statistics
-- of a trail that grows for ever read some rows a part instead of all of them.
ALTER TABLE neurorail_audit MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE neurorail_audit ADD PROJECTION IF NOT EXISTS counts
(
    SELECT tenant, event_type, event_category, severity, count()
    GROUP BY tenant, event_type, event_category, severity
);

ALTER TABLE neurorail_audit MATERIALIZE PROJECTION IF EXISTS counts;

INSERT INTO neurorail_migrations (version, name, checksum) VALUES (10, 'counts', '03d51c9823c69956bf43d2a89f56f5b388b4e9526fdecf4a677685e0e342159e');

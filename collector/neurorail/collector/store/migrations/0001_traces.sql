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

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

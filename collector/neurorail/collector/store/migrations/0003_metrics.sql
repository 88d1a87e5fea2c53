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

"""The example requests of the OTLP specification's JSON, made anew: one of each signal and kind."""

from __future__ import annotations

from typing import Any

RESOURCE: dict[str, Any] = {
    "attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]
}
SCOPE: dict[str, Any] = {
    "name": "my.library",
    "version": "1.0.0",
    "attributes": [{"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}],
}
ATTRIBUTES = [{"key": "my.span.attr", "value": {"stringValue": "some value"}}]

TRACE: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": RESOURCE,
            "scopeSpans": [
                {
                    "scope": SCOPE,
                    "spans": [
                        {
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "parentSpanId": "EEE19B7EC3C1B173",
                            "name": "I'm a server span",
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": "1544712661000000000",
                            "kind": 2,
                            "attributes": ATTRIBUTES,
                        }
                    ],
                }
            ],
        }
    ]
}

LOGS: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": RESOURCE,
            "scopeLogs": [
                {
                    "scope": SCOPE,
                    "logRecords": [
                        {
                            "timeUnixNano": "1544712660300000000",
                            "observedTimeUnixNano": "1544712660300000000",
                            "severityNumber": 10,
                            "severityText": "Information",
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "body": {"stringValue": "Example log record"},
                            "attributes": [
                                {"key": "string", "value": {"stringValue": "some string"}},
                                {"key": "boolean", "value": {"boolValue": True}},
                                {"key": "int", "value": {"intValue": "10"}},
                                {"key": "double", "value": {"doubleValue": 637.704}},
                                {
                                    "key": "array",
                                    "value": {
                                        "arrayValue": {
                                            "values": [
                                                {"stringValue": "many"},
                                                {"stringValue": "values"},
                                            ]
                                        }
                                    },
                                },
                                {
                                    "key": "map",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [{"key": "k", "value": {"stringValue": "v"}}]
                                        }
                                    },
                                },
                            ],
                        }
                    ],
                }
            ],
        }
    ]
}

EVENTS: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": RESOURCE,
            "scopeLogs": [
                {
                    "scope": SCOPE,
                    "logRecords": [
                        {
                            "timeUnixNano": "1544712660300000000",
                            "observedTimeUnixNano": "1544712660300000000",
                            "severityNumber": 9,
                            "eventName": "browser.page_view",
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "attributes": ATTRIBUTES,
                            "body": {
                                "kvlistValue": {
                                    "values": [{"key": "type", "value": {"intValue": "0"}}]
                                }
                            },
                        }
                    ],
                }
            ],
        }
    ]
}

_TIMES = {"startTimeUnixNano": "1544712660300000000", "timeUnixNano": "1544712660300000000"}

METRICS: dict[str, Any] = {
    "resourceMetrics": [
        {
            "resource": RESOURCE,
            "scopeMetrics": [
                {
                    "scope": SCOPE,
                    "metrics": [
                        {
                            "name": "my.counter",
                            "unit": "1",
                            "description": "a counter",
                            "sum": {
                                "aggregationTemporality": 1,
                                "isMonotonic": True,
                                "dataPoints": [{"asDouble": 5, "attributes": ATTRIBUTES, **_TIMES}],
                            },
                        },
                        {
                            "name": "my.gauge",
                            "gauge": {"dataPoints": [{"asInt": "-10", **_TIMES}]},
                        },
                        {
                            "name": "my.histogram",
                            "histogram": {
                                "aggregationTemporality": 1,
                                "dataPoints": [
                                    {
                                        "count": "2",
                                        "sum": 2,
                                        "bucketCounts": ["1", 1],
                                        "explicitBounds": [1],
                                        "min": 0,
                                        "max": 2,
                                        "exemplars": [
                                            {
                                                "asDouble": 1.5,
                                                "timeUnixNano": "1544712660300000000",
                                                "traceId": "5b8efff798038103d269b633813fc60c",
                                                "spanId": "eee19b7ec3c1b174",
                                            }
                                        ],
                                        **_TIMES,
                                    }
                                ],
                            },
                        },
                        {
                            "name": "my.exponential.histogram",
                            "exponentialHistogram": {
                                "aggregationTemporality": 1,
                                "dataPoints": [
                                    {
                                        "count": "3",
                                        "sum": 10,
                                        "scale": -1,
                                        "zeroCount": "1",
                                        "positive": {"offset": 1, "bucketCounts": ["0", "2"]},
                                        "negative": {"offset": -3},
                                        "zeroThreshold": 0,
                                        **_TIMES,
                                    }
                                ],
                            },
                        },
                        {
                            "name": "my.summary",
                            "summary": {
                                "dataPoints": [
                                    {
                                        "count": "1",
                                        "sum": "NaN",
                                        "quantileValues": [{"quantile": 0.5, "value": 7}],
                                        **_TIMES,
                                    }
                                ]
                            },
                        },
                    ],
                }
            ],
        }
    ]
}

"""Spans that an OpenTelemetry Collector stored in ClickHouse, made OTLP again."""

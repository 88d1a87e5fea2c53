"""The five dashboards. Times are those of receipt: every event has one, and it only grows."""

from __future__ import annotations

from typing import Any, Final

from scripts.grafana.panels import dashboard, prom, sql, traces, variable

_COST: Final = "JSONExtractInt(details, 'cost_usd_pico') / 1e12"
_TOKENS: Final = "JSONExtractInt(details, 'llm_tokens')"
_TILE: Final = {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {"calcs": ["lastNotNull"]},
}
_BARS: Final = {"drawStyle": "bars", "fillOpacity": 70, "stacking": {"mode": "normal"}}
_RATE: Final = "[$__rate_interval]"


def _events(*types: str) -> str:
    names = ", ".join(f"'{name}'" for name in types)
    return f"FROM neurorail_audit WHERE $__timeFilter(timestamp) AND event_type IN ({names})"


def fleet() -> dict[str, Any]:
    """What runs, how well, and what goes wrong."""
    return dashboard(
        "neurorail-fleet",
        "NeuroRail / Fleet overview",
        "What runs, how well it goes, and what was refused.",
        [
            prom("Missions active", "stat", ("sum(neurorail_active_missions)", ""), width=4,
                 height=4, options=_TILE),
            prom("Attempts active", "stat", ("sum(neurorail_active_attempts)", ""), width=4,
                 height=4, options=_TILE),
            prom("Attempts that fail", "stat",
                 (f"sum(rate(neurorail_attempts_failed_total{_RATE})) / "
                  f"clamp_min(sum(rate(neurorail_attempts_total{_RATE})), 1e-9)", ""),
                 width=4, height=4, unit="percentunit", options=_TILE),
            prom("Violations in a day", "stat",
                 ("sum(increase(neurorail_budget_violations_total[1d]))", ""), width=4, height=4,
                 options=_TILE),
            prom("Spend in a day", "stat", ("sum(increase(neurorail_cost_usd_total[1d]))", ""),
                 width=4, height=4, unit="currencyUSD", options=_TILE),
            prom("Orphans in a day", "stat",
                 ("sum(increase(neurorail_events_total{event_type=\"orphan_detected\"}[1d]))", ""),
                 width=4, height=4, options=_TILE),
            prom("Attempts that ended", "timeseries",
                 (f"sum by (status) (rate(neurorail_attempts_total{_RATE}))", "{{status}}"),
                 width=12, unit="ops"),
            prom("Duration of attempts", "timeseries",
                 ("histogram_quantile(0.5, sum by (le) "
                  f"(rate(neurorail_attempt_duration_ms_bucket{_RATE})))", "median"),
                 ("histogram_quantile(0.95, sum by (le) "
                  f"(rate(neurorail_attempt_duration_ms_bucket{_RATE})))", "95 %"),
                 width=12, unit="ms"),
            sql("Transitions", "timeseries",
                "SELECT $__timeInterval(timestamp) AS time, to_state, count() AS transitions "
                "FROM neurorail_state_transitions WHERE $__timeFilter(timestamp) "
                "GROUP BY time, to_state ORDER BY time",
                time_series=True, width=12, custom=_BARS),
            sql("Missions by agent", "barchart",
                "SELECT JSONExtractString(details, 'agent') AS agent, "
                f"uniqExact(mission_id) AS missions {_events('cost_tracked')} "
                "GROUP BY agent ORDER BY missions DESC LIMIT 10", width=12),
            sql("What went wrong, newest first", "table",
                "SELECT timestamp, event_type, severity, message, mission_id, entity_type, "
                "entity_id FROM neurorail_audit WHERE $__timeFilter(timestamp) "
                "AND severity IN ('warning', 'error', 'critical') "
                "ORDER BY timestamp DESC LIMIT 100", width=24, height=9),
        ],
    )  # fmt: skip


def missions() -> dict[str, Any]:
    """Missions, and the trace of one."""
    chosen = "mission_id = '${mission}'"
    return dashboard(
        "neurorail-missions",
        "NeuroRail / Missions and traces",
        "Missions that ended, and everything about the one that is chosen.",
        [
            sql("Missions that ended", "table",
                "SELECT event_time AS ended, mission_id, duration_ms, input_tokens, output_tokens, "
                "toFloat64(cost_usd) AS cost_usd, attempt_count, retry_count, tool_calls, success, "
                "error_code FROM neurorail_metrics_snapshots WHERE $__timeFilter(timestamp) "
                "AND entity_type = 'mission' AND entity_id != '' "
                "ORDER BY ended DESC LIMIT 200", width=24, height=9),
            sql("Duration of missions", "timeseries",
                "SELECT $__timeInterval(timestamp) AS time, quantile(0.5)(duration_ms) AS median, "
                "quantile(0.95)(duration_ms) AS p95 FROM neurorail_metrics_snapshots "
                "WHERE $__timeFilter(timestamp) AND entity_type = 'mission' AND entity_id != '' "
                "GROUP BY time ORDER BY time", time_series=True, width=12, unit="ms"),
            sql("How missions ended", "piechart",
                "SELECT to_state, count() AS missions FROM neurorail_state_transitions "
                "WHERE $__timeFilter(timestamp) AND entity_type = 'mission' "
                "AND to_state IN ('succeeded', 'failed', 'timeout', 'cancelled') "
                "GROUP BY to_state ORDER BY to_state", width=12),
            traces("Trace of the chosen mission",
                "SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, "
                "ServiceName AS serviceName, SpanName AS operationName, Timestamp AS startTime, "
                "Duration / 1000000 AS duration, "
                "arrayMap(key -> map('key', key, 'value', SpanAttributes[key]), "
                "mapKeys(SpanAttributes)) AS tags, "
                "arrayMap(key -> map('key', key, 'value', ResourceAttributes[key]), "
                "mapKeys(ResourceAttributes)) AS serviceTags, "
                "if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode "
                "FROM otel_traces WHERE TraceId IN (SELECT TraceId FROM otel_traces "
                "WHERE SpanAttributes['neurorail.mission.id'] = '${mission}') "
                "ORDER BY startTime LIMIT 1000", width=24, height=12),
            sql("Transitions of the chosen mission", "table",
                "SELECT event_time, entity_type, entity_id, from_state, to_state, transition, "
                "inferred, gap, reason, error_code FROM neurorail_state_transitions "
                f"WHERE {chosen} ORDER BY event_time, entity_id LIMIT 500", width=12, height=9),
            sql("Audit of the chosen mission", "table",
                "SELECT timestamp, event_type, severity, message, entity_type, entity_id "
                f"FROM neurorail_audit WHERE {chosen} ORDER BY timestamp LIMIT 1000",
                width=12, height=9),
        ],
        [variable("mission", "Mission",
                  "SELECT mission_id FROM neurorail_audit WHERE mission_id != '' "
                  "GROUP BY mission_id ORDER BY max(timestamp) DESC LIMIT 200")],
    )  # fmt: skip


def spend() -> dict[str, Any]:
    """Where tokens and money go, and which limits were broken."""

    def by(field: str) -> str:
        return (
            f"SELECT JSONExtractString(details, '{field}') AS {field}, sum({_COST}) AS cost_usd, "
            f"sum({_TOKENS}) AS tokens, count() AS calls {_events('cost_tracked')} "
            f"GROUP BY {field} ORDER BY cost_usd DESC LIMIT 20"
        )  # fmt: skip

    return dashboard(
        "neurorail-spend",
        "NeuroRail / Spend and budgets",
        "Where tokens and money go, and which limits were broken.",
        [
            sql("Spend", "timeseries",
                "SELECT $__timeInterval(timestamp) AS time, "
                f"JSONExtractString(details, 'model') AS model, sum({_COST}) AS cost_usd "
                f"{_events('cost_tracked')} GROUP BY time, model ORDER BY time",
                time_series=True, width=12, unit="currencyUSD", custom=_BARS),
            sql("Tokens", "timeseries",
                "SELECT $__timeInterval(timestamp) AS time, "
                "sum(JSONExtractInt(details, 'input_tokens')) AS input, "
                "sum(JSONExtractInt(details, 'output_tokens')) AS output "
                f"{_events('cost_tracked')} GROUP BY time ORDER BY time",
                time_series=True, width=12, custom=_BARS),
            sql("Spend by model", "table", by("model"), width=8),
            sql("Spend by agent", "table", by("agent"), width=8),
            sql("Spend by service", "table", by("service"), width=8),
            sql("Violations by kind", "piechart",
                "SELECT JSONExtractString(details, 'violation_type') AS kind, count() AS broken "
                f"{_events('budget_violation')} GROUP BY kind ORDER BY kind", width=8),
            sql("Violations and warnings", "timeseries",
                "SELECT $__timeInterval(timestamp) AS time, event_type, count() AS events "
                f"{_events('budget_violation', 'budget_warning', 'timeout_enforced', 'retry_exhausted')} "  # noqa: E501
                "GROUP BY time, event_type ORDER BY time",
                time_series=True, width=16, custom=_BARS),
            sql("Calls without a price", "table",
                "SELECT JSONExtractString(details, 'provider') AS provider, "
                "JSONExtractString(details, 'model') AS model, count() AS calls, "
                f"sum({_TOKENS}) AS tokens, countIf(NOT JSONExtractBool(details, 'priced')) "
                f"AS unpriced {_events('cost_tracked')} GROUP BY provider, model "
                "ORDER BY unpriced DESC LIMIT 20", width=12),
            sql("Recent violations", "table",
                "SELECT timestamp, JSONExtractString(details, 'violation_type') AS kind, "
                "JSONExtractFloat(details, 'limit') AS limit_, "
                "JSONExtractFloat(details, 'consumed') AS consumed, "
                "JSONExtractString(details, 'code') AS code, mission_id, entity_type, entity_id "
                f"{_events('budget_violation')} ORDER BY timestamp DESC LIMIT 100", width=12),
        ],
    )  # fmt: skip


def reflexes() -> dict[str, Any]:
    """What reflexes, people and the governor did."""
    return dashboard(
        "neurorail-reflexes",
        "NeuroRail / Reflexes and decisions",
        "What reflexes, people and the governor did.",
        [
            prom("Reflexes that acted", "timeseries",
                 ("sum by (action_type) (increase(neurorail_reflex_actions_total"
                  "[$__rate_interval]))", "{{action_type}}"), width=12),
            prom("Circuits that are open", "stat",
                 ("sum(neurorail_engine_circuits_open)", ""),
                 width=6, options=_TILE),
            prom("Decisions a second", "stat",
                 (f'sum(rate(neurorail_events_total{{event_type="mode_decided"}}{_RATE}))', ""),
                 width=6, unit="ops", options=_TILE),
            sql("Directives", "table",
                "SELECT timestamp, event_type, JSONExtractString(details, 'action') AS action, "
                "JSONExtractRaw(details, 'scope') AS scope, "
                "JSONExtractString(details, 'code') AS code, "
                "JSONExtractString(details, 'reason') AS reason, mission_id "
                f"{_events('directive_issued', 'directive_lifted')} "
                "ORDER BY timestamp DESC LIMIT 100", width=12, height=9),
            sql("Reflexes and circuits", "table",
                "SELECT timestamp, event_type, JSONExtractString(details, 'rule') AS rule, "
                "message, principal, mission_id FROM neurorail_audit "
                "WHERE $__timeFilter(timestamp) AND channel IN ('reflex', 'governor') "
                "ORDER BY timestamp DESC LIMIT 100",
                width=12, height=9),
            sql("Decisions", "timeseries",
                "SELECT $__timeInterval(timestamp) AS time, "
                "if(allowed, 'allowed', code) AS answer, count() AS decisions "
                "FROM governor_decisions WHERE $__timeFilter(timestamp) "
                "GROUP BY time, answer ORDER BY time", time_series=True, width=12, custom=_BARS),
            sql("Refusals by reason", "table",
                "SELECT code, reason, job_type, mode, count() AS refusals FROM governor_decisions "
                "WHERE $__timeFilter(timestamp) AND NOT allowed GROUP BY code, reason, job_type, "
                "mode ORDER BY refusals DESC LIMIT 50", width=12),
        ],
    )  # fmt: skip


def collector() -> dict[str, Any]:
    """The collector itself."""

    def ingest(what: str) -> tuple[str, str]:
        return (f"sum(rate(otelcol_receiver_accepted_{what}{_RATE}))", what.replace("_", " "))

    return dashboard(
        "neurorail-collector",
        "NeuroRail / The collector itself",
        "What it takes in, what waits, and what it takes of the machine.",
        [
            prom("Taken in", "timeseries", ingest("spans"), ingest("log_records"),
                 ingest("metric_points"), width=12, unit="ops"),
            prom("Refused or failed", "timeseries",
                 (f"sum(rate(otelcol_receiver_refused_spans{_RATE}))", "spans refused"),
                 (f"sum(rate(otelcol_receiver_refused_log_records{_RATE}))", "log records refused"),
                 (f"sum(rate(otelcol_receiver_failed_spans{_RATE}))", "spans failed"),
                 width=12, unit="ops"),
            prom("Requests by outcome", "timeseries",
                 (f"sum by (outcome, transport) (rate(otelcol_receiver_requests{_RATE}))",
                  "{{transport}} {{outcome}}"), width=8, unit="ops"),
            prom("Behind", "timeseries",
                 ("sum(neurorail_engine_lag_records)", "records to apply"),
                 ('sum(otelcol_exporter_queue_size{exporter="clickhouse"})', "records to archive"),
                 ("sum(neurorail_engine_outbox_batches)", "event batches to archive"), width=8),
            prom("Archived and exported", "timeseries",
                 (f"sum by (exporter) (rate(otelcol_exporter_sent_spans{_RATE}))",
                  "{{exporter}} spans"),
                 (f"sum by (exporter) (rate(otelcol_exporter_send_failed_spans{_RATE}))",
                  "{{exporter}} spans refused"),
                 width=8, unit="ops"),
            prom("Inbox", "timeseries",
                 ("sum(neurorail_inbox_bytes)", "on disk"),
                 ("sum(neurorail_inbox_bytes_limit)", "limit"), width=8, unit="bytes"),
            prom("Memory", "timeseries",
                 ("sum(otelcol_process_memory_rss)", "server"),
                 ("sum(neurorail_engine_memory_rss)", "engine"),
                 ("sum(neurorail_listener_memory_rss)", "gRPC listener"), width=8, unit="bytes"),
            prom("Processor", "timeseries",
                 (f"sum(rate(otelcol_process_cpu_seconds{_RATE}))", "server"),
                 (f"sum(rate(neurorail_engine_cpu_seconds{_RATE}))", "engine"),
                 (f"sum(rate(neurorail_listener_cpu_seconds{_RATE}))", "gRPC listener"), width=8,
                 unit="percentunit"),
            prom("Events", "timeseries",
                 (f"sum by (event_type) (rate(neurorail_events_total{_RATE})) > 0",
                  "{{event_type}}"), width=12, unit="ops"),
            prom("Live streams", "timeseries",
                 ("sum(neurorail_stream_subscribers)", "subscribers"),
                 (f"sum(rate(neurorail_stream_missed{_RATE}))", "missed a second"),
                 (f"sum(rate(neurorail_stream_published{_RATE}))", "published a second"),
                 width=12),
        ],
    )  # fmt: skip


DASHBOARDS: Final = {
    "fleet": fleet, "missions": missions, "spend": spend, "reflexes": reflexes,
    "collector": collector,
}  # fmt: skip

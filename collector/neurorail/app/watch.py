"""What `/metrics` shows of the server's parts: each is read when somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from neurorail.api.dependencies import ApiDependencies
from neurorail.api.remembered import ANSWERS_MAX
from neurorail.app.checkpoints import Checkpoints
from neurorail.app.config import Config
from neurorail.app.exporting import exporter_name
from neurorail.collector.access import DenialLog
from neurorail.collector.access.rates import CALLERS_MAX
from neurorail.collector.agents import AGENTS_MAX
from neurorail.collector.alerts import Alerter
from neurorail.collector.alerts.queue import WAITING_MAX
from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.engine.remote import UNAPPLIED_BYTES_MAX, EngineProcess
from neurorail.collector.engine.worker import COUNTERS
from neurorail.collector.export import Exporter
from neurorail.collector.health import Health
from neurorail.collector.inbox import SqliteInbox
from neurorail.collector.otlp.listener_process import ListenerProcess
from neurorail.collector.rerun_jobs.jobs import RerunJobs
from neurorail.rules.directives import DIRECTIVES_MAX, KILLS_MAX
from neurorail.rules.reflex.circuit import CIRCUITS_MAX
from neurorail.rules.reflex.confirmations import CONFIRMATIONS_MAX
from neurorail.rules.reflex.watch import WATCHES_MAX


def alerts(health: Health, alerter: Alerter) -> None:
    """Show what became of alerts."""
    health.watch_count(
        "neurorail_alerts_total",
        "Messages to webhooks, by result: delivered, failed, retried, unrecorded.",
        lambda: {(("result", name),): float(n) for name, n in alerter.results.items()},
    )
    health.watch_gauge(
        "neurorail_alerts_waiting",
        "Messages that wait for their webhooks.",
        lambda: float(alerter.waiting),
    )
    health.watch_gauge(
        "neurorail_alerts_waiting_limit",
        "Messages that may wait.",
        lambda: float(WAITING_MAX),
    )


def parts(
    health: Health,
    config: Config,
    inbox: SqliteInbox,
    engine: EngineProcess,
    archiver: Archiver,
    denials: DenialLog,
    exporter: Exporter,
) -> None:
    """Show queues, limits and counters of the parts that are handed in."""
    health.watch_count(
        "neurorail_access_denied_total",
        "Requests that were denied, by reason.",
        lambda: {(("reason", name),): n for name, n in denials.counts().items()},
    )
    health.watch_count(
        "neurorail_access_unrecorded_total",
        "Records of denials that the inbox did not take.",
        lambda: float(denials.unrecorded),
    )
    health.watch_queues(
        lambda: {
            "clickhouse": float(inbox.last_seq - archiver.archived_seq),
            **{exporter_name(name): float(n) for name, n in exporter.behind().items()},
        },
        lambda: {
            "clickhouse": _records_that_fit(inbox, config.inbox.max_bytes),
            **{
                exporter_name(name): _records_that_fit(inbox, destination.queue_bytes)
                for name, destination in config.export.destinations.items()
            },
        },
    )
    health.watch_gauge(
        "neurorail_export_waiting",
        "1 while a destination does not answer, or asks to be tried again later.",
        lambda: {
            (("exporter", exporter_name(name)),): float(bool(why))
            for name, why in exporter.waiting_for().items()
        },
    )
    health.watch_count(
        "neurorail_export_retries",
        "Export requests that were sent again.",
        lambda: {
            (("exporter", exporter_name(name)),): float(n) for name, n in exporter.retries().items()
        },
    )
    for name, meaning, read in (
        ("records", "Records the inbox holds.", lambda: inbox.stats().records),
        ("bytes", "Disk the inbox takes.", lambda: inbox.stats().bytes),
        ("bytes_limit", "Disk the inbox may take.", lambda: config.inbox.max_bytes),
        ("queue_bytes", "Bytes that wait for a commit.", lambda: inbox.stats().queue_bytes),
    ):
        health.watch_gauge(f"neurorail_inbox_{name}", meaning, _reading(read))
    gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("entities", "Entities in memory.", partial(_stat, engine, "entities")),
        (
            "entities_limit",
            "Entities that memory may hold.",
            lambda: config.engine.entities_in_memory,
        ),
        ("traces", "Traces in memory.", partial(_stat, engine, "traces")),
        (
            "traces_limit",
            "Traces that memory may hold.",
            lambda: config.engine.traces_in_memory,
        ),
        ("timers", "Open deadlines.", partial(_stat, engine, "timers")),
        ("reservations", "Reservations that are open.", partial(_stat, engine, "reservations")),
        ("pools", "Pools that something was counted in.", partial(_stat, engine, "pools")),
        ("directives", "Directives that hold.", partial(_stat, engine, "directives")),
        (
            "directives_limit",
            "Directives and kill switches a tenant may have.",
            lambda: DIRECTIVES_MAX + KILLS_MAX,
        ),
        ("circuits", "Circuit breakers that opened.", partial(_stat, engine, "circuits")),
        (
            "circuits_open",
            "Circuit breakers that are open, or let probes pass.",
            partial(_stat, engine, "circuits_open"),
        ),
        ("circuits_limit", "Circuit breakers a tenant may have.", lambda: CIRCUITS_MAX),
        ("watches", "Triggers that watch.", partial(_stat, engine, "watches")),
        ("watches_limit", "Triggers a tenant may have.", lambda: WATCHES_MAX),
        (
            "confirmations",
            "Questions to people, and answers that hold.",
            partial(_stat, engine, "confirmations"),
        ),
        (
            "confirmations_limit",
            "Questions and answers a tenant may have.",
            lambda: CONFIRMATIONS_MAX,
        ),
        ("timers_limit", "Deadlines there may be.", lambda: config.engine.timers_max),
        ("lag_records", "Records not applied yet.", lambda: inbox.last_seq - engine.seq),
        ("outbox_batches", "Event batches not archived yet.", engine.depth),
        ("feed_bytes", "Sent to the engine, not applied.", lambda: engine.unapplied_bytes),
        ("feed_bytes_limit", "What of it there may be.", lambda: UNAPPLIED_BYTES_MAX),
        (
            "memory_rss",
            "Resident memory of the engine's process in bytes.",
            partial(_stat, engine, "memory_rss"),
        ),
    )
    for name, meaning, value in gauges:
        health.watch_gauge(f"neurorail_engine_{name}", meaning, _reading(value))
    for name in COUNTERS:
        health.watch_count(
            f"neurorail_engine_{name}",
            f"Engine counter {name}.",
            partial(_stat, engine, name),
        )
    health.watch_count(
        "neurorail_engine_cpu_seconds",
        "Processor time of the engine's process in seconds.",
        partial(_stat, engine, "cpu_seconds"),
    )


def _records_that_fit(inbox: SqliteInbox, limit_bytes: int) -> float:
    stats = inbox.stats()
    mean_bytes = stats.bytes / stats.records if stats.records else 1.0
    return limit_bytes / max(mean_bytes, 1.0)


def _stat(engine: EngineProcess, name: str) -> float:
    """One of the engine's own numbers."""
    return engine.stats.get(name, 0.0)


def _reading(read: Callable[[], float]) -> Callable[[], float]:
    return lambda: float(read())


def listener(health: Health, process: ListenerProcess) -> None:
    """Show what the process that speaks gRPC uses, and how often it had to be started again."""
    health.watch_gauge(
        "neurorail_listener_memory_rss",
        "Resident memory of the gRPC listener's process in bytes.",
        _reading(lambda: process.stats.memory_rss),
    )
    health.watch_count(
        "neurorail_listener_cpu_seconds",
        "Processor time of the gRPC listener's process in seconds.",
        _reading(lambda: process.stats.cpu_seconds),
    )
    health.watch_count(
        "neurorail_listener_restarts",
        "Times that the gRPC listener ended by itself and was started again.",
        _reading(lambda: process.restarts),
    )


def reruns(health: Health, jobs: RerunJobs) -> None:
    """Show how many backtests and replays run or wait."""
    health.watch_gauge(
        "neurorail_reruns_open", "Backtests and replays that run or wait.",
        _reading(lambda: jobs.open_count),
    )  # fmt: skip


def checkpoints(health: Health, checkpoints: Checkpoints) -> None:
    """Show what the audit chain's verification found; nothing before the first."""
    health.watch_gauge(
        "neurorail_audit_faults", "Faults that the last verification of the audit chain found.",
        lambda: {} if (found := checkpoints.faults) is None else {(): found},
    )  # fmt: skip


def api(health: Health, dependencies: ApiDependencies) -> None:
    """Show what the API keeps in memory of its callers, and how much it may."""
    answers, agents = dependencies.answers, dependencies.agents
    rates = dependencies.access.rates
    gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("answers", "Answers remembered for requests with an idempotency key.", answers.__len__),
        ("answers_limit", "Answers that are remembered.", lambda: ANSWERS_MAX),
        ("agents", "Agents that are connected.", agents.total),
        ("agents_limit", "Agents that are remembered.", lambda: AGENTS_MAX),
        ("callers", "Callers whose rate is counted.", rates.__len__),
        ("callers_limit", "Callers whose rate is counted at once.", lambda: CALLERS_MAX),
    )
    for name, meaning, read in gauges:
        health.watch_gauge(f"neurorail_api_{name}", meaning, _reading(read))
    counts: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("answers", "Answers forgotten within their hour.", lambda: answers.forgotten),
        ("agents", "Agents forgotten while they were connected.", lambda: agents.forgotten),
        ("callers", "Callers whose rate was forgotten.", lambda: rates.forgotten),
    )
    for name, meaning, read in counts:
        health.watch_count(
            f"neurorail_api_{name}_forgotten", f"{meaning[:-1]} to make room.", _reading(read)
        )

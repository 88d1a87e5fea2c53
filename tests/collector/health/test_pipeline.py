"""The server's own metrics, under the names of the OpenTelemetry Collector."""

from __future__ import annotations

import re
import threading

import pytest
from tests.support.events import NODE

from neurorail.collector.health import Health
from neurorail.collector.stream import StreamConfig, StreamFilter, StreamHub


def scrape(health: Health) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, as written: a parser would add `_total` to counters."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for line in health.exposition()[0].decode().splitlines():
        if not line.startswith("#"):
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            assert sample is not None, line
            labels = dict(re.findall(r'(\w+)="([^"]*)"', sample[2] or ""))
            found.setdefault(sample[1], []).append((labels, float(sample[3])))
    return found


@pytest.mark.parametrize(
    ("signal", "item"),
    [("traces", "spans"), ("logs", "log_records"), ("metrics", "metric_points")],
)
def test_receiver_counts_each_signal_under_the_collector_s_name(signal: str, item: str) -> None:
    health = Health()
    receiver = health.receiver("grpc")
    receiver.accepted(signal, 512)
    receiver.accepted(signal, 8)
    receiver.refused(signal, 3)
    receiver.failed(signal, 2)
    receiver.request("success")
    found = scrape(health)
    labels = {"receiver": "otlp", "transport": "grpc"}
    assert found[f"otelcol_receiver_accepted_{item}"] == [(labels, 520)]
    assert found[f"otelcol_receiver_refused_{item}"] == [(labels, 3)]
    assert found[f"otelcol_receiver_failed_{item}"] == [(labels, 2)]
    outcomes = {lab["outcome"]: value for lab, value in found["otelcol_receiver_requests"]}
    assert outcomes == {"success": 1, "refused": 0, "failure": 0}


def test_counts_are_declared_counters_without_a_suffix() -> None:
    health = Health()
    health.receiver("http")
    text = health.exposition()[0]
    assert b"# TYPE otelcol_receiver_accepted_spans counter\n" in text
    assert b"otelcol_receiver_accepted_spans_total" not in text
    assert b"untyped" not in text


def test_counts_are_exact_from_many_threads() -> None:
    health = Health()
    receivers = [health.receiver("grpc"), health.receiver("grpc")]

    def count(number: int) -> None:
        for _ in range(2_000):
            receivers[number % 2].accepted("traces", 1)

    threads = [threading.Thread(target=count, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scrape(health)["otelcol_receiver_accepted_spans"][0][1] == 8_000


def test_exporter_counts_and_queue() -> None:
    health = Health()
    exporter = health.exporter()
    exporter.sent("traces", 5)
    exporter.send_failed("logs", 2)
    waiting = [7.0]
    health.watch_queues(lambda: {"clickhouse": waiting[0]}, lambda: {"clickhouse": 100})
    waiting[0] = 8.0
    found = scrape(health)
    labels = {"exporter": "clickhouse"}
    assert found["otelcol_exporter_sent_spans"] == [(labels, 5)]
    assert found["otelcol_exporter_send_failed_log_records"] == [(labels, 2)]
    assert found["otelcol_exporter_queue_size"] == [(labels, 8)]
    assert found["otelcol_exporter_queue_capacity"] == [(labels, 100)]


def test_process_metrics_are_alive() -> None:
    found = scrape(Health())
    assert found["otelcol_process_memory_rss"][0][1] > 1_000_000
    assert found["otelcol_process_cpu_seconds"][0][1] > 0
    assert found["otelcol_process_uptime"][0][1] >= 0


def test_watching_reads_only_at_a_scrape_and_may_carry_labels() -> None:
    health = Health()
    reads: list[int] = []

    def read() -> dict[tuple[tuple[str, str], ...], float]:
        reads.append(1)
        return {(("state", "open"),): 2.0, (("state", "cold"),): 3.0}

    health.watch_gauge("neurorail_engine_entities", "Entities held.", read)
    assert reads == []
    assert scrape(health)["neurorail_engine_entities"] == [
        ({"state": "open"}, 2.0), ({"state": "cold"}, 3.0),
    ]  # fmt: skip


def test_two_servers_in_one_process_share_nothing() -> None:
    first, second = Health(), Health()
    first.receiver("grpc").accepted("traces", 5)
    second.receiver("grpc")
    assert scrape(second)["otelcol_receiver_accepted_spans"][0][1] == 0


async def test_hub_gauges_show_limits_and_refusals() -> None:
    health = Health()
    hub = StreamHub(StreamConfig(max_subscribers=1), node=NODE, clock=lambda: 0)
    health.watch_hub(hub)
    hub.start()
    subscription = hub.subscribe(StreamFilter.of("default"))
    with pytest.raises(RuntimeError):
        hub.subscribe(StreamFilter.of("default"))
    found = scrape(health)
    assert found["neurorail_stream_subscribers"] == [({}, 1)]
    assert found["neurorail_stream_subscribers_limit"] == [({}, 1)]
    assert found["neurorail_stream_refused"] == [({}, 1)]
    subscription.close()
    hub.stop()


def test_values_sum_over_labels() -> None:
    health = Health()
    health.receiver("grpc").accepted("traces", 5)
    health.receiver("http").accepted("traces", 6)
    assert health.values("otelcol_receiver_")["otelcol_receiver_accepted_spans"] == 11

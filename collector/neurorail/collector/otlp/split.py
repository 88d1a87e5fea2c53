"""Cutting large requests into records of bounded size, each with its resource and scope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp.signals import BY_SIGNAL
from neurorail.collector.otlp.validation import metric_points

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FIELDS = {
    Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
    Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
    Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
}


def split(signal: Signal, request: Message, max_items: int) -> list[tuple[bytes, int]]:
    """Cut a request into parts of at most `max_items`, in order: (protobuf bytes, items) each.

    The same request is always cut at the same places. Resources and scopes without items are
    left out.
    """
    parts = _Parts(signal, max_items)
    resources, scopes, items = _FIELDS[signal]
    for resource in getattr(request, resources):
        for scope in getattr(resource, scopes):
            for item, weight in _weighed(signal, getattr(scope, items), max_items):
                parts.add(resource, scope, item, weight)
    return parts.finish()


def _weighed(signal: Signal, items: Iterable[Any], max_items: int) -> Iterator[tuple[Any, int]]:
    if signal is not Signal.METRICS:
        for item in items:
            yield item, 1
        return
    for metric in items:
        points = metric_points(metric)
        if points <= max_items:
            yield metric, points
        else:
            yield from _split_metric(metric, points, max_items)


def _split_metric(metric: Metric, points: int, max_items: int) -> Iterator[tuple[Metric, int]]:
    """A metric with too many points becomes several of the same name, kind and temporality."""
    kind = metric.WhichOneof("data")
    assert kind is not None, "a metric without data has no points to split"
    for start in range(0, points, max_items):
        part = Metric()
        part.CopyFrom(metric)
        data_points = getattr(part, kind).data_points
        del data_points[start + max_items :]
        del data_points[:start]
        yield part, len(data_points)


class _Parts:
    """The parts so far, and the one being filled."""

    def __init__(self, signal: Signal, max_items: int) -> None:
        self._request = BY_SIGNAL[signal].request
        self._resources, self._scopes, self._items = _FIELDS[signal]
        self._max_items = max_items
        self._done: list[tuple[bytes, int]] = []
        self._open()

    def _open(self) -> None:
        self._part = self._request()
        self._weight = 0
        self._from_resource: Any = None
        self._from_scope: Any = None
        self._into: Any = None

    def add(self, resource: Any, scope: Any, item: Any, weight: int) -> None:
        if self._weight and self._weight + weight > self._max_items:
            self._close()
        if resource is not self._from_resource:
            self._from_resource, self._from_scope = resource, None
            self._resource = getattr(self._part, self._resources).add()
            _copy_without(resource, self._resource, self._scopes)
        if scope is not self._from_scope:
            self._from_scope = scope
            target = getattr(self._resource, self._scopes).add()
            _copy_without(scope, target, self._items)
            self._into = getattr(target, self._items)
        self._into.append(item)
        self._weight += weight

    def _close(self) -> None:
        self._done.append((self._part.SerializeToString(), self._weight))
        self._open()

    def finish(self) -> list[tuple[bytes, int]]:
        if self._into is not None:
            self._close()
        return self._done


def _copy_without(source: Any, target: Any, items: str) -> None:
    """Copy everything but the items, without ever copying the items."""
    for field, value in source.ListFields():
        if field.name == items:
            continue
        if field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)

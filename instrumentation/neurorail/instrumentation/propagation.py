"""The chain between processes: W3C headers, environment variables, or ids by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from neurorail.instrumentation.current import chain_ids, with_ids
from neurorail.instrumentation.ids import checked_id
from neurorail.semconv.attributes import CHAIN_IDS, ID_PREFIXES

_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def carrier() -> dict[str, str]:
    """The chain as headers (`traceparent`, `baggage`), for a message or a request by hand.

    Instrumented HTTP clients send these themselves.

    >>> with mission("report"):
    ...     sorted(carrier())
    ['baggage', 'traceparent']
    """
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, with_ids(chain_ids(), context.get_current()))
    return headers


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables for a sub-process, with `TRACEPARENT` and `BAGGAGE` in them.

    Args:
        environment: What to start from; this process's own environment by default.

    >>> with mission("report"):
    ...     command = ["python", "worker.py"]
    ...     environment = child_environment()  # subprocess.run(command, env=environment)
    ...     "BAGGAGE" in environment
    True
    """
    variables = dict(os.environ if environment is None else environment)
    for name in ("TRACEPARENT", "TRACESTATE", "BAGGAGE"):
        variables.pop(name, None)
    variables.update({name.upper(): value for name, value in carrier().items()})
    return variables


def context_from_environment(environment: Mapping[str, str] | None = None) -> Context:
    """The context that a parent process left in `TRACEPARENT` and `BAGGAGE`."""
    variables = os.environ if environment is None else environment
    names = ("traceparent", "tracestate", "baggage")
    headers = {name: variables[name.upper()] for name in names if name.upper() in variables}
    return _PROPAGATOR.extract(headers, context=Context())


@contextmanager
def resume(*ids: str, headers: Mapping[str, str] | None = None) -> Iterator[None]:
    """Work below entities that run elsewhere; nothing is reported about them.

    Args:
        ids: Ids of the chain, from the mission down as far as they are known.
        headers: What `carrier` gave in the other process, instead of ids.

    Raises:
        ValueError: an id is none.

    >>> with resume("m_weekly-42", "p_weekly-42", "j_summary-42"), attempt() as a:
    ...     a.ids["neurorail.job.id"]
    'j_summary-42'
    """
    within = context.get_current()
    if headers is not None:
        within = _PROPAGATOR.extract(dict(headers), context=within)
    if ids:
        within = with_ids(
            _named(ids) if headers is None else chain_ids(within) | _named(ids), within
        )
    token = context.attach(within)
    try:
        yield
    finally:
        context.detach(token)


def _named(ids: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for given in ids:
        level = next((n for n, prefix in enumerate(ID_PREFIXES) if given.startswith(prefix)), 0)
        found[CHAIN_IDS[level]] = checked_id(level, given)
    return {name: found[name] for name in CHAIN_IDS if name in found}

"""Lifecycle reports and heartbeats, from span events and from log records alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from neurorail.collector.decode import keys
from neurorail.collector.decode.attributes import chain_ids, read_name, read_text
from neurorail.collector.decode.entity_fields import fill, has_any
from neurorail.collector.decode.genai import GenAIReader
from neurorail.collector.decode.identity import IdReader, deepest, inherit, level_of
from neurorail.collector.decode.values import INT64_MAX, read, texts, whole
from neurorail.rules.lifecycle import STATES, TRANSITIONS
from neurorail.rules.observations import (
    Fields,
    Heartbeat,
    Ids,
    Observation,
    TransitionReported,
)
from neurorail.semconv import attributes as names

REASON_MAX: Final = 1024
"""Characters of a reason or a status message that the engine keeps."""
TRANSITIONS_MAX: Final = 16
"""Transitions one event may report together."""
_TRANSITION_NAME_MAX: Final = 64

EVENT_NAMES: Final = frozenset({names.TRANSITION_EVENT.encode(), names.HEARTBEAT_EVENT.encode()})
_HEARTBEAT: Final = names.HEARTBEAT_EVENT.encode()
# Every state is the end of exactly one kind of transition.
_LEADS_TO: Final = {state: name for (_, name), state in TRANSITIONS.items()}


class TransitionReader:
    """Turns the attributes of a lifecycle event into observations."""

    def __init__(self, ids: IdReader, genai: GenAIReader, stats: Counter[str]) -> None:
        self._ids = ids
        self._genai = genai
        self._stats = stats

    def read(
        self,
        name: bytes,
        found: dict[int, bytes],
        tags: tuple[tuple[str, str], ...],
        above: Ids,
        service: str | None,
        source: str,
        time_unix_nano: int,
        trace_id: bytes,
        span_id: bytes,
    ) -> list[Observation]:
        """The observations of one event.

        Args:
            name: The event's name, one of `EVENT_NAMES`.
            found: Its scanned attributes.
            tags: Its tags.
            above: The ids of the span that holds it, or of the resource.
            service: The resource's `service.name`.
            source: `span_event` or `log`.
            time_unix_nano: When it happened.
            trace_id: Of the span or log record; empty without one.
            span_id: Of the span or log record; empty without one.
        """
        own = chain_ids(found, self._ids)
        ids = inherit(own, above)
        level = level_of(read_name(found, keys.ENTITY_TYPE))
        if level is None:
            level = deepest(ids)
        if level is None or ids[level] is None:
            self._stats["event_without_entity"] += 1
            return []
        if name == _HEARTBEAT:
            return [Heartbeat(level, ids, time_unix_nano)]
        from_state = self._state(found, keys.STATE_FROM)
        to_state = self._state(found, keys.STATE_TO)
        steps = self._steps(found, to_state, time_unix_nano)
        if not steps:
            self._stats["event_without_transition"] += 1
            return []
        first = TransitionReported(
            level=level,
            ids=ids,
            transition=steps[0][0],
            time_unix_nano=steps[0][1],
            source=source,
            reason=read_text(found, keys.REASON, REASON_MAX),
            fields=self._fields(found, tags, service),
            error_code=read_name(found, keys.ERROR_CODE) or self._error_type(found),
            trace_id=trace_id,
            span_id=span_id,
        )
        if len(steps) == 1:
            first.from_state = from_state
            first.to_state = to_state
            return [first]
        # States that one event names for several steps are those of the first and of the last.
        several: list[Observation] = [
            replace(first, transition=step, time_unix_nano=time) for step, time in steps
        ]
        return several

    def _error_type(self, found: dict[int, bytes]) -> str | None:
        return self._genai.name(self._genai.collect(found), "error_type")

    def _state(self, found: dict[int, bytes], slot: int) -> str | None:
        state = read_text(found, slot, _TRANSITION_NAME_MAX)
        if state is None:
            return None
        if state.lower() == "none":
            return ""
        if state.lower() not in STATES:
            self._stats["unknown_state"] += 1
        return state.lower()

    def _steps(
        self, found: dict[int, bytes], to_state: str | None, time_unix_nano: int
    ) -> list[tuple[str, int]]:
        several = found.get(keys.TRANSITIONS)
        if several is not None:
            steps = texts(read(several), _TRANSITION_NAME_MAX, TRANSITIONS_MAX)
            times = self._times(found)
            return [
                (step.lower(), times[place] if place < len(times) else time_unix_nano)
                for place, step in enumerate(steps)
            ]
        one = read_text(found, keys.TRANSITION, _TRANSITION_NAME_MAX)
        if one is None and to_state is not None:
            one = _LEADS_TO.get(to_state)
        return [] if one is None else [(one.lower(), time_unix_nano)]

    def _times(self, found: dict[int, bytes]) -> list[int]:
        attribute = found.get(keys.TRANSITION_TIMES)
        given = None if attribute is None else read(attribute)
        if not isinstance(given, list):
            return []
        times: list[int] = []
        for value in given[:TRANSITIONS_MAX]:
            time = whole(value, INT64_MAX)
            if time is None:
                # A time in the middle that cannot be read makes those after it doubtful as well.
                self._stats["bad_transition_time"] += 1
                break
            times.append(time)
        return times

    def _fields(
        self, found: dict[int, bytes], tags: tuple[tuple[str, str], ...], service: str | None
    ) -> Fields | None:
        genai = self._genai.collect(found)
        if not genai.slots and not tags and not has_any(found):
            return None if service is None else Fields(service=service)
        fields = Fields(service=service, tags=tags)
        self._genai.describe(fields, genai)
        return fill(fields, found, self._stats)

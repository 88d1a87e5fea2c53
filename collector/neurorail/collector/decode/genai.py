"""GenAI telemetry of any convention: what a span is, and what it used."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from neurorail.collector.decode.keys import FOREIGN, RESOURCE_TYPE, KeyTable
from neurorail.collector.decode.values import NAME_MAX, Value, name, read, text, usd_pico, whole
from neurorail.rules.observations import Fields, Usage
from neurorail.semconv.genai import EMBEDDING, INFERENCE, TOOL, Mapping

TOKENS_MAX: Final = 10**12
"""More tokens than one call can have: such a number is an error of its sender."""
COST_USD_PICO_MAX: Final = 10**18
"""A million dollars for one call."""
FIRST_CHUNK_MS_MAX: Final = 10**9

_HASH_CHARS: Final = 32
_REDACTED: Final = re.compile(rb"redacted:hmac-sha256:([0-9a-f]{32}):[0-9]+\Z")
_REDACTED_BYTES_MAX: Final = 100
"""What is left of redacted content is shorter."""

_BILLABLE: Final = frozenset({INFERENCE, EMBEDDING})
_OPERATION_ROLES: Final = frozenset({INFERENCE, EMBEDDING, TOOL})


@dataclass(slots=True)
class GenAI:
    """What the foreign attributes of one span say, strongest alias first."""

    found: dict[int, bytes]
    slots: dict[str, int]
    """Meaning → slot of the alias that carries it."""

    def get(self, meaning: str) -> bytes | None:
        """The value bytes of a meaning."""
        slot = self.slots.get(meaning)
        return None if slot is None else self.found[slot]


class GenAIReader:
    """Reads roles and usage by one version of the mapping."""

    def __init__(self, mapping: Mapping, table: KeyTable, stats: Counter[str]) -> None:
        self._mapping = mapping
        self._table = table
        self._stats = stats
        self._role_slots = frozenset(slot for slot, _ in table.roles)
        self._role_of: dict[tuple[int, bytes], str | None] = {}
        self._excludes_cache = _slots_of(table, mapping.excludes_cache)
        self._excludes_reasoning = _slots_of(table, mapping.excludes_reasoning)

    def collect(self, found: dict[int, bytes]) -> GenAI:
        """The attributes that carry a meaning, one for each meaning."""
        slots: dict[str, int] = {}
        meanings = self._table.meanings
        # From the weakest alias to the strongest, which stays.
        for slot in sorted(found, reverse=True):
            if slot < FOREIGN:
                break
            meaning = meanings.get(slot)
            if meaning is not None:
                slots[meaning] = slot
        return GenAI(found, slots)

    def role(self, genai: GenAI) -> str:
        """What the span is: one of `ROLES`, or empty."""
        found = genai.found
        if not self._role_slots.isdisjoint(found):
            for slot, roles in self._table.roles:
                attribute = found.get(slot)
                if attribute is not None:
                    role = self._role(slot, roles, attribute)
                    if role is not None:
                        return role
        resource_type = found.get(RESOURCE_TYPE)
        if resource_type is not None:
            kind = name(resource_type)
            return self._mapping.resource_roles.get(kind.lower(), "") if kind else ""
        # The oldest senders name the model and its provider, and no operation.
        return INFERENCE if genai.slots.keys() >= _SURELY_A_CALL else ""

    def _role(self, slot: int, roles: dict[str, str], attribute: bytes) -> str | None:
        key = (slot, attribute)
        try:
            return self._role_of[key]
        except KeyError:
            value = read(attribute)
            word = value.split(" ", 1)[0].lower() if isinstance(value, str) else ""
            role = roles.get(word)
        if len(self._role_of) >= _ROLES_MAX:
            self._role_of.clear()
        self._role_of[key] = role
        return role

    def provider(self, genai: GenAI) -> str | None:
        """The provider under its official name."""
        name = self.name(genai, "provider")
        if name is None:
            return None
        lower = name.lower()
        return self._mapping.providers.get(lower, lower)

    def name(self, genai: GenAI, meaning: str) -> str | None:
        """A short text."""
        slot = genai.slots.get(meaning)
        return None if slot is None else name(genai.found[slot])

    def model(self, genai: GenAI) -> str | None:
        """The response's model, else the request's."""
        return self.name(genai, "response_model") or self.name(genai, "request_model")

    def describe(self, fields: Fields, genai: GenAI) -> None:
        """Adds who acts, and with what."""
        fields.agent = self.name(genai, "agent")
        fields.model = self.model(genai)
        fields.provider = self.provider(genai)
        fields.tool = self.name(genai, "tool")

    def first_signal_ms(self, genai: GenAI) -> int | None:
        """Time to the first chunk of the answer, in milliseconds."""
        for meaning, factor in _FIRST_CHUNK:
            attribute = genai.get(meaning)
            if attribute is None:
                continue
            value = read(attribute)
            if isinstance(value, int | float) and not isinstance(value, bool):
                scaled = value * factor
                if math.isfinite(scaled) and 0 <= scaled <= FIRST_CHUNK_MS_MAX:
                    return round(scaled)
            self._stats["bad_first_chunk"] += 1
        return None

    def arguments(self, role: str, genai: GenAI) -> str | None:
        """A hash of what a model or tool was called with; equal calls have equal ones.

        Redaction leaves a keyed hash in place of content. Where content is kept, it is hashed here.
        """
        attribute = genai.get("arguments")
        if attribute is None or role not in _OPERATION_ROLES:
            return None
        redacted = _REDACTED.search(attribute, max(0, len(attribute) - _REDACTED_BYTES_MAX))
        if redacted is not None:
            return redacted.group(1).decode()
        return hashlib.sha256(attribute).hexdigest()[:_HASH_CHARS]

    def usage(
        self, role: str, genai: GenAI, provider: str | None, model: str | None
    ) -> Usage | None:
        """What the span's own call used; None for a span that only repeats its children's.

        Tools have no tokens and no price: a tool's usage counts the call.
        """
        if role not in _OPERATION_ROLES:
            return None
        usage = Usage(role, provider, model, self._response_id(genai))
        if role in _BILLABLE:
            self._tokens(usage, genai)
            usage.cost_usd_pico = self._cost(genai)
        return usage

    def _response_id(self, genai: GenAI) -> str | None:
        attribute = genai.get("response_id")
        return None if attribute is None else text(read(attribute), NAME_MAX)

    def _tokens(self, usage: Usage, genai: GenAI) -> None:
        slots = genai.slots
        counts: dict[str, int] = {}
        for meaning in _COUNTS:
            if meaning in slots:
                self._count(genai, meaning, counts)
        input_source = slots.get("input_tokens")
        output_source = slots.get("output_tokens")
        if not counts and "usage_json" in slots:
            self._details(genai, counts)
            input_source = output_source = slots["usage_json"]
        if not counts:
            return
        usage.has_tokens = True
        usage.cache_read_tokens = counts.get("cache_read_tokens", 0)
        usage.cache_write_tokens = counts.get("cache_write_tokens", 0)
        usage.reasoning_tokens = counts.get("reasoning_tokens", 0)
        cached = usage.cache_read_tokens + usage.cache_write_tokens
        usage.input_tokens, usage.output_tokens = _both_sides(counts)
        # A part can never be more than its whole: a sender whose parts are left them out of it.
        if cached and (input_source in self._excludes_cache or cached > usage.input_tokens):
            usage.input_tokens += cached
        reasoning = usage.reasoning_tokens
        if reasoning and (
            output_source in self._excludes_reasoning or reasoning > usage.output_tokens
        ):
            usage.output_tokens += reasoning

    def _count(self, genai: GenAI, meaning: str, counts: dict[str, int]) -> None:
        value = read(genai.found[genai.slots[meaning]])
        if type(value) is not int or not 0 <= value <= TOKENS_MAX:
            value = whole(value, TOKENS_MAX)
            if value is None:
                self._stats["bad_token_count"] += 1
                return
        counts[meaning] = value

    def _details(self, genai: GenAI, counts: dict[str, int]) -> None:
        details = self._json(genai, "usage_json")
        for key, meaning in _DETAILS.items():
            given = details.get(key)
            if meaning not in counts and isinstance(given, int | float | str):
                count = whole(given, TOKENS_MAX)
                if count is None:
                    self._stats["bad_token_count"] += 1
                else:
                    counts[meaning] = count

    def _cost(self, genai: GenAI) -> int | None:
        if genai.slots.keys().isdisjoint(_COSTS):
            return None
        total = self._money(genai, "cost_usd")
        if total is not None:
            return total
        parts = [self._money(genai, "cost_input_usd"), self._money(genai, "cost_output_usd")]
        stated = [part for part in parts if part is not None]
        if stated:
            return sum(stated)
        return self._cost_of(self._json(genai, "cost_json").get("total"))

    def _money(self, genai: GenAI, meaning: str) -> int | None:
        attribute = genai.get(meaning)
        return None if attribute is None else self._cost_of(read(attribute))

    def _cost_of(self, value: Value) -> int | None:
        if value is None:
            return None
        cost = usd_pico(value, COST_USD_PICO_MAX)
        if cost is None:
            self._stats["bad_cost"] += 1
        return cost

    def _json(self, genai: GenAI, meaning: str) -> dict[str, Any]:
        attribute = genai.get(meaning)
        if attribute is None:
            return {}
        value = read(attribute)
        try:
            found = msgspec.json.decode(value) if isinstance(value, str) else None
        except (msgspec.DecodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self._stats["bad_json"] += 1
            return {}
        return found


def _slots_of(table: KeyTable, attributes: frozenset[str]) -> frozenset[int]:
    return frozenset(slot for slot, name in table.names.items() if name in attributes)


_SURELY_A_CALL: Final = frozenset({"provider", "request_model", "input_tokens"})
_COSTS: Final = frozenset({"cost_usd", "cost_input_usd", "cost_output_usd", "cost_json"})
_FIRST_CHUNK: Final = (("first_chunk_s", 1000), ("first_chunk_ms", 1))
_ROLES_MAX: Final = 4096
_COUNTS: Final[tuple[str, ...]] = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


def _both_sides(known: dict[str, int]) -> tuple[int, int]:
    """Input and output tokens, where one may be missing and only their sum be known."""
    given_in = known.get("input_tokens")
    given_out = known.get("output_tokens")
    total = known.get("total_tokens")
    if total is not None:
        if given_in is None:
            given_in = max(0, total - (given_out or 0))
        elif given_out is None:
            given_out = max(0, total - given_in)
    return given_in or 0, given_out or 0


_DETAILS: Final = {
    "input": "input_tokens",
    "input_tokens": "input_tokens",
    "prompt_tokens": "input_tokens",
    "output": "output_tokens",
    "output_tokens": "output_tokens",
    "completion_tokens": "output_tokens",
    "total": "total_tokens",
    "total_tokens": "total_tokens",
    "input_cached_tokens": "cache_read_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "input_cache_read": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "input_cache_creation": "cache_write_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "output_reasoning": "reasoning_tokens",
}
"""Keys of a `usage_details` object → meaning."""

"""Bodies of the governor's requests, read strictly."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec

from neurorail.api.ids import ID_FIELDS, check_id
from neurorail.api.problems import bad_field
from neurorail.collector.decode.values import INT64_MAX, decimal_usd_pico
from neurorail.rules.observations import Ids

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Word = Annotated[str, msgspec.Meta(max_length=1_000)]
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=INT64_MAX)]
CONTEXT_MAX: Final = 64


class Amounts(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a call may use, or has used."""

    tokens: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cost_usd: Decimal | None = None
    tool_calls: Count | None = None
    model_calls: Count | None = None
    duration_ms: Count | None = None

    def known(self, field: str) -> dict[str, int]:
        """The amounts that are stated, money in pico-USD. Raises a 422 problem."""
        found = {
            name: value
            for name in self.__struct_fields__
            if name != "cost_usd" and (value := getattr(self, name)) is not None
        }
        if self.cost_usd is not None:
            cost = decimal_usd_pico(self.cost_usd)
            if cost is None:
                detail = f"{field}.cost_usd {self.cost_usd} is not an amount from 0 on"
                raise bad_field(f"{field}.cost_usd", self.cost_usd, detail)
            found["cost_usd_pico"] = cost
        return found


class DecideInput(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/governor/v1/decide`."""

    job_type: Short
    mission_id: str | None = None
    plan_id: str | None = None
    job_id: str | None = None
    attempt_id: str | None = None
    resource_id: str | None = None
    parent_reservation_id: Short | None = None
    context: dict[Short, Word | Number | bool] = {}
    estimates: Amounts = Amounts()
    idempotency_key: Short | None = None
    override: Short | None = None
    """Why it is to be granted whatever the rules say; needs `emergency:override`."""

    def ids(self) -> Ids:
        """The chain it names. Raises a 422 problem for an id that is none."""
        ids: Ids = (
            self.mission_id, self.plan_id, self.job_id, self.attempt_id, self.resource_id
        )  # fmt: skip
        for level, entity_id in enumerate(ids):
            if entity_id is not None:
                check_id(level, ID_FIELDS[level], entity_id)
        return ids


class ReportInput(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/governor/v1/reservations/{id}/{reconcile|release}`."""

    usage: Amounts = Amounts()
    provider: Short | None = None
    model: Short | None = None
    """Who answered: where tokens are stated without a cost, its prices tell the cost."""


_DECIDE: Final = msgspec.json.Decoder(DecideInput)
_REPORT: Final = msgspec.json.Decoder(ReportInput)


def read_decide(body: bytes) -> DecideInput:
    """The request in a body. Raises a 422 problem that names the field."""
    found = _read(_DECIDE, body)
    if len(found.context) > CONTEXT_MAX:
        detail = f"context has {len(found.context)} entries, at most {CONTEXT_MAX} are read"
        raise bad_field("context", len(found.context), detail)
    return found


def read_report(body: bytes) -> ReportInput:
    """The report in a body, which may be empty. Raises a 422 problem that names the field."""
    return _read(_REPORT, body or b"{}")


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        detail = str(error)
        place = detail.rpartition("at `$.")[2].rstrip("`") if "at `$." in detail else "body"
        said = detail if detail.startswith("JSON") else detail[:1].lower() + detail[1:]
        raise bad_field(place, body[:100].decode("utf-8", "replace"), said) from None


def fingerprint(meaning: object) -> str:
    """SHA-256 of a request's meaning, whatever the order of its fields."""
    canonical = msgspec.json.encode(meaning, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()


def body_schema(kind: type[msgspec.Struct], *, required: bool) -> dict[str, Any]:
    """How a body is described in the API's schema."""
    (whole,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    schema = _inlined(whole, parts)
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """A schema without references, which OpenAPI keeps elsewhere."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(parts[schema["$ref"]], parts)
        if schema.get("format") == "decimal":
            return {"type": ["string", "number"], "format": "decimal"}
        return {name: _inlined(part, parts) for name, part in schema.items()}
    return [_inlined(part, parts) for part in schema] if isinstance(schema, list) else schema

"""An entity of the trace chain as the engine holds it, and its form as a plain row."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.lifecycle import NONE, TERMINAL
from neurorail.rules.observations import Budget, Fields, Ids

LEVEL_NAMES: Final = ("mission", "plan", "job", "attempt", "resource")
ID_PREFIXES: Final = ("m_", "p_", "j_", "a_", "r_")
LEVEL_OF_PREFIX: Final = {prefix: level for level, prefix in enumerate(ID_PREFIXES)}

TRANSITION_BIT: Final = {
    "create": 1,
    "enqueue": 2,
    "start": 4,
    "succeed": 8,
    "fail": 16,
    "timeout": 32,
    "cancel": 64,
}

ORPHAN: Final = 1
IDLE: Final = 2
SILENT: Final = 4
DERIVED: Final = 8
OVER_BUDGET: Final = 16
SUSPENDED: Final = 32
IMPORTED: Final = 64
FLAG_NAMES: Final = ((ORPHAN, "orphan"), (IDLE, "idle"), (SILENT, "silent"), (DERIVED, "derived"),
                     (OVER_BUDGET, "over_budget"), (SUSPENDED, "suspended"),
                     (IMPORTED, "imported"))  # fmt: skip

INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, REASONING, COST, UNPRICED, MODEL_CALLS, TOOL_CALLS = range(
    9
)
"""Places in `Entity.totals`."""

Waiting = tuple[str, int, int, str | None, str | None]
"""A reported transition that waits: name, event time, received, reason, error code."""


class Entity:
    """One entity: where it is, when it got there, what it consumed, what it still waits for.

    All times are nanoseconds since the epoch, 0 where they have not happened. `*_received` are
    times of records, the others are times of events.
    """

    __slots__ = (
        "attempts",
        "attempts_running",
        "budget",
        "children",
        "created",
        "dependents",
        "ended",
        "error_code",
        "fields",
        "first_child",
        "first_received",
        "first_signal_ms",
        "flags",
        "heartbeat_received",
        "id",
        "ids",
        "inferred",
        "intervals",
        "key",
        "last_received",
        "last_transition",
        "level",
        "limits_by_hand",
        "limits_known",
        "ordinal",
        "orphan_at",
        "reported",
        "retries",
        "seen",
        "started",
        "state",
        "tenant",
        "timeout_enforced",
        "totals",
        "violated",
        "waiting",
        "warned",
    )

    def __init__(self, tenant: str, key: str, level: int, entity_id: str, ids: Ids) -> None:
        self.tenant = tenant
        self.key = key
        self.level = level
        self.id = entity_id
        self.ids = ids
        self.state = NONE
        self.ordinal = 0
        self.created = 0
        self.started = 0
        self.ended = 0
        self.last_transition = 0
        self.first_received = 0
        self.last_received = 0
        self.inferred = 0
        self.reported = 0
        self.flags = 0
        self.totals = [0] * 9
        self.attempts = 0
        self.retries = 0
        self.attempts_running = 0
        self.warned = 0
        self.violated = 0
        self.first_child = 0
        self.first_signal_ms: int | None = None
        self.error_code: str | None = None
        self.fields: Fields | None = None
        self.budget: Budget | None = None
        self.limits_by_hand = 0
        """A bit for each place in `KINDS` of limits whose amount a person set."""
        self.limits_known: tuple[Any, ...] | None = None
        """The manifest's limits that were found last, and of what they follow; never written."""
        self.children: list[str] = []
        self.seen: list[tuple[str, int]] = []
        self.waiting: list[Waiting] = []
        self.dependents: list[str] = []
        self.intervals: list[tuple[int, int]] = []
        self.heartbeat_received = 0
        self.orphan_at = 0
        self.timeout_enforced = False

    @property
    def terminal(self) -> bool:
        """Whether it ended, for ever."""
        return self.state in TERMINAL

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.totals[INPUT] + self.totals[OUTPUT]

    @property
    def type(self) -> str:
        """`mission`, `plan`, `job`, `attempt` or `resource`."""
        return LEVEL_NAMES[self.level]


def entity_key(tenant: str, entity_id: str) -> str:
    """The key of an entity's state. Ids hold no `|`, so that keys are unambiguous."""
    return f"{tenant}|{entity_id}"


def to_row(entity: Entity) -> list[Any]:
    """The entity as plain values, for the state store. Trailing defaults are left out."""
    fields = entity.fields
    budget = entity.budget
    row: list[Any] = [
        entity.level,
        entity.id,
        entity.ids,
        entity.state,
        entity.ordinal,
        entity.created,
        entity.started,
        entity.ended,
        entity.last_transition,
        entity.first_received,
        entity.last_received,
        entity.inferred,
        entity.reported,
        entity.flags,
        entity.totals if any(entity.totals) else None,
        entity.error_code,
        None if fields is None else _fields_row(fields),
        None if budget is None else _budget_row(budget),
        entity.first_signal_ms,
        entity.attempts,
        entity.retries,
        entity.attempts_running,
        entity.warned,
        entity.violated,
        entity.children,
        entity.seen,
        entity.waiting,
        entity.dependents,
        entity.intervals,
        entity.heartbeat_received,
        entity.orphan_at,
        entity.timeout_enforced,
        entity.first_child,
        entity.limits_by_hand,
    ]
    while not row[-1]:
        row.pop()
    return row


def from_row(tenant: str, key: str, row: list[Any]) -> Entity:
    """The entity that `to_row` wrote."""
    row = [*row, *([None] * (34 - len(row)))]
    entity = Entity(tenant, key, row[0], row[1], tuple(row[2]))
    entity.state = row[3]
    entity.ordinal = row[4] or 0
    entity.created = row[5] or 0
    entity.started = row[6] or 0
    entity.ended = row[7] or 0
    entity.last_transition = row[8] or 0
    entity.first_received = row[9] or 0
    entity.last_received = row[10] or 0
    entity.inferred = row[11] or 0
    entity.reported = row[12] or 0
    entity.flags = row[13] or 0
    if row[14]:
        entity.totals = list(row[14])
    entity.error_code = row[15]
    entity.fields = None if row[16] is None else _fields_from(row[16])
    entity.budget = None if row[17] is None else Budget(*row[17])
    entity.first_signal_ms = row[18]
    entity.attempts = row[19] or 0
    entity.retries = row[20] or 0
    entity.attempts_running = row[21] or 0
    entity.warned = row[22] or 0
    entity.violated = row[23] or 0
    entity.children = list(row[24] or ())
    entity.seen = [(name, at) for name, at in row[25] or ()]
    entity.waiting = [(a, b, c, d, e) for a, b, c, d, e in row[26] or ()]
    entity.dependents = list(row[27] or ())
    entity.intervals = [(start, end) for start, end in row[28] or ()]
    entity.heartbeat_received = row[29] or 0
    entity.orphan_at = row[30] or 0
    entity.timeout_enforced = bool(row[31])
    entity.first_child = row[32] or 0
    entity.limits_by_hand = row[33] or 0
    return entity


def _budget_row(budget: Budget) -> list[int | None]:
    return [
        budget.timeout_ms,
        budget.max_tokens,
        budget.max_cost_usd_pico,
        budget.max_retries,
        budget.max_parallel,
        budget.max_tool_calls,
        budget.max_input_tokens,
        budget.max_output_tokens,
        budget.max_model_calls,
    ]


def _fields_row(fields: Fields) -> list[Any]:
    """Everything but the budget, which the entity keeps for itself; trailing Nones left out."""
    row: list[Any] = [
        fields.service,
        fields.agent,
        fields.job_type,
        fields.resource_type,
        fields.attempt_number,
        fields.model,
        fields.provider,
        fields.tool,
        fields.plan_type,
        fields.parent_mission_id,
        fields.tags,
        fields.dependencies,
        fields.metadata_json,
    ]
    while row and not row[-1]:
        row.pop()
    return row


def _fields_from(row: list[Any]) -> Fields:
    row = [*row, *([None] * (13 - len(row)))]
    return Fields(
        service=row[0],
        agent=row[1],
        job_type=row[2],
        resource_type=row[3],
        attempt_number=row[4],
        model=row[5],
        provider=row[6],
        tool=row[7],
        plan_type=row[8],
        parent_mission_id=row[9],
        tags=tuple((key, value) for key, value in row[10] or ()),
        dependencies=tuple(row[11] or ()),
        metadata_json=row[12],
    )

"""Observations as bytes, for `neurorail_records`: MessagePack, each an array led by its tag.

The order of the fields and the tags are the format. New fields are added at the end of a type, so
that older bytes are still read; a tag is never used again for something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import reduce
from operator import attrgetter, or_
from typing import Any, Final, cast, get_type_hints

import msgspec

from neurorail.collector.decode.five_ids import FiveIds
from neurorail.rules import observations as seam
from neurorail.rules.observations import Ids, Observation

_TAGS: Final[dict[int, type[Any]]] = {
    1: seam.SpanLinks,
    2: seam.SpanObserved,
    3: seam.TransitionReported,
    4: seam.Heartbeat,
    5: seam.UsageReported,
    6: seam.AuditLogged,
    7: seam.Tick,
    8: seam.Resumed,
    9: seam.PricesLoaded,
    10: seam.EpochStarted,
    11: seam.Rejected,
    12: seam.DeadLettered,
    13: seam.Noted,
    40: seam.ErasureOrdered,
    20: seam.OperatorActed,
    21: seam.ConfirmationAnswered,
    22: seam.BudgetChanged,
    14: seam.DecideRequested,
    15: seam.ReservationReported,
    30: seam.ManifestDrafted,
    31: seam.ManifestMoved,
}
_PARTS: Final = (seam.Budget, seam.Fields, seam.Usage, seam.Once)
"""Values inside observations, the inner ones first."""


class _Shape:
    """How one dataclass is written as an array and made again from its mirror.

    The mirror is a struct with the same fields, by which MessagePack is read and checked.
    """

    def __init__(self, kind: type[Any], tag: int | None, parts: dict[type[Any], _Shape]) -> None:
        self.kind = kind
        self.tag = tag
        hints = get_type_hints(kind)
        columns: list[Any] = []
        self._nested: list[tuple[int, _Shape]] = []
        for place, column in enumerate(fields(kind)):
            hint = FiveIds if hints[column.name] == Ids else hints[column.name]
            for part, shape in parts.items():
                if hint in (part, part | None):
                    hint = shape.mirror if hint == part else shape.mirror | None
                    self._nested.append((place, shape))
            default = () if column.default is MISSING else (column.default,)
            columns.append((column.name, hint, *default))
        self.mirror: Any = msgspec.defstruct(
            kind.__name__, columns, array_like=True, tag=tag, gc=False
        )
        self._values = _values_getter([column.name for column in fields(kind)])

    def row(self, value: object) -> list[Any]:
        """The fields of a value of this kind, in order."""
        row = list(self._values(value))
        for place, shape in self._nested:
            if row[place] is not None:
                row[place] = shape.row(row[place])
        return row if self.tag is None else [self.tag, *row]

    def value(self, mirrored: object) -> Any:
        """The value that a mirror stands for."""
        if not self._nested:
            return self.kind(*self._values(mirrored))
        row = list(self._values(mirrored))
        for place, shape in self._nested:
            if row[place] is not None:
                row[place] = shape.value(row[place])
        return self.kind(*row)


def _values_getter(names: list[str]) -> Callable[[object], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        getter = attrgetter(names[0])
        return lambda value: (getter(value),)
    return cast("Callable[[object], tuple[Any, ...]]", attrgetter(*names))


def _shapes() -> list[_Shape]:
    parts: dict[type[Any], _Shape] = {}
    for part in _PARTS:
        parts[part] = _Shape(part, None, parts)
    return [_Shape(kind, tag, parts) for tag, kind in _TAGS.items()]


_SHAPES: Final = _shapes()
_BY_KIND: Final = {shape.kind: shape for shape in _SHAPES}
_BY_MIRROR: Final = {shape.mirror: shape for shape in _SHAPES}
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[list[Any]]] = msgspec.msgpack.Decoder(
    list[reduce(or_, _BY_MIRROR)]  # type: ignore[misc]
)


def encode_observations(observations: list[Observation]) -> bytes:
    """The bytes that `decode_observations` makes the same list of again."""
    return _ENCODER.encode([_BY_KIND[type(one)].row(one) for one in observations])


def decode_observations(data: bytes) -> list[Observation]:
    """The observations in `data`.

    Raises:
        msgspec.DecodeError: `data` is not what `encode_observations` makes.
    """
    return [_BY_MIRROR[type(one)].value(one) for one in _DECODER.decode(data)]

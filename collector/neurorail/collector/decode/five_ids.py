"""Chain ids where they are read and their number is checked."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from neurorail.rules.observations import NO_IDS, Ids

FiveIds: TypeAlias = Annotated[Ids, msgspec.Meta(min_length=len(NO_IDS), max_length=len(NO_IDS))]

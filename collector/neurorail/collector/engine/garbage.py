"""Looking for garbage without stopping to: each object is looked at once, while it is young."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_MAX: Final = 2_500
"""New objects at which they are looked at: about a millisecond."""


def look_at_the_young_alone() -> None:
    """Begin: what there is now is looked at for the last time, and nothing by itself from now on.

    The collector of Python looks at what is new when there is much of it, and at everything now
    and then. An engine holds a hundred objects for each mission and makes no cycles of them, so
    that it would find nothing, and keep every event waiting meanwhile: tens of milliseconds for
    what is new, longer with every mission that it knows.
    """
    gc.disable()
    gc.collect()
    gc.freeze()


def look() -> None:
    """Look at what is new, if there is enough of it; call when nobody waits."""
    if gc.get_count()[0] > YOUNG_MAX:
        gc.collect(0)
        gc.freeze()

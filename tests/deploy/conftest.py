"""Tools that are not everywhere: `scripts/tools` installs those that Debian does not have."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.needed import not_here

Tool = Callable[[str], str]


@pytest.fixture
def tool(root: Path) -> Tool:
    """Where a program is; without it the test is skipped, and says why."""
    places = os.pathsep.join((str(root / "build" / "tools" / "bin"), os.environ["PATH"]))

    def where(name: str) -> str:
        found = shutil.which(name, path=places)
        return found or not_here(f"no {name}: run scripts/tools, or install it")

    return where

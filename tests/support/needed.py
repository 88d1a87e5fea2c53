"""What a test needs of the machine and may not find."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def not_here(reason: str) -> NoReturn:
    """Skip for lack of something; in continuous integration, where nothing may lack, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)

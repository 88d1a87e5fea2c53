"""The running API for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.rail import Rail, running_rail


@pytest.fixture
async def rail() -> AsyncIterator[Rail]:
    """The real API on a random port."""
    async with running_rail() as running:
        yield running

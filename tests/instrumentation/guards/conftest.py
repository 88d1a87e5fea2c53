"""Guarded libraries, each against a server that counts what reaches it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.instrumentation.conftest import Told
from tests.support.model_api import ModelApi, model_api

from neurorail.instrumentation.gate.directive import Directive
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.instrumentor import GUARDS
from neurorail.instrumentation.process import process


@pytest.fixture
def api() -> Iterator[ModelApi]:
    """A model server of the test's own."""
    with model_api() as running:
        yield running


@pytest.fixture
def guarded(told: Told, request: pytest.FixtureRequest) -> Iterator[Patches]:
    """The libraries guarded that the test's module names in `GUARDED`."""
    patches = Patches()
    patches.active = True
    for name in request.module.GUARDED:
        GUARDS[name](patches)
    yield patches
    patches.take_away()


@pytest.fixture
def refusing(guarded: Patches) -> Iterator[Patches]:
    """A gate that lets nothing through."""
    directive = Directive("tried", "kill", {}, "NR-E008", "stopped by hand", "switch")
    process().gate.apply(directive)
    yield guarded
    process().gate.lift("tried")


def told_arguments(told: Told, name: str) -> list[str]:
    """What the spans of this name tell of their calls' arguments."""
    found = [span.attributes or {} for span in told.spans if span.name == name]
    return [str(attributes.get("gen_ai.tool.call.arguments")) for attributes in found]

"""What waits steps aside for what somebody waits for, as the system's scheduler sees it."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from neurorail.collector.priority import (
    BACKGROUND_NICE,
    BACKGROUND_SLICE_NS,
    PROMPT_SLICE_NS,
    be_prompt,
    step_back,
)

T = TypeVar("T")

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the scheduler is Linux's")


def _scheduled() -> tuple[int, int]:
    """Nice value and slice of the calling thread; a slice of 0 is one the system does not have."""
    room = ctypes.create_string_buffer(_ATTRIBUTES.size)
    call = _SCHED_GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(call, 0, room, _ATTRIBUTES.size, 0) == 0
    _, _, _, nice, _, slice_ns, _, _ = _ATTRIBUTES.unpack(room.raw)
    return nice, slice_ns


def _in_thread(step: Callable[[], None], look: Callable[[], T]) -> T:
    """Take `step` in a thread of its own, and return what `look` sees there then."""
    with ThreadPoolExecutor(1, initializer=step) as thread:
        return thread.submit(look).result()


def _has_slices() -> bool:
    return bool(_scheduled()[1])


def test_what_may_wait_is_interrupted_by_all_others() -> None:
    nice, slice_ns = _in_thread(step_back, _scheduled)
    assert nice == max(BACKGROUND_NICE, os.getpriority(os.PRIO_PROCESS, 0))
    if not _has_slices():
        pytest.skip("this Linux has no slices of a thread's own (6.12)")
    assert slice_ns == BACKGROUND_SLICE_NS


def test_what_is_prompt_keeps_its_share() -> None:
    before, _ = _scheduled()
    nice, slice_ns = _in_thread(be_prompt, _scheduled)
    assert nice == before
    if not _has_slices():
        pytest.skip("this Linux has no slices of a thread's own (6.12)")
    assert slice_ns == PROMPT_SLICE_NS


def test_threads_are_as_those_that_started_them() -> None:
    inner = _in_thread(step_back, lambda: _in_thread(lambda: None, _scheduled))
    assert inner == _in_thread(step_back, _scheduled)


def test_priority_that_an_operator_took_away_is_not_taken_back() -> None:
    lowered = BACKGROUND_NICE + 5

    def lower_then_step_back() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), lowered)
        step_back()

    nice, _ = _in_thread(lower_then_step_back, _scheduled)
    assert nice == lowered

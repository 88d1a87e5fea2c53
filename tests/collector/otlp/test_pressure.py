from __future__ import annotations

from pathlib import Path

from neurorail.collector.otlp.pressure import (
    AnyPressure,
    MemoryPressure,
    NoPressure,
    default_memory_limit_bytes,
    resident_memory_bytes,
)
from neurorail.collector.otlp.refusal import Refusal, unavailable


class Memory:
    """A process whose memory and clock a test sets."""

    def __init__(self, resident: int | None) -> None:
        self.resident = resident
        self.now_s = 0.0
        self.samples = 0

    def sample(self) -> int | None:
        self.samples += 1
        return self.resident

    def clock(self) -> float:
        return self.now_s


def limiter(memory: Memory, limit_bytes: int = 100) -> MemoryPressure:
    return MemoryPressure(limit_bytes, 1.0, memory.sample, memory.clock)


def test_memory_up_to_the_limit_is_fine_and_above_it_is_refused_retryably() -> None:
    memory = Memory(100)
    pressure = limiter(memory)
    assert pressure.check() is None

    memory.resident, memory.now_s = 101, 0.25
    refusal = pressure.check()

    assert refusal is not None
    assert refusal.retryable
    assert "101 bytes" in refusal.message


def test_memory_is_sampled_once_in_250_ms() -> None:
    memory = Memory(101)
    pressure = limiter(memory)

    for memory.now_s in (0.0, 0.1, 0.2, 0.24, 0.25, 0.49):
        assert pressure.check() is not None

    assert memory.samples == 2


def test_requests_are_taken_again_when_memory_falls() -> None:
    memory = Memory(101)
    pressure = limiter(memory)
    assert pressure.check() is not None

    memory.resident, memory.now_s = 99, 0.3

    assert pressure.check() is None


def test_a_limit_of_zero_is_no_limit() -> None:
    memory = Memory(1 << 60)

    assert limiter(memory, 0).check() is None
    assert memory.samples == 0


def test_a_system_that_does_not_tell_has_no_limit() -> None:
    assert limiter(Memory(None)).check() is None


def test_the_first_of_several_refusals_counts() -> None:
    class Full:
        def __init__(self, message: str) -> None:
            self.message = message

        def check(self) -> Refusal | None:
            return unavailable(self.message, 1)

    refusal = AnyPressure([NoPressure(), Full("first"), Full("second")]).check()

    assert refusal is not None
    assert refusal.message == "first"
    assert AnyPressure([NoPressure()]).check() is None


def test_this_process_holds_memory() -> None:
    resident = resident_memory_bytes()

    assert resident is None or resident > 1_000_000


def test_the_default_limit_is_a_share_of_the_smallest_known(tmp_path: Path) -> None:
    unlimited = tmp_path / "max"
    unlimited.write_text("max\n")
    small = tmp_path / "small"
    small.write_text("1000\n")

    assert default_memory_limit_bytes(small) == 800
    assert default_memory_limit_bytes(unlimited) == default_memory_limit_bytes(tmp_path / "none")

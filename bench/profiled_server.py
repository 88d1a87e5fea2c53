"""`neurorail serve` with a sampler beside it: which thread used the processor, and where.

Prints, on standard error at the end, the processor seconds of every thread and the functions in
which its samples were taken. A sample is of where a thread is, also when it waits there.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

SAMPLE_S = 0.005
FUNCTIONS_SHOWN = 25
PROFILE_HEAD = "processor seconds by thread:"
_TICKS_PER_S = 100


class Sampler:
    """Takes samples in a thread of its own until it is stopped."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._samples: dict[str, Counter[str]] = {}
        self._cpu_s: dict[int, float] = {}
        self._names: dict[int, str] = {}
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin to take samples."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        rounds = 0
        while not self._stopping.wait(SAMPLE_S):
            rounds += 1
            self._sample()
            if rounds % 20 == 0:
                self._read_cpu()

    def _sample(self) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            name = names.get(ident, "?")
            if name != "sampler":
                self._samples.setdefault(name, Counter())[_place(frame)] += 1

    def _read_cpu(self) -> None:
        for thread in threading.enumerate():
            if thread.native_id is not None:
                self._names[thread.native_id] = thread.name
        for task in Path("/proc/self/task").iterdir():
            try:
                fields = (task / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            self._cpu_s[int(task.name)] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def report(self) -> str:
        """Return both tables as text."""
        cpu_s: Counter[str] = Counter()
        for native, seconds in self._cpu_s.items():
            cpu_s[self._names.get(native, "threads of native code")] += seconds  # type: ignore[assignment]
        lines = [PROFILE_HEAD]
        lines += [f"  {seconds:8.2f}  {name}" for name, seconds in cpu_s.most_common()]
        for name, places in self._samples.items():
            total = sum(places.values())
            lines.append(f"where {name} was, of {total} samples:")
            lines += [
                f"  {count / total:6.1%}  {place}"
                for place, count in places.most_common(FUNCTIONS_SHOWN)
            ]
        return "\n".join(lines)


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{Path(code.co_filename).name}:{code.co_name}"


def main() -> None:
    from neurorail.app.cli import main as run

    sys.argv = ["neurorail", "serve", "--json", *sys.argv[1:]]
    sampler = Sampler()
    sampler.start()
    try:
        run()
    finally:
        sampler.stop()
        print(sampler.report(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

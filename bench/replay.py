"""Apply the inbox of a data directory anew, without any interruption, and compare the digest.

The digest runs over everything the engine said. If a server that was killed many times comes to
the same one as a single undisturbed run over the same records, no crash changed a decision.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from neurorail.collector.decode import Decoder
from neurorail.collector.engine.applier import Applier
from neurorail.collector.engine.journal import Journal
from neurorail.collector.envelope import Envelope, Stamp, Submission
from neurorail.collector.inbox.segments import Segments
from neurorail.rules.config import EngineConfig

POLL_S = 0.05


class RecordedInbox:
    """Reads the records of stopped files up to a last one; takes no new ones."""

    def __init__(self, directory: Path, last_seq: int) -> None:
        self._segments = Segments(directory, rotate_bytes=1 << 62, open_files=1)
        self._segments.open()
        self._last_seq = last_seq

    @property
    def first_seq(self) -> int:
        """The oldest record."""
        return self._segments.first_seq

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Return the records that follow."""
        room = min(max_records, self._last_seq - after_seq)
        return self._segments.read(after_seq, room, max_bytes) if room > 0 else []

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Tell whether a record follows; the end is waited at."""
        if after_seq < self._last_seq:
            return True
        time.sleep(min(timeout_s, POLL_S))
        return False

    def wake(self) -> None:
        """Do nothing: nobody waits for long."""

    def append_threadsafe(self, submissions: Sequence[Submission]) -> Future[list[Stamp]]:
        """Never answer: the ticks of the time are among the records already."""
        return Future()

    def close(self) -> None:
        """Close the files."""
        self._segments.close()


def compare(data_dir: Path) -> dict[str, str | int | bool]:
    """Apply the inbox of `data_dir`, which no server has open, and compare.

    Raises:
        RuntimeError: the engine stopped, or the inbox no longer has its first record.
    """
    disturbed = _journal(data_dir / "engine.db")
    disturbed.close()
    last_seq = disturbed.progress.emitted_seq
    with tempfile.TemporaryDirectory() as folder:
        # A copy: reading merges the files' logs, and evidence is not to be touched.
        inbox_dir = shutil.copytree(data_dir / "inbox", Path(folder) / "inbox")
        inbox = RecordedInbox(inbox_dir, last_seq)
        if inbox.first_seq != 1:
            raise RuntimeError(f"the inbox begins at record {inbox.first_seq}: it was pruned")
        journal = _journal(Path(folder) / "engine.db")
        applier = Applier(inbox, journal, Decoder().decode, EngineConfig(), lambda events: None)
        applier.start()
        while applier.seq < last_seq and applier.failure is None:
            time.sleep(POLL_S)
        applier.stop()
        journal.close()
        inbox.close()
    if applier.failure is not None:
        raise RuntimeError(f"the engine stopped: {applier.failure}") from applier.failure
    return {
        "last_seq": last_seq,
        "disturbed_events": disturbed.progress.events,
        "undisturbed_events": journal.progress.events,
        "disturbed_digest": disturbed.progress.digest.hex(),
        "undisturbed_digest": journal.progress.digest.hex(),
        "same": disturbed.progress.digest == journal.progress.digest,
    }


def _journal(path: Path) -> Journal:
    journal = Journal(path)
    journal.open()
    return journal


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("data_dir", type=Path)
    found = compare(parser.parse_args().data_dir)
    print(json.dumps(found))
    sys.exit(0 if found["same"] else 1)


if __name__ == "__main__":
    main()

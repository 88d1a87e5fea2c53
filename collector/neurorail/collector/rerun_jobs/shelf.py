"""Jobs and their reports as files in a folder. Everything here blocks on the disk."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

import msgspec

from neurorail.collector.rerun_jobs.config import RerunConfig
from neurorail.collector.rerun_jobs.job import Job

_DAY_NS: Final = 86_400 * 10**9
_REPORT: Final = ".report.json"
_JOB: Final = ".job.json"
_log = logging.getLogger(__name__)


class Shelf:
    """Keeps what is over, up to a number and an age."""

    def __init__(self, folder: Path, config: RerunConfig) -> None:
        self._folder = folder
        self._config = config

    def open(self) -> list[Job]:
        """The jobs that are kept, oldest first. What was left half done is removed.

        Raises:
            OSError: the folder cannot be read or made.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self._scratch, ignore_errors=True)
        found = []
        for file in self._folder.glob(f"*{_JOB}"):
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=Job))
            except msgspec.DecodeError as error:
                _log.warning("%s is no job and is left out: %s", file, error)
        return sorted(found, key=lambda job: job.created_unix_nano)

    def scratch(self) -> Path:
        """An empty folder for the files of the job that runs."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(mode=0o700)
        return self._scratch

    def clear(self) -> None:
        """Remove the files of the job that ran."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def keep(self, job: Job) -> None:
        """Write a job. Raises OSError if it cannot be written."""
        self._write(job.id + _JOB, msgspec.json.encode(job))

    def keep_report(self, job: Job, report: bytes) -> None:
        """Write what a job found. Raises OSError if it cannot be written."""
        self._write(job.id + _REPORT, report)

    def report(self, job_id: str) -> bytes | None:
        """A job's report, as JSON; None without one."""
        try:
            return (self._folder / (job_id + _REPORT)).read_bytes()
        except FileNotFoundError:
            return None

    def too_many(self, jobs: list[Job], now_unix_nano: int) -> list[Job]:
        """Of jobs, oldest first, those that are over and no longer kept."""
        over = [job for job in jobs if job.over]
        oldest = now_unix_nano - self._config.report_days * _DAY_NS
        surplus = len(over) - self._config.reports
        return [
            job for place, job in enumerate(over)
            if place < surplus or job.created_unix_nano < oldest
        ]  # fmt: skip

    def forget(self, job: Job) -> None:
        """Remove a job and its report."""
        for suffix in (_JOB, _REPORT):
            (self._folder / (job.id + suffix)).unlink(missing_ok=True)

    @property
    def _scratch(self) -> Path:
        return self._folder / "scratch"

    def _write(self, name: str, text: bytes) -> None:
        file = self._folder / name
        draft = file.with_suffix(".draft")
        draft.write_bytes(text)
        draft.replace(file)

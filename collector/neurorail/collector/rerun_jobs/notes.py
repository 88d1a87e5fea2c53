"""What is put on record of jobs: who began which, over what, and how it ended."""

from __future__ import annotations

from neurorail.collector.decode.system import NotedRecord
from neurorail.collector.rerun_jobs.job import Job, ManifestName


def begun(job: Job) -> NotedRecord:
    """Somebody asked for a job; who is the record's principal."""
    new, against = _named(job.new), _named(job.against)
    return NotedRecord(
        "rerun_started",
        {
            "rerun_id": job.id,
            "kind": job.kind,
            "manifest_version": new.version,
            "manifest_sha256": new.sha256,
            "against_version": against.version,
            "against_sha256": against.sha256,
            "since_unix_nano": job.since_unix_nano,
            "until_unix_nano": job.until_unix_nano,
            "after_seq": job.after_seq,
            "through_seq": job.through_seq,
        },
        f"a {job.kind} was asked for" + (f": manifest {new.version}" if new.version else ""),
    )


def ended(job: Job) -> NotedRecord:
    """A job is over."""
    because = f": {job.error}" if job.error else ""
    return NotedRecord(
        "rerun_ended",
        {"rerun_id": job.id, "kind": job.kind, "state": job.state, "error": job.error or None},
        f"a {job.kind} {'was ' if job.state == 'cancelled' else ''}{job.state}{because}"[:500],
        "warning" if job.state == "failed" else "info",
    )


def _named(name: ManifestName | None) -> ManifestName:
    return name or ManifestName("", "", "")

"""Checks of the machine: directory, disk, ports, clock, open files."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from neurorail.app.config import Config, split_address
from neurorail.app.doctor.finding import OK, WARNING, WRONG, Finding
from neurorail.app.location import RunningServer
from neurorail.rules import engine as rules_engine

GIB: Final = 1 << 30
DISK_COMFORT: Final = 4
"""Times the least free space at which the inbox refuses telemetry: below, a warning."""
FILES_LEAST: Final = 1_024
FILES_COMFORT: Final = 4_096
RELEASED_UNIX_S: Final = 1_788_220_800
"""A clock before 2026-09-01 is wrong: this release did not exist."""
CLOCK_AHEAD_S: Final = 60


def existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def directory(config: Config) -> Finding:
    """The data directory can be written, and only by us."""
    path = config.data_dir.resolve()
    if not path.exists():
        if os.access(existing(path), os.W_OK | os.X_OK):
            return Finding("data directory", OK, f"{path} will be made at the first start")
        remedy = "choose another --data-dir, or make it and give it to this user"
        return Finding("data directory", WRONG, f"{path} cannot be made", remedy)
    if not path.is_dir():
        return Finding(
            "data directory", WRONG, f"{path} is no directory", "choose another --data-dir"
        )
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"choose another --data-dir, or give it to this user: chown {os.getuid()} {path}"
        return Finding("data directory", WRONG, f"{path} cannot be written", remedy)
    if path.stat().st_mode & 0o077:
        detail = f"{path} can be read by others"
        return Finding("data directory", WARNING, detail, f"chmod 700 {path}")
    return Finding("data directory", OK, str(path))


def lock(config: Config, server: RunningServer | None) -> Finding:
    """The directory is free, or held by a server that left its address."""
    held = _lock_holder(config.data_dir / "lock")
    if held is None:
        return Finding("lock", OK, "free: no server runs on this directory")
    if server is not None:
        return Finding("lock", OK, f"held by the running server, process {server.pid}")
    detail = f"held by process {held or 'unknown'}, which left no address"
    return Finding("lock", WRONG, detail, "if it is still starting, wait; else stop that process")


def _lock_holder(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 32).decode("ascii", "replace").strip()
    else:
        return None
    finally:
        os.close(descriptor)


def disk(config: Config) -> Finding:
    """The disk has room above the mark at which telemetry is refused."""
    free = shutil.disk_usage(existing(config.data_dir.resolve())).free
    least = config.inbox.min_free_bytes
    detail = f"{free / GIB:.1f} GiB free; telemetry is refused below {least / GIB:.2f} GiB"
    if free <= least:
        return Finding("disk space", WRONG, detail, "free some, or choose another --data-dir")
    if free < least * DISK_COMFORT:
        return Finding("disk space", WARNING, detail, "free some soon")
    return Finding("disk space", OK, detail)


def ports(config: Config, server: RunningServer | None) -> Iterator[Finding]:
    """The addresses are free, or the server of this directory has them."""
    listeners = [
        ("OTLP/gRPC", config.otlp.grpc.address, "otlp.grpc.address, or --otlp-grpc"),
        ("OTLP/HTTP", config.otlp.http.address, "otlp.http.address, or --otlp-http"),
        ("API", config.api.address, "api.address, or --api"),
    ]
    if config.sql.address is not None:
        listeners.append(("SQL", config.sql.address, "sql.address"))
    for name, address, setting in listeners:
        taken = _taken(*split_address(address))
        if server is not None:
            detail = f"{address}, the running server's" if taken else f"{address} is not used"
            yield Finding(f"port {name}", OK, detail)
        elif taken:
            remedy = f"choose another {setting}; or stop what listens there"
            yield Finding(f"port {name}", WRONG, f"{address}: {taken}", remedy)
        else:
            yield Finding(f"port {name}", OK, f"{address} is free")


def _taken(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


def clock(config: Config) -> Finding:
    """The clock is plausible, and not before what the data directory has seen."""
    now = time.time()
    if now < RELEASED_UNIX_S:
        detail = f"the clock says {time.strftime('%Y-%m-%d %H:%M', time.gmtime(now))} UTC"
        return Finding("clock", WRONG, f"{detail}, before this release", "set the clock; run NTP")
    written = [file.stat().st_mtime for file in config.data_dir.glob("inbox/*") if file.is_file()]
    ahead = max(written, default=now) - now
    if ahead > CLOCK_AHEAD_S:
        detail = f"the inbox was written {ahead:.0f} s in the future"
        return Finding("clock", WRONG, detail, "the clock went back: set it; run NTP")
    return Finding("clock", OK, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def open_files() -> Finding:
    """This user may open enough files; the embedded engine alone needs some hundred."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"{soft} open files (hard limit {hard})"
    remedy = f"ulimit -n {FILES_COMFORT}"
    if soft != resource.RLIM_INFINITY and soft < FILES_LEAST:
        return Finding("open files", WRONG, detail, remedy)
    if soft != resource.RLIM_INFINITY and soft < FILES_COMFORT:
        return Finding("open files", WARNING, detail, remedy)
    return Finding("open files", OK, detail)


def engine() -> Finding:
    """Whether the engine was installed compiled."""
    if str(rules_engine.__file__).endswith(".py"):
        return Finding("engine", OK, "Python; a compiled one is faster: docs/performance.md")
    return Finding("engine", OK, "compiled")

"""Room written ahead in a file's write-ahead log, and how much of the log is in use.

A sync of a file that grew has the file system commit its journal, which waits for whatever else was
written meanwhile, ClickHouse's parts among it. A sync of blocks that exist waits for these blocks
alone. The log is therefore filled with zeros ahead of the commits; SQLite takes the first frame
whose salt is not the log's for its end, so zeros end it like the end of the file does.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

_CHUNK: Final = bytes(1 << 20)
_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_LAST_FRAME_AT: Final = 16
"""Where `mxFrame` is in the wal-index: https://www.sqlite.org/walformat.html, section 2.1."""
_LAST_FRAME: Final = struct.Struct("=I")


def lay(log: Path, size_bytes: int) -> None:
    """Fill the log with zeros up to `size_bytes`, durably, as far as the disk has room.

    Only between commits: nothing else may write to the log meanwhile.
    """
    # Without a runway commits are slower, never wrong.
    with suppress(OSError):
        descriptor = os.open(log, os.O_WRONLY)
        try:
            at = os.fstat(descriptor).st_size
            while at < size_bytes:
                at += os.pwrite(descriptor, _CHUNK[: size_bytes - at], at)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def used_bytes(index: Path, page_bytes: int) -> int:
    """Return what of the log holds frames, by its wal-index; 0 if there is none.

    The log starts anew with the commit after a merge, and reuses the file.
    """
    try:
        with index.open("rb", buffering=0) as file:
            file.seek(_LAST_FRAME_AT)
            (frames,) = _LAST_FRAME.unpack(file.read(_LAST_FRAME.size))
    except (FileNotFoundError, struct.error):
        return 0
    return _HEADER_BYTES + int(frames) * (_FRAME_HEADER_BYTES + page_bytes) if frames else 0

"""One program for each configuration file: a second start is told that the first one runs.

The claim is a lock of the system on a small file in the log folder. The system takes it back when
the process ends, however it ends; the file that stays means nothing. Other files, and another log
folder, are other claims: several gateways may run side by side.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCKED_AT: Final = 1 << 30
"""The octet that is locked, far behind the end: on Windows nobody may read a locked one."""


class AlreadyRunningError(Exception):
    """Another process has the claim; the text is its number, "" if it does not tell."""


@contextmanager
def claim(ini: Path, folder: Path) -> Iterator[None]:
    """Hold the claim for `ini` while the block runs; AlreadyRunningError if another process does.

    Where `folder` cannot be written there is no claim, and the block runs all the same.
    """
    path = folder / _name(ini)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not "w": whoever comes second must not take away what the first has written.
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
    except OSError:
        yield
        return
    with handle:
        if not _lock(handle):
            raise AlreadyRunningError(handle.read(20).decode("ascii", "replace").strip())
        handle.truncate(0)
        handle.write(b"%d\n" % os.getpid())
        yield


def _name(ini: Path) -> str:
    whole = os.path.normcase(ini.resolve())
    mark = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f".iec104mm2ss-{mark}.lock"


def _lock(handle: BinaryIO) -> bool:
    """Whether the claim is ours now."""
    if sys.platform == "win32":
        handle.seek(_LOCKED_AT)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            handle.seek(0)
        return True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCKED_AT)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # A file system without locks: nobody can tell, so nobody is refused.
        return True
    return True

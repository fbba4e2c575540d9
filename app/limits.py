"""What the operating system allows: open files, raised as far as it goes; the log folder."""

import os
from pathlib import Path

from core.config import Config

_OVERHEAD = 100
"""Descriptors beside connections: log files, the event loop, libraries."""

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]
try:
    import pwd
except ImportError:  # nor this list of users
    pwd = None  # type: ignore[assignment]


def raise_open_files() -> int | None:
    """Raise the soft limit of open files to the hard one; the limit in force, None if none is.

    A system that refuses keeps its limit: what follows from that is said by :func:`too_few_files`.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            return soft
    return None if soft == resource.RLIM_INFINITY else soft


def too_few_files(config: Config, limit: int | None) -> str | None:
    """A sentence if the limit is too low for what was loaded."""
    needed = needed_files(config)
    if limit is None or needed <= limit:
        return None
    return (
        f"this file needs about {needed} open files (a port and its connections for each master), "
        f"the system allows {limit}: raise it (ulimit -n, LimitNOFILE), or some masters will be "
        "refused"
    )


def needed_files(config: Config) -> int:
    """About how many files a gateway with this configuration has open when all are connected."""
    masters = [master for group in config.groups for master in group.masters]
    ports_and_links = sum(max(1, len(m.options.bind)) + m.options.conns for m in masters)
    return len(config.groups) + ports_and_links + _OVERHEAD


def unwritable_logs(folder: Path) -> str | None:
    """A sentence if whoever runs the program may not write its logs; makes the folder if need be.

    A gateway once started by an administrator leaves files that a service cannot write: those too.
    """
    what, reason = f"the log folder {folder}", ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f"write-test-{os.getpid()}"
        probe.write_bytes(b"")  # tempfile would try names without end in such a folder of Windows
        probe.unlink()
        for path in sorted(folder.glob("*.txt")):
            if not os.access(path, os.W_OK):
                what, reason = f"the log file {path}", "permission denied"
                break
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    if not reason:
        return None
    return (
        f"{what} cannot be written by {_user()} ({reason}): the gateway runs, but what happens is "
        "not kept; give that user the right to write there, or name another folder with --log-dir"
    )


def _user() -> str:
    if pwd is None:
        return f"user {os.environ.get('USERNAME', '?')}"
    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:  # a container may run under a number without a name
        return f"user {os.geteuid()}"

"""What the operating system allows: open files, raised as far as it goes and judged."""

from core.config import Config

_OVERHEAD = 100
"""Descriptors beside connections: log files, the event loop, libraries."""

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]


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
    if limit is None:
        return None
    masters = [master for group in config.groups for master in group.masters]
    ports_and_links = sum(1 + master.options.conns for master in masters)
    needed = len(config.groups) + ports_and_links + _OVERHEAD
    if needed <= limit:
        return None
    return (
        f"this file needs about {needed} open files (a port and its connections for each master), "
        f"the system allows {limit}: raise it (ulimit -n, LimitNOFILE), or some masters will be "
        "refused"
    )

"""Health check of the container: whether every port in HEALTH_PORTS is listened on.

It reads the system's tables instead of connecting: a connection would count as a client's.
"""

import os
import sys
from pathlib import Path

LISTEN = "0A"


def listened() -> set[int]:
    """The TCP ports that are listened on, IPv4 and IPv6."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:  # a system without IPv6
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == LISTEN:
                found.add(int(local.rpartition(":")[2], 16))
    return found


if __name__ == "__main__":
    wanted = {int(port) for port in os.environ.get("HEALTH_PORTS", "").split()}
    if missing := wanted - listened():
        sys.exit(f"nobody listens on {', '.join(map(str, sorted(missing)))}")

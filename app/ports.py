"""Free TCP ports for programs that play a whole plant on this computer: demo and bench."""

import random
import socket
import sys
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_FIRST: Final = 10_000
_LAST: Final = 65_535
_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_RANGE: Final = (49_152, 65_535)


def outgoing_range() -> tuple[int, int]:
    """The first and the last port the system takes for outgoing connections."""
    try:
        first, last = map(int, _RANGE_FILE.read_text("ascii").split())
    except (OSError, ValueError):  # not Linux: what IANA reserves for it
        return _USUAL_RANGE
    return first, last


def candidates() -> list[int]:
    """The ports from 10000 on that no outgoing connection takes, in order."""
    first, last = outgoing_range()
    return [port for port in range(_FIRST, _LAST + 1) if not first <= port <= last]


def free_ports(count: int) -> list[int]:
    """So many ports that nobody uses, from a place chosen by chance; OSError if there are fewer.

    In ascending order, but for one jump back to the lowest. Several programs that ask at the same
    time seldom meet.
    """
    ports = candidates()
    if count <= len(ports):
        start = random.randrange(len(ports))
        found: list[int] = []
        for port in (*ports[start:], *ports[:start]):
            if len(found) == count:
                break
            if is_free(port):
                found.append(port)
        if len(found) == count:
            return found
    raise OSError(
        f"{count} free ports are needed, and of those that outgoing connections leave alone"
        f" there are {len(ports)}, some of them in use"
    )


def is_free(port: int) -> bool:
    """Whether a server could listen there now, on this address as on all."""
    for host in ("", HOST):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if sys.platform == "win32":  # there SO_REUSEADDR would share it
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True

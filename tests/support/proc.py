"""What Linux tells of another process: its sockets, its descriptors, its limits."""

import socket
from pathlib import Path

LISTEN = "0A"


def descriptors(pid: int) -> dict[int, str]:
    """Its open descriptors, and what each is."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(link.name)] = str(link.readlink())
        except OSError:  # closed since
            continue
    return found


def listening(pid: int) -> set[tuple[str, int]]:
    """The (address, port) on which it takes TCP connections."""
    return {
        local
        for family, state, local in _sockets(pid, ("tcp", "tcp6"))
        if state == LISTEN
    }  # fmt: skip


def datagram_sockets(pid: int) -> set[tuple[str, int]]:
    """The (address, port) of its UDP sockets."""
    return {local for _, _, local in _sockets(pid, ("udp", "udp6"))}


def _sockets(pid: int, tables: tuple[str, ...]) -> list[tuple[str, str, tuple[str, int]]]:
    inodes = {
        what.removeprefix("socket:[").removesuffix("]")
        for what in descriptors(pid).values()
        if what.startswith("socket:[")
    }
    found = []
    for table in tables:
        path = Path(f"/proc/{pid}/net/{table}")
        lines = path.read_text("ascii").splitlines()[1:] if path.exists() else []
        mine = (fields for fields in map(str.split, lines) if fields[9] in inodes)
        found += [(table, fields[3], _endpoint(fields[1])) for fields in mine]
    return found


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    octets = bytes.fromhex(address)
    # The kernel prints each 32 bits as a number of this machine.
    words = [octets[at : at + 4][::-1] for at in range(0, len(octets), 4)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words)), int(port, 16)

"""Ports for tests: below the ephemeral range, and never the same ones for two test processes.

A port from the ephemeral range may be taken by any outgoing connection between the moment it was
found free and the moment it is bound; and a peer that is killed and restarted must find its port
again. So each test process claims whole blocks of fixed ports. The claim is a listening socket on
the first port of the block, held until the process ends: the system lets only one process have it.
"""

import atexit
import os
import socket
import sys
import threading

FIRST = 14_000
LAST = 32_000
BLOCK = 200
HOST = "127.0.0.1"

_lock = threading.Lock()
_guards: list[socket.socket] = []
_left: list[int] = []


def free_port() -> int:
    """One port that nobody listens on, handed out once per process."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """`count` consecutive free ports, at most BLOCK - 1 of them."""
    if not 1 <= count < BLOCK:
        raise ValueError(f"{count} ports wanted, a block holds {BLOCK - 1}")
    with _lock:
        while True:
            run: list[int] = []
            while _left and len(run) < count:
                port = _left.pop(0)
                if run and port != run[-1] + 1:
                    run = []
                run = [*run, port] if _is_free(port) else []
            if len(run) == count:
                return run
            _left[:] = _claim()


def _claim() -> list[int]:
    blocks = (LAST - FIRST) // BLOCK
    begin = os.getpid() * 7 % blocks
    for step in range(blocks):
        base = FIRST + (begin + step) % blocks * BLOCK
        guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            guard.bind((HOST, base))
            guard.listen(1)
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        return list(range(base + 1, base + BLOCK))
    raise RuntimeError("no block of free ports is left for the tests")


def _is_free(port: int) -> bool:
    """Whether a server could listen there now, on every address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":  # there the option would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


@atexit.register
def _give_back() -> None:
    for guard in _guards:
        guard.close()

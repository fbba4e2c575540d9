"""One question to one time server, and its answer.

ntplib 0.4 packs seconds into 32 bits: from 7 February 2036 on it refuses, and so does every server
here until there is a newer one.
"""

import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from core.ntp.rules import Sample

try:
    import ntplib
except ImportError:  # everything but the clock works without it
    ntplib = None

PORT: Final = 123
"""As a number: slim systems have no list of service names."""

SocketAddress: TypeAlias = tuple[Any, ...]
"""As `socket` has it: address, port, and with IPv6 two more."""

_SLICE: Final = 0.1
"""How long a stop may go unnoticed while an answer is waited for."""


def can_ask() -> bool:
    """Whether the package is there without which no server can be asked."""
    return ntplib is not None


class Unanswered(Exception):
    """A server did not answer in time, or not with a packet; says in words how."""


def resolved(host: str, port: int) -> list[SocketAddress]:
    """Every address of a server. Raises OSError if there is none; may take minutes."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except UnicodeError as error:  # a name no resolver would take
        raise OSError(f"not a host name: {error}") from error
    return list(dict.fromkeys(address for *_, address in found))


def ask(
    address: SocketAddress, timeout: float, now: Callable[[], float], is_over: Callable[[], bool]
) -> Sample:
    """One question to one address, and its answer.

    Raises Unanswered, and OSError where there is no way to the server. The socket is connected:
    the system keeps away what comes from elsewhere, and tells at once that a port is closed.
    """
    family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_SLICE)
        sock.connect(address)
        begin, sent = time.monotonic(), now()
        stamp = ntplib.system_to_ntp_time(sent)
        question = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=stamp)
        try:
            sock.send(question.to_data())
        except ntplib.NTPException as error:
            raise Unanswered(f"cannot be asked: {error}") from error
        data = _received(sock, begin + timeout, is_over)
        received, end = now(), time.monotonic()
    answer = ntplib.NTPStats()
    try:
        answer.from_data(data)
    except ntplib.NTPException as error:
        raise Unanswered("answers with something else than NTP") from error
    answer.dest_timestamp = ntplib.system_to_ntp_time(received)
    kiss = struct.pack("!I", answer.ref_id).decode("ascii", "replace").strip("\0 ")
    return Sample(
        offset=float(answer.offset),
        delay=float(answer.delay),
        stratum=int(answer.stratum),
        mode=int(answer.mode),
        leap=int(answer.leap),
        root_delay=float(answer.root_delay),
        root_dispersion=float(answer.root_dispersion),
        is_echo=answer.orig_timestamp == question.tx_timestamp,
        is_stamped=bool(answer.recv_timestamp and answer.tx_timestamp),
        server_time=float(answer.tx_time),
        moved=(received - end) - (sent - begin),
        base=received - end,
        kiss=kiss if answer.stratum == 0 and kiss.isalnum() else "",
    )


def _received(sock: socket.socket, until: float, is_over: Callable[[], bool]) -> bytes:
    while not is_over() and time.monotonic() < until:
        try:
            return sock.recv(1024)
        except TimeoutError:
            continue
        except ConnectionError as error:  # the system was told so by ICMP
            raise Unanswered("no answer (nothing listens there)") from error
    raise Unanswered("no answer")

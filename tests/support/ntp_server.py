"""A time server on loopback whose answers a test may spoil. It shares nothing with ntplib."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

HOST = "127.0.0.1"
ELSEWHERE = "127.0.0.99"
_DELTA = 2_208_988_800
"""Seconds from 1900 to 1970."""
_FORMAT = "!BBbb11I"


def real_time() -> float:
    return datetime.now(UTC).timestamp()


def stamp(t: float) -> tuple[int, int]:
    whole = int(t)
    return whole + _DELTA, int((t - whole) * 2**32)


class NtpServer:
    """Answers from `start` to `close`; the attributes may be changed at any time.

    Port 0 takes a free one; give another server the same port on another address of loopback.
    """

    def __init__(
        self, host: str = HOST, port: int = 0, now: Callable[[], float] = real_time
    ) -> None:
        self.now = now
        self.shift = 0.0
        """Its clock is ahead by so much."""
        self.processing = 0.0
        """Seconds between the receive and the transmit stamp, and really."""
        self.mode, self.leap, self.stratum = 4, 0, 2
        self.root_delay = self.root_dispersion = 0.01
        self.reference = b"TEST"
        self.is_silent = False
        self.is_stamped = True
        self.is_echo = True
        self.octets: int | None = None
        """Cut the answer to so many."""
        self.from_elsewhere = False
        """Answer from another address, port and all."""
        self.questions = 0
        """How many have come."""
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, port))
        self._sock.settimeout(0.05)
        self.host, self.port = self._sock.getsockname()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=f"peer-ntp-{host}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join(5)
        self._sock.close()

    def _run(self) -> None:
        while not self._is_over:
            try:
                question, peer = self._sock.recvfrom(512)
            except TimeoutError:
                continue
            except ConnectionError:  # Windows tells of an answer nobody took
                continue
            self.questions += 1
            if not self.is_silent and len(question) >= 48:
                self._answer(question, peer)

    def _answer(self, question: bytes, peer: tuple[str, int]) -> None:
        received = self.now() + self.shift
        if self.processing:
            time.sleep(self.processing)
        transmitted = self.now() + self.shift
        asked = struct.unpack_from("!2I", question, 40)
        stamps = (*stamp(received), *stamp(transmitted)) if self.is_stamped else (0, 0, 0, 0)
        packet = struct.pack(
            _FORMAT,
            self.leap << 6 | 4 << 3 | self.mode,
            self.stratum,
            6,
            -20,
            int(self.root_delay * 2**16),
            int(self.root_dispersion * 2**16),
            int.from_bytes(self.reference.ljust(4, b"\0"), "big"),
            *stamp(received - 10),
            *(asked if self.is_echo else stamp(received - 2)),
            *stamps,
        )[: self.octets]
        if not self.from_elsewhere:
            self._sock.sendto(packet, peer)
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((ELSEWHERE, 0))
            other.sendto(packet, peer)

"""What a peer needs of the world it lives in: a clock, connections, ports."""

from collections.abc import Callable
from typing import Protocol

REFUSED = "refused"
SILENT = "silent"


class ConnOwner(Protocol):
    """Who holds our end of a connection."""

    def received(self, conn: "Conn", octets: bytes, now: float) -> None: ...

    def ended(self, conn: "Conn", why: str, now: float) -> None:
        """The gateway closed or reset it; the last call for this connection."""
        ...


class Conn(Protocol):
    """Our end of one TCP connection to or from the gateway. Its faults are attributes."""

    owner: ConnOwner
    trickles: bool
    """Sends one octet at a time."""
    swallows: bool
    """Half open: nothing that is sent arrives, nothing that arrives is seen, nor is an end."""

    def send(self, octets: bytes) -> None: ...

    def close(self, reset: bool = False) -> None:
        """End it from our side; the owner hears no more of it."""
        ...

    def read(self, on: bool) -> None:
        """Stop or go on taking octets."""
        ...


class Net(Protocol):
    """The world."""

    def now(self) -> float: ...

    def later(self, delay: float, action: Callable[[], None]) -> None: ...

    def listen(self, port: int, accept: Callable[[Conn], ConnOwner]) -> None:
        """Take connections of the gateway; `accept` gives each its owner."""
        ...

    def unlisten(self, port: int) -> None:
        """Refuse them again."""
        ...

    def connect(self, port: int, done: Callable[[Conn | None], ConnOwner | None]) -> None:
        """Connect to the gateway; `done` gets the connection, or None if it was refused."""
        ...

    def run(self, seconds: float) -> None:
        """Let time pass."""
        ...

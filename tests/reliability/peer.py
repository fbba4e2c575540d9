"""What station and controllers share: their questions' marks, and how to break the protocol."""

import random
import struct
from collections.abc import Sequence

from tests.reliability.book import Book
from tests.reliability.lines import Line
from tests.reliability.net import Net
from tests.support.wire import RING, Asdu, asdu

READ_BASE = 0x10000
"""Object addresses of reads begin here, one for each."""
TAG = bytes.fromhex("1f900a15ab0c1a")
TYPES = {50: b"\0", 51: b"", 64: TAG}
"""Commands that carry a number of 32 bits, and what follows it in the object."""
_GARBAGE = (b"\x00\x01\x02", b"GET / HTTP/1.1\r\n\r\n", b"\x68\x04\x0f\0\0\0", b"\x68\xff\0\0\0\0")


class Peer:
    """What both have in common."""

    k = 12
    w = 8
    t2 = 0.5
    slack = 1.5

    def __init__(self, net: Net, book: Book, label: str, chance: random.Random) -> None:
        self.net = net
        self.book = book
        self.label = label
        self.chance = chance
        self.their_t1, self.their_t2 = 3.0, 1.0
        self.acknowledges = self.answers_tests = True
        self.is_ended = False

    def complain(self, what: str) -> None:
        self.book.find("protocol", f"{self.label} at {self.net.now():.3f}: {what}")

    def ended(self, line: Line, why: str, now: float) -> None:
        self.book.closes.append((now, self.label, why))
        self.book.counts["links"] += 1

    @property
    def lines(self) -> Sequence[Line]:
        raise NotImplementedError

    def corrupt(self, line: Line, how: str, now: float) -> None:
        """Break the protocol on this line; whatever comes of it is our fault."""
        line.is_strict = False
        if how == "garbage":
            line.conn.send(self.chance.choice(_GARBAGE))
        elif how == "wrong_nr":
            line.conn.send(struct.pack("<BBHH", 0x68, 4, 1, (line.vr + 77) % RING << 1))
        elif how == "wrong_ns":
            ns = (line.vs + self.chance.choice((1, -1, 500))) % RING << 1
            line.conn.send(
                struct.pack("<BBHH", 0x68, 14, ns, line.vr << 1) + asdu(100, 0, b"\x14").octets
            )
        else:
            raise ValueError(how)


def key_of(one: Asdu) -> tuple[str, int] | None:
    """What tells this question, or the one it answers, from all others."""
    if one.type_id == 102:
        return "read", one.ioa - READ_BASE
    if one.type_id == 13 and one.cause == 5:
        return "read", one.ioa - READ_BASE
    end = TYPES.get(one.type_id)
    if end is None or len(one.element) != 4 + len(end):
        return None
    kind = "select" if one.type_id == 50 and one.element[4] & 0x80 else "command"
    return kind, int.from_bytes(one.element[:4], "little")

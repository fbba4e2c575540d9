"""Any stream of octets into a link: what it hears must be what a plain reader hears.

The reader below takes one frame after the other as 60870-5-104 clause 5 has it; it shares nothing
with the program.
"""

from core.protocol.asdu import Asdu
from core.protocol.link import (
    Irregular,
    Link,
    LinkFailed,
    Role,
    Run,
    Started,
    State,
    Stopped,
    TestConfirmed,
    Timing,
)
from core.protocol.outbox import Outbox
from core.protocol.run import address_of
from tests.fuzz.source import Source

_RING = 32768
_NUMBERS = (0, 1, 127, 128, 16383, 32760, 32766, 32767)
_ADDRESS = address_of(0, 1)
_TIMING = Timing()
_ONE = Run.of(Asdu(bytes.fromhex("01010300010064000001")))
_U_FUNCTIONS = {
    0x07: "STARTDT act", 0x0B: "STARTDT con", 0x13: "STOPDT act", 0x23: "STOPDT con",
    0x43: "TESTFR act", 0x83: "TESTFR con",
}  # fmt: skip
_BEGINNINGS = ("stopped", "started", "starting", "stopping", "tested")


class PlainReader:
    """A receiver as slow and plain as can be."""

    def __init__(self, link: Link) -> None:
        self.is_master = link.role is Role.CONTROLLING
        self.state = link.state.name
        self.vr, self.va, self.vs = link.vr, link._va, link.vs
        self.unacknowledged = 0
        self.test_pending = False
        self.irregular = False
        self.heard: list[object] = []
        self.answers: list[bytes] = []

    def read(self, stream: bytes) -> None:
        """Everything that arrives, in one piece."""
        at = 0
        while at < len(stream):
            if stream[at] != 0x68:
                return self.fail("bad start octet")
            left = len(stream) - at
            if left < 2:
                return None
            length = stream[at + 1]
            if not 4 <= length <= 253:
                return self.fail("bad APDU length")
            if left < 6:
                return None
            control = stream[at + 2]
            if control % 2 == 0 and length < 10:
                return self.fail("ASDU without a whole header")
            if control % 4 == 3 and control not in _U_FUNCTIONS:
                return self.fail("malformed control field")
            if control % 2 == 1 and length != 4:
                return self.fail("bad APDU length")
            if left < length + 2:
                return None
            if not self.frame(stream[at : at + length + 2]):
                return None
            at += length + 2
        return None

    def fail(self, reason: str) -> None:
        self.heard.append(reason)
        self.answers.clear()

    def odd(self) -> None:
        if not self.irregular:
            self.heard.append(Irregular)
        self.irregular = True

    def frame(self, frame: bytes) -> bool:
        one, two, three, four = frame[2:6]
        nr = three // 2 + 128 * four
        if one % 2 == 0:
            return self.i_frame(one // 2 + 128 * two, nr, frame[6:])
        if one % 4 == 1:
            if one != 1 or two or three % 2:
                self.odd()
            return self.s_frame(nr)
        if two or three or four:
            self.odd()
        self.u_frame(_U_FUNCTIONS[one])
        return True

    def i_frame(self, ns: int, nr: int, asdu: bytes) -> bool:
        if self.state not in ("STARTED", "STOPPING"):
            self.fail("data while data transfer is stopped")
            return False
        if not self.acknowledge(nr):
            return False
        if ns != self.vr:
            self.fail("send sequence number out of order")
            return False
        self.vr = (self.vr + 1) % _RING
        self.unacknowledged += 1
        self.heard.append(asdu)
        return True

    def s_frame(self, nr: int) -> bool:
        if self.state in ("STOPPED", "STARTING"):
            self.fail("data while data transfer is stopped")
            return False
        if not self.acknowledge(nr):
            return False
        if self.state == "UNCONFIRMED" and self.va == self.vs:
            self.confirm_stop()
        return True

    def acknowledge(self, nr: int) -> bool:
        sent = [(self.va + n) % _RING for n in range((self.vs - self.va) % _RING + 1)]
        if nr not in sent:
            self.fail("receive sequence number outside what was sent")
            return False
        self.va = nr
        return True

    def u_frame(self, function: str) -> None:
        match function, self.is_master, self.state:
            case "TESTFR act", _, _:
                self.answer(0x83)
            case "TESTFR con", _, _ if self.test_pending:
                self.test_pending = False
                self.heard.append(TestConfirmed)
            case "STARTDT act", False, state:
                self.answer(0x0B)
                self.state = "STARTED"
                if state != "STARTED":
                    self.heard.append(Started)
            case "STOPDT act", False, "STOPPED":
                self.answer(0x23)
            case "STOPDT act", False, "UNCONFIRMED":
                pass
            case "STOPDT act", False, _:
                if self.unacknowledged:
                    self.answers.append(bytes([0x68, 4, 1, 0, self.vr % 128 * 2, self.vr // 128]))
                    self.unacknowledged = 0
                self.state = "UNCONFIRMED"
                self.heard.append(Stopped)
                if self.va == self.vs:
                    self.confirm_stop()
            case "STARTDT con", True, "STARTING":
                self.state = "STARTED"
                self.heard.append(Started)
            case "STOPDT con", True, "STOPPING" | "STARTED":
                self.state = "STOPPED"
                self.heard.append(Stopped)
            case _:
                self.odd()

    def confirm_stop(self) -> None:
        self.state = "STOPPED"
        self.answer(0x23)

    def answer(self, function: int) -> None:
        self.answers.append(bytes([0x68, 4, function, 0, 0, 0]))


def link_of(beginning: str, role: Role, vs: int, vr: int, out: int) -> Link:
    """A link in some state; the numbers begin wherever they like."""
    link = Link(role, _TIMING, Outbox(100), 0.0)
    link.vs = link._va = vs
    link.vr = link._ra = vr
    if beginning == "stopped":
        return link
    if role is Role.CONTROLLING:
        link.start(0.0)
        if beginning == "starting":
            link.data_to_send(0.0)
            return link
        link.receive(b"\x68\x04\x0b\0\0\0", 0.0)
    else:
        link.receive(b"\x68\x04\x07\0\0\0", 0.0)
    for _ in range(out):
        link.send(_ONE, _ADDRESS)
    link.data_to_send(0.0)
    if beginning == "stopping":
        if role is Role.CONTROLLING:
            link.stop(0.0)
        else:
            link.receive(b"\x68\x04\x13\0\0\0", 0.0)
    elif beginning == "tested":
        link.test(0.0)
    link.data_to_send(0.0)
    return link


def in_sequence(stream: bytes, ns: int, nr: int) -> bytes:
    """The same stream with the numbers of its I and S frames put right, as far as it has frames."""
    out = bytearray(stream)
    at = 0
    while at + 6 <= len(out) and out[at] == 0x68:
        control = out[at + 2]
        if control % 2 == 0:
            out[at + 2 : at + 4] = (ns << 1).to_bytes(2, "little")
            ns = (ns + 1) % _RING
        if control % 2 == 0 or control % 4 == 1:
            out[at + 4 : at + 6] = (nr << 1).to_bytes(2, "little")
        at += out[at + 1] + 2
    return bytes(out)


def one_input(data: bytes) -> None:
    """Role, state, numbers and cuts from the first octets; the stream is the rest."""
    source = Source(data)
    role = source.pick((Role.CONTROLLED, Role.CONTROLLING))
    beginning = source.pick(_BEGINNINGS)
    vs, vr, out = source.pick(_NUMBERS), source.pick(_NUMBERS), source.below(13)
    puts_right, cut = source.flag(), 1 + source.below(40)
    links = [link_of(beginning, role, vs, vr, out) for _ in range(2)]
    stream = source.rest()
    if puts_right:
        stream = in_sequence(stream, vr, links[0]._va)
    reader = PlainReader(links[0])
    reader.test_pending = beginning == "tested" and links[0].state is State.STARTED
    reader.read(stream)
    pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
    for link, reads in ((links[0], [stream]), (links[1], pieces)):
        heard: list[object] = []
        for octets in reads:
            for event in link.receive(octets, 1.0):
                if isinstance(event, Run):
                    heard += [asdu.octets for asdu in event.asdus()]
                elif isinstance(event, LinkFailed):
                    heard.append(str(event.reason))
                    assert str(event).isprintable()
                else:
                    heard.append(type(event))
        assert heard == reader.heard, (heard, reader.heard)
        assert link.is_failed == (bool(heard) and isinstance(heard[-1], str))
        assert len(link.fragment) < 255
        sent = link.data_to_send(1.0)
        if link.is_failed:
            assert sent == b""
            continue
        assert (link.state.name, link.vr, link._va) == (reader.state, reader.vr, reader.va)
        assert sent.startswith(b"".join(reader.answers)), (sent, reader.answers)
        behind = sent[len(b"".join(reader.answers)) :]  # at most one acknowledgement
        assert behind in (b"", bytes([0x68, 4, 1, 0, link.vr % 128 * 2, link.vr // 128]))

"""The life of one link: octets, sends, timers and demands in any order, watched on the wire."""

from core.protocol.asdu import Asdu
from core.protocol.link import (
    NEVER,
    Link,
    LinkFailed,
    Role,
    Run,
    SequenceGap,
    Started,
    State,
    Timing,
)
from core.protocol.outbox import Level, Outbox
from core.protocol.run import address_of
from tests.fuzz.framing import in_sequence
from tests.fuzz.source import Source

_RING = 32768
_ADDRESS = address_of(3, 7)
_NUMBERS = (0, 1, 126, 16383, 32758, 32767)
_TIMINGS = (
    Timing(),
    Timing(t1=4, t2=2, t3=5, k=4, w=2, idletime=12),
    Timing(t1=2, t2=1, t3=1, k=1, w=1, idletime=30),
    Timing(t1=30, t2=0.5, t3=60, k=32767, w=100, idletime=20),
)
_STEPS = (0.0, 0.1, 0.1, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0, 5.0, 5.0, 15.0, 40.0)
_U = (0x07, 0x0B, 0x13, 0x23, 0x43, 0x83)
_CAPACITY = 40
_RUNS = [
    Run.of(*[Asdu(bytes.fromhex("0101030001006400") + bytes([n, 1]))] * n) for n in range(1, 10)
]
_MOST_OPERATIONS = 120


class Watcher:
    """What somebody on the wire knows of one end, and what it must keep to."""

    def __init__(self, role: Role, timing: Timing, vs: int, vr: int) -> None:
        self.role, self.timing = role, timing
        self.now = 0.0
        self.link = Link(role, timing, Outbox(_CAPACITY), 0.0)
        self.link.vs = self.link._va = vs
        self.link.vr = self.link._ra = vr
        self.next_ns = vs
        self.sent_at: list[float] = []
        self.last_nr = vr
        self.received = vr
        self.is_paused = False
        self.demands = 0
        """Starts and stops since the transport was full."""
        self.has_stood_down = False
        self.tests_heard = 0
        self.since_start = 0.0

    def hear(self, octets: bytes) -> None:
        """Octets arrive."""
        link = self.link
        was_failed = link.is_failed
        events = list(link.receive(octets, self.now))
        has_gap = False
        assert not (was_failed and events)
        for number, event in enumerate(events):
            match event:
                case LinkFailed():
                    assert number == len(events) - 1
                    assert link.is_failed
                case Run():
                    self.received = (self.received + len(event)) % _RING
                case Started():
                    self.since_start = self.now
                case SequenceGap():  # tolerant: it goes on from the number that came
                    assert link.tolerant
                    has_gap = True
        if has_gap:
            self.received = link.vr
        self.check()

    def check(self) -> None:
        """What holds at any time."""
        link = self.link
        assert link.outstanding <= self.timing.k
        assert link.outbox.waiting <= _CAPACITY
        assert 0 <= link.room <= self.timing.k
        assert len(link.fragment) < 255
        assert link.due == link.due
        if link.is_failed:
            assert link.due == NEVER
            return
        assert link.due <= self.now + self.timing.idletime + 1e-9
        assert link.vr == self.received
        if self.is_paused:
            # Whatever the peer does; what its owner demands comes on top.
            assert len(link._control) <= 8 + 2 * self.demands

    def flush(self) -> None:
        """What goes out now is what may."""
        link = self.link
        out = link.data_to_send(self.now)
        if link.is_failed or self.is_paused:
            assert out == b""
            return
        at = 0
        while at < len(out):
            assert out[at] == 0x68
            size = out[at + 1] + 2
            frame = out[at : at + size]
            assert len(frame) == size
            at += size
            one, two, three, four = frame[2:6]
            if one % 2 == 0:
                assert link.state is State.STARTED
                assert one // 2 + 128 * two == self.next_ns
                assert frame[9:12] == bytes([3, 7, 0])
                self.next_ns = (self.next_ns + 1) % _RING
                self.sent_at.append(self.now)
            if one % 2 == 0 or one == 1:
                nr = three // 2 + 128 * four
                ahead = (nr - self.last_nr) % _RING
                assert ahead <= (self.received - self.last_nr) % _RING
                self.last_nr = nr
            elif one % 4 == 3:
                assert one in _U
                if one in (0x0B, 0x23):
                    assert self.role is Role.CONTROLLED
                if one in (0x07, 0x13):
                    assert self.role is Role.CONTROLLING
        if (self.next_ns - link._va) % _RING > self.timing.k:
            raise AssertionError("more than k outstanding")
        assert self.next_ns == link.vs
        if link.state in (State.STARTED, State.STOPPING) and not link.hold_acks:
            assert (self.received - self.last_nr) % _RING < self.timing.w
        self.check()

    def wait(self, seconds: float) -> None:
        """Time passes; looked at when it is due, as the loop does."""
        link = self.link
        self.now += seconds
        looks = 0
        while self.now >= link.due and not link.is_failed:
            events = list(link.handle_timeout(self.now))
            assert all(isinstance(event, LinkFailed) for event in events)
            assert link.is_failed == bool(events)
            self.flush()
            looks += 1
            assert looks < 4, "a deadline is looked at for ever"
        outstanding = self.sent_at[len(self.sent_at) - link.outstanding :]
        if outstanding and not self.has_stood_down and not link.is_failed:
            due = max(outstanding[0], self.since_start) + self.timing.t1
            if link.state in (State.STARTED, State.STOPPING, State.UNCONFIRMED):
                assert self.now < due, "an own frame was not acknowledged within t1"
        self.check()

    @property
    def is_up(self) -> bool:
        """Whether data may come."""
        return self.link.state in (State.STARTED, State.STOPPING)

    def bring_up(self) -> None:
        """The next step toward started."""
        link = self.link
        if self.role is Role.CONTROLLED:
            self.hear(b"\x68\x04\x07\0\0\0")
        elif link.state is State.STOPPED:
            self.demands += 1
            link.start(self.now)
        else:
            self.hear(b"\x68\x04\x0b\0\0\0")

    def peer_frames(self, source: Source) -> bytes:
        """A few frames a good peer could send."""
        link = self.link
        nr = (link._va + source.below(link.outstanding % 255 + 1)) % _RING
        frames = b""
        for n in range(1 + source.below(4)):
            ns = (self.received + n) % _RING
            frames += bytes([0x68, 14]) + (ns << 1).to_bytes(2, "little")
            frames += (nr << 1).to_bytes(2, "little") + bytes.fromhex("2d010600010001000001")
        return frames

    def peer_s(self, source: Source) -> bytes:
        link = self.link
        nr = (link._va + source.below(link.outstanding % 255 + 1)) % _RING
        return bytes([0x68, 4, 1, 0]) + (nr << 1).to_bytes(2, "little")

    def take_over(self) -> None:
        """As with a pair: the stream goes on with another link, what was unacknowledged first."""
        link = self.link
        if self.role is not Role.CONTROLLED or link.is_failed:
            return
        outbox, was = link.outbox, link.outstanding
        waiting = outbox.waiting
        late = link._late
        link.stand_down()
        outbox.rewind()
        assert outbox.waiting == waiting + was - late
        assert link.outbox.waiting == 0
        self.has_stood_down = True


_OPERATIONS = (
    "i", "i", "s", "u", "raw", "put right", "send", "send", "flush", "flush", "wait", "wait",
    "hold", "resume", "acks", "hold start", "release", "start", "stop", "test", "stand down",
    "close in",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """A life: the first octets say of what link, the rest what happens to it."""
    source = Source(data)
    role = source.pick((Role.CONTROLLED, Role.CONTROLLING))
    timing = source.pick(_TIMINGS)
    watcher = Watcher(role, timing, source.pick(_NUMBERS), source.pick(_NUMBERS))
    watcher.link.tolerant = source.below(8) == 7
    is_tolerant = watcher.link.tolerant
    link = watcher.link
    for _ in range(_MOST_OPERATIONS):
        if source.is_over:
            break
        match source.pick(_OPERATIONS):
            case "i" | "s" | "send" if not link.is_failed and not watcher.is_up and source.below(8):
                watcher.bring_up()  # else hardly a life would come to anything
            case "i":
                watcher.hear(watcher.peer_frames(source))
            case "s":
                watcher.hear(watcher.peer_s(source))
            case "u":
                watcher.hear(bytes([0x68, 4, source.pick(_U), 0, 0, 0]))
            case "raw" if not is_tolerant and not source.below(4):
                watcher.hear(source.octets(source.below(24)))
            case "put right":
                octets = bytes([0x68, 10 + source.below(40)]) + source.octets(source.below(64))
                watcher.hear(in_sequence(octets, watcher.received, link._va))
            case "send":
                run, before = source.pick(_RUNS), link.outbox.waiting
                level = link.send(run, _ADDRESS)
                assert (level is Level.FULL) == (before + len(run) > _CAPACITY)
            case "flush":
                watcher.flush()
            case "wait":
                watcher.wait(source.pick(_STEPS))
            case "hold":
                watcher.demands = 0
                watcher.flush()  # as a transport does: it is full because of what was written
                link.hold_sending(watcher.now)
                watcher.is_paused = not link.is_failed
            case "resume":
                link.resume_sending()
                watcher.is_paused = False
            case "acks":
                link.hold_acks = source.flag()
            case "hold start":
                link.hold_start = role is Role.CONTROLLED
            case "release":
                if any(isinstance(e, Started) for e in link.release_start(watcher.now)):
                    watcher.since_start = watcher.now
            case "start" if role is Role.CONTROLLING and link.state is State.STOPPED:
                if not link.is_failed:
                    watcher.demands += 1
                    link.start(watcher.now)
            case "stop" if role is Role.CONTROLLING and link.state is State.STARTED:
                if not link.is_failed:
                    watcher.demands += 1
                    link.stop(watcher.now)
            case "test":
                link.test(watcher.now)
            case "stand down":
                watcher.take_over()
            case "close in":
                watcher.wait(max(0.0, min(link.due, watcher.now + 100) - watcher.now))
        watcher.check()
    watcher.flush()
    link.resume_sending()
    watcher.is_paused = False
    if not link.is_failed:  # left alone, every link ends
        watcher.wait(timing.idletime + 1)
        assert link.is_failed

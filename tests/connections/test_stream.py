"""A TCP connection bound to a link: octets through, bounded, and ended in every way it can end."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from core.connections.loop import IoThread
from core.connections.stream import Stream, endpoint_text, prepare_socket
from core.protocol.asdu import Asdu
from core.protocol.link import Event, Link, Role, Started, Timing
from core.protocol.outbox import Outbox
from core.protocol.run import Run, address_of
from tests.connections.support import HOST, awaited, on_loop, reset, tcp_pair, wait_for

STARTDT_ACT, STARTDT_CON = bytes.fromhex("680407000000"), bytes.fromhex("68040b000000")
TESTFR_ACT, TESTFR_CON = bytes.fromhex("680443000000"), bytes.fromhex("680483000000")
TO_ONE = address_of(0, 1)
PATIENCE = 0.5
"""Seconds a closing connection is given for what is queued; then it is aborted."""


class RecordingLink(Link):
    """Keeps the octets it was given, and how often a deadline passed."""

    def __init__(self, *parameters: Any) -> None:
        super().__init__(*parameters)
        self.arrived: list[bytes] = []
        self.dues = 0

    def receive(self, data: bytes, now: float) -> Sequence[Event]:
        self.arrived.append(data)
        return super().receive(data, now)

    def handle_timeout(self, now: float) -> Sequence[Event]:
        self.dues += 1
        return super().handle_timeout(now)


class Owner:
    """Does what a hub does, as far as one link goes, and keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.rooms: list[int] = []
        self.ended: list[str] = []
        self.errors: list[Exception] = []
        self.calls: list[str] = []
        self.fails_in = ""

    def _maybe_fail(self, where: str) -> None:
        self.calls.append(where)
        if where == self.fails_in:
            raise RuntimeError(f"a fault of ours in {where}")

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        self._maybe_fail("link_turned")
        self.events += events
        stream.flush(now)

    def room_again(self, stream: Stream, now: float) -> None:
        self.rooms.append(stream.link.outbox.waiting)
        self._maybe_fail("room_again")
        stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        self.ended.append(reason)
        self._maybe_fail("stream_ended")

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        self.errors.append(error)
        stream.close("internal error", at_once=True)


class Ends:
    """A stream on the I/O thread and the plain socket at its other end."""

    def __init__(self, io: IoThread, timing: Timing = Timing(), **buffers: int) -> None:  # noqa: B008 (frozen)
        self.io = io
        self.client, self.accepted = tcp_pair(**buffers)
        prepare_socket(self.accepted)
        self.owner = Owner()
        self.outbox = Outbox(100_000)
        self.link = RecordingLink(Role.CONTROLLED, timing, self.outbox, io.loop.time())
        self.stream = Stream(io, self.owner, self.link, self.accepted)
        self.do: Callable[..., Any] = lambda function, *args: on_loop(io, function, *args)

    def bind(self) -> None:
        awaited(self.io, self.stream.bind())

    def now(self) -> float:
        return self.io.loop.time()

    def close(self, reason: str, **how: bool) -> None:
        self.do(lambda: self.stream.close(reason, **how))

    def put(self, count: int) -> int:
        """Queues so many ASDUs of 249 octets and flushes; the octets they make."""

        def put() -> None:
            for _ in range(count):
                self.outbox.put(BIG, TO_ONE)
            self.stream.flush(self.now())

        self.do(put)
        return count * 255

    def start(self) -> None:
        self.client.sendall(STARTDT_ACT)
        assert self.read(6) == STARTDT_CON

    def read(self, octets: int) -> bytes:
        data = b""
        while len(data) < octets:
            part = self.client.recv(min(65536, octets - len(data)))
            assert part, f"the connection ended after {len(data)} octets"
            data += part
        return data

    def read_to_the_end(self) -> bytes:
        data = b""
        while part := self.client.recv(65536):
            data += part
        return data

    def end(self) -> None:
        self.client.close()
        self.close("end of the test", at_once=True)


BIG = Run.of(Asdu(bytes([13, 30, 3, 0, 1, 0]) + bytes(243)))


Make = Callable[..., Ends]


@pytest.fixture
def make(io: IoThread) -> Iterator[Make]:
    """Makes streams, not bound yet, and ends them with the test."""
    made: list[Ends] = []

    def make(**options: Any) -> Ends:
        made.append(Ends(io, **options))
        return made[-1]

    yield make
    for ends in made:
        ends.end()
    for ends in made:
        if ends.stream in io.streams or ends.owner.ended:
            wait_for(lambda ends=ends: ends.owner.ended, 3, "the end")
            assert len(ends.owner.ended) == 1


@pytest.fixture
def ends(make: Make) -> Ends:
    """A stream."""
    ends = make()
    ends.bind()
    return ends


def made_stuck(make: Make, **timing: float) -> Ends:
    """A started link with a huge window and small buffers below it."""
    ends = make(timing=Timing(k=32767, w=20000, **timing), client_buffer=4096, server_buffer=4096)
    ends.bind()
    ends.start()
    return ends


@pytest.fixture
def stuck(make: Make) -> Ends:
    """A started link with a huge window and small buffers below it."""
    return made_stuck(make)


def test_octets_arrive_and_answers_go_out(ends):
    ends.client.sendall(STARTDT_ACT + TESTFR_ACT)
    assert ends.read(12) == STARTDT_CON + TESTFR_CON
    assert ends.owner.events == [Started()]
    ends.put(1)
    assert ends.read(255)[2:6] == bytes(4)
    assert ends.stream.host == HOST
    assert ends.stream.peer == f"{HOST}:{ends.client.getsockname()[1]}"
    assert ends.stream in ends.io.streams


def test_what_one_peer_sent_is_not_overwritten_by_another(make):
    """All streams share one buffer for receiving."""
    both = [make(), make()]
    for ends in both:
        ends.bind()
    texts = [TESTFR_ACT * 100, STARTDT_ACT * 100]
    for ends, text in zip(both, texts, strict=True):
        ends.client.sendall(text)
        wait_for(lambda ends=ends: sum(map(len, ends.link.arrived)) == 600, what="all octets")
    assert [b"".join(ends.link.arrived) for ends in both] == texts


def test_while_the_transport_is_full_nothing_more_is_sent_and_all_goes_out_later(stuck):
    octets = stuck.put(1200)
    assert stuck.stream.link.room == 0
    assert stuck.outbox.waiting == 0  # one write; the transport keeps what the kernel refuses
    for _ in range(10):
        octets += stuck.put(60)
    assert stuck.outbox.waiting == 600  # held, not stored a second time below
    assert not stuck.owner.rooms
    data = stuck.read(octets)
    numbers = [int.from_bytes(data[at + 2 : at + 4], "little") >> 1 for at in range(0, octets, 255)]
    assert numbers == list(range(1800))
    assert stuck.owner.rooms[0] == 600
    wait_for(lambda: stuck.stream.link.room > 0, what="room again")


def test_control_frames_are_held_too_while_the_transport_is_full(stuck):
    """A peer that only asks and never reads must not fill our memory."""
    octets = stuck.put(1200)
    stuck.client.sendall(TESTFR_ACT * 500)
    wait_for(lambda: sum(map(len, stuck.link.arrived)) == 6 + 3000, what="the tests")
    assert stuck.read(octets + 6)[-6:] == TESTFR_CON
    stuck.close("enough")
    assert stuck.read_to_the_end() == b""


def test_a_peer_that_takes_nothing_for_t1_is_given_up(make):
    ends = made_stuck(make, t1=0.4, t2=0.2)
    ends.put(1200)
    wait_for(lambda: ends.owner.events[1:], 3, "the link failed")
    assert "t1" in str(ends.owner.events[1])


def test_closing_hands_over_what_is_queued(stuck):
    octets = stuck.put(1200)
    stuck.close("bye")
    assert len(stuck.read_to_the_end()) == octets
    wait_for(lambda: stuck.owner.ended, what="the end")
    assert stuck.owner.ended == ["bye"]


def test_closing_does_not_wait_for_ever_for_a_peer_that_takes_nothing(stuck):
    stuck.put(1200)
    begin = time.monotonic()
    stuck.close("bye")
    wait_for(lambda: stuck.owner.ended, 3, "the end")
    assert time.monotonic() - begin < PATIENCE + 0.4
    assert stuck.owner.ended == ["bye"]


def test_closing_at_once_does_not_wait_for_the_peer(stuck):
    stuck.put(1200)
    begin = time.monotonic()
    stuck.close("bye", at_once=True)
    wait_for(lambda: stuck.owner.ended, 3, "the end")
    assert time.monotonic() - begin < PATIENCE
    assert stuck.owner.ended == ["bye"]


def test_abort_ends_it_by_force(stuck):
    stuck.put(1200)
    stuck.do(stuck.stream.abort)
    wait_for(lambda: stuck.owner.ended, 3, "the end")
    stuck.do(stuck.stream.abort)  # once more does no harm
    assert stuck.stream not in stuck.io.streams


def test_the_first_reason_to_close_is_the_one_that_counts(ends):
    def twice() -> None:
        ends.stream.close("first")
        ends.stream.close("second", at_once=True)

    ends.do(twice)
    wait_for(lambda: ends.owner.ended, what="the end")
    assert ends.owner.ended == ["first"]


def test_nothing_is_told_and_nothing_sent_after_closing(ends):
    def close_then_flush() -> None:
        ends.client.sendall(TESTFR_ACT)
        ends.stream.close("bye")
        ends.stream.link.test(ends.now())
        ends.stream.flush(ends.now())

    ends.do(close_then_flush)
    with suppress(ConnectionResetError):  # what we sent was never read
        assert ends.read_to_the_end() == b""
    assert not ends.link.arrived
    wait_for(lambda: ends.owner.ended, what="the end")
    ends.do(lambda: ends.stream.flush(ends.now()))
    assert ends.owner.ended == ["bye"]
    assert ends.stream not in ends.io.streams


def test_a_connection_closed_before_it_was_bound_ends_at_once(make):
    ends = make()
    ends.client.sendall(STARTDT_ACT)
    ends.close("too late")
    ends.bind()
    wait_for(lambda: ends.owner.ended, what="the end")
    assert ends.owner.ended == ["too late"]
    assert not ends.link.arrived
    ends.accepted.detach()  # where that matters, the next test says so


def test_a_connection_closed_before_it_was_bound_gives_its_descriptor_back_once(make):
    """A socket object that still holds a closed descriptor would close a stranger's later."""
    ends = make()
    ends.close("too late")
    ends.bind()
    wait_for(lambda: ends.owner.ended, what="the end")
    on_loop(ends.io, lambda: None)
    descriptor = ends.accepted.detach()  # so that this test closes nobody's
    assert descriptor == -1


def test_a_closed_connection_has_no_deadlines_any_more(make):
    ends = make(timing=Timing(t3=0.05))
    ends.bind()
    wait_for(lambda: ends.link.dues, what="a deadline")
    assert ends.read(6) == TESTFR_ACT
    ends.close("bye")
    assert ends.stream not in ends.io._timed


def test_a_peer_that_closes_is_noticed(ends):
    ends.client.close()
    wait_for(lambda: ends.owner.ended, what="the end")
    assert ends.owner.ended == ["closed by the peer"]
    assert ends.stream not in ends.io.streams


def test_a_peer_that_closes_only_its_sending_half_is_closed(ends):
    ends.client.shutdown(socket.SHUT_WR)
    assert ends.read_to_the_end() == b""
    wait_for(lambda: ends.owner.ended, what="the end")
    assert ends.owner.ended == ["closed by the peer"]


def test_what_a_peer_sent_before_it_closed_is_heard(ends):
    ends.client.sendall(STARTDT_ACT)
    ends.client.close()
    wait_for(lambda: ends.owner.ended, what="the end")
    assert b"".join(ends.link.arrived) == STARTDT_ACT
    assert len(ends.owner.ended) == 1  # our answer may have met a reset


def test_a_stuck_peer_that_closed_its_sending_half_does_not_last(make):
    """What is queued for it can never go out; t1 ends the link all the same."""
    ends = made_stuck(make, t1=0.4, t2=0.2)
    ends.put(1200)
    ends.client.shutdown(socket.SHUT_WR)
    wait_for(lambda: ends.owner.ended or ends.owner.events[1:], 3, "noticed")


def test_the_end_is_the_last_that_is_told_of_a_half_closed_peer_that_reads_on(make):
    """Its last octets make room and end the connection in one step of the transport."""
    ends = make(timing=Timing(k=32767, w=20000), client_buffer=4096)
    ends.bind()
    ends.start()
    octets = 0
    while ends.stream.link.room:
        octets += ends.put(400)
    octets += ends.put(400)
    ends.client.shutdown(socket.SHUT_WR)
    on_loop(ends.io, lambda: None)
    assert ends.read_to_the_end()
    wait_for(lambda: ends.owner.ended, what="the end")
    on_loop(ends.io, lambda: None)
    assert ends.owner.calls[-1] == "stream_ended"


def test_a_reset_is_noticed_with_its_reason(ends):
    reset(ends.client)
    wait_for(lambda: ends.owner.ended, what="the end")
    assert "reset" in ends.owner.ended[0].lower()


def test_a_connection_that_failed_while_writing_is_not_written_to_again(ends, caplog):
    """Found by hostile connections: asyncio complained on stderr of the fifth write in vain."""

    def write_often():
        reset(ends.client)
        for _ in range(20):
            ends.link.receive(TESTFR_ACT, ends.now())
            ends.stream.flush(ends.now())

    ends.do(write_often)
    wait_for(lambda: ends.owner.ended, what="the end")
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("where", ["link_turned", "a deadline", "stream_ended"])
def test_an_error_in_the_owner_reaches_owner_failed(make, where):
    ends = made_stuck(make, t3=0.2)
    other = make()
    other.bind()
    ends.owner.fails_in = "link_turned" if where == "a deadline" else where
    match where:
        case "link_turned":
            ends.client.sendall(TESTFR_ACT)
        case "stream_ended":
            ends.client.close()
    wait_for(lambda: ends.owner.errors, 3, "told")
    assert str(ends.owner.errors[0]) == f"a fault of ours in {ends.owner.fails_in}"
    other.start()  # nobody else notices
    wait_for(lambda: ends.owner.ended, 3, "the end")
    assert len(ends.owner.errors) == 1
    assert not other.owner.errors


def test_an_error_when_there_is_room_again_ends_the_connection_without_another_error(stuck):
    """The transport calls from the midst of its own writing; it may not be ended right there."""
    stuck.owner.fails_in = "room_again"
    stuck.put(1200)
    with suppress(ConnectionResetError):
        assert len(stuck.read_to_the_end()) > 65536  # far enough for it to call
    wait_for(lambda: stuck.owner.ended, 3, "the end")
    assert [str(error) for error in stuck.owner.errors] == ["a fault of ours in room_again"]


def test_a_reset_before_binding_does_not_raise_out_of_order(make):
    """Either the owner is told of the end, or bind says why: never neither."""
    ends = make()
    reset(ends.client)
    try:
        ends.bind()
    except OSError:
        return
    wait_for(lambda: ends.owner.ended, 3, "the end")


@pytest.mark.parametrize(("host", "text"), [
    ("10.0.0.1", "10.0.0.1:2404"), ("2001:db8::1", "[2001:db8::1]:2404"),
])  # fmt: skip
def test_an_endpoint_as_text(host, text):
    assert endpoint_text(host, 2404) == text

"""Frames, sequence numbers, start and stop, time-outs: on the link, in both roles."""

import pytest

from core.config import Options
from core.protocol.asdu import Asdu
from core.protocol.link import Link, LinkFailed, Reason, Role, Started, State, Stopped, Timing
from core.protocol.outbox import Outbox
from core.protocol.run import Run
from tests.conformance.cases import LINK, case
from tests.connections.test_dialer import HurriedLoop, Owner, dial
from tests.protocol.frames import (
    ASDU,
    STARTDT_ACT,
    STARTDT_CON,
    STOPDT_ACT,
    STOPDT_CON,
    TESTFR_ACT,
    TESTFR_CON,
    U_FRAMES,
    I,
    S,
    i_frame,
    i_frames,
    s_frame,
)
from tests.protocol.links import (
    ADDRESS,
    CONTROLLED,
    CONTROLLING,
    failure,
    flat,
    new_link,
    run_of,
    send,
    sent,
    started_link,
    starting_link,
    stopping_link,
)
from tests.support.ports import free_port

BOTH = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name.lower())


def closes(link: Link, octets: bytes, reason: Reason, now: float = 0.0) -> None:
    """These octets end the link for this reason, and it says nothing more."""
    assert failure(link.receive(octets, now)).reason is reason
    assert link.data_to_send(now) == b""
    assert list(link.receive(TESTFR_ACT, now)) == []


# Frame layout


@case("FR-01", "both", LINK, "a start octet other than 68 hex closes the connection")
@BOTH
@pytest.mark.parametrize("octet", [0x00, 0x10, 0x67, 0x69, 0xE5, 0xFF])
def test_a_frame_begins_with_68(role, octet):
    closes(started_link(role), bytes([octet]) + STARTDT_ACT[1:], Reason.BAD_START)


@case("FR-02", "both", LINK, "a length octet outside 4..253 closes the connection")
@BOTH
@pytest.mark.parametrize("length", [0, 3, 254, 255])
def test_a_length_is_4_to_253(role, length):
    closes(started_link(role), bytes([0x68, length]), Reason.BAD_LENGTH)


@case("FR-03", "both", LINK, "an APDU of the greatest length (253) is received and sent")
@BOTH
def test_the_longest_apdu(role):
    link = started_link(role)
    longest = ASDU[:6] + bytes(243)
    assert flat(link.receive(i_frame(0, 0, longest), 0.0)) == [Asdu(longest)]
    link.send(Run.of(Asdu(longest)), ADDRESS)
    octets = link.data_to_send(0.0)
    assert (len(octets), octets[1]) == (255, 253)


@case("FR-04", "both", LINK, "APDUs may be split and joined anywhere in the TCP stream")
@BOTH
@pytest.mark.parametrize("size", [1, 2, 5, 7, 16, 1000])
def test_frames_are_found_wherever_the_stream_is_cut(role, size):
    stream = i_frames(0, 3, 0) + TESTFR_ACT + s_frame(0) + i_frames(3, 2, 0)
    link = started_link(role)
    heard = []
    for at in range(0, len(stream), size):
        heard += flat(link.receive(stream[at : at + size], 0.0))
    assert heard == [Asdu(ASDU)] * 5
    assert TESTFR_CON in sent(link)


@case("FR-05", "both", LINK, "I format: N(S) and N(R) stand shifted by one bit, low octet first")
@BOTH
@pytest.mark.parametrize(
    ("vs", "vr", "control"),
    [(0, 0, "00000000"), (1, 2, "02000400"), (16384, 1, "00800200"), (32767, 32767, "fefffeff")],
)
def test_the_control_field_of_the_i_format(role, vs, vr, control):
    link = started_link(role, vs=vs, vr=vr)
    link.send(run_of(1), ADDRESS)
    assert link.data_to_send(0.0)[2:6].hex() == control


@case("FR-06", "both", LINK, "S format: 01 00 and N(R), length 4; another length closes")
@BOTH
def test_the_s_format(role):
    link = started_link(role, Timing(k=2, w=1))
    link.receive(i_frame(0, 0), 0.0)
    assert link.data_to_send(0.0).hex() == "680401000200"
    closes(link, bytes.fromhex("6805 0100 0000 00"), Reason.BAD_LENGTH)


@case("FR-07", "both", LINK, "U format: exactly one function bit, length 4; anything else closes")
@BOTH
@pytest.mark.parametrize("octet", [0x03, 0x0F, 0x17, 0x47, 0xC3, 0xFF])
def test_a_u_frame_has_one_function(role, octet):
    closes(started_link(role), bytes([0x68, 4, octet, 0, 0, 0]), Reason.BAD_FORMAT)


@case("FR-08", "both", LINK, "an I format APDU without a whole ASDU header closes the connection")
@BOTH
@pytest.mark.parametrize("octets", range(6))
def test_an_i_frame_has_an_asdu(role, octets):
    frame = bytes([0x68, 4 + octets, 0, 0, 0, 0]) + ASDU[:octets]
    closes(started_link(role), frame, Reason.SHORT_ASDU)


@case("FR-09", "both", LINK, "a frame that is never completed ends the connection after t1")
@BOTH
def test_half_a_frame_is_not_waited_for_for_ever(role):
    link = started_link(role, Timing(idletime=100))
    assert not link.receive(TESTFR_ACT[:5], 0.0)
    assert not link.handle_timeout(14.9)
    assert failure(link.handle_timeout(15.0)).reason is Reason.FRAGMENT


# Sequence numbers, k and w


@case("SQ-01", "both", LINK, "after establishment both numbers are 0; STARTDT and STOPDT keep them")
@BOTH
def test_numbers_begin_at_0_with_the_connection_and_not_with_startdt(role):
    link = started_link(role)
    assert send(link, 1) == [I(0, 0, ASDU)]
    link.receive(i_frame(0, 1), 0.0)
    if role is CONTROLLED:
        link.receive(STOPDT_ACT, 0.0)
        link.receive(STARTDT_ACT, 0.0)
    else:
        link.stop(0.0)
        link.data_to_send(0.0)
        link.receive(STOPDT_CON, 0.0)
        link.start(0.0)
        link.receive(STARTDT_CON, 0.0)
    link.data_to_send(0.0)
    assert send(link, 1) == [I(1, 1, ASDU)]


@case("SQ-02", "both", LINK, "numbers rise by one and go from 32767 to 0, sent and received")
@BOTH
def test_numbers_go_around(role):
    link = started_link(role, vs=32766, vr=32766)
    assert [f.ns for f in send(link, 4) if isinstance(f, I)] == [32766, 32767, 0, 1]
    heard = flat(link.receive(i_frames(32766, 4, 2), 0.0))
    assert heard == [Asdu(ASDU)] * 4
    assert (link.vr, link.outstanding) == (2, 0)


@case("SQ-03", "both", LINK, "N(S) out of order, lost or repeated, closes the connection")
@BOTH
@pytest.mark.parametrize("ns", [1, 5, 32767])
def test_a_gap_or_a_repetition_closes(role, ns):
    closes(started_link(role), i_frame(ns, 0), Reason.SEND_SEQUENCE)


@case("SQ-04", "both", LINK, "N(R) of what was not sent, or was acknowledged before, closes")
@BOTH
@pytest.mark.parametrize("nr", [4, 32767, 0])
@pytest.mark.parametrize("kind", ["I", "S"])
def test_an_impossible_acknowledgement_closes(role, nr, kind):
    link = started_link(role)
    send(link, 3)
    link.receive(s_frame(1), 0.0)
    octets = i_frame(0, nr) if kind == "I" else s_frame(nr)
    closes(link, octets, Reason.RECEIVE_SEQUENCE)


@case("SQ-05", "both", LINK, "the same N(R) again is no fault and acknowledges nothing")
@BOTH
def test_an_acknowledgement_may_be_repeated(role):
    link = started_link(role)
    send(link, 3)
    for _ in range(3):
        assert not link.receive(s_frame(2), 0.0)
    assert link.outstanding == 1


@case("SQ-06", "both", LINK, "an I frame acknowledges by its N(R) too, and then no S frame follows")
@BOTH
def test_an_i_frame_acknowledges(role):
    link = started_link(role, Timing(w=2))
    link.receive(i_frames(0, 2, 0), 0.0)
    assert send(link, 1) == [I(0, 2, ASDU)]
    assert sent(link) == []


@case("SQ-07", "both", LINK, "never more than k unacknowledged; the window opens as N(R) comes")
@BOTH
@pytest.mark.parametrize("k", [1, 2, 12, 100])
def test_the_window_k(role, k):
    link = started_link(role, Timing(k=k, w=1))
    link.send(run_of(3 * k), ADDRESS)
    assert len(sent(link)) == link.outstanding == k
    assert sent(link) == []
    link.receive(s_frame(1), 0.0)
    assert [f.ns for f in sent(link) if isinstance(f, I)] == [k]
    link.receive(i_frame(0, k + 1), 0.0)
    assert [f.ns for f in sent(link) if isinstance(f, I)] == list(range(k + 1, 2 * k + 1))


@case("SQ-08", "both", LINK, "received I frames are acknowledged after w of them at the latest")
@BOTH
@pytest.mark.parametrize("w", [1, 2, 8])
def test_the_acknowledgement_after_w(role, w):
    link = started_link(role, Timing(w=w))
    for n in range(w - 1):
        link.receive(i_frame(n, 0), 0.0)
        assert sent(link) == []
    link.receive(i_frame(w - 1, 0), 0.0)
    assert sent(link) == [S(w)]


@case("SQ-09", "both", LINK, "one N(R) acknowledges all frames before it")
@BOTH
def test_one_s_frame_acknowledges_several(role):
    link = started_link(role)
    send(link, 12)
    link.receive(s_frame(12), 0.0)
    assert link.outstanding == 0


@case("SQ-10", "both", LINK, "data is delivered and sent in order, each frame once")
@BOTH
def test_order_is_kept_through_the_window(role):
    link = started_link(role, Timing(k=3, w=2))
    asdus = [Asdu(ASDU[:6] + bytes([n, 0, 0, 1])) for n in range(10)]
    link.send(Run.of(*asdus), ADDRESS)
    got = []
    while link.outbox.waiting or link.outstanding:
        got += [f.asdu[6] for f in sent(link) if isinstance(f, I)]
        link.receive(s_frame(len(got)), 0.0)
    assert got == list(range(10))


# Start and stop


@case("ST-01", "both", LINK, "after establishment no I or S frame is sent before STARTDT")
@BOTH
def test_nothing_but_u_frames_before_the_start(role):
    link = new_link(role)
    link.send(run_of(3), ADDRESS)
    assert sent(link) == []
    link.handle_timeout(20.0)
    assert sent(link, 20.0) == [TESTFR_ACT]


@case("ST-02", "controlled", LINK, "STARTDT act is confirmed, data follows; a repeated one too")
def test_startdt_is_confirmed_and_starts():
    link = new_link(CONTROLLED)
    link.send(run_of(1), ADDRESS)
    assert list(link.receive(STARTDT_ACT, 0.0)) == [Started()]
    assert sent(link) == [STARTDT_CON, I(0, 0, ASDU)]
    assert list(link.receive(STARTDT_ACT, 0.0)) == []
    assert sent(link) == [STARTDT_CON]
    assert link.state is State.STARTED


@case("ST-03", "controlling", LINK, "STARTDT act is sent, data only after its con")
def test_the_master_starts_and_waits_for_the_con():
    link = new_link(CONTROLLING)
    link.start(0.0)
    link.send(run_of(1), ADDRESS)
    assert sent(link) == [STARTDT_ACT]
    assert list(link.receive(STARTDT_CON, 0.0)) == [Started()]
    assert sent(link) == [I(0, 0, ASDU)]


@case("ST-04", "controlled", LINK, "on STOPDT act an S frame for what is unacknowledged, then con")
def test_stopdt_is_confirmed_behind_the_acknowledgement():
    link = started_link(CONTROLLED)
    link.receive(i_frames(0, 2, 0), 0.0)
    assert flat(link.receive(STOPDT_ACT, 0.0)) == [Stopped()]
    assert sent(link) == [S(2), STOPDT_CON]


@case("ST-05", "controlled", LINK, "without unacknowledged frames STOPDT con comes without S frame")
def test_no_needless_s_frame_before_stopdt_con():
    link = started_link(CONTROLLED)
    link.receive(STOPDT_ACT, 0.0)
    assert sent(link) == [STOPDT_CON]
    link.receive(STOPDT_ACT, 0.0)
    assert sent(link) == [STOPDT_CON]


@case(
    "ST-06", "controlled", LINK, "STOPDT con waits until own I frames are acknowledged; no more I"
)
def test_stopdt_con_waits_for_own_frames():
    link = started_link(CONTROLLED)
    send(link, 3)
    link.send(run_of(5), ADDRESS)
    link.data_to_send(0.0)
    link.send(run_of(1), ADDRESS)
    link.receive(STOPDT_ACT, 0.0)
    assert sent(link) == []
    link.receive(s_frame(7), 0.0)
    assert sent(link) == []
    link.receive(s_frame(8), 0.0)
    assert sent(link) == [STOPDT_CON]
    assert link.state is State.STOPPED


@case(
    "ST-07", "controlling", LINK, "stop: S frame, STOPDT act, and I frames until the con are taken"
)
def test_the_master_acknowledges_until_the_con_comes():
    link = started_link(CONTROLLING)
    link.receive(i_frame(0, 0), 0.0)
    link.stop(0.0)
    assert sent(link) == [S(1), STOPDT_ACT]
    assert flat(link.receive(i_frames(1, 2, 0), 0.0)) == [Asdu(ASDU)] * 2
    assert sent(link) == [S(3)]
    assert list(link.receive(STOPDT_CON, 0.0)) == [Stopped()]


@case("ST-08", "both", LINK, "I frames while stopped close the connection")
@BOTH
def test_an_i_frame_while_stopped_closes(role):
    closes(new_link(role), i_frame(0, 0), Reason.NOT_STARTED)


@case("ST-09", "both", LINK, "S frames while stopped close the connection")
@BOTH
def test_an_s_frame_while_stopped_closes(role):
    closes(new_link(role), s_frame(0), Reason.NOT_STARTED)


@case("ST-10", "controlled", LINK, "I frames after STOPDT act close the connection")
def test_an_i_frame_after_stopdt_closes():
    link = started_link(CONTROLLED)
    send(link, 1)
    link.receive(STOPDT_ACT, 0.0)
    closes(link, i_frame(0, 0), Reason.NOT_STARTED)


@case("ST-11", "both", LINK, "TESTFR act is confirmed in every state, ahead of waiting data")
@BOTH
def test_testfr_is_answered_stopped_and_started(role):
    link = new_link(role)
    link.receive(TESTFR_ACT, 0.0)
    assert sent(link) == [TESTFR_CON]
    link = started_link(role)
    link.send(run_of(1), ADDRESS)
    link.receive(TESTFR_ACT, 0.0)
    assert sent(link) == [TESTFR_CON, I(0, 0, ASDU)]


@case("ST-12", "controlling", LINK, "no STARTDT con, or no STOPDT con, within t1 closes")
@pytest.mark.parametrize("make", [starting_link, stopping_link])
def test_a_con_that_does_not_come_closes(make):
    link = make()
    link.receive(TESTFR_ACT, 10.0)
    assert not [e for e in link.handle_timeout(14.9) if isinstance(e, LinkFailed)]
    assert failure(link.handle_timeout(15.0)).reason is Reason.NO_ANSWER


@case("ST-13", "controlled", LINK, "the controlled station never starts or stops by itself")
def test_only_the_master_demands():
    link = new_link(CONTROLLED)
    with pytest.raises(RuntimeError):
        link.start(0.0)
    with pytest.raises(RuntimeError):
        started_link(CONTROLLED).stop(0.0)


@case(
    "ST-14", "both", LINK, "confirmations nobody asked for, and acts of the wrong side, harm nobody"
)
@BOTH
def test_u_frames_out_of_place_are_tolerated(role):
    link = new_link(role)
    out_of_place = (STOPDT_CON, TESTFR_CON, STARTDT_CON if role is CONTROLLED else STARTDT_ACT)
    for frame in out_of_place:
        link.receive(frame, 0.0)
    assert not link.is_failed
    assert link.state is State.STOPPED
    assert sent(link) == []
    assert set(out_of_place) < set(U_FRAMES)


# Time-outs


@case("TO-01", "both", LINK, "t1: an I frame not acknowledged in time closes, an N(R) moves it on")
@BOTH
def test_t1_of_i_frames(role):
    link = started_link(role, Timing(t3=100, idletime=200))
    send(link, 1, 0.0)
    send(link, 1, 10.0)
    link.receive(s_frame(1), 14.0)
    assert not link.handle_timeout(24.9)
    assert failure(link.handle_timeout(25.0)).reason is Reason.NO_ANSWER


@case("TO-02", "both", LINK, "t1: TESTFR act without con closes; other frames do not count as it")
@BOTH
def test_t1_of_testfr(role):
    link = started_link(role)
    link.handle_timeout(20.0)
    assert sent(link, 20.0) == [TESTFR_ACT]
    link.receive(i_frame(0, 0), 30.0)
    link.data_to_send(30.0)
    assert failure(link.handle_timeout(35.0)).reason is Reason.NO_ANSWER


@case("TO-03", "both", LINK, "t2: fewer than w I frames are acknowledged after t2, not before")
@BOTH
def test_t2(role):
    link = started_link(role)
    link.receive(i_frame(0, 0), 0.0)
    link.receive(i_frame(1, 0), 9.0)  # does not start it anew
    link.handle_timeout(9.9)
    assert sent(link, 9.9) == []
    link.handle_timeout(10.0)
    assert sent(link, 10.0) == [S(2)]


@case("TO-04", "both", LINK, "t2 must be below t1, w not above k: anything else is refused")
@pytest.mark.parametrize("wrong", [{"t2": 15.0}, {"t1": 5.0}, {"w": 13}, {"k": 0}, {"k": 32768}])
def test_parameters_that_contradict_are_refused(wrong):
    with pytest.raises(ValueError, match="does not hold"):
        Timing(**wrong)


@case("TO-05", "both", LINK, "t3: silence is tested in every state, and its con starts t3 anew")
@BOTH
@pytest.mark.parametrize("is_started", [True, False])
def test_t3(role, is_started):
    link = started_link(role) if is_started else new_link(role)
    link.handle_timeout(19.9)
    assert sent(link, 19.9) == []
    link.handle_timeout(20.0)
    assert sent(link, 20.0) == [TESTFR_ACT]
    link.receive(TESTFR_CON, 21.0)
    link.handle_timeout(40.9)
    assert sent(link, 40.9) == []
    link.handle_timeout(41.0)
    assert sent(link, 41.0) == [TESTFR_ACT]


@case("TO-06", "both", LINK, "t3: any received frame puts the test off")
@BOTH
@pytest.mark.parametrize("frame", [TESTFR_ACT, s_frame(0), i_frame(0, 0)])
def test_received_frames_put_the_test_off(role, frame):
    link = started_link(role)
    link.receive(frame, 15.0)
    link.data_to_send(15.0)
    link.handle_timeout(34.9)
    assert TESTFR_ACT not in sent(link, 34.9)
    link.handle_timeout(35.0)
    assert TESTFR_ACT in sent(link, 35.0)


@case("TO-07", "both", LINK, "one TESTFR act at a time: no second one before the con")
@BOTH
def test_one_test_at_a_time(role):
    link = started_link(role, Timing(t1=15, t3=2))
    for now in (2.0, 4.0, 6.0, 8.0):
        link.handle_timeout(now)
    assert sent(link, 8.0) == [TESTFR_ACT]


@case("TO-08", "controlling", LINK, "t0: a connect that takes longer is given up, and tried again")
@pytest.mark.parametrize("t0", [2, 30])
def test_t0(t0):
    loop = HurriedLoop()
    try:
        port = free_port()
        loop.hanging.add(port)
        owner = dial(loop, Owner(loop), [port], 2, t0=t0)
        assert owner.failures[0] == (port, f"no connection within {t0} s")
        assert owner.ends[0] - owner.tries[0][0] == pytest.approx(t0, abs=0.1)
        assert owner.tries[1][1] == port
    finally:
        loop.close()


@case("TO-09", "both", LINK, "the defaults are t0 30, t1 15, t2 10, t3 20 s, k 12, w 8")
def test_the_defaults():
    t, options = Timing(), Options()
    assert (t.t1, t.t2, t.t3, t.k, t.w) == (15, 10, 20, 12, 8)
    given = (options.t0, options.t1, options.t2, options.t3, options.k, options.w)
    assert given == (30, 15, 10, 20, 12, 8)


# Redundant connections


@case("RG-01", "controlled", LINK, "what was not acknowledged goes first on the new connection")
def test_the_stream_goes_on_with_what_was_not_acknowledged():
    old, new = started_link(CONTROLLED), new_link(CONTROLLED)
    asdus = [Asdu(ASDU[:6] + bytes([n, 0, 0, 1])) for n in range(5)]
    old.send(Run.of(*asdus), ADDRESS)
    old.data_to_send(0.0)
    old.receive(s_frame(2), 0.0)
    outbox: Outbox = old.outbox
    old.stand_down()
    outbox.rewind()
    new.outbox = outbox
    new.receive(STARTDT_ACT, 0.0)
    frames = [f for f in sent(new) if isinstance(f, I)]
    assert [(f.ns, f.asdu[6]) for f in frames] == [(0, 2), (1, 3), (2, 4)]
    assert sent(old) == []
    old.receive(TESTFR_ACT, 0.0)
    assert sent(old) == [TESTFR_CON]

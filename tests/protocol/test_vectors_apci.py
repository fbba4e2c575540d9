"""The golden vectors of the APCI, all through the front door: Link.receive."""

import pytest

from core.protocol.asdu import Asdu
from core.protocol.link import (
    Irregular,
    Reason,
    Started,
    State,
    Stopped,
    s_frame,
)
from core.protocol.link import (
    TestConfirmed as ConfirmedTest,
)
from core.protocol.run import Run, address_of
from tests.support import vectors

from . import frames
from .links import (
    CONTROLLED,
    CONTROLLING,
    failure,
    flat,
    kinds,
    new_link,
    number,
    run_of,
    send,
    sent,
    started_link,
    starting_link,
    stopping_link,
)

APCI = {f: [v for v in vectors.load("apci") if v["decoded"]["format"] == f] for f in "ISU"}


def link_under_test():
    link = new_link(CONTROLLED)
    link.test(0.0)
    link.data_to_send(0.0)
    return link


UNDERSTOOD = {
    "STARTDT_ACT": (lambda: new_link(CONTROLLED), [Started()], [frames.STARTDT_CON]),
    "STARTDT_CON": (starting_link, [Started()], []),
    "STOPDT_ACT": (lambda: started_link(CONTROLLED), [Stopped()], [frames.STOPDT_CON]),
    "STOPDT_CON": (stopping_link, [Stopped()], []),
    "TESTFR_ACT": (lambda: new_link(CONTROLLING), [], [frames.TESTFR_CON]),
    "TESTFR_CON": (link_under_test, [ConfirmedTest()], []),
}


@pytest.mark.parametrize("vector", APCI["U"], ids=vectors.name)
def test_u_frames_are_understood(vector):
    make, events, answers = UNDERSTOOD[vector["decoded"]["function"]]
    link = make()
    assert link.receive(vectors.octets(vector), 0.0) == events
    assert sent(link) == answers


@pytest.mark.parametrize("vector", APCI["S"], ids=vectors.name)
def test_s_frames_acknowledge_up_to_their_number(vector):
    nr = vector["decoded"]["nr"]
    link = started_link(CONTROLLED, vs=(nr - 1) % 32768)
    send(link, 2)
    assert link.receive(vectors.octets(vector), 0.0) == []
    assert link.outstanding == 1
    assert s_frame(nr) == vectors.octets(vector)


@pytest.mark.parametrize("vector", APCI["I"], ids=vectors.name)
def test_i_frames_are_delivered_and_written_with_their_numbers(vector):
    octets, ns, nr = vectors.octets(vector), vector["decoded"]["ns"], vector["decoded"]["nr"]
    link = started_link(CONTROLLING, vs=(nr - 1) % 32768, vr=ns)
    send(link, 1)
    (run,) = link.receive(octets, 0.0)
    assert run.octets == octets
    assert (link.vr, link.outstanding) == ((ns + 1) % 32768, 0)
    assert run.stamped(0, 1, ns, nr, address_of(oa=0, ca=1)) == octets


@pytest.mark.parametrize("vector", vectors.well_formed("I"), ids=vectors.name)
def test_every_well_formed_i_frame_passes_and_can_be_written_again(vector):
    octets, decoded = vectors.octets(vector), vector["decoded"]
    link = started_link(CONTROLLING, vs=decoded["nr"], vr=decoded["ns"])
    assert flat(link.receive(octets, 0.0)) == [Asdu(octets[6:])]
    again = Run.of(Asdu(octets[6:]))
    address = address_of(decoded["oa"], decoded["ca"])
    assert again.stamped(0, 1, decoded["ns"], decoded["nr"], address) == octets


def station_for(vector):
    """A station that may receive the stream: its frames acknowledge up to five of ours."""
    link = new_link(CONTROLLED)
    link.outbox.put(run_of(5), 0)
    link.outbox.take(5, 0.0)
    link.vs = 5  # as if five had gone out before an earlier stop
    first = vector["frames_hex"][0] if vector["frames_hex"] else ""
    if first != frames.STARTDT_ACT.hex():
        link.receive(frames.STARTDT_ACT, 0.0)
        link.data_to_send(0.0)
    if frames.TESTFR_CON.hex() in vector["frames_hex"]:
        link.test(0.0)
        link.data_to_send(0.0)
    return link


def expected_of(whole_frames, link):
    """Events and answers of a controlled station, written down from its state table."""
    events, answers = [], []
    for frame in map(bytes.fromhex, whole_frames):
        if frame[2] % 2 == 0:
            events.append(Asdu(frame[6:]))
        elif frame == frames.STARTDT_ACT:
            events += [Started()] if link.state is State.STOPPED else []
            answers.append(frames.STARTDT_CON)
        elif frame == frames.TESTFR_CON:
            events.append(ConfirmedTest())
        else:
            assert frame[2] == 1
    return events, answers


STREAMS = vectors.load("streams")


@pytest.mark.parametrize("vector", [v for v in STREAMS if "error" not in v], ids=vectors.name)
def test_streams_give_their_frames_however_they_are_cut(vector):
    link = station_for(vector)
    events, answers = expected_of(vector["frames_hex"], link)
    heard = [e for chunk in vector["chunks_hex"] for e in link.receive(bytes.fromhex(chunk), 0.0)]
    assert flat(heard) == events
    assert sent(link) == answers
    acknowledges = [f for f in map(bytes.fromhex, vector["frames_hex"]) if f[2] == 1]
    assert link.outstanding == (0 if acknowledges else 5)
    assert link.fragment.hex() == vector.get("pending_hex", "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stream-good-then-bad-start", Reason.BAD_START),
        ("stream-good-then-bad-length", Reason.BAD_LENGTH),
        ("stream-tls-hello", Reason.BAD_START),
    ],
)
@pytest.mark.parametrize("octet_by_octet", [False, True])
def test_a_stream_that_goes_bad_fails_after_its_good_frames(name, reason, octet_by_octet):
    (vector,) = [v for v in STREAMS if v["name"] == name]
    link = station_for(vector)
    events, _ = expected_of(vector["frames_hex"], link)
    chunks = [bytes.fromhex(chunk) for chunk in vector["chunks_hex"]]
    if octet_by_octet:
        chunks = [bytes((octet,)) for octet in b"".join(chunks)]
    heard = [e for chunk in chunks for e in link.receive(chunk, 0.0)]
    assert failure(heard).reason is reason
    assert flat(heard)[:-1] == events


def test_no_stream_vector_is_left_out():
    bad = {v["name"] for v in STREAMS if "error" in v}
    assert bad == {
        "stream-good-then-bad-start", "stream-good-then-bad-length", "stream-tls-hello"
    }  # fmt: skip


WHOLE = bytes.fromhex("680e0000000001010300010064000001")


@pytest.mark.parametrize("vector", vectors.malformed("stream"), ids=vectors.name)
def test_an_incomplete_frame_waits_for_its_rest(vector):
    octets = vectors.octets(vector)
    assert WHOLE.startswith(octets)
    link = started_link(CONTROLLED)
    assert link.receive(octets, 0.0) == []
    assert not link.is_failed
    assert link.receive(WHOLE[len(octets) :], 0.0) == [Run(WHOLE, (len(WHOLE),))]


REFUSED = {
    "bad-start-00": (Reason.BAD_START, "00"),
    "bad-start-10": (Reason.BAD_START, "10"),
    "bad-start-ff": (Reason.BAD_START, "ff"),
    "bad-length-0": (Reason.BAD_LENGTH, "0"),
    "bad-length-2": (Reason.BAD_LENGTH, "2"),
    "bad-length-254": (Reason.BAD_LENGTH, "254"),
    "bad-s-length-5": (Reason.BAD_LENGTH, "5"),
    "bad-u-length-5": (Reason.BAD_LENGTH, "5"),
    "bad-u-octet-03": (Reason.BAD_FORMAT, "03"),
    "bad-u-octet-c3": (Reason.BAD_FORMAT, "c3"),
    "bad-u-octet-47": (Reason.BAD_FORMAT, "47"),
    "bad-u-octet-17": (Reason.BAD_FORMAT, "17"),
    "bad-i-no-asdu": (Reason.SHORT_ASDU, "0 octets"),
}


@pytest.mark.parametrize("vector", vectors.malformed("apci"), ids=vectors.name)
@pytest.mark.parametrize("make", [started_link, new_link], ids=["started", "stopped"])
@pytest.mark.parametrize("octet_by_octet", [False, True])
def test_a_malformed_apci_closes_the_link(vector, make, octet_by_octet):
    reason, octets = REFUSED[vector["name"]]
    link = make(CONTROLLED)
    data = vectors.octets(vector)
    chunks = [bytes((octet,)) for octet in data] if octet_by_octet else [data]
    (event,) = [e for chunk in chunks for e in link.receive(chunk, 0.0)]
    assert event.reason is reason
    assert octets in event.detail
    assert link.is_failed


@pytest.mark.parametrize("vector", vectors.malformed("apci-strict"), ids=vectors.name)
def test_reserved_bits_are_tolerated_and_said_once(vector):
    link = started_link(CONTROLLED)
    send(link, 3)
    first, *rest = [link.receive(vectors.octets(vector), 0.0) for _ in range(3)]
    assert kinds(first) == [Irregular]
    assert vectors.octets(vector)[2:].hex(" ") in first[0].detail
    assert rest == [[], []]
    if vector["name"].startswith("bad-u"):
        assert sent(link) == [frames.TESTFR_CON] * 3
    else:
        assert link.outstanding == 2  # N(R) 1


@pytest.mark.parametrize("vector", vectors.malformed("asdu", "asdu-unknown-type"), ids=vectors.name)
def test_a_malformed_asdu_is_no_reason_to_close_unless_its_header_is_short(vector):
    data = vectors.octets(vector)
    link = started_link(CONTROLLED)
    number(link, vs=data[4] // 2 + 128 * data[5], vr=data[2] // 2 + 128 * data[3])
    events = link.receive(data, 0.0)
    if len(data) < 12:
        assert failure(events).reason is Reason.SHORT_ASDU
    else:
        assert flat(events) == [Asdu(data[6:])]

"""Whatever clients send: nothing raises, every answer mirrors what was asked, memory is bounded."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from core.protocol.asdu import Asdu
from core.protocol.codec import decode_asdu
from core.protocol.codes import OBJECT_OCTETS
from tests.simulator.playing import CALM, Play
from tests.support import vectors

ANSWERS = {7, 9, 10, 44, 45, 46, 47}
ADDRESSES = (0, 100, 110, 400, 401, 403, 600, 5000, 5001, 5002, 5005, 9999)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Control direction messages, mostly plausible."""
    type_id = draw(st.sampled_from([*range(45, 70), *range(100, 114)]) | st.integers(0, 255))
    cause = draw(st.sampled_from([5, 6, 6, 6, 8]) | st.integers(0, 255))
    ca = draw(st.sampled_from([1, 1, 1, 65535, 99]))
    count = draw(st.sampled_from([1, 1, 1, 1, 0, 2, 0x81]))
    oa = draw(st.integers(0, 255))
    ioa = draw(st.sampled_from(ADDRESSES))
    size = OBJECT_OCTETS.get(type_id, 1)
    objects = ioa.to_bytes(3, "little") + draw(st.binary(min_size=size, max_size=size))
    if draw(st.integers(0, 9)) == 0:
        objects = draw(st.binary(max_size=20))
    return bytes((type_id, count, cause, oa)) + ca.to_bytes(2, "little") + objects


behaviours = st.builds(
    lambda **changes: replace(CALM, **changes),
    oa=st.sampled_from(["echo", "zero", "one"]),
    second_gi=st.sampled_from(["queue", "both", "restart", "refuse"]),
    gi_pause=st.sampled_from([0.0, 0.5]),
    execution_time=st.sampled_from([0.0, 1.0]),
    confirm_delay=st.sampled_from([0.0, 0.3]),
    clock=st.sampled_from(["set", "echo", "refuse"]),
    counter_events=st.booleans(),
    time_tags=st.sampled_from(["on", "off", "unsynchronized"]),
    batch=st.sampled_from([1, 5, 127]),
    max_command_age=st.sampled_from([0.0, 5.0]),
)
steps = st.lists(st.tuples(st.integers(0, 1), requests(), st.sampled_from([0.0, 0.4])), max_size=12)


def mirrors(answer: Asdu, request: bytes) -> bool:
    """Same type, VSQ, T and objects; the clock's time and a broadcast's address are its own."""
    asked = Asdu(request)
    same_ca = answer.ca == asked.ca or (asked.ca == 65535 and answer.ca == 1)
    same_objects = answer.objects == asked.objects or (
        answer.type_id == 103 and answer.objects[:3] == asked.objects[:3]
    )
    header = answer.octets[:2] == asked.octets[:2] and answer.is_test == asked.is_test
    return header and same_ca and same_objects


@settings(max_examples=300)
@given(behaviours, steps)
def test_no_request_raises_and_every_answer_mirrors_one(behaviour, steps):
    play = Play(behaviour, clients=2)
    asked: list[list[bytes]] = [[], []]
    came: list[list[Asdu]] = [[], []]
    for client, octets, pause in steps:
        asked[client].append(octets)
        play.station.receive(play.clients[client], Asdu(octets), play.now)
        play.wait(pause)
        if play.station.take_actions():  # a reset: the shell would close everything
            break
        for each in (0, 1):
            came[each] += play.station.take(play.clients[each], 12)
    play.wait(30)
    for each in (0, 1):
        came[each] += play.station.take(play.clients[each], 10_000)
        for answer in came[each]:
            if answer.type_id > 41:
                assert answer.cause in ANSWERS
                assert any(mirrors(answer, request) for request in asked[each]), answer
                assert answer.oa in {Asdu(r).oa for r in asked[each]} | {0, 1}
            if answer.cause >= 44:
                assert answer.is_negative


def test_the_golden_vectors_are_answered_or_ignored_as_a_whole():
    """Every message of the vectors, whatever it is, put to the station as a request."""
    answered = 0
    for vector in vectors.well_formed("I"):
        octets = vectors.octets(vector)[6:]
        if vector["decoded"]["type_id"] == 105:  # a reset would end the play
            continue
        for ca in (octets[4:6], b"\1\0"):
            request = octets[:4] + ca + octets[6:]
            play = Play()
            play.station.receive(play.clients[0], Asdu(request), play.now)
            came = play.station.take(play.clients[0], 1000)
            answered += bool(came)
            for answer in came:
                unit = decode_asdu(answer.octets)
                assert answer.type_id <= 41 or mirrors(answer, request)
                assert answer.type_id > 41 or not unit.remarks
    assert answered > 100


@given(st.lists(st.binary(min_size=6, max_size=249), max_size=10))
def test_no_octets_raise(messages):
    play = Play()
    for octets in messages:
        play.station.receive(play.clients[0], Asdu(octets), play.now)
    play.wait(5)
    for one in play.station.history:
        assert str(one).isprintable()

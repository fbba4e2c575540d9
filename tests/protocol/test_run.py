"""Runs, and the one clever batch technique of the room against its plain twin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.asdu import Asdu
from core.protocol.run import Run, address_of

SIZES = st.integers(12, 255)
NUMBERS = st.integers(0, 32767)
NEAR_THE_END = st.integers(32700, 32767)
OA, CA = st.integers(0, 255), st.integers(0, 65535)


@st.composite
def runs(draw, min_frames=1, max_frames=70):
    """Frames of arbitrary sizes and content, as a link hands them over."""
    sizes = draw(st.lists(SIZES, min_size=min_frames, max_size=max_frames))
    noise = draw(st.randoms(use_true_random=False))
    frames = [bytes((0x68, size - 2)) + noise.randbytes(size - 2) for size in sizes]
    return Run(b"".join(frames), tuple(sizes))


def frames_of(run):
    at, frames = 0, []
    for size in run.sizes:
        frames.append(run.octets[at : at + size])
        at += size
    return frames


def stamped_one_by_one(run, start, n, vs, vr, oa, ca):
    """What a sender writes into each frame, octet by octet: 60870-5-104, 5.1 and 7.1."""
    out = bytearray()
    for frame in frames_of(run)[start : start + n]:
        fresh = bytearray(frame)
        fresh[2], fresh[3] = vs % 128 * 2, vs // 128
        fresh[4], fresh[5] = vr % 128 * 2, vr // 128
        fresh[9] = oa
        fresh[10], fresh[11] = ca % 256, ca // 256
        out += fresh
        vs = (vs + 1) % 32768
    return bytes(out)


@given(runs(), st.data(), NUMBERS | NEAR_THE_END, NUMBERS | NEAR_THE_END, OA, CA)
def test_a_batch_is_stamped_like_its_frames_one_by_one(run, data, vs, vr, oa, ca):
    start = data.draw(st.integers(0, len(run) - 1))
    n = data.draw(st.integers(1, len(run) - start))
    expected = stamped_one_by_one(run, start, n, vs, vr, oa, ca)
    assert run.stamped(start, n, vs, vr, address_of(oa, ca)) == expected


@given(runs(min_frames=2, max_frames=20), st.data(), st.lists(NUMBERS, min_size=2, max_size=5), CA)
def test_one_run_is_stamped_for_many_peers_each_with_its_own_numbers(run, data, numbers, ca):
    for vs in numbers:
        start = data.draw(st.integers(0, len(run) - 1))
        n = len(run) - start
        got = run.stamped(start, n, vs, 32767 - vs, address_of(vs % 256, ca))
        assert got == stamped_one_by_one(run, start, n, vs, 32767 - vs, vs % 256, ca)


@pytest.mark.parametrize("vs", [0, 255, 256, 32768 - 700, 32768 - 699, 32767])
@pytest.mark.parametrize("sizes", [(12,) * 700, (255,) * 700, tuple(range(12, 82)) * 10])
def test_long_batches_are_numbered_to_the_end(sizes, vs):
    octets = b"".join(bytes((0x68, size - 2)) + b"\xff" * (size - 2) for size in sizes)
    run = Run(octets, sizes)
    expected = stamped_one_by_one(run, 0, 700, vs, 5, 9, 65535)
    assert run.stamped(0, 700, vs, 5, address_of(9, 65535)) == expected


def test_a_batch_of_the_whole_ring_is_numbered_once_round():
    run = Run(bytes.fromhex("68 0a 00 00 00 00 01 01 03 00 01 00") * 32767, (12,) * 32767)
    octets = run.stamped(0, 32767, 2, 0, 0)
    numbers = [
        int.from_bytes(octets[at + 2 : at + 4], "little") // 2 for at in range(0, len(octets), 12)
    ]
    assert numbers == [*range(2, 32768), 0]


@given(runs(), OA, CA)
def test_stamping_leaves_the_run_as_it_was(run, oa, ca):
    before = run.octets
    run.stamped(0, len(run), 32760, 7, address_of(oa, ca))
    assert run.octets == before


@given(runs(min_frames=3, max_frames=12), st.data())
def test_frames_of_three_audiences_are_cut_from_one_run(run, data):
    first, second = sorted(data.draw(st.tuples(*[st.integers(1, len(run) - 1)] * 2)))
    parts = [
        run.part(start, stop)
        for start, stop in ((0, first), (first, second), (second, len(run)))
        if start < stop
    ]
    assert [asdu for part in parts for asdu in part.asdus()] == list(run.asdus())
    vs, out = 32760, b""
    for part in parts:
        out += part.stamped(0, len(part), vs, 3, 77)
        vs = (vs + len(part)) % 32768
    assert out == stamped_one_by_one(run, 0, len(run), 32760, 3, 77, 0)


@given(runs())
def test_the_whole_part_is_the_run_itself(run):
    assert run.part(0, len(run)) is run


@given(runs())
def test_one_asdu_is_the_same_as_among_all(run):
    assert len(run) == len(run.sizes)
    assert [run.asdu(i) for i in range(len(run))] == list(run.asdus())
    assert [asdu.octets for asdu in run.asdus()] == [frame[6:] for frame in frames_of(run)]


@given(st.lists(st.binary(min_size=6, max_size=249).map(Asdu), min_size=1, max_size=5))
def test_a_run_made_here_holds_its_asdus(asdus):
    run = Run.of(*asdus)
    assert list(run.asdus()) == asdus
    for frame, asdu in zip(frames_of(run), asdus, strict=True):
        assert frame[0] == 0x68
        assert frame[1] == len(frame) - 2
        assert frame[6:] == asdu.octets


@pytest.mark.parametrize(("oa", "ca", "octets"), [(0, 1, "00 01 00"), (254, 0x1234, "fe 34 12")])
def test_an_address_is_three_octets_as_on_the_wire(oa, ca, octets):
    assert address_of(oa, ca).to_bytes(3, "little") == bytes.fromhex(octets)


@given(runs(max_frames=5))
def test_runs_are_equal_by_what_they_carry_not_by_their_numbers(run):
    other = Run(run.stamped(0, len(run), 5, 6, 0), run.sizes)
    same = Run(other.stamped(0, len(run), 7, 8, 0), run.sizes)
    assert other == same
    assert hash(other) == hash(same)
    assert other.octets != same.octets
    assert other != Run(other.stamped(0, len(run), 5, 6, 1), run.sizes)
    assert other != Run(other.octets + other.octets, run.sizes * 2)


def test_a_run_is_no_other_thing():
    run = Run.of(Asdu(b"\x01\x01\x03\x00\x01\x00"))
    assert run != "run"
    assert repr(run) == "Run(010103000100)"

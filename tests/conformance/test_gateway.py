"""The gateway: a controlling station to its RTU, a controlled one to its masters."""

from dataclasses import replace

import pytest

from tests.conformance.cases import GATEWAY, case
from tests.gateway.running import STARTDT_ACT, STOPDT_ACT, TESTFR_ACT, heard
from tests.support import vectors
from tests.support.wire import (
    Asdu,
    asdu,
    assert_clean,
    bitstring_command,
    clock_command,
    counter_interrogation,
    deactivation,
    interrogation,
    read,
    select,
    single_command,
    test_command,
)

CON, TERM = 7, 10
TESTFR_CON = "680483000000"


@case("TC-03", "both", GATEWAY, "it listens for masters only while the RTU is connected")
def test_masters_are_let_in_while_the_rtu_is_there(scene):
    s = scene(1, peers={"reconnects": True, "retry_pause": 0.05})
    (master,) = s.masters
    s.rtu.kill()
    s.wait(lambda: not master.is_connected, "closed with the RTU", 3)
    refusals = master.refusals
    s.wait(lambda: master.refusals > refusals, "refused by the system")
    s.rtu.restart()
    s.wait(lambda: master.is_started, "let in again", 15)


@case("ST-15", "both", GATEWAY, "STARTDT to the RTU with the first master, STOPDT with the last")
def test_start_and_stop_follow_the_masters(scene):
    s = scene()
    assert heard(s.rtu, STARTDT_ACT) == 1
    s.masters[0].stop_transfer()
    s.masters[1].stop_transfer()
    s.wait(lambda: heard(s.rtu, STOPDT_ACT) == 1, "stopped with the last")
    s.masters[0].start_transfer()
    s.wait(lambda: heard(s.rtu, STARTDT_ACT) == 2, "started with the first")
    s.rtu.events(3)
    s.wait(lambda: len(s.masters[0].events) == 3, "data again")


@case("ST-16", "both", GATEWAY, "TESTFR of RTU and masters is answered by the gateway itself")
def test_tests_are_answered_on_each_side(scene):
    s = scene()
    asked = heard(s.rtu, TESTFR_ACT)
    s.rtu.test_link()
    s.masters[0].test_link()
    for peer in (s.rtu, s.masters[0]):
        s.wait(lambda peer=peer: heard(peer, TESTFR_CON) == 1, f"the con to {peer.name}")
    s.settle()
    assert heard(s.rtu, TESTFR_ACT) == asked
    assert not any(heard(master, TESTFR_ACT) for master in s.masters)
    s.clean()


@case("SQ-11", "both", GATEWAY, "events pass in order and once to each master, beyond w and k")
def test_events_pass_once_and_in_order(scene):
    s = scene(3)
    s.rtu.events(2000)
    s.wait(lambda: all(len(m.events) == 2000 for m in s.masters), "all events", 20)
    s.clean()


@case(
    "RG-02",
    "controlled",
    GATEWAY,
    "of several connections of a master one is started; STARTDT moves it",
)
def test_the_started_connection_is_the_last_one_that_asked(scene, wire):
    s = scene(1, master_options={0: ("conns=2",)}, peers={"expects_initialized": False})
    (first,) = s.masters
    second = wire.master(
        first.port, first.ca, name="second", starts=False, expects_initialized=False
    )
    wire.wait(lambda: second.is_connected, 5, "connected")
    second.test_link()
    s.rtu.events(3)
    wire.wait(lambda: len(first.events) == 3, 5, "at the started one")
    assert len(second.events) == 0
    first.acknowledge()
    first.set(w=None)
    first.test_link()
    wire.wait(lambda: heard(first, TESTFR_CON) == 1, 5, "the acknowledgement is through")
    s.rtu.events(2)
    wire.wait(lambda: len(first.events) == 5, 5, "not acknowledged")
    second.start_transfer()
    wire.wait(lambda: list(second.events) == [3, 4], 5, "the unacknowledged first")
    s.rtu.events(1)
    wire.wait(lambda: 5 in second.events, 5, "and then what is new")
    assert 5 not in first.events


@case(
    "IN-04",
    "controlled",
    GATEWAY,
    "M_EI to each master that starts, first of all; the RTU's to nobody",
)
def test_each_master_is_told_once(scene):
    s = scene()
    s.rtu.send(asdu(70, 0, b"\0", 4))
    s.settle()
    assert [m.initialized for m in s.masters] == [1, 1]


@case(
    "CY-04", "both", GATEWAY, "cyclic, background and spontaneous data goes to every started master"
)
@pytest.mark.parametrize("cause", [1, 2, 3, 11, 12])
def test_data_goes_to_all(scene, cause):
    s = scene()
    s.rtu.send(asdu(9, 500, b"\0\x40\0", cause))
    for master in s.masters:
        master.take(lambda one: (one.type_id, one.cause) == (9, cause))
    s.clean()


@case(
    "EV-06",
    "both",
    GATEWAY,
    "events without a started master are acknowledged and kept for the next",
)
def test_events_are_kept(scene):
    s = scene(1, options=("startdt=always",))
    (master,) = s.masters
    master.stop_transfer()
    s.wait(lambda: not master.is_started, "stopped")
    s.rtu.events(20)
    s.wait(lambda: len(s.rtu.sent) == 20, "taken by the gateway", 10)
    master.start_transfer()
    s.wait(lambda: list(master.events) == list(range(20)), "given at the start")


@case("IO-06", "both", GATEWAY, "object octets of every monitored type pass untouched")
def test_objects_pass_untouched(scene):
    s = scene(1)
    (master,) = s.masters
    found = [v for v in vectors.well_formed("I") if v["decoded"]["type_id"] <= 40]
    octets = [vectors.octets(v)[6:] for v in found if v["decoded"]["count"]]
    sent = [replace(Asdu.of(o), cause=1, ca=0, oa=0, is_negative=False) for o in octets[::4]]
    s.rtu.send(*sent)
    s.wait(lambda: len(master.inbox) >= len(sent), "all of them", 20)
    assert [(one.type_id, one.vsq, one.objects) for one in master.inbox] == [
        (one.type_id, one.vsq, one.objects) for one in sent
    ]


@case("GI-08", "both", GATEWAY, "an interrogation: con and term to its asker only, data as agreed")
def test_an_interrogation_through_the_gateway(scene):
    s = scene()
    s.masters[0].ask(interrogation())
    s.answers(s.masters[0], CON, TERM)
    assert [one.cause for one in s.masters[0].inbox] == [7, 20, 20, 20, 20, 10]
    s.clean()
    assert not s.masters[1].answers


@case("GI-09", "both", GATEWAY, "two masters' interrogations each have confirmation, data and end")
def test_two_interrogate(scene):
    s = scene()
    for master in s.masters:
        master.ask(interrogation())
    for master in s.masters:
        s.answers(master, CON, TERM)
    s.clean()


@case("CS-05", "both", GATEWAY, "clock synchronization passes; the RTU's answer goes to who asked")
def test_the_clock_through_the_gateway(scene):
    s = scene()
    s.masters[1].ask(clock_command())
    s.answers(s.masters[1], CON)
    assert s.rtu.asked[0].element == clock_command().element
    s.clean()


@case("CT-16", "both", GATEWAY, "direct command and set point; refused and unknown ones too")
def test_commands_through_the_gateway(scene):
    s = scene()
    s.masters[0].ask(bitstring_command(5000, 1))
    s.answers(s.masters[0], CON, TERM)
    s.rtu.set(script=lambda one: [one.answer(47, is_negative=True)])
    s.masters[1].ask(bitstring_command(5001, 2), terminates=False)
    s.answers(s.masters[1], 47)
    s.clean()


@case("CT-17", "both", GATEWAY, "select and execute; another master is kept out meanwhile")
def test_selections_through_the_gateway(scene):
    s = scene()
    one, other = s.masters
    one.ask(select(5000))
    s.answers(one, CON)
    other.send(single_command(5000))
    refused = other.take(lambda a: a.cause == CON)
    assert refused.is_negative
    one.ask(single_command(5000))
    s.answers(one, CON, CON, TERM)
    assert len(s.rtu.asked) == 2


@case("CT-18", "both", GATEWAY, "a selection is cancelled by its master: cause 9")
def test_a_cancelled_selection_through_the_gateway(scene):
    s = scene()
    s.masters[0].ask(select(5000), deactivation(select(5000)))
    s.answers(s.masters[0], CON, 9)
    s.clean()


@case("RD-04", "both", GATEWAY, "a read is answered to who read, and to nobody else")
def test_a_read_through_the_gateway(scene):
    s = scene()
    s.masters[0].ask(read(400))
    s.answers(s.masters[0], 5)
    s.clean()
    assert not s.masters[1].inbox


@case("IT-07", "both", GATEWAY, "freeze and counter interrogation pass and end as the RTU says")
def test_counters_through_the_gateway(scene):
    s = scene()
    s.masters[0].ask(counter_interrogation(0x45), terminates=False)
    s.answers(s.masters[0], CON)
    s.masters[0].ask(counter_interrogation(5))
    s.answers(s.masters[0], CON, CON, TERM)
    assert (15, 37) in [(one.type_id, one.cause) for one in s.masters[0].inbox]
    s.clean()


@case("PL-04", "both", GATEWAY, "parameters pass and are confirmed to who loaded them")
def test_parameters_through_the_gateway(scene):
    s = scene()
    s.masters[0].ask(asdu(112, 400, bytes.fromhex("0000c03f01")), asdu(113, 400, b"\3"))
    s.answers(s.masters[0], CON, CON)
    s.clean()


@case("TP-04", "both", GATEWAY, "the test command passes and its mirror goes to who asked")
def test_tests_through_the_gateway(scene):
    s = scene()
    s.masters[1].ask(test_command(0x1234))
    s.answers(s.masters[1], CON)
    assert s.masters[1].answers[0].element[:2] == b"\x34\x12"
    s.clean()


@case("DU-13", "controlled", GATEWAY, "unknown type 44, cause 45 and common address 46 are refused")
@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        (asdu(81, 1, b"\0"), 44),
        (asdu(1, 1, b"\0"), 44),
        (asdu(45, 1, b"\1", 20), 45),
        (replace(asdu(45, 1, b"\1"), ca=999), 46),
        (replace(asdu(45, 1, b"\1"), ca=0xFFFF), 46),
    ],
)
def test_the_gateway_refuses_as_a_station_would(scene, asked, cause):
    s = scene(1, peers={"foreign": frozenset({999, 0xFFFF})})
    (master,) = s.masters
    master.send(asked)
    reply = master.take(lambda one: one.cause == cause)
    assert reply.is_negative
    assert (reply.type_id, reply.objects) == (asked.type_id, asked.objects)
    assert not s.rtu.asked


@case("DU-14", "both", GATEWAY, "answers carry the asker's originator address, other data 0")
@pytest.mark.parametrize("oa", [None, 0, 1])
def test_originator_addresses(scene, oa):
    s = scene(2, oa=oa, oas=(7, 255))
    for n, master in enumerate(s.masters):
        master.ask(bitstring_command(5000 + n, n))
    for master in s.masters:
        s.answers(master, CON, TERM)
        assert {one.oa for one in master.answers} == {master.oa}
    s.clean()


@case("DU-15", "both", GATEWAY, "the T bit passes in both directions")
def test_the_test_bit_passes(scene):
    s = scene(1)
    (master,) = s.masters
    master.ask(replace(single_command(5000), is_test=True))
    s.answers(master, CON, TERM)
    assert s.rtu.asked[0].is_test
    assert all(one.is_test for one in master.answers)


@case("DU-16", "both", GATEWAY, "private types pass in both directions, octets untouched")
def test_private_types_pass(scene):
    s = scene()
    s.rtu.send(asdu(200, 77, b"\1\2\3\4", 3))
    for master in s.masters:
        assert master.take(lambda one: one.type_id == 200).element == b"\1\2\3\4"
    s.masters[0].send(asdu(201, 78, b"\5\6\7"))
    s.wait(lambda: any(one.type_id == 201 for one in s.rtu.asked), "at the RTU")
    assert s.rtu.asked[-1].element == b"\5\6\7"


FILE = bytes.fromhex("840300 0100")


def of_file(type_id, tail, cause=13):
    return Asdu(type_id, FILE + bytes.fromhex(tail), cause)


FILE_TRANSFER = [
    # what the master sends, what the RTU answers it with
    (Asdu(122, bytes(7), 5), [of_file(126, "060000201f900a15ab0c1a", 5)]),
    (of_file(122, "0001"), [of_file(120, "06000000")]),
    (of_file(122, "0002"), [of_file(121, "0106000000")]),
    (of_file(122, "0106"), [of_file(125, "0106010203040506"), of_file(123, "010315")]),
    (of_file(124, "0103"), [of_file(123, "010115")]),
    (of_file(124, "0001"), []),
]  # fmt: skip


@case(
    "FT-01", "both", GATEWAY, "directory, select, call, segments, acknowledgements: to their master"
)
def test_a_file_through_the_gateway(scene):
    s = scene()
    answers = {(one.type_id, one.objects): given for one, given in FILE_TRANSFER}
    s.rtu.set(script=lambda one: answers[one.type_id, one.objects])
    one, other = s.masters
    count = 0
    for asked, given in FILE_TRANSFER:
        one.send(asked)
        count += len(given)
        s.wait(lambda n=count: len(one.inbox) >= n, f"the answers to type {asked.type_id}")
    expected = [(g.type_id, g.objects) for _, given in FILE_TRANSFER for g in given]
    assert [(got.type_id, got.objects) for got in one.inbox] == expected
    s.settle()
    assert [(a.type_id, a.objects) for a in s.rtu.asked] == [
        (a.type_id, a.objects) for a, _ in FILE_TRANSFER
    ]
    assert not other.inbox


@case("FT-02", "both", GATEWAY, "a second master's select meanwhile: file not ready, negative")
def test_a_file_is_one_masters(scene):
    s = scene()
    s.rtu.set(script=lambda one: [of_file(120, "06000000")])
    s.masters[0].send(of_file(122, "0001"))
    s.masters[0].take(lambda one: one.type_id == 120)
    s.masters[1].send(of_file(122, "0001"))
    refused = s.masters[1].take(lambda one: one.type_id == 120)
    assert refused.element[-1] & 0x80
    assert len(s.rtu.asked) == 1
    assert_clean(s.rtu)

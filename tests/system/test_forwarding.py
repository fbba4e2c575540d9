"""Events reach everybody, answers go home, numbers pass 32767: through the program as it is run."""

import struct
import time
from dataclasses import replace

import pytest

from tests.support.gateway import Gateway, group
from tests.support.ports import free_port, free_ports
from tests.support.wire import (
    POINTS,
    TESTFR_ACT,
    asdu,
    assert_clean,
    bitstring_command,
    interrogation,
    read,
    single_command,
    test_command,
)

CA = 32


class Station:
    """One group, running: its RTU and its started masters."""

    def __init__(self, wire, folder, masters, settings=(), **rtu_options):
        self.wire = wire
        rtu_port = free_port()
        self.ports = free_ports(masters)
        self.gateway = Gateway(folder, group(1, rtu_port, self.ports, CA), settings)
        self.rtu = wire.rtu(rtu_port, CA, slots=masters, **rtu_options)

    def __enter__(self):
        self.gateway.__enter__()
        return self

    def __exit__(self, *problem):
        self.gateway.__exit__(*problem)

    def masters(self, oas=None, **options):
        masters = [
            self.wire.master(port, 101 + i, oa=oas[i] if oas else 0, **options)
            for i, port in enumerate(self.ports)
        ]
        self.wire.wait(lambda: all(m.is_started for m in masters), 10, "all masters started")
        return masters

    def deliver(self, masters, count, within=20.0):
        """Sends `count` events and waits until each master has them."""
        before = len(masters[0].events)
        self.rtu.events(count)
        self.wire.wait(
            lambda: all(len(m.events) >= before + count for m in masters), within, "all events"
        )


def test_twenty_thousand_events_reach_three_masters(wire, tmp_path):
    with Station(wire, tmp_path, 3) as station:
        masters = station.masters()
        station.deliver(masters, 20_000)
        assert_clean(station.rtu, *masters)
        assert not any(m.losses for m in masters)


def test_send_numbers_pass_32767_in_monitor_direction(wire, tmp_path):
    with Station(wire, tmp_path, 3) as station:
        masters = station.masters()
        station.deliver(masters, 32_760)
        station.deliver(masters, 20)  # across the end one by one, more or less
        station.deliver(masters, 1_000)
        assert_clean(station.rtu, *masters)
        assert not any(m.losses for m in masters)


def test_send_numbers_pass_32767_in_control_direction(wire, tmp_path):
    count = 33_500
    with Station(wire, tmp_path, 2) as station:
        asker, other = station.masters()
        asker.ask(*[test_command(n) for n in range(count)])
        wire.wait(lambda: len(asker.answers) == count, 30, "an answer to each test command")
        assert len(station.rtu.asked) == count
        assert not other.inbox
        assert_clean(station.rtu, asker, other)


OAS = [0, 7, 7, 255, 1, 2]
"""What the masters put into their own originator address: their affair, and no key to anything."""


@pytest.mark.parametrize("oa", [None, 0, 1], ids=["echoes OA", "answers OA 0", "answers OA 1"])
def test_answers_to_a_burst_of_commands_go_home(wire, tmp_path, oa):
    with Station(wire, tmp_path, 6, oa=oa) as station:
        masters = station.masters(OAS)
        station.rtu.hold()
        for i, master in enumerate(masters):
            # the RTU has all of these at once, and answers in an order of its own
            master.ask(*[bitstring_command(1000 * i + n, n) for n in range(60)])
        station.rtu.events(500)
        wire.wait(lambda: station.rtu.held == 360, 10, "all commands at the RTU")
        station.rtu.release(shuffle=104)
        wire.wait(lambda: all(len(m.answers) == 120 for m in masters), 10, "all answers")
        wire.wait(lambda: all(len(m.events) == 500 for m in masters), 10, "all events")
        assert_clean(station.rtu, *masters)


@pytest.mark.parametrize("oa", [None, 0], ids=["echoes OA", "answers OA 0"])
def test_answers_go_home_when_all_command_the_same_points(wire, tmp_path, oa):
    with Station(wire, tmp_path, 6, oa=oa) as station:
        masters = station.masters(OAS)
        for i, master in enumerate(masters):
            master.ask(*[bitstring_command(1 + n % 4, 1000 * i + n) for n in range(60)])
        # a refusal by the gateway is an answer as well, but it ends with itself
        wire.wait(
            lambda: all(
                sum(a.cause == 10 or a.is_negative for a in m.answers) == 60 for m in masters
            ),
            10,
            "the end of each command",
        )
        assert_clean(station.rtu, *masters)


def test_refusals_of_the_rtu_go_home(wire, tmp_path):
    def refuse(one):
        return [one.answer(7, is_negative=True) if one.ioa % 2 else one.answer(47, True)]

    with Station(wire, tmp_path, 2, oa=0, script=refuse) as station:
        masters = station.masters()
        for i, master in enumerate(masters):
            master.ask(*[single_command(100 * i + n) for n in range(10)])
        wire.wait(lambda: all(len(m.answers) == 10 for m in masters), 5, "all refusals")
        assert {a.cause for a in masters[0].answers} == {7, 47}
        assert_clean(station.rtu, *masters)


def test_object_octets_of_every_kind_pass_untouched(wire, tmp_path):
    odd = [
        asdu(1, 1, b"\xff", 3),  # reserved bits set
        asdu(13, 2, struct.pack("<I", 0x7FC01234) + b"\xf1", 3),  # a NaN with a payload
        asdu(30, 3, b"\x01" + bytes.fromhex("ffffffffffffff"), 11),  # no such time
        asdu(36, 0xFFFFFF, bytes(5) + bytes.fromhex("1f900a15ab0c1a"), 20),
        asdu(200, 5, bytes(range(240)), 3),  # private, as long as an ASDU may be
        asdu(9, 6, b"\x00\x80\x00", 1),
        asdu(21, 7, b"\x00\x80", 2),
        asdu(11, 8, b"\x34\x12\x00", 60),  # a private cause
        asdu(103, 0, bytes.fromhex("1f900a15ab0c1a"), 3),
        *POINTS,
    ]
    with Station(wire, tmp_path, 2) as station:
        masters = station.masters()
        station.rtu.send(*odd, asdu(70, 0, b"\x02", 4))  # the last, M_EI, is for nobody
        station.deliver(masters, 1)
        for master in masters:
            assert [(one.type_id, one.cause, one.objects) for one in master.inbox] == [
                (one.type_id, one.cause, one.objects) for one in odd
            ]


def test_an_interrogation_is_answered_to_its_asker_and_its_data_to_all(wire, tmp_path):
    with Station(wire, tmp_path, 3, oa=0) as station:
        masters = station.masters()
        masters[1].ask(interrogation())
        wire.wait(lambda: all(len(m.inbox) >= len(POINTS) for m in masters), 5, "the data")
        wire.wait(lambda: len(masters[1].answers) == 2, 5, "the termination")
        assert [one.cause for one in masters[1].inbox] == [7, 20, 20, 20, 20, 10]
        for other in (masters[0], masters[2]):
            assert [one.cause for one in other.inbox] == [20, 20, 20, 20]
        assert_clean(station.rtu, *masters)


def test_an_interrogation_may_be_sent_to_the_broadcast_address(wire, tmp_path):
    with Station(wire, tmp_path, 2, oa=0) as station:
        asker, other = station.masters()
        asker.ask(replace(interrogation(), ca=0xFFFF))
        wire.wait(lambda: len(asker.answers) == 2, 5, "the termination")
        assert station.rtu.asked[-1].ca == 0xFFFF
        assert not other.answers
        assert_clean(station.rtu, asker, other)


def test_all_masters_interrogate_at_once(wire, tmp_path):
    with Station(wire, tmp_path, 4, oa=0) as station:
        masters = station.masters(OAS[:4])
        for master in masters:
            master.ask(interrogation())
        wire.wait(lambda: all(len(m.answers) == 2 for m in masters), 10, "all terminations")
        for master in masters:
            assert [a.cause for a in master.answers] == [7, 10]
            data = [one for one in master.inbox if one.cause == 20]
            assert len(data) >= len(POINTS)
        assert_clean(station.rtu, *masters)


def test_a_read_is_answered_to_its_reader(wire, tmp_path):
    with Station(wire, tmp_path, 2, oa=0) as station:
        masters = station.masters()
        for i, master in enumerate(masters):
            master.ask(*[read(100 * i + n) for n in range(1, 20)])
        wire.wait(lambda: all(len(m.answers) == 19 for m in masters), 5, "all data")
        assert_clean(station.rtu, *masters)


def test_a_foreign_common_address_is_refused_by_the_gateway(wire, tmp_path):
    with Station(wire, tmp_path, 1) as station:
        (master,) = station.masters([9], foreign=frozenset({999}))
        master.ask(replace(single_command(5), ca=999))
        wire.wait(lambda: master.answers, 5, "the refusal")
        (answer,) = master.answers
        assert (answer.cause, answer.is_negative, answer.ca) == (46, True, 999)
        assert not station.rtu.asked
        assert_clean(station.rtu, master)


def test_the_rtu_is_started_when_the_first_master_is_and_stopped_with_the_last(wire, tmp_path):
    with Station(wire, tmp_path, 2) as station:
        rtu = station.rtu
        first, second = (
            wire.master(port, 101 + i, starts=False) for i, port in enumerate(station.ports)
        )
        wire.wait(lambda: first.is_connected and second.is_connected, 10, "both connected")
        rtu.events(10)
        assert rtu.tests_heard
        assert not rtu.times("started")
        first.start_transfer()
        wire.wait(lambda: len(first.events) == 10, 5, "what the RTU had kept")
        second.start_transfer()
        wire.wait(lambda: second.is_started, 5, "the second started")
        station.deliver([second], 5)
        first.stop_transfer()
        wire.wait(lambda: first.times("stopped"), 5, "the first stopped")
        station.deliver([second], 5)
        assert len(first.events) == 15
        assert not rtu.times("stopped")
        second.stop_transfer()
        wire.wait(lambda: rtu.times("stopped"), 5, "the RTU stopped")
        rtu.events(5)
        second.start_transfer()
        wire.wait(lambda: len(second.events) == 15, 5, "what the RTU had kept again")
        assert (first.initialized, second.initialized) == (1, 2)
        assert list(rtu.sent) == list(range(25))


def test_a_stop_is_confirmed_only_when_the_master_has_acknowledged(wire, tmp_path):
    with Station(wire, tmp_path, 1) as station:
        (master,) = station.masters()
        master.set(w=None, t2=60.0, u_limit=20.0)
        station.deliver([master], 5)
        master.stop_transfer(acknowledge=False)
        master.test_link()
        wire.wait(lambda: TESTFR_ACT not in master.links[0].asked, 5, "TESTFR con")
        assert not master.times("stopped")
        master.acknowledge()
        wire.wait(lambda: master.times("stopped"), 5, "STOPDT con")


def test_commands_are_acknowledged_before_a_stop_is_confirmed(wire, tmp_path):
    with Station(wire, tmp_path, 1) as station:
        (master,) = station.masters()
        station.rtu.hold()
        master.send(*[single_command(n) for n in range(3)])
        wire.wait(lambda: station.rtu.held == 3, 5, "the commands at the RTU")
        master.stop_transfer()
        wire.wait(lambda: master.times("stopped"), 5, "STOPDT con")
        wire.check()


def test_a_command_given_before_the_rtu_is_started_is_not_lost(wire, tmp_path):
    with Station(wire, tmp_path, 1, start_delay=0.5) as station:
        (master,) = station.masters()
        master.ask(single_command(1))
        wire.wait(lambda: len(master.answers) == 2, 5, "the answer")
        assert_clean(station.rtu, master)


def test_test_frames_are_answered_in_every_state(wire, tmp_path):
    with Station(wire, tmp_path, 1) as station:
        master = wire.master(station.ports[0], 101, starts=False, u_limit=1.0)
        wire.wait(lambda: master.is_connected, 10, "connected")
        for step in (lambda: None, master.start_transfer, master.stop_transfer):
            step()
            master.test_link()
            wire.wait(lambda: not any(link.asked for link in master.links), 3, "all confirmed")
        assert station.rtu.is_connected


def test_the_program_stops_cleanly_in_the_middle_of_traffic(wire, tmp_path):
    with Station(wire, tmp_path, 3) as station:
        masters = station.masters()
        station.rtu.events(200_000)
        wire.wait(lambda: all(len(m.events) > 1000 for m in masters), 10, "traffic")
        begin = time.monotonic()
    assert time.monotonic() - begin < 4
    assert station.rtu.times("stopped"), "STOPDT before the end"

"""A controlled station: the simulator's, requests and answers as octets without their APCI."""

from dataclasses import replace

import pytest

from core.protocol.codec import decode_asdu
from core.simulator.behaviour import Behaviour
from core.simulator.plant import Restart
from tests.conformance.cases import RTU, case
from tests.simulator.playing import CALM, Play, header, point

TAG = "1f 90 0a 15 ab 0c 1a"


def causes(messages):
    return [header(message)[1] for message in messages]


# Data unit identifier


@case("DU-01", "controlled", RTU, "an unknown type is mirrored with cause 44, P/N = 1")
@pytest.mark.parametrize("type_id", ["00", "51", "57", "78", "80", "ff"])
def test_an_unknown_type_is_answered_with_44(type_id):
    asked = f"{type_id} 01 06 03 01 00 88 13 00 01"
    assert Play().ask(asked) == [f"{type_id} 01 6c 03 01 00 88 13 00 01"]


@case(
    "DU-02", "controlled", RTU, "a cause the type does not have is mirrored with cause 45, P/N = 1"
)
@pytest.mark.parametrize(
    "asked",
    [
        "2d 01 03 00 01 00 88 13 00 01",
        "64 01 05 00 01 00 00 00 00 14",
        "66 01 06 00 01 00 90 01 00",
        f"67 01 08 00 01 00 00 00 00 {TAG}",
    ],
)
def test_an_unknown_cause_is_answered_with_45(asked):
    assert Play().ask(asked) == [asked[:6] + "6d" + asked[8:]]


@case("DU-03", "controlled", RTU, "a foreign common address is mirrored with cause 46, P/N = 1")
@pytest.mark.parametrize("ca", ["02 00", "00 01", "00 00"])
def test_an_unknown_common_address_is_answered_with_46(ca):
    assert Play().ask(f"2d 01 06 00 {ca} 88 13 00 01") == [f"2d 01 6e 00 {ca} 88 13 00 01"]


@case("DU-04", "controlled", RTU, "an unknown object address is mirrored with cause 47, P/N = 1")
@pytest.mark.parametrize(
    "asked",
    [
        "2d 01 06 00 01 00 87 13 00 01",
        "66 01 05 00 01 00 ff ff ff",
        "64 01 06 00 01 00 01 00 00 14",
        "2e 01 06 00 01 00 88 13 00 01",  # a double command to a single point
    ],
)
def test_an_unknown_object_address_is_answered_with_47(asked):
    assert Play().ask(asked) == [asked[:6] + "6f" + asked[8:]]


@case("DU-05", "controlled", RTU, "the originator address is mirrored in answers, 0 in all else")
def test_the_originator_address():
    play = Play()
    play.send("64 01 06 2a 01 00 00 00 00 14")
    play.station.set("lamp", 1, play.now)
    messages = [header(message) for message in play.taken()]
    assert {oa for _, cause, _, oa, _ in messages if cause != 3} == {42}
    assert {oa for _, cause, _, oa, _ in messages if cause == 3} == {0}


@case("DU-06", "controlled", RTU, "T = 1 is mirrored and the test has no effect on the process")
def test_the_test_bit():
    play = Play()
    assert play.ask("2d 01 86 00 01 00 88 13 00 01") == [
        "2d 01 87 00 01 00 88 13 00 01",
        "2d 01 8a 00 01 00 88 13 00 01",
    ]
    assert play.station.points["lamp"].value == 0


@case("DU-07", "controlled", RTU, "the broadcast address is answered under the station's own")
@pytest.mark.parametrize(
    "asked", ["64 01 06 00 ff ff 00 00 00 14", "65 01 06 00 ff ff 00 00 00 05"]
)
def test_the_broadcast_address(asked):
    messages = [header(message) for message in Play().ask(asked)]
    assert {ca for *_, ca in messages} == {1}
    assert (messages[0][1], messages[-1][1]) == (7, 10)


@case("DU-08", "controlled", RTU, "other types under the broadcast address: cause 46")
def test_a_command_to_all_is_refused():
    asked = "2d 01 06 00 ff ff 88 13 00 01"
    assert Play().ask(asked) == [asked[:6] + "6e" + asked[8:]]


@case("DU-09", "controlled", RTU, "a request of more than one object, or SQ = 1, is refused")
@pytest.mark.parametrize("vsq", ["02", "81"])
def test_a_request_has_one_object(vsq):
    asked = f"2d {vsq} 06 00 01 00 88 13 00 01 88 13 00 01"
    assert causes(Play().ask(asked)) == [7]
    assert header(Play().ask(asked)[0])[2]


@case("DU-10", "controlled", RTU, "an answer, monitored data or a cut-off request is not answered")
@pytest.mark.parametrize(
    "octets",
    ["2d 01 07 00 01 00 88 13 00 01", "01 01 03 00 01 00 64 00 00 01", "2d 01 06 00 01 00 88 13"],
)
def test_what_is_no_request_is_not_answered(octets):
    assert Play().ask(octets) == []


# Station initialization


@case("IN-01", "controlled", RTU, "M_EI is the first message after a start of the station, once")
def test_the_end_of_initialization():
    play = Play(clients=0)
    number = play.station.connected("10.0.0.1", "10.0.0.1:50000", play.now)
    play.station.started(number, play.now)
    play.station.set("lamp", 1, play.now)
    play.clients = [number]
    assert play.taken() == ["46 01 04 00 01 00 00 00 00 00", "01 01 03 00 01 00 64 00 00 01"]
    play.station.stopped(number, play.now)
    play.station.started(number, play.now)
    assert play.taken() == []


@case("IN-02", "controlled", RTU, "reset process: confirmed, the station restarts, M_EI says COI 2")
def test_remote_initialization():
    play = Play()
    assert play.ask("69 01 06 00 01 00 00 00 00 01") == ["69 01 07 00 01 00 00 00 00 01"]
    (restart,) = [a for a in play.station.take_actions() if isinstance(a, Restart)]
    assert restart.cause_of_initialization == 2
    play.station.go_down(play.now)
    play.station.restart(play.now, restart.cause_of_initialization)
    play.clients = [play.connect("10.0.0.1", start=False)]
    play.station.started(play.clients[0], play.now)
    assert play.taken() == ["46 01 04 00 01 00 00 00 00 02"]


@case("IN-03", "controlled", RTU, "a reset with an unknown qualifier is refused and resets nothing")
def test_a_reset_with_an_unknown_qualifier():
    play = Play()
    assert play.ask("69 01 06 00 01 00 00 00 00 09") == ["69 01 47 00 01 00 00 00 00 09"]
    assert play.station.take_actions() == []


# Read, cyclic, events


@case("RD-01", "controlled", RTU, "a read is answered by the value with cause 5 and nothing else")
def test_a_read_is_answered_by_its_value():
    asked = "66 01 05 07 01 00 90 01 00"
    assert Play().ask(asked) == ["0d 01 05 07 01 00 90 01 00 00 00 48 42 00"]


@case("RD-02", "controlled", RTU, "a read of an unknown address: cause 47, negative")
def test_a_read_of_nothing():
    assert Play().ask("66 01 05 00 01 00 63 00 00") == ["66 01 6f 00 01 00 63 00 00"]


@case("CY-01", "controlled", RTU, "measured values are sent in their period with cause 1")
def test_cyclic_transmission():
    play = Play(Behaviour(), points=[point("voltage", 400, 13, "constant(50)")])
    play.wait(30)
    messages = play.taken()
    assert 9 <= len(messages) <= 11
    assert set(causes(messages)) == {1}


@case("CY-02", "controlled", RTU, "background scan repeats values with cause 2")
def test_background_scan():
    play = Play(Behaviour(), points=[point("lamp", 3, 1, "constant(1)", period=10.0)])
    play.wait(30)
    assert set(causes(play.taken())) == {2}


@case("CY-03", "controlled", RTU, "cyclic transmission of an object is switched off and on again")
def test_cyclic_transmission_is_switched_off():
    play = Play(Behaviour(), points=[point("voltage", 400, 13, "constant(50)")])
    assert play.ask("71 01 08 00 01 00 90 01 00 03")[-1] == "71 01 09 00 01 00 90 01 00 03"
    play.wait(30)
    assert play.taken() == []
    assert play.ask("71 01 06 00 01 00 90 01 00 03") == ["71 01 07 00 01 00 90 01 00 03"]
    play.wait(30)
    assert len(play.taken()) >= 9


@case(
    "EV-01", "controlled", RTU, "a change is sent at once with cause 3, time-tagged if its type is"
)
def test_a_change_is_an_event():
    play = Play()
    play.station.set("lamp", 1, play.now)
    play.station.set("breaker", 2, play.now)
    plain, tagged = play.taken()
    assert plain == "01 01 03 00 01 00 64 00 00 01"
    assert tagged == "1f 01 03 00 01 00 6e 00 00 02 1a 90 0a 15 ab 0c 1a"


@case("EV-02", "controlled", RTU, "events wait while transfer is stopped and come in their order")
def test_events_wait_for_the_start():
    play = Play()
    play.station.stopped(play.clients[0], play.now)
    for value in (1, 0, 1):
        play.station.set("lamp", value, play.now)
    assert play.taken() == []
    play.station.started(play.clients[0], play.now)
    assert [message[-2:] for message in play.taken()] == ["01", "00", "01"]


@case("EV-03", "controlled", RTU, "quality: invalid, blocked, overflow are sent with the value")
def test_quality():
    play = Play()
    play.station.set("level", 1e6, play.now)
    assert play.taken() == ["0b 01 03 00 01 00 93 01 00 ff 7f 01"]


@case("EV-04", "controlled", RTU, "values of an interrogation never overtake an older event")
def test_events_and_interrogations_keep_their_order():
    play = Play()
    play.station.set("lamp", 1, play.now)
    messages = play.ask("64 01 06 00 01 00 00 00 00 14")
    assert causes(messages)[:2] == [3, 7]
    assert messages[2].startswith("01 82 14 00 01 00 64 00 00 01")


# Interrogation


@case(
    "GI-01", "controlled", RTU, "confirmation, all points with cause 20, termination, in this order"
)
def test_a_station_interrogation():
    messages = Play().ask("64 01 06 03 01 00 00 00 00 14")
    assert messages[0] == "64 01 07 03 01 00 00 00 00 14"
    assert messages[-1] == "64 01 0a 03 01 00 00 00 00 14"
    assert set(causes(messages[1:-1])) == {20}
    addresses = [o.ioa for m in messages[1:-1] for o in decode_asdu(bytes.fromhex(m)).objects]
    assert addresses == [100, 101, 110, 120, 404, 402, 403, 400, 401, 405]


@case("GI-02", "controlled", RTU, "no counters and no time-tagged types in an interrogation")
def test_what_is_no_part_of_an_interrogation():
    types = {header(m)[0] for m in Play().ask("64 01 06 00 01 00 00 00 00 14")[1:-1]}
    assert types == {1, 3, 5, 7, 9, 11, 13, 20}


@case("GI-03", "controlled", RTU, "a group is answered with the cause of its group")
@pytest.mark.parametrize(("qoi", "ioa"), [("15", 400), ("16", 401)])
def test_a_group_interrogation(qoi, ioa):
    messages = Play().ask(f"64 01 06 00 01 00 00 00 00 {qoi}")
    assert causes(messages) == [7, int(qoi, 16), 10]
    assert decode_asdu(bytes.fromhex(messages[1])).objects[0].ioa == ioa


@case("GI-04", "controlled", RTU, "an unknown group or qualifier is refused: cause 7, negative")
@pytest.mark.parametrize("qoi", ["00", "05", "18", "25", "ff"])
def test_an_unknown_group(qoi):
    assert Play().ask(f"64 01 06 00 01 00 00 00 00 {qoi}") == [f"64 01 47 00 01 00 00 00 00 {qoi}"]


@case("GI-05", "controlled", RTU, "a deactivation ends what runs: cause 9, no termination")
def test_an_interrogation_is_deactivated():
    play = Play(replace(CALM, gi_pause=1.0))
    play.ask("64 01 06 00 01 00 00 00 00 14")
    assert play.ask("64 01 08 00 01 00 00 00 00 14") == ["64 01 09 00 01 00 00 00 00 14"]
    play.wait(20)
    assert play.taken() == []


@case("GI-06", "controlled", RTU, "a second interrogation while one runs is served behind it")
def test_a_second_interrogation():
    play = Play(replace(CALM, gi_pause=1.0))
    for _ in range(2):
        play.send("64 01 06 00 01 00 00 00 00 14")
    play.wait(20)
    found = causes(play.taken())
    assert [cause for cause in found if cause != 20] == [7, 10, 7, 10]


# Clock


@case("CS-01", "controlled", RTU, "the clock is set; the confirmation carries the time before")
def test_the_clock_is_set():
    play = Play()
    before = play.station.clock(play.now)
    (answer,) = play.ask(f"67 01 06 00 01 00 00 00 00 {TAG}")
    assert answer.startswith("67 01 07 00 01 00 00 00 00 1a 90")  # 36.890 s, not 36.895
    assert (play.station.clock(play.now) - before).total_seconds() == pytest.approx(0.005)


@case("CS-02", "controlled", RTU, "a time that is none is refused and sets nothing")
def test_a_time_that_is_none():
    play = Play()
    before = play.station.clock(play.now)
    asked = "67 01 06 00 01 00 00 00 00 00 00 3f 1f 1f 0f 63"
    assert causes(play.ask(asked)) == [7]
    assert play.station.clock(play.now) == before


@case("CS-03", "controlled", RTU, "time tags are invalid until the clock is set, if so agreed")
def test_time_tags_before_synchronization():
    play = Play(replace(CALM, time_tags="unsynchronized"))
    play.station.set("breaker", 2, play.now)
    (event,) = play.taken()
    assert int(event.split()[12], 16) & 0x80
    play.ask(f"67 01 06 00 01 00 00 00 00 {TAG}")
    play.station.set("breaker", 1, play.now)
    (event,) = play.taken()
    assert not int(event.split()[12], 16) & 0x80


# Commands

COMMANDS = [
    ("2d", 5000, "01"), ("2f", 5002, "02"), ("30", 5003, "00 40 00"), ("31", 5004, "2e fb 00"),
    ("32", 5005, "00 00 c0 3f 00"), ("33", 5006, "ef be ad de"),
]  # fmt: skip
TAGGED = [(f"{int(t, 16) + 13:02x}", ioa, f"{body} {TAG}") for t, ioa, body in COMMANDS]


def octets_of(ioa):
    return ioa.to_bytes(3, "little").hex(" ")


@case("CT-01", "controlled", RTU, "direct command of each type: confirmed, executed, terminated")
@pytest.mark.parametrize(("type_id", "ioa", "body"), COMMANDS)
def test_a_direct_command(type_id, ioa, body):
    play = Play()
    messages = play.ask(f"{type_id} 01 06 09 01 00 {octets_of(ioa)} {body}")
    mirrored = f"09 01 00 {octets_of(ioa)} {body}"
    assert messages[0] == f"{type_id} 01 07 {mirrored}"
    assert messages[-1] == f"{type_id} 01 0a {mirrored}"


@case("CT-02", "controlled", RTU, "the same with time tag; the tag is mirrored")
@pytest.mark.parametrize(("type_id", "ioa", "body"), TAGGED)
def test_a_direct_command_with_time_tag(type_id, ioa, body):
    test_a_direct_command(type_id, ioa, body)


@case("CT-03", "controlled", RTU, "return information follows the execution with cause 11")
def test_return_information():
    messages = Play().ask("2d 01 06 00 01 00 88 13 00 01")
    assert "01 01 0b 00 01 00 64 00 00 01" in messages


@case(
    "CT-04", "controlled", RTU, "select: confirmed, no termination; execute: confirmed, terminated"
)
def test_select_and_execute():
    play = Play()
    assert play.ask("2e 01 06 00 01 00 89 13 00 82") == ["2e 01 07 00 01 00 89 13 00 82"]
    messages = play.ask("2e 01 06 00 01 00 89 13 00 02")
    assert messages[0] == "2e 01 07 00 01 00 89 13 00 02"
    assert messages[-1] == "2e 01 0a 00 01 00 89 13 00 02"
    assert play.station.points["breaker"].value == 2


@case("CT-05", "controlled", RTU, "execute without select, where select is needed, is refused")
def test_execute_without_select():
    play = Play()
    assert play.ask("2e 01 06 00 01 00 89 13 00 02") == ["2e 01 47 00 01 00 89 13 00 02"]
    assert play.station.points["breaker"].value == 1


@case("CT-06", "controlled", RTU, "an execute unlike its select is refused and ends the selection")
def test_an_execute_unlike_its_select():
    play = Play()
    play.ask("2e 01 06 00 01 00 89 13 00 82")
    assert causes(play.ask("2e 01 06 00 01 00 89 13 00 01")) == [7]
    assert play.ask("2e 01 06 00 01 00 89 13 00 02") == ["2e 01 47 00 01 00 89 13 00 02"]


@case("CT-07", "controlled", RTU, "another master's execute or select is refused meanwhile")
def test_a_selection_is_one_masters_own():
    play = Play(clients=2)
    play.ask("2e 01 06 00 01 00 89 13 00 82", client=0)
    for asked in ("2e 01 06 00 01 00 89 13 00 02", "2e 01 06 00 01 00 89 13 00 82"):
        (answer,) = play.ask(asked, client=1)
        assert header(answer)[1:3] == (7, True)
    assert causes(play.ask("2e 01 06 00 01 00 89 13 00 02", client=0))[0] == 7
    assert play.station.points["breaker"].value == 2


@case("CT-08", "controlled", RTU, "a selection is cancelled: cause 9; then execute is refused")
def test_a_selection_is_cancelled():
    play = Play()
    play.ask("2e 01 06 00 01 00 89 13 00 82")
    assert play.ask("2e 01 08 00 01 00 89 13 00 82") == ["2e 01 09 00 01 00 89 13 00 82"]
    assert play.ask("2e 01 06 00 01 00 89 13 00 02") == ["2e 01 47 00 01 00 89 13 00 02"]


@case("CT-09", "controlled", RTU, "a selection ends with its time, with STOPDT and with the link")
@pytest.mark.parametrize("end", ["time", "stop", "lost"])
def test_a_selection_ends(end):
    play = Play()
    play.ask("2e 01 06 00 01 00 89 13 00 82")
    if end == "time":
        play.wait(31)
    elif end == "stop":
        play.station.stopped(play.clients[0], play.now)
        play.station.started(play.clients[0], play.now)
    else:
        play.station.gone(play.clients[0], play.now)
        play.clients = [play.connect("10.0.0.1")]
    assert play.ask("2e 01 06 00 01 00 89 13 00 02")[-1] == "2e 01 47 00 01 00 89 13 00 02"


@case("CT-10", "controlled", RTU, "values that are not permitted are refused: DCS and RCS 0 and 3")
@pytest.mark.parametrize("value", ["00", "03"])
def test_commands_that_are_not_permitted(value):
    assert causes(Play().ask(f"2f 01 06 00 01 00 8a 13 00 {value}")) == [7]
    assert header(Play().ask(f"2e 01 06 00 01 00 89 13 00 {int(value, 16) | 0x80:02x}")[0])[2]


@case("CT-11", "controlled", RTU, "a time-tagged command older than agreed is not carried out")
def test_an_old_command():
    play = Play(replace(CALM, max_command_age=10.0))
    assert play.ask("3a 01 06 00 01 00 88 13 00 01 1f 90 00 15 ab 0c 1a") == []
    assert play.station.points["lamp"].value == 0


@case("CT-12", "controlled", RTU, "a termination comes when the execution has ended")
def test_the_termination_waits_for_the_execution():
    play = Play(replace(CALM, execution_time=5.0))
    assert causes(play.ask("2d 01 06 00 01 00 88 13 00 01")) == [7]
    play.wait(5.1)
    assert causes(play.taken()) == [11, 10]


# Counters


@case("IT-01", "controlled", RTU, "general counter interrogation: cause 37 between con and term")
def test_counters_are_interrogated():
    play = Play()
    play.wait(1)
    messages = play.ask("65 01 06 00 01 00 00 00 00 05")
    assert (causes(messages)[0], causes(messages)[-1]) == (7, 10)
    assert {header(m)[:2] for m in messages[1:-1]} == {(15, 37)}
    addresses = [o.ioa for m in messages[1:-1] for o in decode_asdu(bytes.fromhex(m)).objects]
    assert addresses == [600, 601]


@case("IT-02", "controlled", RTU, "a group of counters: causes 38 to 41")
@pytest.mark.parametrize(("request_", "ioa"), [(1, 600), (2, 601)])
def test_a_group_of_counters(request_, ioa):
    messages = Play().ask(f"65 01 06 00 01 00 00 00 00 {request_:02x}")
    assert causes(messages) == [7, 37 + request_, 10]
    assert decode_asdu(bytes.fromhex(messages[1])).objects[0].ioa == ioa


@case("IT-03", "controlled", RTU, "freeze and read by command; the sequence number rises by one")
def test_freeze_and_read():
    play = Play(points=[point("energy", 600, 15, "counter(1)")])
    sequences, values = [], []
    for _ in range(2):
        play.wait(10)
        assert causes(play.ask("65 01 06 00 01 00 00 00 00 45")) == [7]
        play.wait(5)
        total = decode_asdu(bytes.fromhex(play.ask("65 01 06 00 01 00 00 00 00 05")[1])).objects[0]
        sequences.append(total.sequence)
        values.append(total.value)
    assert sequences[1] == sequences[0] + 1
    assert values[1] - values[0] == pytest.approx(15, abs=1)  # from freeze to freeze


@case("IT-04", "controlled", RTU, "freeze with reset begins to count from 0")
def test_freeze_with_reset():
    play = Play(points=[point("energy", 600, 15, "counter(1)")])
    play.wait(10)
    play.ask("65 01 06 00 01 00 00 00 00 85")
    play.wait(4)
    play.ask("65 01 06 00 01 00 00 00 00 45")
    total = decode_asdu(bytes.fromhex(play.ask("65 01 06 00 01 00 00 00 00 05")[1])).objects[0]
    assert total.value == pytest.approx(4, abs=1)


@case("IT-05", "controlled", RTU, "frozen by itself, or by command, and sent spontaneously")
@pytest.mark.parametrize("by_command", [True, False])
def test_counters_are_sent_spontaneously(by_command):
    rule = {"counter_events": True} if by_command else {"counter_period": 10.0}
    play = Play(replace(CALM, **rule), points=[point("energy", 600, 15, "counter(1)")])
    if by_command:
        play.send("65 01 06 00 01 00 00 00 00 45")
    play.wait(11)
    assert (15, 3) in [header(message)[:2] for message in play.taken()]


# Parameters, tests, files


@case("PL-01", "controlled", RTU, "a threshold is loaded: confirmed, and it takes effect")
def test_a_parameter_is_loaded():
    play = Play(points=[point("t", 7, 13, "ramp(0,100,100)")])
    asked = "70 01 06 00 01 00 07 00 00 00 00 a0 41 01"  # 20.0
    assert play.ask(asked) == ["70 01 07 00 01 00 07 00 00 00 00 a0 41 01"]
    play.wait(70)
    events = [m for m in play.taken() if header(m)[1] == 3]
    assert len(events) == 3


@case(
    "PL-02", "controlled", RTU, "a parameter of a wrong type or kind is refused and changes nothing"
)
def test_a_parameter_that_does_not_fit():
    play = Play()
    assert causes(play.ask("6e 01 06 00 01 00 90 01 00 00 40 01")) == [47]
    assert causes(play.ask("70 01 06 00 01 00 90 01 00 00 00 a0 41 3f")) == [7]


@case(
    "PL-03",
    "controlled",
    RTU,
    "parameter activation: loaded ones, an object's, cyclic transmission",
)
@pytest.mark.parametrize(("ioa", "qpa", "cause"), [(0, 1, 7), (400, 2, 7), (400, 3, 7), (9, 2, 47)])
def test_parameter_activation(ioa, qpa, cause):
    assert causes(Play().ask(f"71 01 06 00 01 00 {octets_of(ioa)} {qpa:02x}")) == [cause]


@case("TP-01", "controlled", RTU, "C_TS_TA is mirrored with its counter and time tag")
def test_the_test_command():
    asked = f"6b 01 06 00 01 00 00 00 00 34 12 {TAG}"
    assert Play().ask(asked) == [asked[:6] + "07" + asked[8:]]


@case("TP-02", "controlled", RTU, "C_TS_NA: the right pattern positively, a wrong one negatively")
@pytest.mark.parametrize(("pattern", "cot"), [("aa 55", "07"), ("55 aa", "47")])
def test_the_test_pattern(pattern, cot):
    asked = f"68 01 06 00 01 00 00 00 00 {pattern}"
    assert Play().ask(asked) == [asked[:6] + cot + asked[8:]]


@case("FT-03", "controlled", RTU, "a station without files answers file types with cause 44")
@pytest.mark.parametrize("type_id", ["78", "7a", "7f"])
def test_file_types_are_unknown(type_id):
    asked = f"{type_id} 01 0d 00 01 00 84 03 00 01 00 00 01"
    assert causes(Play().ask(asked)) == [44]

"""Scenarios: how they are read, and what they do to a station."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.simulator.behaviour import OPTIONS, Behaviour, BehaviourError, changed
from core.simulator.plant import Close, Restart, Tamper
from core.simulator.scenario import ACTIONS, Step, Trigger, read_scenario
from tests.simulator.playing import CALM, Play, header

GOOD = """\
when,action,arguments
# a comment
at 10,silent

every 30 , avalanche , 500 , 2
On Command 5000,set,act-con=OFF,station=3
on C_IC_NA_1,close
on 103,restart,5
12.5,"value","lamp",1
"""


def read(text: str) -> tuple[list[Step], list[str]]:
    steps, findings = read_scenario(text.encode(), "s.csv")
    return steps, list(map(str, findings))


def test_a_scenario_is_read():
    steps, findings = read(GOOD)
    assert findings == []
    assert steps == [
        Step(Trigger(at=10.0), "silent", (), 0, 3),
        Step(Trigger(at=30.0, every=True), "avalanche", ("500", "2"), 0, 5),
        Step(Trigger(on="command", ioa=5000), "set", ("act-con=OFF",), 3, 6),
        Step(Trigger(on="type", type_id=100), "close", (), 0, 7),
        Step(Trigger(on="type", type_id=103), "restart", ("5",), 0, 8),
        Step(Trigger(at=12.5), "value", ("lamp", "1"), 0, 9),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_found(delimiter):
    steps, findings = read(GOOD.replace(",", delimiter))
    assert (len(steps), findings) == (6, [])


WANTED = (
    "at SECOND, every SECONDS, on connect, on start, on command, on interrogation, on counter,"
    " on read, on clock, on any or on C_SC_NA_1 [ADDRESS]"
)
BAD = [
    ("soon,close", f"'soon' is no time and nothing to wait for; accepted: {WANTED}"),
    ("at -1,close", f"'at -1' is no time and nothing to wait for; accepted: {WANTED}"),
    ("at nan,close", f"'at nan' is no time and nothing to wait for; accepted: {WANTED}"),
    ("every 0,close", "'every 0' is too often; accepted: 0.05 s or more"),
    ("on doom,close", f"'on doom' is nothing to wait for; accepted: {WANTED}"),
    ("at 1", f"action '' is not known; accepted: {', '.join(ACTIONS)}"),
    ("at 1,jump", f"action 'jump' is not known; accepted: {', '.join(ACTIONS)}"),
    ("at 1,close,now", "close has 1 arguments; accepted: close"),
    ("at 1,value,lamp", "value has 1 arguments; accepted: value,POINT,NUMBER"),
    ("at 1,value,lamp,x", "'x' is no number -1e+30..1e+30"),
    ("at 1,restart,never", "'never' is no number 0..86400"),
    ("at 1,avalanche,5,0", "'0' is no number of rounds; accepted: 1..100"),
    ("at 1,set,oa", "'oa' sets nothing; accepted: NAME=VALUE"),
    ("at 1,set,oa=two", "oa 'two' cannot be used; accepted: echo, zero, one"),
    ("at 1,set,hat=1", f"'hat' is no setting; accepted: {', '.join(OPTIONS)}"),
    ("at 1,close,station=x", "station 'x' is no number of a station; accepted: 1..65535"),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=[line for line, _ in BAD])
def test_a_bad_line_is_said_and_the_others_count(line, why):
    steps, findings = read(f"at 5,talk\n{line}\nat 6,talk")
    assert len(steps) == 2
    assert findings == [f"s.csv: line 2: {why}"]


cells = st.sampled_from(
    ["at 1", "on command", "on 45 7", "every 3", "set", "oa=zero", "avalanche", "close", "value",
     "lamp", "99", "station=1", "-1e400", '"', "on any"]
) | st.text(max_size=8)  # fmt: skip


@given(st.binary() | st.lists(st.lists(cells, max_size=5).map(",".join)).map("\n".join))
def test_any_file_is_read_and_what_is_read_can_be_played(data):
    steps, findings = read_scenario(data if isinstance(data, bytes) else data.encode())
    assert all("\n" not in str(finding) for finding in findings)
    play = Play(steps=[step for step in steps if not step.trigger.every])
    play.send("2d 01 06 00 01 00 88 13 00 01")
    play.wait(3)


def test_every_option_is_set_from_a_text_or_says_what_is_accepted():
    for name, option in OPTIONS.items():
        with pytest.raises(BehaviourError) as error:
            changed(Behaviour(), name, "?")
        assert str(error.value) == f"{name} '?' cannot be used; accepted: {option.accepted}"
    assert changed(Behaviour(), " Act-Term ", " OFF ") == Behaviour(act_term=False)
    assert changed(Behaviour(), "confirm_delay", "2.5").confirm_delay == 2.5


def play(text: str) -> Play:
    steps, findings = read(text)
    assert findings == []
    return Play(CALM, steps=steps)


def test_steps_are_taken_at_their_time():
    it = play("at 10,set,oa=zero\nevery 4,value,lamp,1\nat 5,invalid,door")
    it.wait(9.9)
    assert it.station.behaviour.oa == "echo"
    assert len(it.taken()) == 3
    it.wait(0.2)
    assert it.station.behaviour.oa == "zero"


def test_steps_are_taken_before_what_they_wait_for_is_looked_at():
    it = play("on command 5000,set,act_term=off\non C_IC_NA_1,value,lamp,1")
    command = "2d 01 06 00 01 00 88 13 00 01"
    assert [header(m)[1] for m in it.ask(command.replace("88", "8f", 1))] == [7, 10]
    assert [header(m)[1] for m in it.ask(command)] == [7, 11]
    assert it.ask("64 01 06 00 01 00 00 00 00 15")[0].startswith("01 01 03")


def test_what_ends_a_connection_leaves_the_message_without_answer():
    for action, expected in (
        ("close", Close(1, "the scenario wants it", at_once=True)),
        ("silent", Tamper(1, "silent")),
        ("restart,7", Restart(7.0, 0)),
    ):
        it = play(f"on read,{action}")
        assert it.ask("66 01 05 00 01 00 90 01 00") == []
        assert it.station.take_actions() == [expected]


def test_a_step_may_be_for_one_station_and_an_unknown_point_is_noted():
    it = play("at 1,set,oa=zero,station=2\nat 1,release,nobody")
    it.wait(2)
    assert it.station.behaviour.oa == "echo"
    assert [one.text for one in it.station.history if one.kind == "error"] == [
        "line 2: no monitored point 'nobody'"
    ]


def test_a_scenario_goes_on_while_the_station_is_down():
    it = play("at 5,set,oa=zero")
    it.station.go_down(it.now)
    it.wait(6)
    assert it.station.behaviour.oa == "zero"
    it.station.restart(it.now)
    it.wait(60)

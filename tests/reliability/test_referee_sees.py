"""The referee is not blind: a gateway with a fault built in is found out, and for what it does.

Each fault strikes seldom, as a real one would, in the middle of a virtual run.
"""

from itertools import count

from core.gateway.master import MasterEnd
from core.gateway.port import Port
from core.protocol.apci import Reason
from core.protocol.codes import TypeId
from core.protocol.link import Link
from core.protocol.outbox import Level, Outbox
from core.routing import control, group
from core.routing.control import Control
from core.routing.kept import Kept
from core.routing.turns import Turns
from tests.reliability import faults
from tests.reliability.plant import Shape
from tests.reliability.run import run_virtual

SHAPE = Shape(groups=2, masters=3, varied=False)
SECONDS = 60.0
EVERY = 97


def seldom():
    """True at every 97th call."""
    calls = count(1)
    return lambda: next(calls) % EVERY == 0


def found(seed=1, pause=1e6, shape=SHAPE, seconds=SECONDS):
    """The kinds of what the referee finds; without a pause between faults given, there are none."""
    report = run_virtual(seed, seconds, shape, pause)
    return {what[2:] for what in report.counts if what.startswith("! ")} | {
        "error" for finding in report.findings if "Traceback" in finding
    }


def until_found(kind, **options):
    """What wants a coincidence: the seeds from 1 on, at most eight."""
    kinds = set()
    for seed in range(1, 9):
        kinds |= found(seed, **options)
        if kind in kinds:
            return
    raise AssertionError(f"{kind} not among {kinds}")


def test_without_a_fault_there_is_no_finding():
    assert found() == set()


def outbox_that(monkeypatch, deed):
    put, strikes = Outbox.put, seldom()

    def wrong(self, run, address, beyond=False):
        is_event = run.asdu(0).type_id == 7
        return (
            deed(self, put, run, address)
            if is_event and strikes()
            else put(self, run, address, beyond)
        )

    monkeypatch.setattr(Outbox, "put", wrong)


def test_a_dropped_event(monkeypatch):
    outbox_that(monkeypatch, lambda box, put, run, address: Level.OK)
    assert "lost" in found()


def test_a_duplicated_event(monkeypatch):
    def twice(box, put, run, address):
        put(box, run, address)
        return put(box, run, address)

    outbox_that(monkeypatch, twice)
    assert "duplicated" in found()


def test_an_event_out_of_order(monkeypatch):
    held = {}

    def later(box, put, run, address):
        held[id(box)] = run
        return Level.OK

    outbox_that(monkeypatch, later)
    wrong = Outbox.put

    def let_go(self, run, address, beyond=False):
        level = wrong(self, run, address, beyond)
        if id(self) in held and held[id(self)] is not run:
            wrong(self, held.pop(id(self)), address)
        return level

    monkeypatch.setattr(Outbox, "put", let_go)
    assert "reordered" in found()


def test_an_event_under_another_common_address(monkeypatch):
    outbox_that(monkeypatch, lambda box, put, run, address: put(box, run, address + 256))
    assert "altered event" in found()


def owners_that(monkeypatch, deed):
    owners, strikes = control._owners, seldom()

    def wrong(askers):
        found = list(owners(askers))
        return deed(found) if found and strikes() else found

    monkeypatch.setattr(control, "_owners", wrong)


def test_an_answer_for_another_master(monkeypatch):
    owners_that(monkeypatch, lambda found: [(seat % 3 + 1, oa) for seat, oa in found])
    kinds = found()
    assert "misdelivered" in kinds
    assert "answer lost" in kinds


def test_an_answer_for_everybody(monkeypatch):
    owners_that(monkeypatch, lambda found: [(seat, found[0][1]) for seat in (1, 2, 3)])
    assert "misdelivered" in found()


def test_an_answer_for_nobody(monkeypatch):
    owners_that(monkeypatch, lambda found: [])
    assert "answer lost" in found()


def test_an_answer_under_another_originator(monkeypatch):
    owners_that(monkeypatch, lambda found: [(seat, oa ^ 1) for seat, oa in found])
    assert "wrong originator" in found()


def test_a_command_under_anothers_slot(monkeypatch):
    slot, strikes = Control._slot, seldom()
    monkeypatch.setattr(
        Control, "_slot", lambda self, seat, asdu: slot(self, seat, asdu) % 3 + strikes()
    )
    assert "wrong originator" in found()


def to_rtu_that(monkeypatch, deed):
    to_rtu, strikes = Control.to_rtu, seldom()

    def wrong(self, room, now):
        actions = to_rtu(self, room, now)
        return deed(actions) if actions and strikes() else actions

    monkeypatch.setattr(Control, "to_rtu", wrong)


def test_a_command_sent_twice(monkeypatch):
    to_rtu_that(monkeypatch, lambda actions: [*actions, actions[-1]])
    assert "sent twice" in found()


def test_a_command_that_goes_nowhere(monkeypatch):
    to_rtu_that(monkeypatch, lambda actions: [])
    assert "unanswered" in found()


def window_that_shuts(monkeypatch, seconds):
    """At times the station takes no command for so long."""
    to_rtu, strikes = Control.to_rtu, seldom()
    until = {}

    def wrong(self, room, now):
        if strikes():
            until[id(self)] = now + seconds
        return to_rtu(self, 0 if now < until.get(id(self), 0.0) else room, now)

    monkeypatch.setattr(Control, "to_rtu", wrong)


def test_a_command_that_lies_about_for_too_long(monkeypatch):
    window_that_shuts(monkeypatch, 6.0)
    monkeypatch.setattr(Control, "handle_timeout", lambda self, now: [])
    assert "sent late" in found()


def test_a_refusal_that_is_not_said(monkeypatch):
    monkeypatch.setattr(Control, "_give", lambda *_: [])
    # Points that several masters want are refused now and then.
    assert "unanswered" in found(seconds=150.0)


def test_a_command_of_a_master_that_has_gone(monkeypatch):
    """What waits for the station's window outlives its master."""
    window_that_shuts(monkeypatch, 2.9)
    monkeypatch.setattr(Control, "_withdraw", lambda self, seat, only=None: 0)
    until_found("sent after its master had gone", pause=1.5)


def test_kept_events_that_are_forgotten(monkeypatch):
    monkeypatch.setattr(Kept, "keep_events", lambda self, run: None)
    shape = Shape(groups=3, masters=1, varied=False)
    until_found("vanished", pause=1.0, shape=shape)


def test_interrogations_that_take_no_turns(monkeypatch):
    begin = Turns.__init__
    monkeypatch.setattr(Turns, "__init__", lambda self, _, timeout: begin(self, False, timeout))
    assert "interrogations overlap" in found(seconds=150.0)


def test_data_of_anothers_interrogation(monkeypatch):
    """Everybody gets what only the requester wants."""
    shape = Shape(groups=5, masters=3)
    assert "data of another's interrogation" not in found(shape=shape, seconds=30.0)
    monkeypatch.setattr(group.Group, "_interrogated", lambda self, asdu, run: None)
    assert "data of another's interrogation" in found(shape=shape, seconds=30.0)


def test_an_end_of_initialization_that_is_missing(monkeypatch):
    put = Outbox.put

    def wrong(self, run, address, beyond=False):
        if run.asdu(0).type_id == TypeId.M_EI_NA_1:
            return Level.OK
        return put(self, run, address, beyond)

    monkeypatch.setattr(Outbox, "put", wrong)
    assert "protocol" in found()


def test_numbers_that_go_wrong(monkeypatch, expected_errors):
    acknowledge, strikes = Link._acknowledged, seldom()

    def wrong(self, nr):
        acknowledge(self, nr)
        if strikes():
            self.vs = (self.vs + 1) % 32768

    monkeypatch.setattr(Link, "_acknowledged", wrong)
    assert "protocol" in found()


def test_a_link_that_is_closed_without_cause(monkeypatch):
    expired, strikes = Link._expired, seldom()

    def wrong(self, now):
        return (Reason.IDLE, "60 s") if strikes() else expired(self, now)

    monkeypatch.setattr(Link, "_expired", wrong)
    assert "end without cause" in found()


def test_a_link_that_is_closed_without_a_word(monkeypatch):
    tell = MasterEnd.tell

    def silent(self, stream, text, *level):
        if "disconnected" not in text:
            tell(self, stream, text, *level)

    monkeypatch.setattr(MasterEnd, "tell", silent)
    assert "silent end" in found(pause=1.0)


def test_masters_that_stay_when_the_station_is_gone(monkeypatch):
    monkeypatch.setattr(group, "CloseMasters", lambda reason: group.Note(0, group.Kind.INFO))
    assert "outlives its station" in found(pause=1.0)


def test_a_port_that_stays_open_when_the_station_is_gone(monkeypatch):
    monkeypatch.setattr(Port, "close", lambda self: None)
    monkeypatch.setattr(faults, "ON_STATIONS", (("restart", 1),))
    until_found("listens without its station", pause=3.0)


def test_an_error_of_the_gateway_itself(monkeypatch, expected_errors):
    answer, strikes = Control.answer, seldom()

    def wrong(self, asdu, now):
        if strikes():
            raise ZeroDivisionError
        return answer(self, asdu, now)

    monkeypatch.setattr(Control, "answer", wrong)
    assert "error" in found()

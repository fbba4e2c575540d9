"""Groups for playbooks: an RTU numbered 32 (and 33), three masters with numbers of their own.

What goes in, and what must come of it, are written with the same few words in all of them.
"""

from core.protocol.run import Run
from core.routing.actions import RTU, Deliver, Kind, Note, OpenPorts
from core.routing.actions import TestRtu as AskTest  # pytest would collect it
from core.routing.group import Group
from core.routing.policy import MasterPolicy, Policy

from .asdus import SIZES, asdu, changed, deliver, obj

NUMBERS = (101, 102, 103)
"""The masters' own RTU numbers, by seat from 1 on; the RTU's is 32."""
COMMANDS = (*range(45, 52), *range(58, 65))
SELECTABLE = tuple(type_id for type_id in COMMANDS if type_id not in (51, 64))
ECHOES = ("none", "always 1", "the slot", "another one")
"""Originator addresses that RTUs answer with."""

_SELECT_AT = {45: 0, 46: 0, 47: 0, 48: 2, 49: 2, 50: 4}
_SELECT_AT |= {type_id + 13: at for type_id, at in _SELECT_AT.items()}


# Groups


def group_of(*, rtu=(32,), masters=None, **policy):
    """A group; ``masters`` are options by seat. A second number of the RTU is 201.. to them."""
    options = masters or {}
    buffer = policy.get("buffer", 50_000)
    policies = []
    for seat, number in enumerate(NUMBERS, 1):
        numbers = [number + 100 * n for n in range(len(rtu))]
        policies.append(MasterPolicy(numbers, **{"buffer": buffer, **options.get(seat, {})}))
    return Group(Policy(**policy), rtu, policies)


def usable(**options):
    """A group whose RTU has confirmed a test."""
    group = group_of(**options)
    assert group.rtu_connected(0.0) == [AskTest()]
    assert group.rtu_tested(0.0) == [OpenPorts()]
    return group


def online(*seats, **options):
    """A group whose RTU is started, with these masters started."""
    group = usable(**options)
    for seat in seats or (1, 2, 3):
        group.master_started(seat, 0.0)
    assert group.rtu_started(0.0) == []
    return group


def relinked(group, *seats, now):
    """The RTU link ends and comes back, and the masters with it."""
    group.rtu_lost(now)
    for seat in (1, 2, 3):
        group.master_lost(seat, [], now)
    group.rtu_connected(now)
    group.rtu_tested(now)
    for seat in seats or (1, 2, 3):
        group.master_started(seat, now)
    group.rtu_started(now)


# What happens to them


def hears(group, *asdus, now=1.0):
    """The RTU says something."""
    return group.from_rtu(Run.of(*asdus), now)


def told(group, seat, *asdus, now=1.0):
    """A master says something."""
    return group.from_master(seat, Run.of(*asdus), now)


def asks(group, seat, *asdus, now=1.0):
    """Masters' ASDUs that pass, on to an RTU with room; their addresses there."""
    assert told(group, seat, *asdus, now=now) == []
    return group.to_rtu(len(asdus), now)


def goes(group, now=1.0):
    """What the RTU is given, with all the room it may have."""
    return group.to_rtu(100, now)


def delivered(group, who, *asdus, now=1.0):
    """What is delivered when someone (a seat; RTU) has said something, notes left out."""
    said = hears(group, *asdus, now=now) if who == RTU else told(group, who, *asdus, now=now)
    return deliveries([*said, *goes(group, now)])


def notes(actions, kind):
    return [action for action in actions if isinstance(action, Note) and action.kind is kind]


def deliveries(actions):
    return [action for action in actions if isinstance(action, Deliver)]


# What must come of it


def on(what, slot, ca=32):
    """Delivered to the RTU."""
    return deliver(what, (RTU, slot, ca))


def home(what, seat, oa=0, ca=None):
    """Delivered to one master."""
    return deliver(what, (seat, oa, NUMBERS[seat - 1] if ca is None else ca))


def everyone(what, *seats, oa=0):
    return deliver(what, *((seat, oa, NUMBERS[seat - 1]) for seat in seats or (1, 2, 3)))


def end_of_initialization(seat):
    number = NUMBERS[seat - 1]
    return deliver(asdu(70, 4, bytes(4), ca=number), (seat, 0, number))


def refused(what, seat, cause=None):
    """The mirror a master gets: COT 6 as 7, 8 as 9, others 45 unless given; P/N = 1."""
    mirrored = {6: 7, 8: 9}.get(what.cause, 45) if cause is None else cause
    return deliver(changed(what, mirrored, negative=True), (seat, what.oa, what.ca))


def assert_refused(actions, seat, what, *, cause=None, why=""):
    """Refused to him who asked, counted and put into words, and nothing else."""
    [note, reply] = actions
    assert (note.seat, note.kind, note.n) == (seat, Kind.REFUSED, 1)
    for part in (f"CA {what.ca}", f"IOA {what.ioa}", why):
        assert part in note.text
    assert note.why
    assert reply == refused(what, seat, cause)


# What is said


def number_of(seat, ca):
    return NUMBERS[seat - 1] if ca is None else ca


def command(ioa=5, value=1, *, seat=1, oa=0, cause=6):
    return asdu(45, cause, obj(ioa, value), ca=NUMBERS[seat - 1], oa=oa)


def order(type_id, seat, *, ioa=5, select=False, cause=6, oa=0, ca=None, test=False):
    """Any command, to be executed or selected."""
    data = [1] + [0] * (SIZES[type_id] - 1)
    if select:
        data[_SELECT_AT[type_id]] |= 0x80
    return asdu(type_id, cause, obj(ioa, *data), ca=number_of(seat, ca), oa=oa, test=test)


def interrogation(*, seat=1, oa=0, qoi=20, ca=None, cause=6, test=False):
    return asdu(100, cause, obj(0, qoi), ca=number_of(seat, ca), oa=oa, test=test)


def counters(*, seat=1, oa=0, qcc=5, ca=None, cause=6):
    return asdu(101, cause, obj(0, qcc), ca=number_of(seat, ca), oa=oa)


def answer(what, cause, **more):
    """The RTU's mirror of a question, under originator 0 unless given."""
    return changed(what, cause, **{"oa": 0, "ca": 32, **more})


def echoed(echo, slot):
    """The originator address an RTU of this kind answers with."""
    return {"none": 0, "always 1": 1, "the slot": slot, "another one": 200}[echo]


def longer(what):
    return type(what)(what.octets + b"\xaa\xbb")

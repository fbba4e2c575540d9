"""Who receives what, line by line as the README's two tables have it: inputs in, deliveries out.

The details of every rule are in the tests beside this one; here each line is played once for each
thing it says.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.routing.actions import RTU, CloseMaster, Kind, Note

from .asdus import asdu, changed, deliver, event, obj, one_object
from .groups import (
    answer,
    command,
    counters,
    deliveries,
    end_of_initialization,
    everyone,
    goes,
    hears,
    home,
    interrogation,
    on,
    online,
    order,
    refused,
    told,
)

README = Path(__file__).parents[2] / "README.md"


@dataclass
class Play:
    """One thing a line says: who says what, and all that is delivered then."""

    line: str
    """The first cell of the README's line."""
    name: str
    steps: list
    """(Seat that speaks, what, deliveries), in order; the seat 0 is the RTU's."""
    options: dict = field(default_factory=dict)
    kind: Kind | None = None
    """What the last step is counted as; None: nothing is said about it."""

    def __str__(self):
        return f"{self.line}: {self.name}"


def rtu(what, *expected):
    return RTU, what, list(expected)


def master(seat, what, *expected):
    return seat, what, list(expected)


def passes(seat, what, *, slot=None, ca=32):
    """A master says it, and the RTU hears it."""
    return seat, what, [on(what, seat if slot is None else slot, ca)]


def refuses(seat, what, cause=None):
    return seat, what, [refused(what, seat, cause)]


def comes_home(what, seat, oa=0, ca=None):
    """The RTU says it, and one master hears it."""
    return RTU, what, [home(what, seat, oa, ca)]


def for_all(what, *seats):
    return RTU, what, [everyone(what, *seats)]


def of_type(type_id, cause, **more):
    return asdu(type_id, cause, one_object(type_id), **more)


READ = asdu(102, 5, obj(5), ca=102, oa=9)
GI, GI_2, GI_3 = (interrogation(seat=seat, oa=60 + seat) for seat in (1, 2, 3))
STOP, STOP_2 = (changed(question, 8) for question in (GI, GI_2))
VALUE = of_type(13, 20)
SELECT = order(45, 1, select=True)
FILE, FILE_2 = (asdu(122, 13, obj(900, 1, 0, 0, 1), ca=ca, oa=7) for ca in (101, 102))
READY = asdu(120, 13, obj(900, 1, 0, 6, 0, 0, 0))
NOT_READY = deliver(asdu(120, 13, obj(900, 1, 0, 0, 0, 0, 0x80), ca=102, oa=7), (2, 7, 102))
DIRECTORY = asdu(126, 5, obj(900, 1, 0, 6, 0, 0, 0x20, *bytes(7)))
CLOCK = asdu(103, 6, obj(0, 0, 0, 30, 12, 1, 6, 26), ca=101)
TERM = asdu(45, 10, obj(5, 1), oa=2)

DATA = "data of any type, private types included"
INTERROGATED = "data of an interrogation or counter interrogation"
WAS_READ = "data that was read"
ANSWERS = 'confirmations, terminations, "unknown" answers'
ORPHANS = "an answer nobody asked for"
FILES = "files (types 120-126)"
INITIALIZED = "end of initialization (M_EI)"
SHORT = "data shorter than its type needs, or without objects"
FOREIGN = "data of a common address the group does not have"

QUESTIONS = "commands, reads, clock, tests, reset, parameters, counter freezes, private types"
ASKING = "an interrogation, or a counter interrogation that only reads"
ENDING = "the end (deactivation) of an interrogation"
SAME = "a command (types 45-51, 58-64) while another master's same command is under way"
SELECTED = "a command to a point another master has selected"
FILE_OPEN = (
    "a select of a file (or another file message) while another master's file session is open"
)
MONITOR = "anything but interrogations and reads, with `rights=monitor`"
REFUSED_CLOCK = "a clock command, with `clock=refuse`"
FOREIGN_CA = "anything for a common address the group does not have"
WRONG_TYPE = "a type that is not for this direction, or unknown"
WRONG_CAUSE = "a cause that is not for this direction"
OBJECTS = "a command with more or less than one object"
SILENT = "an answer, or an ASDU cut short"
TOO_MUCH = "more than `buffer` ASDUs that the RTU does not take"

FROM_RTU = [
    *(
        Play(DATA, f"type {what.type_id}, COT {what.cause}", [for_all(what)])
        for what in (
            *(of_type(t, c) for t in (1, 13, 30, 36, 40, 41, 200) for c in (1, 2, 3, 11, 12)),
            *(of_type(t, c) for t in (1, 40, 200) for c in (0, 4, 13, 14, 19, 42, 48, 63)),
            *(of_type(t, 20) for t in (41, 128, 255)),
            *(of_type(t, 3) for t in (103, 106, 126)),
        )
    ),
    Play(DATA, "only started masters", [for_all(event(1), 1, 3)], {"seats": (1, 3)}),
    *(
        Play(INTERROGATED, f"gi_data,{policy}", [passes(1, GI), rtu(VALUE, *expected)],
             {"gi_data": policy})
        for policy, expected in (
            ("all", [everyone(VALUE)]),
            ("background", [home(VALUE, 1, 61), everyone(changed(VALUE, 2), 2, 3)]),
            ("requester", [home(VALUE, 1, 61)]),
        )
    ),
    Play(INTERROGATED, "gi_data,background, counters", [
        passes(2, counters(seat=2, oa=9)),
        rtu(of_type(15, 37), home(of_type(15, 37), 2, 9), everyone(of_type(15, 3), 1, 3)),
    ], {"gi_data": "background"}),
    Play(INTERROGATED, "parameters with it", [passes(1, GI), for_all(of_type(110, 20))]),
    Play(WAS_READ, "his who read it", [passes(2, READ), comes_home(of_type(13, 5), 2, 9)]),
    Play(WAS_READ, "nobody did", [for_all(of_type(13, 5))]),
    Play(WAS_READ, "once", [
        passes(2, READ), comes_home(of_type(13, 5), 2, 9), for_all(of_type(13, 5)),
    ]),
    *(
        Play(ANSWERS, f"COT {cause} under originator {oa}", [
            passes(2, command(seat=2, oa=77)),
            comes_home(answer(command(), cause, negative=cause > 10, oa=oa), 2, 77),
        ])
        for cause in (7, 9, 10, 44, 45, 46, 47)
        for oa in (0, 1, 2, 200)
    ),
    Play(ANSWERS, "one that served several", [
        passes(1, interrogation(qoi=21)), master(2, GI_2), master(3, GI_3),
        rtu(answer(interrogation(qoi=21), 10),
            home(answer(interrogation(qoi=21), 10), 1), on(GI_2, 2)),
        rtu(answer(GI_2, 7), deliver(answer(GI_2, 7), (2, 62, 102), (3, 63, 103))),
        rtu(answer(GI_2, 10), deliver(answer(GI_2, 10), (2, 62, 102), (3, 63, 103))),
    ]),
    Play(ORPHANS, "orphans,drop", [rtu(TERM)], kind=Kind.ORPHAN),
    Play(ORPHANS, "orphans,all", [for_all(TERM)], {"orphans": "all"}, Kind.ORPHAN),
    Play(FILES, "whose session it is", [passes(2, FILE_2), comes_home(READY, 2, 7)]),
    Play(FILES, "nobody's", [rtu(READY)], kind=Kind.ORPHAN),
    Play(FILES, "a directory", [
        passes(3, asdu(122, 5, obj(0, 0, 0, 0, 0), ca=103)), comes_home(DIRECTORY, 3),
    ]),
    Play(FILES, "a directory nobody called", [rtu(DIRECTORY)], kind=Kind.ORPHAN),
    Play(FILES, "a changed directory", [passes(2, FILE_2), for_all(changed(DIRECTORY, 3))]),
    Play(INITIALIZED, "the RTU's own", [rtu(asdu(70, 4, bytes(4)))], kind=Kind.INFO),
    Play(SHORT, "too short", [rtu(asdu(13, 3, obj(5, 0)))], kind=Kind.MALFORMED),
    Play(SHORT, "no object", [rtu(asdu(1, 3, b"", count=0))], kind=Kind.MALFORMED),
    Play(FOREIGN, "ca,map", [rtu(event(1, ca=99))], kind=Kind.UNKNOWN_CA),
    *(
        Play(FOREIGN, f"ca,{policy}", [
            rtu(event(1, ca=99), deliver(event(1, ca=99), (1, 0, 99), (2, 0, 99), (3, 0, 99))),
        ], {"ca": policy})
        for policy in ("pass", "keep")
    ),
]  # fmt: skip

FROM_MASTER = [
    *(
        Play(QUESTIONS, f"type {what.type_id}, COT {what.cause}, {oa}",
             [passes(2, what, slot=slot), comes_home(answer(what, said, oa=slot), 2, 9)],
             {"oa": oa})
        for oa, slot in (("index", 2), ("zero", 0), ("keep", 9))
        for what, said in (
            (command(seat=2, oa=9), 7),
            (command(seat=2, oa=9, cause=8), 9),
            (READ, 47),
            *((of_type(t, 6, ca=102, oa=9), 7) for t in (103, 104, 105, 106, 107, 112, 113, 200)),
            (counters(seat=2, oa=9, qcc=0x45), 7),
        )
    ),
    Play(QUESTIONS, "an address of several", [
        passes(1, order(45, 1, ca=201), ca=33),
        comes_home(answer(order(45, 1), 7, ca=33), 1, 0, 201),
    ], {"rtu": (32, 33)}),
    *(
        Play(QUESTIONS, f"all stations, type {t}", [
            passes(1, of_type(t, 6, ca=65535), ca=65535),
            comes_home(answer(of_type(t, 6), 7), 1),
        ])
        for t in (103, 105)
    ),
    Play(ASKING, "gi,queue: waits", [
        passes(1, GI), master(2, interrogation(seat=2, qoi=21)), master(3, counters(seat=3)),
        rtu(answer(GI, 10), home(answer(GI, 10), 1, 61), on(interrogation(seat=2, qoi=21), 2)),
    ]),
    Play(ASKING, "gi,queue: served by one", [
        passes(1, counters()), master(2, GI_2), master(3, GI_3),
        rtu(answer(counters(), 10), home(answer(counters(), 10), 1), on(GI_2, 2)),
        rtu(answer(GI_2, 10), deliver(answer(GI_2, 10), (2, 62, 102), (3, 63, 103))),
    ]),
    Play(ASKING, "gi,forward", [passes(1, GI), passes(2, GI_2), passes(3, counters(seat=3))],
         {"gi": "forward"}),
    Play(ENDING, "his own running one", [
        passes(1, GI), passes(1, STOP), comes_home(answer(STOP, 9), 1, 61),
    ]),
    Play(ENDING, "one that has not begun", [
        passes(1, GI), master(2, GI_2), master(2, STOP_2, home(changed(STOP_2, 9), 2, 62)),
        comes_home(answer(GI, 10), 1, 61),
    ]),
    Play(ENDING, "one that goes on for others too", [
        passes(1, counters()), master(2, GI_2), master(3, GI_3),
        rtu(answer(counters(), 10), home(answer(counters(), 10), 1), on(GI_2, 2)),
        master(2, STOP_2, home(changed(STOP_2, 9), 2, 62)),
        comes_home(answer(GI_2, 10), 3, 63),
    ]),
    Play(ENDING, "another's", [passes(1, GI), refuses(2, STOP_2, 9)], kind=Kind.REFUSED),
    Play(ENDING, "nobody's", [refuses(2, STOP_2, 9)], kind=Kind.REFUSED),
    Play(SAME, "before the confirmation", [
        passes(1, command()), refuses(2, command(seat=2, oa=5), 7),
    ], kind=Kind.REFUSED),
    Play(SAME, "after it, with an RTU that terminates", [
        passes(1, command(9)), comes_home(answer(command(9), 10), 1),
        passes(1, command()), comes_home(answer(command(), 7), 1),
        refuses(2, command(seat=2, oa=5), 7),
    ], kind=Kind.REFUSED),
    Play(SAME, "after it, with one that never does", [
        passes(1, command()), comes_home(answer(command(), 7), 1), passes(2, command(seat=2)),
    ]),
    Play(SAME, "another type", [passes(1, command()), passes(2, order(58, 2))]),
    Play(SELECTED, "every type", [
        passes(1, SELECT), comes_home(answer(SELECT, 7), 1),
        *(refuses(2, order(t, 2, oa=5), 7) for t in (*range(45, 52), *range(58, 65))),
    ], kind=Kind.REFUSED),
    Play(SELECTED, "until the execute", [
        passes(1, SELECT), passes(1, order(45, 1)), passes(2, order(46, 2)),
    ]),
    Play(FILE_OPEN, "a select", [passes(1, FILE), master(2, FILE_2, NOT_READY)],
         kind=Kind.REFUSED),
    Play(FILE_OPEN, "another message", [
        passes(1, FILE), refuses(2, of_type(124, 13, ca=102, oa=7), 45),
    ], kind=Kind.REFUSED),
    *(
        Play(MONITOR, f"type {what.type_id}, COT {what.cause}", [refuses(1, what)],
             {"masters": {1: {"rights": "monitor"}}}, Kind.REFUSED)
        for what in (
            command(oa=5), command(oa=5, cause=8), CLOCK, FILE, counters(qcc=0x45),
            of_type(112, 6, ca=101), of_type(200, 13, ca=101),
        )
    ),
    Play(MONITOR, "what it may", [
        passes(1, GI), passes(1, STOP), passes(1, asdu(102, 5, obj(5), ca=101)),
        comes_home(of_type(1, 5), 1), comes_home(answer(STOP, 9), 1, 61), passes(1, counters()),
    ], {"masters": {1: {"rights": "monitor"}}}),
    Play(REFUSED_CLOCK, "its master's", [refuses(1, CLOCK, 7)],
         {"masters": {1: {"clock": "refuse"}}}, Kind.REFUSED),
    Play(REFUSED_CLOCK, "another's", [passes(2, changed(CLOCK, 6, ca=102))],
         {"masters": {1: {"clock": "refuse"}}}),
    Play(FOREIGN_CA, "ca,map", [refuses(1, order(45, 1, ca=99, oa=5), 46)], kind=Kind.REFUSED),
    Play(FOREIGN_CA, "ca,pass", [refuses(1, order(45, 1, ca=99, oa=5), 46)], {"ca": "pass"},
         Kind.REFUSED),
    Play(FOREIGN_CA, "ca,keep", [passes(1, order(45, 1, ca=99, oa=5), ca=99)], {"ca": "keep"}),
    Play(FOREIGN_CA, "all stations", [refuses(1, order(45, 1, ca=65535), 46)], kind=Kind.REFUSED),
    *(
        Play(WRONG_TYPE, f"type {what.type_id}", [refuses(1, what, 44)], kind=Kind.REFUSED)
        for what in (of_type(t, 6, ca=101, oa=5, test=True) for t in (0, 1, 40, 70, 81, 95, 126))
    ),
    *(
        Play(WRONG_CAUSE, f"type {what.type_id}, COT {what.cause}", [refuses(1, what, 45)],
             kind=Kind.REFUSED)
        for what in (
            of_type(45, 3, ca=101), of_type(100, 5, ca=101), of_type(102, 6, ca=101),
            of_type(103, 8, ca=101), of_type(122, 6, ca=101, test=True),
        )
    ),
    Play(OBJECTS, "two", [refuses(1, asdu(45, 6, obj(5, 1) + obj(6, 1), ca=101, count=2), 7)],
         kind=Kind.REFUSED),
    Play(OBJECTS, "a sequence", [refuses(1, of_type(45, 8, ca=101, sq=True), 9)],
         kind=Kind.REFUSED),
    Play(OBJECTS, "none", [refuses(1, asdu(102, 5, b"", ca=101, count=0), 45)],
         kind=Kind.REFUSED),
    *(
        Play(SILENT, f"COT {cause}", [master(1, command(cause=cause))], kind=Kind.MALFORMED)
        for cause in (7, 9, 10, 44, 45, 46, 47)
    ),
    Play(SILENT, "cut short", [master(1, asdu(45, 6, obj(5), ca=101))], kind=Kind.MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize("play", FROM_RTU + FROM_MASTER, ids=str)
def test_who_receives_what(play):
    options = dict(play.options)
    group = online(*options.pop("seats", ()), **options)
    said = []
    for who, what, expected in play.steps:
        said = hears(group, what) if who == RTU else told(group, who, what)
        assert deliveries([*said, *goes(group)]) == expected
    noted = [note for note in said if isinstance(note, Note)]
    assert [note.kind for note in noted] == ([] if play.kind is None else [play.kind])
    assert all(note.text for note in noted)


def test_a_master_is_disconnected_when_the_rtu_takes_no_more_of_him():
    # The line of TOO_MUCH: here the RTU takes nothing.
    group = online(buffer=2)
    assert told(group, 1, command(1), command(2)) == []
    [closed] = told(group, 1, command(3))
    assert isinstance(closed, CloseMaster)
    assert closed.seat == 1


def test_each_master_is_told_the_end_of_initialization_once_he_starts():
    group = online(1)
    assert deliveries(group.master_started(2, 1.0)) == [end_of_initialization(2)]


def lines(table):
    """The first cells of one of the README's tables."""
    text = README.read_text(encoding="utf-8")
    body = text.split(f"\n{table}\n\n", 1)[1].split("\n\n", 1)[0]
    return [re.split(r"(?<!\\)\|", row)[1].strip() for row in body.splitlines()[2:]]


@pytest.mark.parametrize(("table", "plays", "elsewhere"), [
    ("From the RTU:", FROM_RTU, []),
    ("From a master:", FROM_MASTER, [TOO_MUCH]),
])  # fmt: skip
def test_every_line_of_the_readmes_tables_is_played(table, plays, elsewhere):
    played = list(dict.fromkeys(play.line for play in plays))
    assert lines(table) == [*played, *elsewhere]

"""Places in a group: one for each master, or for each of its connections; and every choice."""

import pytest

from core.config import OPTIONS, Kind, Option, RtuEntry, Scope
from tests.config.files import GROUP, RTU, config, lines


def test_a_group_has_at_most_255_masters() -> None:
    rows = "".join(f"11,M{n},{3000 + n},5,Y\n" for n in range(256))
    assert lines(RTU + rows) == [
        "E x.csv:257: column id: value '11': would be a group of 256 masters with M/M255 "
        "(mode=each makes one of each of its conns); accepted: at most 255 in a group"
    ]
    assert len(config(RTU + rows).groups[0].masters) == 255


def test_every_connection_of_mode_each_counts_as_a_master_of_the_group() -> None:
    text = (
        "11,RTU,,5,N,127.0.0.1:2404\n"
        "11,A,2401,5,Y,,mode=each,conns=200\n"
        "11,B,2402,5,Y,,mode=pair,conns=255\n"
        "11,C,2403,5,Y,,mode=each,conns=55\n"
        "11,D,2404,5,Y,,mode=each,conns=54\n"
        "12,RTU,,5,N,127.0.0.1:2404\n"
        "12,A,2405,5,Y,,mode=each,conns=255\n"
    )
    assert lines(text) == [
        "E x.csv:4: column id: value '11': would be a group of 256 masters with M/C (mode=each "
        "makes one of each of its conns); accepted: at most 255 in a group"
    ]
    first, second = config(text).groups
    assert [(master.label, master.seats) for master in first.masters] == [
        ("M/A", 200),
        ("M/B", 1),
        ("M/D", 54),
    ]
    assert [master.seats for master in second.masters] == [255]


@pytest.mark.parametrize("mode", ["each", "pair"])
def test_a_mode_for_one_connection_is_said_to_have_no_effect(mode: str) -> None:
    said = (
        f"W x.csv:2: column mode: value '{mode}': has no effect on an entry with one connection; "
        "accepted: conns=2 or more beside it"
    )
    assert lines(GROUP.replace("Y,", f"Y,,mode={mode}")) == [said]
    assert lines(GROUP.replace("Y,", f"Y,,mode={mode},conns=1")) == [said]
    assert lines(GROUP.replace("Y,", f"Y,,mode={mode},conns=2")) == []
    assert lines("conns,2\n" + GROUP.replace("Y,", f"Y,,mode={mode}")) == []
    assert lines(f"mode,{mode}\n" + GROUP) == []


@pytest.mark.parametrize(
    "option",
    [o for o in OPTIONS if o.kind is Kind.CHOICE and o.scope is not Scope.PROGRAM],
    ids=lambda o: o.name,
)
def test_every_choice_is_taken_in_silence(option: Option) -> None:
    for choice in option.choices:
        found = config(f"conns,2\n{option.name},{choice}\n" + GROUP)
        role = Scope.RTU if option.scope is Scope.RTU else Scope.MASTER
        (entry,) = [e for e in found.entries if isinstance(e, RtuEntry) is (role is Scope.RTU)]
        assert getattr(entry.options, option.name) == choice
        assert lines(f"conns,2\n{option.name},{choice}\n" + GROUP) == []

"""The filter language."""

import pytest

from app.filter import (
    EVERYTHING,
    SYSTEM_FIELDS,
    TRAFFIC_FIELDS,
    BadFilter,
    Filter,
    parse,
    system_fields,
)
from core.config import read
from core.status import EntryStatus, MasterState

SYSTEM = {
    "group": ("111",), "name": ("M/OSI-1", "RTU-ABB"), "state": ("Held \N{EN DASH} RTU down",),
    "port": ("2407",), "rtu": ("101", "102"), "ip": ("10.20.1.11:5000", "192.0.2.0/24"),
    "hosts": ("192.0.2.0/24",), "event": ("closed: RTU link lost",),
}  # fmt: skip
FRAME = {
    "type": ("C_SC_NA_1", "45"), "cause": ("6 activation", "6"), "ca": ("47", "32"),
    "ioa": ("5001", "5002"), "system": ("M/OSI-1",), "to": ("S/RTU-ABB",), "value": ("on select",),
    "quality": ("",), "frame": ("I 41/929",),
}  # fmt: skip

YES = [
    "", "  ", "osi", "OSI rtu", "111", "2407", "rtu:101", "rtu:102", "port:2407", "state:held",
    "ip:10.20.", "-refused", "-state:online", "port:2400-2499", "name:m/*", "ip:10.20.*",
    '"rtu link lost"', "refused or osi", "state:refused or port:2407", '-"other words"',
    "event:lost", "group:111", "10.20.1.11:5000", "RTU:101", "::1 or osi",
]  # fmt: skip
NO = [
    "refused", "osi refused", "rtu:10", "port:240", "-osi", "port:1-2000", "name:osi*", "ip:10.2.0",
    "osi refused or nothing", "group:11",
]  # fmt: skip


@pytest.mark.parametrize("text", YES)
def test_matches(text: str) -> None:
    found = parse(text, SYSTEM_FIELDS)
    assert isinstance(found, Filter)
    assert found.matches(SYSTEM)


@pytest.mark.parametrize("text", NO)
def test_does_not_match(text: str) -> None:
    found = parse(text, SYSTEM_FIELDS)
    assert isinstance(found, Filter)
    assert not found.matches(SYSTEM)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("type:C_*", True), ("type:45", True), ("type:M_*", False), ("ioa:5002", True),
        ("ioa:500", False), ("ioa:5000-6000", True), ("type:C_* or ioa:1001", True),
        ("ca:32 ca:47", True), ("value:on", True), ("-type:C_*", False), ("cause:activation", True),
        ("type:M_* ioa:5001 or system:osi", True),
    ],
)  # fmt: skip
def test_frames_have_their_own_fields(text: str, matches: bool) -> None:
    found = parse(text, TRAFFIC_FIELDS)
    assert isinstance(found, Filter)
    assert found.matches(FRAME) is matches


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot:2404", "'prot:' is not a field; there are group:"),
        ("port:", "needs a value"),
        ("port:abc", "is not a number; so: port:101"),
        ("osi or", "both sides"),
        ("or", "both sides"),
        ("a or or b", "both sides"),
    ],
)
def test_a_wrong_filter_says_what_is_wrong(text: str, said: str) -> None:
    found = parse(text, SYSTEM_FIELDS)
    assert isinstance(found, BadFilter)
    assert said in found.reason


def test_an_empty_filter_is_everything() -> None:
    assert parse(" ", SYSTEM_FIELDS) is EVERYTHING
    assert EVERYTHING.is_empty
    assert EVERYTHING.matches({})


def test_the_fields_of_an_entry() -> None:
    config, _ = read(b"1,A,,3,N,192.0.2.1:2404\n1,B,2406,4,Y,192.0.2.7\n", "t")
    master = config.groups[0].masters[0]
    status = EntryStatus(master.key, 1, "M/B", MasterState.ONLINE, "", "192.0.2.7:999")
    fields = system_fields(master, "A", status)
    for text in ("port:2406", "rtu:4", "ip:192.0.2.7", "state:online", "name:A", "group:1"):
        found = parse(text, SYSTEM_FIELDS)
        assert isinstance(found, Filter)
        assert found.matches(fields), text
    assert set(fields) == set(SYSTEM_FIELDS)

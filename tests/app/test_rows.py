"""What the table says about entries and groups."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from app.rows import (
    HEADINGS,
    MEANINGS,
    NAME,
    QUIET,
    Category,
    Counts,
    Rates,
    Tint,
    address_key,
    counts,
    entry_row,
    group_row,
    group_sort_key,
    look_of,
    natural,
    sort_key,
    tally,
    tip_of,
)
from core.config import Config, read
from core.status import Counters, EntryStatus, MasterState, RtuState, State


def quiet(_key: str) -> Rates:
    return QUIET


AT = datetime(2026, 11, 20, 13, 55, 53, tzinfo=UTC)
TEXT = """111,RTU-ABB,,32,N,192.0.2.1:2404;192.0.2.2:2404
111,ABB-1,2406,1,Y,192.168.1.16;10.1.1.0/24
111,OSI-1,2407,100,Y,
222,Naseem,,101;102,N,192.0.2.3:2404
222,ABB-1,2411,47;48,Y,
"""


@pytest.fixture
def config() -> Config:
    return read(TEXT.encode(), "t.csv")[0]


def status(key: str, state: State, detail: str = "", peer: str = "") -> EntryStatus:
    group, _, label = key.partition("/")
    return EntryStatus(key, int(group), label, state, detail, peer, AT if peer else None)


def by_key(statuses: Iterable[EntryStatus]) -> dict[str, EntryStatus]:
    return {each.key: each for each in statuses}


@pytest.mark.parametrize("state", [*RtuState, *MasterState])
def test_every_state_has_a_symbol_a_word_and_a_colour(state: State) -> None:
    look = look_of(state)
    assert look.symbol
    assert look.word
    assert look.role in ("online", "warning", "error", "held", "off")
    assert look.usual


def test_the_states_of_the_roles_are_told_apart_although_their_words_are_equal() -> None:
    assert RtuState.ERROR == MasterState.ERROR  # which is why they share no table
    assert look_of(RtuState.WAITING).category is Category.ONLINE
    assert look_of(MasterState.LISTENING).category is Category.WAITING
    assert look_of(None).word == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("state", "word", "tint"),
    [
        (MasterState.HELD, "Held \N{EN DASH} RTU down", Tint.HELD),
        (MasterState.REFUSED, "Refused", Tint.ERROR),
        (MasterState.LISTENING, "Listening", Tint.IDLE),
        (MasterState.ONLINE, "Online", Tint.PLAIN),
        (RtuState.CONNECTING, "Connecting", Tint.WARNING),
    ],
)
def test_only_problems_are_tinted(state: State, word: str, tint: Tint) -> None:
    assert (look_of(state).word, look_of(state).tint) == (word, tint)


def test_a_row_of_a_connected_master(config: Config) -> None:
    entry = config.groups[0].masters[1]
    row = entry_row(
        entry, status(entry.key, MasterState.ONLINE, "", "10.1.1.12:5000"), Rates(1.74, 123.4)
    )
    assert row.label == "M/OSI-1"
    assert row.cells == (
        "Online", "2407", "100", "2026-11-20 13:55:53", "10.1.1.12:5000", "1.7", "123",
        "data transfer started",
    )  # fmt: skip


def test_a_row_says_why(config: Config) -> None:
    entry = config.groups[0].masters[0]
    row = entry_row(entry, status(entry.key, MasterState.REFUSED, "10.9.3.4: not allowed"), Rates())
    dash = "\N{EN DASH}"
    assert row.cells == ("Refused", "2406", "1", dash, dash, "", "", "10.9.3.4: not allowed")


def test_a_row_before_anything_is_known(config: Config) -> None:
    assert entry_row(config.groups[1].rtu, None, Rates()).cells[2] == "101;102"


def test_a_group_counts_its_masters_and_adds_rates(config: Config) -> None:
    group = config.groups[0]
    keys = [entry.key for entry in group.entries]
    statuses = by_key(
        [status(keys[0], RtuState.ONLINE, "", "a"), status(keys[1], MasterState.ONLINE, "", "b")]
    )
    rates = {keys[0]: Rates(1.0, 2.0), keys[1]: Rates(0.5, 0.25)}
    row = group_row(group, statuses, lambda key: rates.get(key, QUIET))
    assert (row.label, row.symbol, row.cells[0]) == (
        "111  RTU-ABB",
        "group-partly",
        "1 of 2 masters",
    )
    assert row.cells[5:7] == ("1.5", "2.2")
    both = statuses | by_key([status(keys[2], MasterState.ONLINE, "", "c")])
    assert group_row(group, both, quiet).symbol == "group-up"
    down = by_key([status(keys[0], RtuState.CONNECTING)])
    assert group_row(group, down, quiet).symbol == "group-down"
    assert group_row(group, down, quiet).cells[7] == "RTU is not connected"


def test_the_tip_of_a_row_has_state_reason_hosts_and_keys(config: Config) -> None:
    entry = config.groups[0].masters[0]
    counters = Counters(refused=3, peers_refused=2)
    tip = tip_of(entry, status(entry.key, MasterState.REFUSED, "10.9.3.4: not allowed"), counters)
    for part in ("M/ABB-1", "group 111", "Refused", "10.9.3.4: not allowed", "10.1.1.0/24",
                 "refused 3", "connections refused 2", "F5"):  # fmt: skip
        assert part in tip
    assert "anybody" in tip_of(config.groups[0].masters[1], None, None)
    assert "192.0.2.2:2404" in tip_of(config.groups[0].rtu, None, None)


def test_sort_keys_are_typed(config: Config) -> None:
    rtu, first, second = config.groups[0].entries
    ports = [sort_key("port", entry, None, Rates()) for entry in (second, rtu, first)]
    assert sorted(ports) == [ports[2], ports[0], ports[1]]
    now = sort_key("at", first, status(first.key, MasterState.ONLINE, "", "x"), Rates())
    assert now < sort_key("at", first, None, Rates())
    for column in HEADINGS:
        sort_key(column, first, None, Rates())
        group_sort_key(column, config.groups[0], {}, quiet)
    assert set(HEADINGS) == set(MEANINGS)


def test_groups_sort_by_their_worst_state_and_their_sum(config: Config) -> None:
    one, two = config.groups
    statuses = by_key([status(two.masters[0].key, MasterState.REFUSED),
                       *(status(e.key, MasterState.ONLINE) for e in one.masters)])  # fmt: skip
    assert group_sort_key("state", two, statuses, quiet) < group_sort_key(
        "state", one, statuses, quiet
    )
    rates = {e.key: QUIET for group in (one, two) for e in group.entries}
    rates |= {one.rtu.key: Rates(3, 0), two.rtu.key: Rates(1, 0), two.masters[0].key: Rates(1, 0)}
    assert group_sort_key("in", two, {}, rates.__getitem__) < group_sort_key(
        "in", one, {}, rates.__getitem__
    )
    assert group_sort_key(NAME, one, {}, quiet) < group_sort_key(NAME, two, {}, quiet)


def test_numbers_in_names_and_addresses_sort_as_numbers() -> None:
    assert natural("RTU-2") < natural("rtu-10")
    assert address_key("10.2.0.1:9") < address_key("10.10.0.1:9, 10.0.0.1:3")


def test_the_summary_counts(config: Config) -> None:
    keys = [entry.key for entry in config.entries]
    states: list[State] = [RtuState.CONNECTING, MasterState.HELD, MasterState.REFUSED,
                           RtuState.WAITING, MasterState.ERROR]  # fmt: skip
    found = counts(
        tally(config.entries, by_key(map(status, keys, states)))  # type: ignore[arg-type]
    )
    assert (found.all, found.rtus_online, found.rtus, found.masters) == (5, 1, 2, 3)
    assert (found.online, found.waiting, found.problem) == (1, 0, 4)
    assert found.problems_text == "1 RTU down · 1 in error · 1 refused · 1 held"
    assert counts(tally([], {})) == Counts()
    assert Counts().problems_text == "none"

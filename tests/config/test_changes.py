"""What has to be restarted when the file changes, and what goes on."""

import pytest

from core.config import Change, Changes, Config, GroupChange, changes, read

FILE = """\
ntp_server,192.0.2.1
1,R,,5,N,127.0.0.1:2404
1,A,2406,5,Y,
1,B,2407,5,Y,
2,R,,6,N,127.0.0.2:2404
2,A,2408,6,Y,
"""


def config(text: str) -> Config:
    found, diagnostics = read(text.encode(), "x.csv")
    assert [str(d) for d in diagnostics] == []
    return found


OLD = config(FILE)


def between(text: str) -> Changes:
    return changes(OLD, config(text))


def kinds(found: Changes) -> list[tuple[int, str]]:
    return [(change.group, change.kind.value) for change in found.groups]


def test_the_same_file_changes_nothing() -> None:
    found = between(FILE)
    assert kinds(found) == [(1, "unchanged"), (2, "unchanged")]
    assert found.is_empty


def test_comments_line_numbers_and_the_order_of_groups_are_no_difference() -> None:
    rows = FILE.splitlines()
    text = "\n".join(["# moved", *rows[4:], "k,12", rows[0], *rows[1:4]])
    found = between(text)
    assert kinds(found) == [(2, "unchanged"), (1, "unchanged")]
    assert found.is_empty


MASTERS_ONLY = [
    ("1,A,2406,5,Y,", "1,A,2416,5,Y,", ("1/M/A",)),
    ("1,A,2406,5,Y,", "1,A,2406,7,Y,", ("1/M/A",)),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,192.0.2.7", ("1/M/B",)),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,,t1=18", ("1/M/B",)),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,,same=old", ("1/M/B",)),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,,same_ip=old", ("1/M/B",)),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,,conns=3", ("1/M/B",)),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,,conns=3,mode=pair", ("1/M/B",)),
    ("1,B,2407,5,Y,", "1,C,2407,5,Y,", ("1/M/C",)),
    ("1,A,2406,5,Y,\n1,B,2407,5,Y,", "1,A,2407,5,Y,\n1,B,2406,5,Y,", ("1/M/A", "1/M/B")),
]


@pytest.mark.parametrize(("before", "after", "keys"), MASTERS_ONLY)
def test_only_the_masters_that_differ_are_restarted(
    before: str, after: str, keys: tuple[str, ...]
) -> None:
    found = between(FILE.replace(before, after))
    assert found.groups == (
        GroupChange(1, Change.MASTERS, keys),
        GroupChange(2, Change.UNCHANGED),
    )
    assert not found.is_empty


WHOLE_GROUP = [
    ("1,R,,5,N,127.0.0.1:2404", "1,R,,6,N,127.0.0.1:2404"),
    ("1,R,,5,N,127.0.0.1:2404", "1,R,,5,N,127.0.0.9:2404"),
    ("1,R,,5,N,127.0.0.1:2404", "1,S,,5,N,127.0.0.1:2404"),
    ("1,R,,5,N,127.0.0.1:2404", "1,R,,5,N,127.0.0.1:2404,orphans=all"),
    ("1,A,2406,5,Y,\n1,B,2407,5,Y,", "1,B,2407,5,Y,\n1,A,2406,5,Y,"),
    ("1,R,,5,N,127.0.0.1:2404", "1,R,,5,N,127.0.0.1:2404,ca=keep"),
    ("1,A,2406,5,Y,", "1,A,2406,5,Y,,conns=3,mode=each"),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,,conns=2,mode=each"),
    ("1,B,2407,5,Y,\n", ""),
    ("1,B,2407,5,Y,", "1,B,2407,5,Y,\n1,C,2409,5,Y,"),
    ("1,A,2406,5,Y,\n1,B,2407,5,Y,", "1,B,2406,5,Y,\n1,C,2407,5,Y,"),
]


@pytest.mark.parametrize(("before", "after"), WHOLE_GROUP)
def test_the_rtu_or_the_set_of_masters_restarts_its_group(before: str, after: str) -> None:
    found = between(FILE.replace(before, after))
    assert kinds(found) == [(1, "restart"), (2, "unchanged")]
    assert found.of(Change.RESTART) == (1,)


def test_more_or_fewer_seats_restart_the_group_and_other_options_of_its_masters_do_not() -> None:
    old = config(FILE.replace("1,A,2406,5,Y,", "1,A,2406,5,Y,,mode=each,conns=3"))
    more = config(FILE.replace("1,A,2406,5,Y,", "1,A,2406,5,Y,,mode=each,conns=4"))
    same = config(FILE.replace("1,A,2406,5,Y,", "1,A,2406,5,Y,,mode=each,conns=3,same_ip=new"))
    assert kinds(changes(old, more)) == [(1, "restart"), (2, "unchanged")]
    assert kinds(changes(old, same)) == [(1, "masters"), (2, "unchanged")]


def test_an_option_of_the_group_for_the_whole_file_restarts_all_groups() -> None:
    assert kinds(between("orphans,all\n" + FILE)) == [(1, "restart"), (2, "restart")]


def test_an_option_of_masters_for_the_whole_file_restarts_masters_only() -> None:
    found = between("same,old\n" + FILE)
    assert found.groups == (
        GroupChange(1, Change.MASTERS, ("1/M/A", "1/M/B")),
        GroupChange(2, Change.MASTERS, ("2/M/A",)),
    )


def test_a_setting_that_every_row_overrides_changes_nothing() -> None:
    own = FILE.replace("127.0.0.1:2404", "127.0.0.1:2404,orphans=drop")
    own = own.replace("127.0.0.2:2404", "127.0.0.2:2404,orphans=drop")
    assert changes(config(own), config("orphans,all\n" + own)).is_empty


def test_groups_come_and_go() -> None:
    rows = FILE.splitlines()
    text = "\n".join([*rows[:4], "3,R,,5,N,127.0.0.1:2404", "3,A,2410,5,Y,"])
    found = between(text)
    assert kinds(found) == [(1, "unchanged"), (3, "added"), (2, "removed")]


def test_time_servers_alone_touch_no_group() -> None:
    rows = ("ntp_server,192.0.2.2", "ntp_update_every_sec,60", "ntp_mode,watch", "ntp_max_step,9")
    for text in (f"{FILE}{row}\n" for row in rows):
        found = between(text)
        assert kinds(found) == [(1, "unchanged"), (2, "unchanged")]
        assert found.has_new_time_servers
        assert not found.is_empty

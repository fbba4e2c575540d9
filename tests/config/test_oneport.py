"""The later dialect: one row for each RTU, what it becomes, and what is said about it."""

from ipaddress import ip_network

import pytest

from core.config import (
    ANYBODY,
    OPTIONS,
    Config,
    Endpoint,
    GroupConfig,
    HostFilter,
    Kind,
    MasterEntry,
    Option,
    Options,
    RtuEntry,
    Scope,
    Severity,
    read_fully,
)
from core.config.oneport import COLUMNS
from tests.config.files import ENDPOINTS, FILTERS, GROUP, config, lines

HEAD = "# iec104MM2SS-1port-v1.0\n"
ROW = "1,RTU,2406,5,4,60,15,10,20,8,12,1000,Y,all,127.0.0.1:2404,"
FILE = HEAD + ROW + "\n"
SEATS = Options(ca="keep", mode="each", buffer=1000)


def row(**cells: str) -> str:
    """The good row with other cells, named as the columns with `_` for anything but letters."""
    names = ["".join(c if c.isalnum() else "_" for c in column) for column in COLUMNS]
    assert cells.keys() <= set(names)
    return ",".join(cells.get(n, c) for n, c in zip(names, ROW.split(","), strict=True))


def options(text: str) -> tuple[Options, Options]:
    (group,) = config(text).groups
    (master,) = group.masters
    return group.rtu.options, master.options


def group(options: Options) -> GroupConfig:
    """What the good row becomes."""
    rtu = RtuEntry(
        "1/S/RTU", 0, 1, "RTU", (5,), options.for_role(Scope.RTU), (Endpoint("127.0.0.1", 2404),)
    )
    master = MasterEntry("1/M/RTU", 0, 1, "RTU", (5,), options.for_role(Scope.MASTER), 2406)
    return GroupConfig(1, rtu, (master,))


EXPECTED = (group(SEATS.with_values({"conns": 4})),)


def test_a_row_is_read_column_by_column() -> None:
    found = config(
        HEAD + "7,Sixteen letters.,2410,65535,9,90,18,12,25,10,20,3000,y,New,"
        "10.2.0.5:2404; [2001:db8::5]:2405,10.1.1.0/24;scada.example\n"
    )
    shared = Options(idletime=90.0, t1=18.0, t2=12.0, t3=25.0, w=10, k=20, buffer=3000)
    assert found.groups == (
        GroupConfig(
            7,
            RtuEntry(
                "7/S/Sixteen letters.", 2, 7, "Sixteen letters.", (65535,),
                shared.with_values({"ca": "keep"}),
                (Endpoint("10.2.0.5", 2404), Endpoint("2001:db8::5", 2405)),
            ),
            (
                MasterEntry(
                    "7/M/Sixteen letters.", 2, 7, "Sixteen letters.", (65535,),
                    shared.with_values({"conns": 9, "mode": "each", "same_ip": "new"}), 2410,
                    HostFilter((ip_network("10.1.1.0/24"),), ("scada.example",)),
                ),
            ),
        ),
    )  # fmt: skip
    assert [entry.line for entry in found.entries] == [2, 2]
    assert found.groups[0].masters[0].seats == 9


DISGUISES = {
    "heading with the titles": "iec104MM2SS-1PORT-v1.0 id," + ",".join(COLUMNS[1:]) + "\n" + ROW,
    "mark in the last row": f"{ROW}\nid;IEC104MM2SS-1PORT-V1.0.csv,,",
    "semicolons": FILE.replace(",", ";"),
    "tabs": FILE.replace(",", "\t"),
    "quotes": HEAD + ",".join(f'"{cell}"' for cell in ROW.split(",")),
    "blanks and letter case": HEAD + ROW.replace(",", " , ").replace("all", "ALL"),
    "CRLF and a byte order mark": "\ufeff" + FILE.replace("\n", "\r\n"),
    "trailing empty cells": FILE.replace("2404,", "2404,,,,"),
    "no last empty cell": FILE.replace("2404,", "2404"),
    "remark behind the row": FILE.replace("2404,", "2404,,# bay 3"),
    "no log word": FILE.replace(",Y,", ",,"),
    "another log word": FILE.replace(",Y,", ",yES,"),
    "defaults left out": HEAD + "1,RTU,2406,5,4,,,,,,,,,,127.0.0.1:2404",
    "an ! below": FILE + '!\n"',
}


@pytest.mark.parametrize("text", DISGUISES.values(), ids=DISGUISES.keys())
def test_the_same_row_is_read_in_every_disguise(text: str) -> None:
    assert [line for line in lines(text) if "ends the file" not in line] == []
    assert config(text).groups == EXPECTED


def test_without_the_mark_a_file_is_in_the_ordinary_dialect() -> None:
    assert config("# iec104MM2SS-v1.0\n" + GROUP).groups[0].masters[0].options == Options()
    assert config(GROUP + "!\n" + HEAD).groups[0].masters[0].options == Options()
    assert config("#,iec104MM2SS-1port-v1.0\n" + GROUP).groups[0].rtu.options == Options()


def test_a_row_of_nothing_but_what_it_needs_has_the_defaults() -> None:
    text = HEAD + "1,RTU,2406,5,,,,,,,,,,,127.0.0.1:2404"
    assert lines(text) == []
    assert config(text).groups == (group(SEATS),)
    assert config(text).groups[0].masters[0].hosts == ANYBODY


def test_settings_hold_where_a_row_says_nothing_and_the_row_where_it_does() -> None:
    text = (
        "t1,18\nk,30\nconns,6\nbuffer,7000\nsame_ip,new\ngi,forward\nrights,monitor\nca,pass\nt0,9\n"
        + HEAD
        + "1,RTU,2406,5,,,,,,,,,,,127.0.0.1:2404\n"
        + "2,RTU,2407,5,2,,17,,,,20,600,,all,127.0.0.1:2404,,ca=keep,gi=queue\n"
        + "nogui\nntp_server,192.0.2.1\n"
    )
    assert lines(text) == []
    found = config(text)
    shared = Options(t0=9.0, t1=18.0, k=30, buffer=7000)
    assert [entry.options for entry in found.groups[0].entries] == [
        shared.with_values({"gi": "forward", "ca": "pass"}),
        shared.with_values({"conns": 6, "mode": "each", "same_ip": "new", "rights": "monitor"}),
    ]
    shared = Options(t0=9.0, t1=17.0, k=20, buffer=600)
    assert [entry.options for entry in found.groups[1].entries] == [
        shared.with_values({"ca": "keep"}),
        shared.with_values({"conns": 2, "mode": "each", "rights": "monitor"}),
    ]
    assert found.settings.nogui
    assert found.settings.ntp_servers == ("192.0.2.1",)


NO_ID = "accepted: a whole number of at most 15 digits, such as 111"
REFUSED = [
    # cells of one more row in line 3, which is refused
    ({"id": "2.0"}, [f"column id: value '2.0': is not the number of a group; {NO_ID}"]),
    (
        {"sys_name": ""},
        ["column sys name: value '': is not a name; "
         "accepted: a name, of which 16 characters are kept"],
    ),
    ({"port": ""}, ["column port: value '': is empty; accepted: 1 to 65535"]),
    ({"port": "0"}, ["column port: value '0': is not a port number; accepted: 1 to 65535"]),
    ({"port": "x"}, ["column port: value 'x': is not a port number; accepted: 1 to 65535"]),
    ({"RTU_number": ""}, ["column RTU number: value '': is empty; accepted: 1 to 65535"]),
    (
        {"RTU_number": "5;6"},
        ["column RTU number: value '5;6': is not an RTU number; accepted: 1 to 65535"],
    ),
    (
        {"RTU_number": "65536"},
        ["column RTU number: value '65536': is not an RTU number; accepted: 1 to 65535"],
    ),
    (
        {"IP_PORT_list": ""},
        [f"column IP:PORT list: value '': is empty, so the RTU cannot be called; {ENDPOINTS}"],
    ),
    (
        {"IP_PORT_list": "10.1.1.1"},
        [f"column IP:PORT list: value '10.1.1.1': has no port; {ENDPOINTS}",
         "column IP:PORT list: value '10.1.1.1': has no usable address, so the RTU cannot be "
         f"called; {ENDPOINTS}"],
    ),
    (
        {"id": "1"},
        ["column id: value '1': is the id of S/RTU in line 2 already, so line 3 is left out; "
         "accepted: an id of its own for every RTU"],
    ),
    (
        {"port": "2406"},
        ["column port: value '2406': is the port of M/RTU in line 2 already, so line 3 is left "
         "out; accepted: a port of its own for every RTU"],
    ),
    (
        {"port": "", "t1": "x"},
        ["column port: value '': is empty; accepted: 1 to 65535",
         "column t1: value 'x': is not a number of seconds, so it is not used; "
         "accepted: 1 to 255 seconds"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "said"), REFUSED, ids=[said[0][:45] for _, said in REFUSED])
def test_a_bad_row_is_named_and_left_out_and_the_others_run(
    cells: dict[str, str], said: list[str]
) -> None:
    text = FILE + row(**{"id": "2", "port": "2407", **cells}) + "\n"
    assert lines(text) == ["E x.csv:3: " + each for each in said]
    assert config(text).groups == EXPECTED
    reading = read_fully(text.encode(), "x.csv")
    assert [str(fate) for fate in reading.rows] == [
        "line 1: ignored: a comment",
        "line 2: loaded: S/RTU and M/RTU of group 1",
        f"line 3: ignored: {said[0]}",
    ]


def test_an_id_and_a_port_that_are_both_taken_are_both_said() -> None:
    assert [line[:40] for line in lines(FILE + ROW)] == [
        "E x.csv:3: column id: value '1': is the ",
        "E x.csv:3: column port: value '2406': is",
    ]


def test_the_id_and_port_of_a_refused_row_are_free() -> None:
    text = HEAD + row(RTU_number="0") + "\n" + ROW
    assert len(lines(text)) == 1
    assert config(text).groups == EXPECTED


SECONDS_TO_255 = "so it is not used; accepted: 1 to 255 seconds"
WHOLE_TO_32767 = "so it is not used; accepted: a whole number from 1 to 32767"
REMARKS = [
    # cells, what is said, and what differs from the options of the good row
    (
        {"max_conn": "256"},
        ["E max conn: value '256': is outside the range, so it is not used; "
         "accepted: a whole number from 1 to 255"],
        {"conns": 1},
    ),
    (
        {"max_conn": "four"},
        ["E max conn: value 'four': is not a whole number, so it is not used; "
         "accepted: a whole number from 1 to 255"],
        {"conns": 1},
    ),
    (
        {"idletime": "long"},
        ["E idletime: value 'long': is not a number of seconds, so it is not used; "
         "accepted: 1 to 604800 seconds"],
        {},
    ),
    ({"t1": "0"}, [f"E t1: value '0': is outside the range, {SECONDS_TO_255}"], {}),
    ({"t2": "256"}, [f"E t2: value '256': is outside the range, {SECONDS_TO_255}"], {}),
    (
        {"t3": "x"},
        ["E t3: value 'x': is not a number of seconds, so it is not used; "
         "accepted: 1 to 172800 seconds"],
        {},
    ),
    ({"w": "0"}, [f"E w: value '0': is outside the range, {WHOLE_TO_32767}"], {}),
    ({"k": "12.5"}, [f"E k: value '12.5': is not a whole number, {WHOLE_TO_32767}"], {}),
    (
        {"buffsize": "big"},
        ["E buffsize: value 'big': is not a whole number, so it is not used; "
         "accepted: a whole number from 1 to 1000000"],
        {},
    ),
    (
        {"same_ip": "replace"},
        ["E same ip: value 'replace': is not one of the choices, so it is not used; "
         "accepted: all, old or new"],
        {},
    ),
    ({"same_ip": "OLD"}, [], {"same_ip": "old"}),
    (
        {"w": "20"},
        ["E w: value '20': does not go with k = 12, so k = 12 and w = 8 are used; "
         "accepted: w not larger than k"],
        {},
    ),
    (
        {"w": "", "k": "6"},
        ["N k: value '6': does not go with w = 8, so w follows and is now 4; "
         "accepted: w not larger than k"],
        {"k": 6, "w": 4},
    ),
    (
        {"t1": "30"},
        ["W t3: value '20': is not more than t1 = 30; accepted, but more than t1 is usual"],
        {"t1": 30.0, "idletime": 60.0},
    ),
    (
        {"buffsize": "11"},
        ["W buffsize: value '11': is less than k = 12, so 1000 is used; accepted: k or more"],
        {},
    ),
    ({"buffsize": "12"}, [], {"buffer": 12}),
    (
        {"buffsize": "1999", "k": "2000"},
        ["W buffsize: value '1999': is less than k = 2000, so 2000 is used; accepted: k or more"],
        {"buffer": 2000, "k": 2000},
    ),
    (
        {"logevents": "n"},
        ["N logevents: value 'n': has no effect: what happens to a connection is always logged; "
         "accepted: Y"],
        {},
    ),
    ({"logevents": "NO"}, ["N logevents: value 'NO': has no effect: what happens to a connection "
                           "is always logged; accepted: Y"], {}),
    (
        {"logevents": "all"},
        ["W logevents: value 'all': is neither yes nor no and is ignored; accepted: Y or N"],
        {},
    ),
    ({"IP_PORT_list": "b;127.0.0.1:2404"},
     [f"E IP:PORT list: value 'b': has no port; {ENDPOINTS}"], {}),
    (
        {"sys_name": '"RTU'},
        ["W sys name: value '\"RTU': has a quote that is not closed; "
         "accepted: no quote, or two"],
        None,
    ),
    (
        {"sys_name": "Substation Harbour"},
        ["W sys name: value 'Substation Harbour': is too long and is cut to 'Substation Harbo'; "
         "accepted: at most 16 characters"],
        None,
    ),
    (
        {"filter": "10.1.1.300"},
        ["E filter: value '10.1.1.300': is neither an address, nor a network, nor a host name; "
         + FILTERS,
         f"E filter: value '10.1.1.300': has no usable item, so nobody can connect; {FILTERS}, or "
         "nothing for anybody"],
        None,
    ),
    (
        {"filter": "10.1.1.5/24"},
        [f"N filter: value '10.1.1.5/24': is read as the network 10.1.1.0/24; {FILTERS}"],
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "said", "values"), REMARKS)
def test_a_cell_that_cannot_be_used_is_named_and_the_row_runs(
    cells: dict[str, str], said: list[str], values: dict[str, float] | None
) -> None:
    text = HEAD + row(**cells)
    assert lines(text) == [each.replace(" ", " x.csv:2: column ", 1) for each in said]
    (found,) = config(text).groups
    if values is not None:
        assert found == group(SEATS.with_values({"conns": 4, **values}))
    fates = read_fully(text.encode(), "x.csv").rows
    assert fates[1].is_loaded


def test_a_filter_without_a_good_item_admits_nobody() -> None:
    assert config(HEAD + row(filter="10.1.1.300")).groups[0].masters[0].hosts == HostFilter()


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o.scope is not Scope.PROGRAM], ids=lambda option: option.name
)
def test_every_option_may_stand_behind_the_columns_and_goes_to_its_entry(option: Option) -> None:
    value = option.choices[-1] if option.choices else 7
    text = value
    if option.kind is Kind.ADDRESSES:
        text, value = "::1", ("::1",)
    others = "".join(f",{name}={n}" for name, n in (("w", 5), ("t2", 5)) if name != option.name)
    rtu, master = options(f"{HEAD}{ROW},{option.name}={text}{others}")
    assert (getattr(rtu, option.name) == value) is (option.scope is not Scope.MASTER)
    assert (getattr(master, option.name) == value) is (option.scope is not Scope.RTU)


BEHIND = [
    ("t0=20", []),
    (" CA = map ", []),
    ("mode=pair", []),
    ("t1=15", []),
    ("t1=16", ["W t1: value '16': replaces 15 in the same row; accepted: each option once"]),
    ("conns=2", ["W conns: value '2': replaces 4 in the same row; accepted: each option once"]),
    ("buffer=5", ["W buffer: value '5': replaces 1000 in the same row; "
                  "accepted: each option once"]),
    ("gi=never", ["E gi: value 'never': is not one of the choices, so it is not used; "
                  "accepted: queue or forward"]),
    ("nogui=yes", ["E nogui: value 'yes': is not possible in this row; "
                   "accepted: nogui in a row of its own, for the whole program"]),
    ("con_ns=2", ["E options: value 'con_ns=2': is not a known option; "
                  "accepted: conns=.., if that is meant"]),
    ("north", ["W options: value 'north': is not an option and is ignored; accepted: option=value "
               "such as t1=15 (a list of hosts in a file separated by semicolons needs quotes)"]),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "said"), BEHIND)
def test_what_is_behind_the_columns_is_judged_as_in_an_ordinary_row(
    cell: str, said: list[str]
) -> None:
    expected = [each.replace(" ", " x.csv:2: column ", 1) for each in said]
    assert lines(f"{HEAD}{ROW},{cell}") == expected
    assert len(config(f"{HEAD}{ROW},{cell}").groups) == 1


def test_a_mode_for_one_connection_is_said_to_have_no_effect_only_if_it_is_given() -> None:
    assert lines(HEAD + row(max_conn="1")) == []
    assert lines(HEAD + row(max_conn="1") + ",mode=each") == [
        "W x.csv:2: column mode: value 'each': has no effect on an entry with one connection; "
        "accepted: conns=2 or more beside it"
    ]


def test_a_small_buffer_by_its_own_name_is_taken_at_its_word() -> None:
    rtu, master = options(HEAD + row(buffsize="5") + ",buffer=7")
    assert (rtu.buffer, master.buffer) == (7, 7)
    rtu, master = options(HEAD + row(buffsize="15") + ",k=30")
    assert (rtu.buffer, master.buffer) == (1000, 1000)


def test_rows_that_are_no_stations_are_read_as_in_the_ordinary_dialect() -> None:
    text = (
        "id iec104MM2SS-1port-v1.0,sys name,port\nno gui\nt1=20\nt1,abc\nnogui\n\n"
        f"{ROW}\n! the rest\n{ROW}\n"
    )
    assert [line[:47] for line in lines(text)] == [
        "W x.csv:2: column id: value 'no gui': is taken ",
        "W x.csv:3: column id: value 't1=20': is taken a",
        "E x.csv:4: column t1: value 'abc': is not a num",
        "N x.csv:8: column id: value '! the rest': ends ",
    ]
    assert config(text).groups == EXPECTED
    assert config(text).settings.nogui
    reading = read_fully(text.encode(), "x.csv")
    assert [(r.line, r.is_loaded) for r in reading.rows if r.is_loaded] == [(5, True), (7, True)]
    assert len(reading.rows) == 9
    assert reading.worst is Severity.ERROR


NOTHING = (
    "E x.csv:1: column id: value '': the file has no group that can be started; "
    "accepted: at least one row of an RTU with all it needs"
)


def test_a_file_with_nothing_usable_says_so() -> None:
    assert lines(HEAD) == [NOTHING]
    assert config(HEAD) == Config(config(HEAD).settings)
    assert NOTHING in lines(HEAD + GROUP)

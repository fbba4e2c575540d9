"""The torture table: what is read, what is refused, and the exact words."""

from ipaddress import ip_network

import pytest

from core.config import (
    Config,
    Document,
    Endpoint,
    GroupConfig,
    HostFilter,
    MasterEntry,
    Options,
    RtuEntry,
    Settings,
    Severity,
    read,
    read_fully,
)
from tests.config.files import ENDPOINTS, EXPECTED, GROUP, MASTER, RTU, SAMPLE, config, lines


def labels(found: Config) -> list[list[str]]:
    return [[entry.label for entry in group.entries] for group in found.groups]


def test_the_sample_has_two_groups_and_six_entries() -> None:
    found, diagnostics = read(SAMPLE, "iec104mm2ss.csv")
    assert labels(found) == [
        ["S/RTU-ABB", "M/ABB-1", "M/OSI-1"],
        ["S/Dreez", "M/ABB-2", "M/OSI-2"],
    ]
    assert len(list(found.entries)) == 6
    assert found.settings == Settings()  # no time server: a try must not set the clock
    assert [str(d) for d in diagnostics if d.severity is not Severity.NOTICE] == []
    assert Document.parse(SAMPLE).to_bytes() == SAMPLE


DISGUISES = {
    "byte order mark": b"\xef\xbb\xbf" + GROUP.encode(),
    "byte order mark before the id": b"\xef\xbb\xbf" + MASTER.encode() + RTU.encode(),
    "CRLF": GROUP.replace("\n", "\r\n").encode(),
    "CR": GROUP.replace("\n", "\r").encode(),
    "mixed line ends": (RTU + MASTER.replace("\n", "\r\n")).encode(),
    "no last line end": GROUP.encode().rstrip(b"\n"),
    "cp1252": b"# S\xfcd \x80 \x81\n" + GROUP.encode(),
    "byte order mark and cp1252": b"\xef\xbb\xbf" + GROUP.encode() + b"# S\xfcd\n",
    "semicolons": GROUP.replace(",", ";").encode(),
    "tabs": GROUP.replace(",", "\t").encode(),
    "quotes": b'"11","RTU","","5","N","127.0.0.1:2404"\n"11","SCADA","2406","5","Y",""\n',
    "blanks": b" 11 , RTU ,  , 5 , N , 127.0.0.1:2404 ; \n 11 , SCADA , 2406 , 5 , Y , \n",
    "blanks around quotes": b'11, "RTU" ,,5,N,\xc2\xa0127.0.0.1:2404\n' + MASTER.encode(),
    "mixed case": GROUP.replace("N", "nO").replace("Y", "yES").encode(),
    "1 and blank": b"11,RTU,,5,,127.0.0.1:2404\n11,SCADA,2406,5,1\n",
    "0 for the RTU": b"11,RTU,,5,0,127.0.0.1:2404\n" + MASTER.encode(),
    "trailing empty cells": b"11,RTU,,5,N,127.0.0.1:2404,,,,\n11,SCADA,2406,5,Y,,,,\n,,,,\n",
    "remark behind an entry": b"11,RTU,,5,N,127.0.0.1:2404,# bay 3\n" + MASTER.encode(),
    "leading zeros": b"0011,RTU,,05,N,127.0.0.1:02404\n11,SCADA,02406,5,Y\n",
    "other digits": "\u0661\u0661,RTU,,\u0665,N,127.0.0.1:2404\n".encode() + MASTER.encode(),
    "port of the RTU": b"11,RTU,nonsense,5,N,127.0.0.1:2404\n" + MASTER.encode(),
    "settings at the default": b"T1,15\n" + GROUP.encode() + b'"K","12"\n w , 8 \n',
    "comments": b"\nid,sys name,port no,rtu no,master,hosts\n#t1,3\n" + GROUP.encode() + b"-;-\n",
}


@pytest.mark.parametrize("data", DISGUISES.values(), ids=DISGUISES.keys())
def test_the_same_rows_are_read_in_every_disguise(data: bytes) -> None:
    assert lines(data) == []
    assert config(data) == EXPECTED


def test_an_entry_is_read_column_by_column() -> None:
    found = config(
        "7,Harbour,,5;6,N,10.2.0.5:2404;[2001:db8::5]:2405;rtu.example:2404\n"
        "7,Old,2410,5;6,Y,10.1.1.0/24;10.9.0.10;2001:db8::/64;scada.example,k=20,Same=OLD\n"
    )
    options = Options()
    assert found.groups == (
        GroupConfig(
            7,
            RtuEntry(
                "7/S/Harbour", 1, 7, "Harbour", (5, 6), options,
                (
                    Endpoint("10.2.0.5", 2404),
                    Endpoint("2001:db8::5", 2405),
                    Endpoint("rtu.example", 2404),
                ),
            ),
            (
                MasterEntry(
                    "7/M/Old", 2, 7, "Old", (5, 6), Options(k=20, same="old"), 2410,
                    HostFilter(
                        (
                            ip_network("10.1.1.0/24"),
                            ip_network("10.9.0.10/32"),
                            ip_network("2001:db8::/64"),
                        ),
                        ("scada.example",),
                    ),
                ),
            ),
        ),
    )  # fmt: skip
    assert [entry.line for entry in found.entries] == [1, 2]
    assert [str(host) for host in found.groups[0].rtu.hosts] == [
        "10.2.0.5:2404",
        "[2001:db8::5]:2405",
        "rtu.example:2404",
    ]


ID = "accepted: a whole number of at most 15 digits, such as 111"
NUMBERS = "accepted: 1 to 65535, or a list of different ones such as 32;33"
INCOMPLETE = "so it is not started; accepted: one RTU row and at least one master row"
NO_ID = f"is not the number of a group; {ID}"

BAD_ROWS = [
    # one more row of group 11, in line 3, is refused
    ("11.5,B,2407,5,Y", "column id: value '11.5': " + NO_ID),
    ("-11,B,2407,5,Y", "column id: value '-11': " + NO_ID),
    ("1E+15,B,2407,5,Y", "column id: value '1E+15': " + NO_ID),
    ("1" * 16 + ",B,2407,5,Y", f"column id: value '{'1' * 16}': " + NO_ID),
    ("1" * 5000 + ",B,2407,5,Y", f"column id: value '{'1' * 57}...': " + NO_ID),
    (
        "11,,2407,5,Y",
        "column sys name: value '': is not a name; "
        "accepted: a name, of which 14 characters are kept",
    ),
    ("11,B,,5,Y", "column port no: value '': is empty; accepted: 1 to 65535"),
    ("11,B,0,5,Y", "column port no: value '0': is not a port number; accepted: 1 to 65535"),
    ("11,B,65536,5,Y", "column port no: value '65536': is not a port number; accepted: 1 to 65535"),
    ("11,B,-1,5,Y", "column port no: value '-1': is not a port number; accepted: 1 to 65535"),
    ("11,B,24 07,5,Y", "column port no: value '24 07': is not a port number; accepted: 1 to 65535"),
    (
        "11,B,x\0y,5,Y",
        r"column port no: value 'x\x00y': is not a port number; accepted: 1 to 65535",
    ),
    (
        "11,B,2406,5,Y",
        "column port no: value '2406': is the port of M/SCADA in line 2 already, so line 3 is left "
        "out; accepted: a port of its own for every master",
    ),
    ("11,B,2407,,Y", f"column rtu no: value '': is empty; {NUMBERS}"),
    ("11,B,2407,0,Y", f"column rtu no: value '0': is not an RTU number; {NUMBERS}"),
    ("11,B,2407,65536,Y", f"column rtu no: value '65536': is not an RTU number; {NUMBERS}"),
    ("11,B,2407,five,Y", f"column rtu no: value 'five': is not an RTU number; {NUMBERS}"),
    ("11,B,2407,5;x,Y", f"column rtu no: value '5;x': has a bad item 'x'; {NUMBERS}"),
    ("11,B,2407,5;;6,Y", f"column rtu no: value '5;;6': has a bad item ''; {NUMBERS}"),
    ("11,B,2407,5;6;5,Y", f"column rtu no: value '5;6;5': has 5 twice; {NUMBERS}"),
    (
        "11,B,2407,5;6,Y",
        "column rtu no: value '5;6': is a list of 2, but that of S/RTU in line 1 has 1; "
        "accepted: lists of the same length, matched by position",
    ),
    (
        "11,B,2407,5,maybe",
        "column master: value 'maybe': is neither Y nor N; accepted: Y for a master, N for the RTU",
    ),
    (
        "11,B,,5,no,127.0.0.1:2405",
        "column master: value 'no': is a second RTU in group 11, which has S/RTU in line 1; "
        "accepted: one RTU row in a group, Y in all others",
    ),
    (
        "11,B,,5,N",
        f"column hosts: value '': is empty, so the RTU cannot be called; {ENDPOINTS}",
    ),
]


@pytest.mark.parametrize(("row", "said"), BAD_ROWS, ids=[said[:50] for _, said in BAD_ROWS])
def test_a_bad_entry_is_named_and_left_out_and_the_others_run(row: str, said: str) -> None:
    assert lines(GROUP + row + "\n") == ["E x.csv:3: " + said]
    assert config(GROUP + row + "\n") == EXPECTED
    reading = read_fully((GROUP + row + "\n").encode(), "x.csv")
    assert str(reading.rows[2]) == f"line 3: ignored: {said}"


def test_all_that_is_wrong_with_a_row_is_said() -> None:
    assert lines(GROUP + "1x1,a\n1.1,,0,0,Q,\n") == [
        "E x.csv:4: column id: value '1.1': " + NO_ID,
        "E x.csv:4: column sys name: value '': is not a name; "
        "accepted: a name, of which 14 characters are kept",
        f"E x.csv:4: column rtu no: value '0': is not an RTU number; {NUMBERS}",
        "E x.csv:4: column master: value 'Q': is neither Y nor N; "
        "accepted: Y for a master, N for the RTU",
    ]


REMARKS = [
    # (rows before the group, diagnostics without the file name)
    (
        "t1,abc",
        ["E 1: column t1: value 'abc': is not a number of seconds, so it is not used; "
         "accepted: 1 to 255 seconds"],
    ),
    ("t1,", ["E 1: column t1: value '': is empty, so it is not used; accepted: 1 to 255 seconds"]),
    ("k", ["E 1: column k: value '': is empty, so it is not used; "
           "accepted: a whole number from 1 to 32767"]),
    (
        "w,0",
        ["E 1: column w: value '0': is outside the range, so it is not used; "
         "accepted: a whole number from 1 to 32767"],
    ),
    (
        "startdt,often",
        ["E 1: column startdt: value 'often': is not one of the choices, so it is not used; "
         "accepted: on_demand or always"],
    ),
    (
        "ntp_server,a b",
        ["E 1: column ntp_server: value 'a b': is not a host name or IP address, so it is not "
         "used; accepted: one host name or IP address"],
    ),
    (
        "ntp_update_every_sec,often",
        ["E 1: column ntp_update_every_sec: value 'often': is not a whole number, so it is not "
         "used; accepted: a whole number from 1 to 604800"],
    ),
    ("t1,15,\n#t1,20\n# k,1\nid,t1\nserver,x\nHeading", []),
    (
        "NTP Server,192.0.2.1",
        ["W 1: column id: value 'NTP Server': is taken as a comment, but looks like the setting "
         "ntp_server; accepted: ntp_server in this cell and its value in the next cell"],
    ),
    (
        "no gui",
        ["W 1: column id: value 'no gui': is taken as a comment, but looks like the setting nogui; "
         "accepted: nogui in this cell"],
    ),
    (
        "t1=20",
        ["W 1: column id: value 't1=20': is taken as a comment, but looks like the setting t1; "
         "accepted: t1 in this cell and its value in the next cell"],
    ),
    (
        "t1;20",
        ["W 1: column id: value 't1;20': is taken as a comment, since this row is separated by "
         "semicolons and the file by commas; accepted: the same separator in all rows"],
    ),
    (
        '12;"A";2407;5;Y;',
        ["W 1: column id: value '12;\"A\";2407;5;Y;': is taken as a comment, since this row is "
         "separated by semicolons and the file by commas; "
         "accepted: the same separator in all rows"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), REMARKS, ids=[rows[:20] for rows, _ in REMARKS])
def test_a_setting_that_cannot_be_used_is_named_and_the_default_kept(
    rows: str, said: list[str]
) -> None:
    for_file = [s.replace(" ", " x.csv:", 1) for s in said]
    assert lines(f"{rows}\n{GROUP}") == for_file
    assert config(f"{rows}\n{GROUP}") == EXPECTED


PROGRAM = [
    ("nogui", Settings(nogui=True), []),
    ("NoGUI,yes", Settings(nogui=True), []),
    ("nogui,no", Settings(), []),
    (
        "nogui,without a window",
        Settings(nogui=True),
        ["W 1: column nogui: value 'without a window': is neither yes nor no and is ignored, "
         "nogui is on; accepted: no value, or yes or no"],
    ),
    (
        "ntpserver,192.0.2.1",
        Settings(ntp_servers=("192.0.2.1",)),
        ["N 1: column id: value 'ntpserver': is read as ntp_server; accepted: ntp_server"],
    ),
    (
        "ntp_server,192.0.2.1,192.0.2.2",
        Settings(ntp_servers=("192.0.2.1",)),
        ["W 1: column ntp_server: value '192.0.2.2': stands behind the value and is ignored; "
         "accepted: one value in a row"],
    ),
    (
        "ntp_server,a\nntp_server,b\nNTP_SERVER,a",
        Settings(ntp_servers=("a", "b")),
        ["N 3: column ntp_server: value 'a': is the same as in line 1 and is ignored; "
         "accepted: each server once"],
    ),
    (
        "ntp_update_every_sec,60,seconds",
        Settings(ntp_update_every_sec=60),
        ["N 1: column ntp_update_every_sec: value 'seconds': stands behind the value and is "
         "ignored; accepted: one value in a row"],
    ),
    ("ntp_mode,Watch", Settings(ntp_mode="watch"), []),
    ("ntp_mode,set\nntp_max_step,60", Settings(ntp_max_step=60.0), []),
    (
        "ntp_mode,never",
        Settings(),
        ["E 1: column ntp_mode: value 'never': is not one of the choices, so it is not used; "
         "accepted: set or watch"],
    ),
    ("ntp_update_every_sec,60,# seconds", Settings(ntp_update_every_sec=60), []),
    (
        "t3,30\nt3,40\nt3,40",
        Settings(options=Options(t3=40.0)),
        ["W 3: column t3: value '40': replaces 30 of line 1; accepted: each setting once"],
    ),
    (
        "t3,30\nt3,x",
        Settings(options=Options(t3=30.0)),
        ["E 2: column t3: value 'x': is not a number of seconds, so it is not used; "
         "accepted: 1 to 172800 seconds"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "settings", "said"), PROGRAM)
def test_settings_of_the_program(rows: str, settings: Settings, said: list[str]) -> None:
    for text in (f"{rows}\n{GROUP}", rows):
        found = lines(text)
        expected = [s.replace(" ", " x.csv:", 1) for s in said]
        assert [line for line in found if "no group that can" not in line] == expected
        assert config(text).settings == settings


def test_settings_may_stand_after_the_groups() -> None:
    found = config(GROUP + "t3,25\nnogui\nsame,replace\n")
    assert found.settings.nogui
    assert [entry.options.t3 for entry in found.entries] == [25.0, 25.0]
    assert found.groups[0].masters[0].options.same == "replace"


def test_an_entry_overrides_the_file_and_the_file_the_default() -> None:
    found = config("t3,25\nk,30\n" + GROUP.replace("Y,", "Y,,k=40"))
    rtu, master = found.entries
    assert (rtu.options.k, rtu.options.t3, rtu.options.t1) == (30, 25.0, 15.0)
    assert (master.options.k, master.options.t3, master.options.t1) == (40, 25.0, 15.0)


OPTION_CELLS = [
    (
        "tt1=20",
        "E 2: column options: value 'tt1=20': is not a known option; "
        "accepted: the options of the manual",
    ),
    (
        "con_ns=2",
        "E 2: column options: value 'con_ns=2': is not a known option; "
        "accepted: conns=.., if that is meant",
    ),
    (
        "=2",
        "E 2: column options: value '=2': is not a known option; "
        "accepted: the options of the manual",
    ),
    (
        "conns=0",
        "E 2: column conns: value '0': is outside the range, so it is not used; "
        "accepted: a whole number from 1 to 255",
    ),
    (
        "same=newest",
        "E 2: column same: value 'newest': is not one of the choices, so it is not used; "
        "accepted: new, replace or old",
    ),
    ("k=", "E 2: column k: value '': is empty, so it is not used; "
           "accepted: a whole number from 1 to 32767"),
    (
        "gi=queue",
        "E 2: column gi: value 'queue': is not possible in this row; "
        "accepted: gi in the RTU's row, for the whole group",
    ),
    (
        "nogui=yes",
        "E 2: column nogui: value 'yes': is not possible in this row; "
        "accepted: nogui in a row of its own, for the whole program",
    ),
    (
        "the backup centre",
        "W 2: column options: value 'the backup centre': is not an option and is ignored; "
        "accepted: option=value such as t1=15 (a list of hosts in a file separated by semicolons "
        "needs quotes)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "said"), OPTION_CELLS)
def test_an_option_that_cannot_be_used_leaves_the_entry_running(cell: str, said: str) -> None:
    text = GROUP.replace("Y,", f"Y,,{cell}")
    assert lines(text) == [said.replace(" ", " x.csv:", 1)]
    assert config(text) == EXPECTED


def test_an_option_of_masters_is_not_possible_in_an_rtus_row() -> None:
    assert lines(RTU.strip() + ",conns=2\n" + MASTER) == [
        "E x.csv:1: column conns: value '2': is not possible in this row; "
        "accepted: conns in a master's row"
    ]


def test_an_option_given_twice_in_a_row_is_said() -> None:
    text = GROUP.replace("Y,", "Y,,t3=25, T3 = 30 ")
    assert lines(text) == [
        "W x.csv:2: column t3: value '30': replaces 25 in the same row; accepted: each option once"
    ]
    assert config(text).groups[0].masters[0].options.t3 == 30.0


def test_names_are_cut_and_cleaned() -> None:
    text = "11,Substation Harbour,,5,N,127.0.0.1:2404\n" + '11,"A\tB\nC",2406,5,Y\n'
    assert lines(text) == [
        "W x.csv:1: column sys name: value 'Substation Harbour': is too long and is cut to "
        "'Substation Har'; accepted: at most 14 characters",
        r"W x.csv:2: column sys name: value 'A\tB\nC': has unprintable characters and becomes "
        "'A B C'; accepted: letters, digits, signs and blanks",
    ]
    assert labels(config(text)) == [["S/Substation Har", "M/A B C"]]


def test_a_quote_that_is_not_closed_is_said() -> None:
    text = '11,"RTU,,5,N,127.0.0.1:2404\n' + MASTER
    assert lines(text) == [
        "W x.csv:1: column sys name: value '\"RTU': has a quote that is not closed; "
        "accepted: no quote, or two"
    ]


def test_the_same_name_twice_in_a_group_is_told_apart_by_number() -> None:
    text = GROUP + "11,SCADA,2407,5,Y\n11,SCADA#2,2408,5,Y\n12,RTU,,5,N,a:1\n12,SCADA,2409,5,Y\n"
    assert lines(text) == [
        "W x.csv:3: column sys name: value 'SCADA': is also the name of line 2 in group 11, so "
        "they are told apart by their order only; accepted, but different names are better",
        "W x.csv:4: column sys name: value 'SCADA#2': is also the name of line 3 in group 11, so "
        "they are told apart by their order only; accepted, but different names are better",
    ]
    assert [entry.key for entry in config(text).entries] == [
        "11/S/RTU", "11/M/SCADA", "11/M/SCADA#2", "11/M/SCADA#2#2", "12/S/RTU", "12/M/SCADA",
    ]  # fmt: skip


def test_groups_may_be_interleaved_and_keep_the_order_of_their_first_rows() -> None:
    text = (
        "2,A,2401,5,Y\n1,R,,5,N,a:1\n2,R,,5,N,b:1\n1,A,2402,5,Y\nt3,25\n2,B,2403,5,Y\n1,B,2404,5,Y"
    )
    assert lines(text) == []
    found = config(text)
    assert [group.id for group in found.groups] == [2, 1]
    assert labels(found) == [["S/R", "M/A", "M/B"], ["S/R", "M/A", "M/B"]]
    assert [entry.line for entry in found.entries] == [3, 1, 6, 2, 4, 7]


MISSING = [
    ("12,A,2407,5,Y\n", "without an RTU row that can be used"),
    ("12,R,,5,N,a:1\n", "without a master row that can be used"),
]


@pytest.mark.parametrize(("row", "words"), MISSING)
def test_an_incomplete_group_is_not_started(row: str, words: str) -> None:
    assert lines(GROUP + row) == [f"E x.csv:3: column id: value '12': is a group {words}, "
                                  f"{INCOMPLETE}"]  # fmt: skip
    assert config(GROUP + row) == EXPECTED
    reading = read_fully((GROUP + row).encode(), "x.csv")
    assert str(reading.rows[2]) == "line 3: ignored: group 12 is not complete"


def test_a_group_of_which_no_row_can_be_used_is_not_started() -> None:
    assert lines(GROUP + "12,A,0,5,Y\n")[1:] == [
        "E x.csv:3: column id: value '12': is a group without an RTU row and a master row that "
        f"can be used, {INCOMPLETE}"
    ]


def test_a_second_rtu_is_taken_when_the_first_is_bad() -> None:
    text = "11,BAD,,5,N,\n" + GROUP
    assert len(lines(text)) == 1
    assert config(text) == EXPECTED


def test_the_port_of_a_refused_entry_is_free() -> None:
    text = "11,BAD,2406,0,Y\n" + GROUP
    assert len(lines(text)) == 1
    assert config(text) == EXPECTED


ENDS = [
    (GROUP + "!\n12,X\n\n13,Y\n", 3, "!", "2 rows"),
    (GROUP + "!12,A,2406,5,Y\n", 3, "!12", "0 rows"),
    (GROUP + '  "! stop",,\nt1,99\n', 3, "! stop", "1 row"),
]


@pytest.mark.parametrize(("text", "line", "value", "count"), ENDS)
def test_an_exclamation_mark_ends_the_file(text: str, line: int, value: str, count: str) -> None:
    assert lines(text) == [
        f"N x.csv:{line}: column id: value '{value}': ends the file here: this row and {count} "
        "after it are not read; accepted: remove the ! to read them"
    ]
    assert config(text) == EXPECTED


def test_an_exclamation_mark_counts_wherever_it_stands() -> None:
    for text in ("!\n" + GROUP, RTU + "!\n" + MASTER):
        assert config(text) == Config()
    assert config(GROUP.replace("RTU", "!RTU")).groups[0].rtu.name == "!RTU"


NOTHING = (
    "E x.csv:1: column id: value '': the file has no group that can be started; "
    "accepted: at least one RTU row and one master row with the same id"
)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n,,\n", b"# x\n", b"\0\0\0", b"\xff"])
def test_a_file_with_nothing_usable_says_so(data: bytes) -> None:
    assert lines(data) == [NOTHING]
    assert config(data) == Config()


def test_a_file_in_utf_16_says_what_it_is() -> None:
    assert lines(GROUP.encode("utf-16")) == [
        "E x.csv:1: column id: value '': the file is in UTF-16, so nothing in it can be read; "
        "accepted: CSV saved as UTF-8 or in the Windows code page"
    ]


def test_the_file_name_is_given_and_escaped() -> None:
    (diagnostic,) = read(b"", "a\nb.csv")[1]
    assert str(diagnostic).startswith("a\\nb.csv:1: column id: ")


def test_a_row_with_very_many_problems_does_not_flood() -> None:
    found = lines(GROUP.replace("Y,", "Y," + ",x" * 10_000))
    assert len(found) == 50
    assert found[-1] == (
        "E x.csv:2: column options: value 'x': and more in this row are wrong; accepted: see above"
    )


def test_every_row_is_accounted_for() -> None:
    text = "# x\n\nt1,15\nt1,15\nk,0\n" + GROUP + "11,B,2406,5,Y\nw,9\nk,5\n!\nt2,3\n"
    reading = read_fully(text.encode(), "x.csv")
    assert [str(row) for row in reading.rows] == [
        "line 1: ignored: a comment",
        "line 2: ignored: an empty row",
        "line 3: ignored: line 4 sets t1 again",
        "line 4: loaded: setting t1 = 15",
        "line 5: ignored: column k: value '0': is outside the range, so it is not used; "
        "accepted: a whole number from 1 to 32767",
        "line 6: loaded: S/RTU of group 11",
        "line 7: loaded: M/SCADA of group 11",
        "line 8: ignored: column port no: value '2406': is the port of M/SCADA in line 7 already, "
        "so line 8 is left out; accepted: a port of its own for every master",
        "line 9: ignored: the setting w is refused",
        "line 10: ignored: the setting k is refused",
        "line 11: ignored: the file ends at the ! in line 11",
        "line 12: ignored: the file ends at the ! in line 11",
    ]
    assert reading.worst is Severity.ERROR
    assert read_fully(GROUP.encode(), "x.csv").worst is None

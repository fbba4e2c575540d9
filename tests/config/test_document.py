"""A file that nobody changed is written back to the octet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import Document

FILES = {
    "comma": b"k,12\r\n111,RTU,,32,N,127.0.0.1:2404\r\n",
    "byte order mark": b"\xef\xbb\xbfk,12\n",
    "mark in a code page file": b"\xef\xbb\xbfk,12,\xe9\n",
    "cp1252": b"# Umspannwerk S\xfcd\r\nk;12\r\n",
    "undefined in cp1252": b"# \x81\x8d\x8f\x90\x9d\xff\n",
    "mixed line ends": b"k,12\r\nw,8\nt1,15\rt2,10\r\r\n\n",
    "no last line end": b"k,12\nw,8",
    "quotes": b'"k","12"\n"a ""b"" c", "x,y" ,z\n',
    "stray quotes": b'"k,12\na"b,"c"d\n"',
    "line end in a cell": b'# "no"\n"one\r\ntwo",3\nk,12\n',
    "nothing": b"",
    "only a mark": b"\xef\xbb\xbf",
    "zero octets": b"\0\0,\0\n",
    "UTF-16": "k,12\n".encode("utf-16"),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
def test_an_unchanged_file_is_written_back_as_it_was(data: bytes) -> None:
    assert Document.parse(data).to_bytes() == data


@given(st.binary() | st.text(alphabet='k1,;\t"\r\n !x').map(str.encode))
def test_any_octets_are_written_back_as_they_were(data: bytes) -> None:
    assert Document.parse(data).to_bytes() == data


def test_a_line_of_ten_megabytes_is_a_row_like_any_other() -> None:
    data = b"# " + b"x" * 10_000_000 + b'"' * 1001 + b"\nk,12\n"
    document = Document.parse(data)
    assert document.rows[1].cells == ("k", "12")
    assert document.to_bytes() == data


CELLS = [
    (b"k,12", ("k", "12")),
    (b" k , 12 ", ("k", "12")),
    (b"k,12,,", ("k", "12", "", "")),
    (b'"k","12"', ("k", "12")),
    (b'"a ""b"" c","x,y" , z', ('a "b" c', "x,y", "z")),
    (b'a"b,c', ('a"b', "c")),
    (b'"a"b,c', ('"a"b', "c")),
    (b'"a,b', ('"a', "b")),
    (b'""', ("",)),
    (b",", ("", "")),
]


@pytest.mark.parametrize(("text", "cells"), CELLS)
def test_cells_come_without_quotes_and_blanks(text: bytes, cells: tuple[str, ...]) -> None:
    assert [row.cells for row in Document.parse(text).rows] == [cells]


DELIMITERS = [
    (b"k,12\nw,8\n", ","),
    (b"k;12\nw;8\n", ";"),
    (b"k\t12\nw\t8\n", "\t"),
    (b"# a; b; c\n# d; e\nk,12\n", ","),
    (b"nogui\n1;2\n", ","),
    (b"k,12\nw;8\n", ","),
    (b"k,12\nw;8\nt1;9\n", ";"),
    (b"11,A,,5,N,1.2.3.4:5;1.2.3.4:6;x;y;z\n", ","),
    (b'11;A;;5;N;"1.2.3.4:5;1.2.3.4:6"\n', ";"),
    (b"k,12\n!\nk;1\nw;1\nt1;1\n", ","),
    (b"", ","),
]


@pytest.mark.parametrize(("data", "delimiter"), DELIMITERS)
def test_the_delimiter_is_that_of_most_rows(data: bytes, delimiter: str) -> None:
    assert Document.parse(data).delimiter == delimiter


def test_rows_know_the_line_they_begin_in() -> None:
    rows = Document.parse(b'a\r\n"b\n b2",c\rd\n\ne').rows
    assert [(row.line, row.cells[0]) for row in rows] == [
        (1, "a"),
        (2, "b\n b2"),
        (4, "d"),
        (5, ""),
        (6, "e"),
    ]


def test_a_quote_that_is_not_closed_does_not_swallow_the_rows_below() -> None:
    far = b'"' + b"x\n" * 20_000 + b'"\n'
    for data in (b'"a\nk,12\n', b'"a\n"b",c\n', far):
        rows = Document.parse(data).rows
        assert len(rows) == data.count(b"\n")
        assert rows[0].line == 1
        assert rows[-1].line == data.count(b"\n")


def test_a_replaced_row_is_written_anew_and_nothing_else() -> None:
    data = b'\xef\xbb\xbf# "it"\r\n k , "12" ,\n!w,8'
    document = Document.parse(data).replaced(2, ["k", "20", "a,b", 'say "x"'])
    assert document.to_bytes() == b'\xef\xbb\xbf# "it"\r\nk,20,"a,b","say ""x"""\n!w,8'
    assert document.rows[1].cells == ("k", "20", "a,b", 'say "x"')


def test_a_replaced_row_keeps_delimiter_line_end_and_code_page() -> None:
    data = b"# S\xfcd\r\nk;12\r\nw;8"
    document = Document.parse(data).replaced(3, ["w", "9", "\u00fc;\u20ac"])
    assert document.to_bytes() == b'# S\xfcd\r\nk;12\r\nw;9;"\xfc;\x80"'


def test_a_row_replaced_by_the_same_cells_keeps_its_text() -> None:
    data = b' "k" , 12 \n'
    assert Document.parse(data).replaced(1, ["k", "12 "]).to_bytes() == data


def test_what_the_code_page_cannot_hold_turns_the_file_into_utf_8() -> None:
    document = Document.parse(b"# S\xfcd\nk,12\n").replaced(2, ["k", "12", "\u03a9"])
    assert document.to_bytes() == "\ufeff# S\u00fcd\nk,12,\u03a9\n".encode()


def test_replacing_a_row_that_is_not_there_is_our_own_fault() -> None:
    with pytest.raises(KeyError):
        Document.parse(b"k,12\n").replaced(2, ["k"])


@given(st.lists(st.text(), min_size=1), st.sampled_from([",", ";", "\t"]))
def test_replaced_cells_are_read_back(cells: list[str], delimiter: str) -> None:
    # Settings around it hold the delimiter, whatever the cells say; the first cell is no "!".
    settings = "".join(f"{name}{delimiter}5\n" for name in ("k", "w", "t1", "t2"))
    cells = ["#", *cells]
    document = Document.parse((settings + "x\n" + settings).encode()).replaced(5, cells)
    again = Document.parse(document.to_bytes())
    assert again.rows[4].cells == tuple(cell.strip() for cell in cells)
    assert again.to_bytes() == document.to_bytes()
    assert len(again.rows) == 9

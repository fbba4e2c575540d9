"""Times, sizes and numbers as the window shows them."""

from datetime import UTC, datetime

import pytest

from app.formats import (
    LineKind,
    comma_separated,
    duration,
    guessed_kind,
    kind_of_level,
    moment,
    number,
    plural,
    rate,
    size,
    split_line,
    tab_separated,
    time_of_day,
)

AT = datetime(2026, 11, 20, 3, 4, 5, 67891, tzinfo=UTC)


def test_times() -> None:
    assert moment(AT) == "2026-11-20 03:04:05"
    assert moment(None) == "\N{EN DASH}"
    assert time_of_day(AT) == "03:04:05.067"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min"), (59, "0 min"), (61, "1 min"), (3600, "1 h 0 min"), (57_090, "15 h 51 min"),
     (86_400 * 3 + 7_200, "3 d 2 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers() -> None:
    assert [size(n) for n in (12, 34_567, 1_400_000)] == ["12 B", "35 kB", "1.4 MB"]
    assert [rate(r) for r in (0, 1.74, 99.94, 99.96, 1234.4)] == [
        "0.0", "1.7", "99.9", "100", "1,234",
    ]  # fmt: skip
    assert number(18_220) == "18,220"
    assert (plural(1, "line"), plural(2, "line")) == ("1 line", "2 lines")
    assert plural(2, "entry", "entries") == "2 entries"


def test_rows_for_a_spreadsheet() -> None:
    assert tab_separated([["a\tb", "c"], ["d", ""]]) == "a b\tc\nd\t"
    text = comma_separated([["a,b", 'say "x"'], ["=1+1", "-5"], ["@x", "+cmd"]])
    assert text == '"a,b","say ""x"""\r\n\'=1+1,-5\r\n\'@x,\'+cmd\r\n'


def test_lines_of_logs() -> None:
    line = "2026-11-20 13:00:00.000001 : refused : yes"
    assert split_line(line) == ("2026-11-20 13:00:00.000001", "refused : yes")
    assert split_line("  | Traceback") == ("", "  | Traceback")
    assert [kind_of_level(n) for n in range(4)] == list(LineKind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("listening on port 2406", LineKind.INFO),
        ("startdt con received", LineKind.INFO),
        ("disconnected: no answer within t1", LineKind.WARNING),
        ("no connection to 10.0.0.1:2404: timed out", LineKind.WARNING),
        ("a.csv:12: column port no: value '': is empty", LineKind.WARNING),
        ("port 2406 cannot be opened: in use", LineKind.ERROR),
        ("internal error: x", LineKind.ERROR),
        ("  | ValueError", LineKind.ERROR),
        ("RX I 1/2", LineKind.DATA),
    ],
)
def test_the_level_of_a_line_of_a_file_is_guessed_from_its_words(text: str, kind: LineKind) -> None:
    assert guessed_kind(text) is kind

"""The lines of a log: bounded, searched, found by their time."""

from app.formats import LineKind
from app.loglines import MOST_LINES, TRIMMED, Line, Lines, line_of


def lines(count: int, start: int = 0) -> list[Line]:
    return [
        Line(f"2026-11-20 13:{n // 60:02}:{n % 60:02}.000000", LineKind.INFO, f"line {n}")
        for n in range(start, start + count)
    ]


def test_a_line_is_as_in_its_file() -> None:
    text = "2026-11-20 13:00:00.000000 : port : open"
    line = line_of(text, LineKind.INFO)
    assert (line.time, line.text, str(line)) == (text[:26], "port : open", text)
    assert str(line_of("  | trace", LineKind.ERROR)) == "  | trace"


def test_only_the_newest_are_kept_and_numbers_stay() -> None:
    kept = Lines()
    assert kept.add(lines(MOST_LINES)) == 0
    kept.find("line 10")
    before = len(kept.matches)
    assert kept.add(lines(1, MOST_LINES)) == TRIMMED
    assert len(kept) == MOST_LINES + 1 - TRIMMED
    assert kept.first == TRIMMED
    assert kept[TRIMMED].text == f"line {TRIMMED}"
    assert all(number >= kept.first for number in kept.matches)
    assert len(kept.matches) < before
    assert kept.last(1)[0].text == f"line {MOST_LINES}"


def test_finding_goes_on_with_new_lines() -> None:
    kept = Lines()
    kept.add(lines(20))
    assert kept.find("LINE 1") == 11
    kept.add(lines(1, 100))
    assert len(kept.matches) == 12
    assert kept.find("13:00:05") == 1
    assert kept.find("") == 0


def test_a_moment_is_found_although_the_clock_was_set_back() -> None:
    kept = Lines()
    assert kept.at_time("2026") is None
    kept.add(lines(60))
    kept.add([Line("", LineKind.ERROR, "  | trace"), *lines(5)])
    assert kept.at_time("2026-11-20 13:00:30.000000") == 30
    assert kept.at_time("2026-11-20 13:00:30.500000") == 31
    assert kept.at_time("2020") == 0
    assert kept.at_time("2030") == 65
    kept.clear()
    assert len(kept) == 0

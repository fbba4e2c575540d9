"""The queue a front end polls: the newest state of each entry, and never more than it may hold."""

import threading
from datetime import UTC, datetime

import pytest

from core.feed import Feed, Frame, LogOf, LogTail, Sent, TrafficOf
from core.logs import Level, LogLine
from core.status import (
    ClockSeverity,
    ClockStatus,
    Counters,
    EntryStatus,
    Facts,
    MasterState,
    RtuState,
)

KEPT = 5_000


def status(key: str, detail: str = "") -> EntryStatus:
    return EntryStatus(key, 1, f"M/{key}", MasterState.LISTENING, detail)


NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def line(text: object, entry: str = "a") -> LogLine:
    return LogLine(entry, NOON, Level.INFO, str(text))


def tail(entry: str = "a", *lines: str) -> LogTail:
    return LogTail(entry, lines, f"{entry}.txt", 0)


def frame(number: int, group: int = 1, sent: tuple[Sent, ...] = ()) -> Frame:
    return Frame(group, number, NOON, "a", True, b"", sent)


def test_an_empty_feed_gives_nothing():
    drained = Feed().drain()
    assert (list(drained.statuses), list(drained.messages), drained.skipped) == ([], [], 0)


def test_of_an_entrys_changes_only_the_newest_is_given():
    feed = Feed()
    for number in range(1000):
        feed.put_status(status("a", f"change {number}"))
    assert feed.drain().statuses == [status("a", "change 999")]
    assert feed.drain().statuses == []


def test_entries_come_in_the_order_of_their_newest_change():
    feed = Feed()
    for key in ("a", "b", "c", "a"):
        feed.put_status(status(key))
    assert [each.key for each in feed.drain().statuses] == ["b", "c", "a"]


def test_at_most_the_limit_is_taken_and_the_rest_waits():
    feed = Feed()
    for number in range(5):
        feed.put_status(status(f"entry {number}"))
        feed.message(f"message {number}")
    first, second, third = feed.drain(2), feed.drain(2), feed.drain(2)
    assert [len(each.statuses) for each in (first, second, third)] == [2, 2, 1]
    assert [*first.messages, *second.messages, *third.messages] == [
        f"message {number}" for number in range(5)
    ]
    assert first.statuses[0].key == "entry 0"


def test_an_entry_that_changes_again_while_it_waits_is_given_once():
    feed = Feed()
    for key in ("a", "b"):
        feed.put_status(status(key))
    assert [each.key for each in feed.drain(1).statuses] == ["a"]
    feed.put_status(status("b", "again"))
    assert feed.drain().statuses == [status("b", "again")]


def test_a_front_end_that_does_not_poll_does_not_make_it_grow():
    feed = Feed()
    for number in range(KEPT + 250):
        feed.message(f"message {number}")
    drained = feed.drain(KEPT + 1000)
    assert len(drained.messages) == KEPT
    assert drained.messages[0] == "message 250"
    assert drained.skipped == 250
    assert feed.drain().skipped == 0


def test_what_was_skipped_is_told_with_the_next_poll_though_it_takes_little():
    feed = Feed()
    for number in range(KEPT + 3):
        feed.message(f"message {number}")
    assert feed.drain(1).skipped == 3
    feed.message("one more")  # fits where the first was taken
    assert feed.drain(1).skipped == 0


def test_of_the_clock_the_newest_state_is_given_once():
    feed = Feed()
    assert feed.drain().clock is None
    for number in range(3):
        feed.put_clock(ClockStatus(f"In step {number}", ClockSeverity.OK))
    feed.put_status(status("a"))
    assert feed.drain(0).clock == ClockStatus("In step 2", ClockSeverity.OK)
    assert feed.drain().clock is None


def test_log_lines_wait_in_order_and_are_taken_up_to_a_limit():
    feed = Feed()
    items = [tail("a", "old"), line(1), tail("b"), line(2), line(3, "b")]
    for item in items:
        feed.put_log(item)
    first, second = feed.drain(log_limit=3), feed.drain(log_limit=3)
    assert [*first.logs, *second.logs] == items
    assert (len(first.logs), first.skipped_logs) == (3, 0)
    assert not feed.drain().logs


def test_of_too_many_log_lines_the_oldest_go_and_the_beginning_of_a_log_stays():
    feed = Feed()
    feed.put_log(tail())
    for number in range(KEPT + 99):
        feed.put_log(line(number))
    drained = feed.drain(log_limit=KEPT + 1)
    assert (len(drained.logs), drained.skipped_logs) == (KEPT, 100)
    assert drained.logs[0] == tail()
    assert drained.logs[1] == line(100)


def test_tails_alone_do_not_make_it_grow():
    feed = Feed()
    for _ in range(KEPT + 10):
        feed.put_log(tail())
    drained = feed.drain(log_limit=KEPT + 10)
    assert (len(drained.logs), drained.skipped_logs) == (KEPT, 10)


def test_what_a_watch_left_behind_can_be_dropped():
    feed = Feed()
    for entry in "ab":
        feed.put_log(tail(entry))
        feed.put_log(line(1, entry))
    feed.put_frames([frame(1, 1), frame(1, 2)])
    feed.forget(LogOf("a"))
    feed.forget(TrafficOf(1))
    feed.forget(TrafficOf(3))
    drained = feed.drain()
    assert drained.logs == [tail("b"), line(1, "b")]
    assert drained.frames == [frame(1, 2)]


def test_a_frame_with_the_same_number_replaces_the_one_that_waits():
    feed = Feed()
    feed.put_frames([frame(1), frame(2)])
    known = frame(1, sent=(Sent("b", b"1"),))
    feed.put_frames([known])
    assert feed.drain().frames == [known, frame(2)]
    feed.put_frames([known])  # the other one was seen already: told again
    assert feed.drain().frames == [known]


def test_of_a_groups_frames_the_oldest_go_and_are_counted():
    feed = Feed(frames_kept=10)
    feed.put_frames(frame(number) for number in range(25))
    feed.put_frames([frame(3, group=2)])
    feed.put_frames([frame(14)])  # more is known of one that went: it does not come back
    drained = feed.drain()
    mine = [each.number for each in drained.frames if each.group == 1]
    assert mine == list(range(15, 25))
    assert [each.number for each in drained.frames if each.group == 2] == [3]
    assert drained.skipped_frames == 15
    assert feed.drain().skipped_frames == 0


def test_groups_share_what_a_poll_takes_of_frames():
    feed = Feed()
    for group in (1, 2, 3):
        feed.put_frames(frame(number, group) for number in range(2 if group == 2 else 100))
    taken = [each.group for each in feed.drain(frame_limit=31).frames]
    assert [taken.count(group) for group in (1, 2, 3)] == [10, 2, 19]
    assert len(feed.drain(frame_limit=1).frames) == 1


def test_facts_of_nothing_are_empty():
    assert (Facts().link, Facts().peers, Facts().interrogated_at) == ("", (), None)


def test_four_threads_may_fill_while_one_polls():
    feed = Feed()
    each, threads = 1000, 4
    begin = threading.Barrier(threads + 1)

    def fill(name: str) -> None:
        begin.wait(5)
        for number in range(each):
            feed.message(f"{name} {number}")
            feed.put_status(status(f"{name} {number % 10}", str(number)))

    fillers = [threading.Thread(target=fill, args=(f"t{i}",)) for i in range(threads)]
    for filler in fillers:
        filler.start()
    begin.wait(5)
    messages: list[str] = []
    newest: dict[str, str] = {}
    while True:
        alive = any(filler.is_alive() for filler in fillers)
        drained = feed.drain(50)
        messages += drained.messages
        assert drained.skipped == 0
        for got in drained.statuses:
            assert int(got.detail) >= int(newest.get(got.key, "-1"))
            newest[got.key] = got.detail
        if not alive and not drained.messages and not drained.statuses:
            break
    for i in range(threads):
        mine = [text for text in messages if text.startswith(f"t{i} ")]
        assert mine == [f"t{i} {number}" for number in range(each)]
    assert newest == {
        f"t{i} {tens}": str(each - 10 + tens) for i in range(threads) for tens in range(10)
    }


def test_state_words_are_those_of_the_design():
    assert [str(state) for state in RtuState] == [
        "connecting", "waiting for a master", "starting", "online", "error",
    ]  # fmt: skip
    assert [str(state) for state in MasterState] == [
        "held (RTU down, port closed)", "listening", "connected (not started)", "online",
        "refused", "error",
    ]  # fmt: skip


def test_a_status_cannot_be_changed_once_given():
    with pytest.raises(AttributeError):
        status("a").detail = "other"  # type: ignore[misc]


@pytest.mark.parametrize(("counters", "text"), [
    (Counters(), ""), (Counters(asdus_in=3), "asdus in 3"),
    (Counters(asdus_out=1, peers_refused=2), "asdus out 1, peers refused 2"),
])  # fmt: skip
def test_counters_as_text_name_what_was_counted(counters, text):
    assert str(counters) == text

"""The queue a front end polls: the newest state of each entry, and never more than it may hold."""

import threading

import pytest

from core.feed import Feed
from core.status import (
    ClockSeverity,
    ClockStatus,
    Counters,
    EntryStatus,
    MasterState,
    RtuState,
)

KEPT = 5_000


def status(key: str, detail: str = "") -> EntryStatus:
    return EntryStatus(key, 1, f"M/{key}", MasterState.LISTENING, detail)


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

"""The bounded queue between the I/O thread and a slow reader."""

import threading
import time
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.client.inbox import Inbox

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def opened(capacity):
    inbox = Inbox(capacity)
    inbox.open()
    return inbox


@given(st.integers(0, 20), st.lists(st.integers(0, 30)))
def test_the_newest_are_kept_and_the_rest_is_counted(capacity, batches):
    inbox, sent = opened(capacity), []
    for size in batches:
        frames = [b"%d" % number for number in range(len(sent), len(sent) + size)]
        before = inbox.dropped
        lost = inbox.put(frames, NOW)
        assert inbox.dropped == before + lost
        sent += frames
    kept = sent[-capacity:] if capacity else []
    assert len(inbox) == len(kept)
    if capacity:
        assert inbox.dropped == len(sent) - len(kept)
    assert [inbox.get(0) for _ in kept] == [(frame, NOW) for frame in kept]
    assert inbox.get(0) is None


def test_a_reader_waits_for_the_next_frame():
    inbox = opened(5)
    timer = threading.Timer(0.05, inbox.put, ([b"a", b"b"], NOW))
    timer.start()
    assert inbox.get(5) == (b"a", NOW)
    assert inbox.get(None) == (b"b", NOW)
    timer.join()


def test_a_closed_queue_is_read_to_its_end_and_then_waits_no_more():
    inbox = opened(5)
    inbox.put([b"a"], NOW)
    timer = threading.Timer(0.05, inbox.close)
    timer.start()
    assert inbox.get(None) == (b"a", NOW)
    before = time.monotonic()
    assert inbox.get(None) is None
    assert time.monotonic() - before < 5
    timer.join()

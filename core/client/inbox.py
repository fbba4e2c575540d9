"""The bounded queue between the I/O thread and a program that may be slow."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

Item: TypeAlias = tuple[bytes, datetime]
"""A whole I-format APDU, and when it came."""

_SLICE: Final = 0.5
"""Seconds of one wait: on Windows Ctrl+C is only heard between two."""


class Inbox:
    """Keeps the newest ``capacity`` frames; what is pushed out at the other end is counted.

    ``put`` never waits: the I/O thread calls it, and nothing a reader does holds up the station.
    """

    def __init__(self, capacity: int) -> None:
        self._items: deque[Item] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._is_open = False
        self.dropped = 0
        """Frames that were pushed out unread."""
        self.has_reader = False
        """Whether anybody ever read from it."""

    def __len__(self) -> int:
        return len(self._items)

    def open(self) -> None:
        """From here on readers wait for more."""
        with self._changed:
            self._is_open = True

    def close(self) -> None:
        """Nothing more will come; what is there can still be read."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def put(self, frames: Sequence[bytes], received: datetime) -> int:
        """Add frames; how many were pushed out for them."""
        capacity = self._items.maxlen or 0
        if not capacity:
            return 0
        with self._changed:
            lost = max(0, len(self._items) + len(frames) - capacity)
            self._items.extend((frame, received) for frame in frames)
            self.dropped += lost
            self._changed.notify_all()
        return lost

    def get(self, timeout: float | None) -> Item | None:
        """The oldest frame; None if none came in time, or none can come any more."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self.has_reader = True
            while not self._items:
                left = _SLICE if end is None else min(_SLICE, end - time.monotonic())
                if not self._is_open or left <= 0:
                    return None
                self._changed.wait(left)
            return self._items.popleft()


def wait_until(
    changed: threading.Condition, condition: Callable[[], bool], timeout: float | None
) -> bool:
    """Wait for a condition in slices, so that Ctrl+C is heard; whether it came about."""
    end = None if timeout is None else time.monotonic() + timeout
    with changed:
        while not condition():
            left = _SLICE if end is None else min(_SLICE, end - time.monotonic())
            if left <= 0:
                return False
            changed.wait(left)
        return True

"""The thread in which a program's callbacks run: never the I/O thread, so that they may be slow."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from core.client.results import StateChange, Update, updates_in
from core.protocol.codec import APCI_OCTETS, DecodeError
from core.protocol.codes import CommonAddress, Ioa, TypeNumber

_log = logging.getLogger("iec104.client")

UpdateCallback: TypeAlias = Callable[[Update], object]
StateCallback: TypeAlias = Callable[[StateChange], object]
_Item: TypeAlias = tuple[bytes, datetime] | StateChange


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """A callback and what it wants; None is everything."""

    call: UpdateCallback
    types: frozenset[TypeNumber] | None
    addresses: frozenset[Ioa] | None
    ca: CommonAddress | None

    def wants(self, update: Update) -> bool:
        """Whether an update is for it; the type was looked at before."""
        return (self.addresses is None or update.ioa in self.addresses) and (
            self.ca is None or update.ca == self.ca
        )


class Dispatcher:
    """Callbacks by type and address, and of states; bounded to ``capacity`` frames that wait.

    Its thread lives from :meth:`start` to :meth:`finish`, and only if there is anyone to call.
    """

    def __init__(self, capacity: int, name: str) -> None:
        self._items: deque[_Item] = deque()
        self._capacity = capacity
        self._name = name
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_running = False
        self._is_hurried = False
        self._updates: tuple[Subscription, ...] = ()
        self._states: tuple[StateCallback, ...] = ()
        self._types: frozenset[TypeNumber] | None = frozenset()
        self.dropped = 0
        """Frames and states that the callbacks were too slow for."""

    @property
    def has_callbacks(self) -> bool:
        """Whether anyone wants to be called with updates."""
        return bool(self._updates)

    def on_update(self, subscription: Subscription) -> Callable[[], None]:
        """Call it from now on; returns what ends that."""
        with self._changed:
            self._set_updates((*self._updates, subscription))
            self._wake()
        return lambda: self._remove(subscription)

    def on_state(self, callback: StateCallback) -> Callable[[], None]:
        """Call it from now on; returns what ends that."""

        def remove() -> None:
            with self._changed:
                self._states = tuple(one for one in self._states if one is not callback)

        with self._changed:
            self._states = (*self._states, callback)
            self._wake()
        return remove

    def start(self) -> None:
        """Let the thread run."""
        with self._changed:
            self._is_running, self._is_hurried = True, False
            self._wake()

    def finish(self) -> None:
        """What waits is still told, then the thread ends."""
        with self._changed:
            self._is_running = False
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the end; past the time limit the callback that runs now is the last."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            self._is_hurried = thread is not None
            return True
        thread.join(timeout)
        self._is_hurried = True
        return not thread.is_alive()

    def put(self, frames: Sequence[bytes], received: datetime) -> None:
        """Frames have come; I/O thread."""
        if not self._updates:
            return
        types = self._types
        wanted: list[_Item] = [
            (frame, received) for frame in frames if types is None or frame[APCI_OCTETS] in types
        ]
        if wanted:
            self._add(wanted)

    def tell(self, change: StateChange) -> None:
        """The state is another one; any thread."""
        if self._states:
            self._add([change])

    def _add(self, items: Collection[_Item]) -> None:
        with self._changed:
            if not self._is_running:
                return
            self._items.extend(items)
            while len(self._items) > self._capacity:
                self._items.popleft()
                if not self.dropped:
                    _log.warning("the callbacks are too slow: the oldest updates are dropped")
                self.dropped += 1
            self._changed.notify()

    def _wake(self) -> None:
        """Have a thread if there is something for it to do."""
        is_wanted = self._is_running and (self._updates or self._states)
        if is_wanted and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _remove(self, subscription: Subscription) -> None:
        with self._changed:
            self._set_updates(tuple(one for one in self._updates if one is not subscription))

    def _set_updates(self, updates: tuple[Subscription, ...]) -> None:
        self._updates = updates
        wanted: frozenset[TypeNumber] = frozenset()
        for one in updates:
            if one.types is None:
                self._types = None
                return
            wanted |= one.types
        self._types = wanted

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._items:
                    if not self._is_running:
                        self._thread = None
                        return
                    self._changed.wait()
                if self._is_hurried and not self._is_running:
                    self._items.clear()
                    continue
                item = self._items.popleft()
            if isinstance(item, StateChange):
                for call in self._states:
                    _guarded(call, item)
            else:
                self._deliver(*item)

    def _deliver(self, frame: bytes, received: datetime) -> None:
        try:
            updates = updates_in(frame, received)
        except DecodeError as error:
            _log.info("a frame for callbacks cannot be read: %s", error)
            return
        type_id = frame[APCI_OCTETS]
        for one in self._updates:
            if one.types is not None and type_id not in one.types:
                continue
            for update in updates:
                if one.wants(update):
                    _guarded(one.call, update)


def _guarded(call: Callable[..., object], argument: object) -> None:
    try:
        call(argument)
    except Exception:
        _log.exception("a callback failed: %r", call)

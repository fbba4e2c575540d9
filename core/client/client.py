"""The controlling station a program uses: frames, objects, callbacks and requests of one link.

Threads: every client has an I/O thread of its own, which acknowledges in the background, and a
thread for callbacks once there are any. All methods may be called from any thread, also from a
callback.
"""

import atexit
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

from core.client.asking import Asking
from core.client.dispatcher import Dispatcher, StateCallback, Subscription, UpdateCallback
from core.client.errors import NotConnectedError
from core.client.inbox import Inbox, wait_until
from core.client.results import (
    ClientState,
    Counters,
    StateChange,
    Update,
    updates_in,
    wall_time,
)
from core.client.session import Occasions, Session, Settings
from core.connections.dialer import Target
from core.protocol.codec import DecodeError
from core.protocol.codes import CommonAddress, Ioa, TypeNumber
from core.protocol.link import Timing

_log = logging.getLogger("iec104.client")

DEFAULT_PORT: Final = 2404
DEFAULT_COMMON_ADDRESS: Final = 47
_STOP_LIMIT: Final = 2.6
"""Seconds a stop may take, callbacks not counted."""
_CALLBACK_LIMIT: Final = 0.3
_OVERFLOW_PAUSE: Final = 60.0

_running: Final[set["IEC104Client"]] = set()


class IEC104Client(Asking):
    """A controlling station: connects, starts data transfer, and does so again when it is lost.

    ``host`` (or ``server_ip``) is a name, an IPv4 or an IPv6 address, ``port`` (or
    ``server_port``) 1..65535. ``cheat_mode`` tolerates sequence numbers that are out of order and
    logs them. ``queue_size`` frames are kept for :meth:`get_frame` and :meth:`updates`; a reader
    that is further behind loses the oldest (``counters.frames_dropped``), and 0 keeps none.
    ``common_address`` and ``originator_address`` are those of requests. ``tls`` is a context for a
    client, ``tls_name`` the name in the station's certificate if it is not ``host``. Without
    ``reconnect`` the client stops itself when its first link is over. ``grace`` is how long a
    missing ACT_TERM is waited for.

    The standard's parameters: ``t0`` .. ``t3`` and ``idletime`` in seconds, ``k``, ``w``. A value
    that cannot be is refused with ValueError or TypeError.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | str | None = None,
        cheat_mode: bool = False,
        *,
        server_ip: str | None = None,
        server_port: int | str | None = None,
        common_address: CommonAddress = DEFAULT_COMMON_ADDRESS,
        originator_address: int = 0,
        reconnect: bool = True,
        queue_size: int = 100_000,
        tls: ssl.SSLContext | None = None,
        tls_name: str | None = None,
        grace: float = 5.0,
        t0: float = 30.0,
        t1: float = 15.0,
        t2: float = 10.0,
        t3: float = 20.0,
        k: int = 12,
        w: int = 8,
        idletime: float = 60.0,
    ) -> None:
        target = Target(
            _host(_one_of("host", host, "server_ip", server_ip)),
            _port(_one_of("port", port, "server_port", server_port, DEFAULT_PORT)),
        )
        _check_number("common_address", common_address, 1, 65535)
        _check_number("originator_address", originator_address, 0, 255)
        _check_number("queue_size", queue_size, 0)
        if t0 <= 0 or grace <= 0:
            raise ValueError(f"t0 {t0} and grace {grace} must be greater than 0")
        timing = Timing(t1=t1, t2=t2, t3=t3, k=k, w=w, idletime=idletime)
        super().__init__(common_address, originator_address, grace)
        self._settings = Settings(target, timing, t0, bool(cheat_mode), reconnect, tls, tls_name)
        self._inbox = Inbox(queue_size)
        self._dispatcher = Dispatcher(max(queue_size, 1000), f"iec104-callbacks {target}")
        self._life = threading.Lock()
        self._changed = threading.Condition()
        self._state = ClientState.STOPPED
        self._detail = ""
        self._session: Session | None = None
        self._past = (0, 0)  # connections and gaps of sessions before
        self._frames_received = 0
        self._said = Occasions(_OVERFLOW_PAUSE)

    def __repr__(self) -> str:
        return f"<IEC104Client {self._settings.target} {self._state}>"

    # Life

    def start(self) -> None:
        """Connect in the background; no effect while the client runs. It may be started again."""
        with self._life:
            if not self.is_stopped():
                return
            self._clear_session()
            self._inbox.open()
            self._dispatcher.start()
            self._session = session = Session(self._settings, _Ears(self))
            with self._changed:
                self._state, self._detail = ClientState.CONNECTING, ""
            _running.add(self)
            session.start()

    def stop(self) -> None:
        """End data transfer and connection in order, within 3 s; no effect if it has ended.

        What was received can still be read. Requests under way fail.
        """
        with self._life:
            self._clear_session()
        if not self._dispatcher.join(_CALLBACK_LIMIT):
            _log.warning("%s: stopped while a callback still runs", self._settings.target)

    def is_stopped(self) -> bool:
        """Whether the client was not started, was stopped, or (without reconnect) gave up."""
        return self._state is ClientState.STOPPED

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def state(self) -> ClientState:
        """What the client is doing."""
        return self._state

    @property
    def detail(self) -> str:
        """More about the state in words: where to, why not."""
        return self._detail

    def wait_until_started(self, timeout: float | None = None) -> bool:
        """Wait until data transfer is started; False if it is not in time, or cannot be."""
        done = (ClientState.STARTED, ClientState.STOPPED)
        wait_until(self._changed, lambda: self._state in done, timeout)
        return self._state is ClientState.STARTED

    @property
    def counters(self) -> Counters:
        """What happened since the client was made."""
        session, (connections, gaps) = self._session, self._past
        if session is not None:
            connections, gaps = connections + session.connections, gaps + session.gaps
        return Counters(
            connections=connections,
            frames_received=self._frames_received,
            frames_dropped=self._inbox.dropped,
            callback_frames_dropped=self._dispatcher.dropped,
            sequence_gaps=gaps,
        )

    @property
    def frames_dropped(self) -> int:
        """Frames that left the full queue without being read."""
        return self._inbox.dropped

    # What arrives

    def get_frame(self, timeout: float | None = 5.0) -> bytes | None:
        """The oldest I-format APDU not read yet, whole as it was received.

        None if there is none within ``timeout`` seconds (None: wait for ever), and at once if
        there is none and the client is stopped.
        """
        item = self._inbox.get(timeout)
        return item[0] if item is not None else None

    def get_queue_size(self) -> int:
        """How many frames wait to be read."""
        return len(self._inbox)

    def updates(self, timeout: float | None = None) -> Iterator[Update]:
        """The objects received, one by one, as they come; answers to requests are left out.

        Ends when nothing came for ``timeout`` seconds, or when the client is stopped and all is
        read. Takes the frames from the queue of :meth:`get_frame`: each is given once.
        """
        while (item := self._inbox.get(timeout)) is not None:
            try:
                yield from updates_in(*item)
            except DecodeError as error:
                _log.info("a frame cannot be read: %s", error)

    def __iter__(self) -> Iterator[Update]:
        return self.updates()

    def on_update(
        self,
        callback: UpdateCallback,
        *,
        type_id: TypeNumber | Iterable[TypeNumber] | None = None,
        ioa: Ioa | Iterable[Ioa] | None = None,
        ca: CommonAddress | None = None,
    ) -> Callable[[], None]:
        """Call ``callback`` with each :class:`Update` of these types and addresses; None is any.

        In a thread of its own, one after the other. What it raises is logged. Returns a function
        that ends it.
        """
        return self._dispatcher.on_update(
            Subscription(callback, _set_of(type_id), _set_of(ioa), ca)
        )

    def on_state(self, callback: StateCallback) -> Callable[[], None]:
        """Call ``callback`` with each :class:`StateChange`, as in :meth:`on_update`."""
        return self._dispatcher.on_state(callback)

    # Within

    def _demand_session(self) -> Session:
        session = self._session
        if session is None or self.is_stopped():
            raise NotConnectedError("the client is not started")
        return session

    def _clear_session(self) -> None:
        """End the session there is, if any. The life lock is held."""
        session = self._session
        if session is None:
            return
        if not session.stop(_STOP_LIMIT):
            _log.warning("%s: the I/O thread did not end in time", self._settings.target)
        connections, gaps = self._past
        self._past = connections + session.connections, gaps + session.gaps
        self._session = None
        self._enter(ClientState.STOPPED, self._detail)

    def _enter(self, state: ClientState, detail: str) -> None:
        with self._changed:
            is_news = (state, detail) != (self._state, self._detail)
            self._state, self._detail = state, detail
            self._changed.notify_all()
        if is_news:
            self._dispatcher.tell(StateChange(state, detail, wall_time()))
        if state is ClientState.STOPPED:
            self._inbox.close()
            self._dispatcher.finish()
            _running.discard(self)

    def _arrived(self, frames: Sequence[bytes]) -> None:
        received = wall_time()
        self._frames_received += len(frames)
        self._dispatcher.put(frames, received)
        lost = self._inbox.put(frames, received)
        # Who only asks or is called back never reads the queue, and misses nothing.
        is_used_otherwise = self.has_asked or self._dispatcher.has_callbacks
        is_missed = lost and (self._inbox.has_reader or not is_used_otherwise)
        if is_missed and self._said.take("overflow", time.monotonic()) is not None:
            _log.warning(
                "%s: the queue is full, the oldest frames are dropped (%d so far)",
                self._settings.target,
                self._inbox.dropped,
            )


IEC104_Client = IEC104Client
"""The same under the other name the documents use."""


class _Ears:
    """What the session calls; apart from the client, so that these are none of its methods."""

    def __init__(self, client: IEC104Client) -> None:
        self.frames_arrived = client._arrived
        self.state_changed = client._enter


@atexit.register
def _stop_all() -> None:
    """A program that ends without a stop still says goodbye to its stations."""
    for client in list(_running):
        client.stop()


def _set_of(wanted: int | Iterable[int] | None) -> frozenset[int] | None:
    if wanted is None:
        return None
    return frozenset((wanted,)) if isinstance(wanted, int) else frozenset(wanted)


def _one_of(name: str, value: Any, other_name: str, other: Any, default: Any = None) -> Any:
    if value is not None and other is not None:
        raise TypeError(f"{name} and {other_name} are the same: give one")
    found = value if value is not None else other
    if found is None and default is None:
        raise TypeError(f"{name} (or {other_name}) is needed")
    return default if found is None else found


def _host(host: object) -> str:
    text = str(host).strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if not text:
        raise ValueError("host is empty")
    return text


def _port(port: object) -> int:
    try:
        number = int(str(port))
    except ValueError:
        raise ValueError(f"port {port!r} is not a number 1..65535") from None
    _check_number("port", number, 1, 65535)
    return number


def _check_number(name: str, value: object, least: int, greatest: int | None = None) -> None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number or value < least or (greatest is not None and value > greatest):  # type: ignore[operator]  # a number, as was asked
        raise ValueError(f"{name} {value!r} is not a number {least}..{greatest or ''}")

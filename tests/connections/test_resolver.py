"""Names: each looked up in a thread of its own, so that one that hangs holds up nothing else."""

import asyncio
import gc
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from core.connections.dialer import Dialer, Outcome, Target
from core.connections.loop import IoThread
from core.connections.resolver import Resolver, is_numeric
from tests.connections.support import awaited, on_loop, wait_for

NUMERIC = ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7", "fe80::7%lo"]


class Names:
    """A name server of the test's own: names in `known`; `hang*` answers once released."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str, *_: object, **options: object) -> list[tuple[object, ...]]:
        self.asked.append(host)
        if host.startswith("hang"):
            assert self.release.wait(20)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in self.known[host]
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.release.set()
    wait_for(lambda: not _lookups(), what="the look-ups to end")


def _lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("resolve ")]


@pytest.mark.parametrize("host", NUMERIC)
def test_a_numeric_address_never_touches_the_resolver(io, names, host):
    assert is_numeric(host)
    assert awaited(io, Resolver(io.loop).addresses(host)) == (host,)
    assert not names.asked
    assert not _lookups()


@pytest.mark.parametrize("host", ["rtu", "rtu.example", "127.0.0.1.example", "1.2.3", ""])
def test_a_name_is_not_taken_for_an_address(host):
    assert not is_numeric(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::7%lo"])
def test_dialling_a_numeric_address_never_touches_the_resolver(io, names, host):
    """From the configuration's address to the connect, the system's resolver is not asked."""
    failed = threading.Event()

    class Owner:
        def trying(self, target: Target) -> None: ...

        def failed(self, target: Target, reason: str) -> None:
            failed.set()

        async def use(self, target: Target, sock: socket.socket) -> Outcome:
            sock.close()
            failed.set()
            return Outcome.STARTED

    dialer = Dialer(io, Owner(), [Target(host, 1)], 5, Resolver(io.loop).addresses)
    on_loop(io, io.spawn, dialer.run(), "dialer")
    assert failed.wait(5)
    assert not names.asked


def test_a_name_gives_its_addresses_in_the_resolvers_order_each_once(io, names):
    names.known["rtu.test"] = ["192.0.2.9", "192.0.2.1", "192.0.2.9"]
    assert awaited(io, Resolver(io.loop).addresses("rtu.test")) == ("192.0.2.9", "192.0.2.1")


def test_one_name_in_flight_is_looked_up_once_for_all_who_ask(io, names):
    names.known["hang.test"] = ["192.0.2.1"]
    resolver = Resolver(io.loop)
    waiting = [
        asyncio.run_coroutine_threadsafe(resolver.addresses("hang.test"), io.loop) for _ in range(5)
    ]
    wait_for(lambda: names.asked, what="the look-up")
    on_loop(io, lambda: None)  # by now all five have asked
    assert len(_lookups()) == 1
    names.release.set()
    assert [each.result(5) for each in waiting] == [("192.0.2.1",)] * 5
    assert names.asked == ["hang.test"]
    # Nothing is remembered: the next one to ask gets what is true then.
    names.known["hang.test"] = ["192.0.2.2"]
    assert awaited(io, resolver.addresses("hang.test")) == ("192.0.2.2",)


def test_hanging_names_delay_no_other_name(io, names):
    """Forty are more than any pool of threads would hold."""
    names.known["rtu.test"] = ["192.0.2.1"]
    resolver = Resolver(io.loop)
    hanging = [
        asyncio.run_coroutine_threadsafe(resolver.addresses(f"hang{i}.test"), io.loop)
        for i in range(40)
    ]
    wait_for(lambda: len(names.asked) == 40, what="forty look-ups")
    assert awaited(io, resolver.addresses("rtu.test")) == ("192.0.2.1",)
    assert not any(each.done() for each in hanging)
    names.release.set()
    for each in hanging:
        with pytest.raises(socket.gaierror):
            each.result(5)


def test_a_hanging_name_does_not_delay_the_end_and_its_late_answer_does_no_harm(
    thread: IoThread, names
):
    thread.start()
    resolver = Resolver(thread.loop)
    for name in ("hang1.test", "hang2.test"):
        on_loop(thread, thread.spawn, _ask(resolver, name), f"ask {name}")
    wait_for(lambda: len(names.asked) == 2, what="the look-ups")
    begin = time.monotonic()
    assert thread.end(3)
    assert time.monotonic() - begin < 1.5
    assert thread.loop.is_closed()
    lookups = _lookups()
    assert len(lookups) == 2
    assert all(lookup.daemon for lookup in lookups)  # the process may end without them
    names.known["hang1.test"] = ["192.0.2.1"]  # one succeeds now, the other fails
    names.release.set()
    # An exception in such a thread would be a warning, and so a failed test.
    for lookup in lookups:
        lookup.join(5)
        assert not lookup.is_alive()


async def _ask(resolver: Resolver, name: str) -> None:
    await resolver.addresses(name)


@pytest.mark.parametrize("name", ["nowhere.test", "a..b", "x" * 64 + ".test"])
def test_a_name_without_an_address_is_an_os_error(io, monkeypatch, name):
    if name == "nowhere.test":
        monkeypatch.setattr(socket, "getaddrinfo", Names())
    resolver = Resolver(io.loop)
    for _ in range(2):  # and it stays one: a failure is not left in flight
        with pytest.raises(OSError, match=r"\w"):
            awaited(io, resolver.addresses(name))


def test_who_gives_up_waiting_does_not_take_the_answer_from_others(io, names):
    names.known["hang.test"] = ["192.0.2.1"]
    resolver = Resolver(io.loop)
    patient = asyncio.run_coroutine_threadsafe(resolver.addresses("hang.test"), io.loop)

    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            await resolver.addresses("hang.test")

    with pytest.raises(TimeoutError):
        awaited(io, impatient())
    names.release.set()
    assert patient.result(5) == ("192.0.2.1",)


def test_a_failure_for_which_nobody_waits_any_more_is_silent(io, names, caplog):
    resolver = Resolver(io.loop)

    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            await resolver.addresses("hang.test")

    with caplog.at_level(logging.DEBUG), pytest.raises(TimeoutError):
        awaited(io, impatient())
    names.release.set()
    wait_for(lambda: not _lookups(), what="the look-up to end")
    with caplog.at_level(logging.DEBUG):
        on_loop(io, gc.collect)
    assert "never retrieved" not in caplog.text


def test_a_system_without_threads_for_us_is_a_failed_look_up_and_the_next_one_works(
    io, names, monkeypatch
):
    resolver = Resolver(io.loop)
    names.known["rtu.test"] = ["192.0.2.7"]

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="cannot be looked up: can't start new thread"):
                awaited(io, resolver.addresses("rtu.test"))
    assert awaited(io, resolver.addresses("rtu.test")) == ("192.0.2.7",)

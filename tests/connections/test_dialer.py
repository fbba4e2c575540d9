"""The order and the pauses of dialling: virtual seconds of a clock that jumps, real sockets."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from types import SimpleNamespace

import pytest

from core.connections.dialer import Dialer, Outcome, Target
from tests.connections.support import HOST, HurriedLoop
from tests.support.ports import free_port, free_ports

UNUSABLE, USABLE, STARTED = Outcome.UNUSABLE, Outcome.USABLE, Outcome.STARTED


@pytest.fixture
def loop() -> Iterator[HurriedLoop]:
    with closing(HurriedLoop()) as loop:
        yield loop


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((HOST, free_port()), backlog=50) as server:
        yield server


class Owner:
    """Keeps what the dialer says; a connection is used as `uses` says, else briefly and in vain.

    `uses`: per connection, how long it lasts and what became of it.
    """

    def __init__(self, loop: HurriedLoop, uses: list[tuple[float, Outcome]] = ()) -> None:
        self._loop = loop
        self._begin = loop.time()
        self._uses = list(uses)
        self.tries: list[tuple[float, int]] = []
        self.ends: list[float] = []
        self.failures: list[tuple[int, str]] = []
        self.used: list[int] = []
        self.options: list[tuple[int, int]] = []
        self._awaited: tuple[int, asyncio.Future[None]] | None = None

    async def has_tried(self, times: int) -> None:
        """Returns when so many tries have begun."""
        if len(self.tries) < times:
            self._awaited = times, self._loop.create_future()
            await self._awaited[1]

    @property
    def now(self) -> float:
        return self._loop.time() - self._begin

    @property
    def ports(self) -> list[int]:
        return [port for _, port in self.tries]

    @property
    def pauses(self) -> list[float]:
        """From the end of each try to the next."""
        return [at - end for end, (at, _) in zip(self.ends, self.tries[1:], strict=False)]

    def trying(self, target: Target) -> None:
        self.tries.append((self.now, target.port))
        if self._awaited and len(self.tries) == self._awaited[0]:
            self._awaited[1].set_result(None)

    def failed(self, target: Target, reason: str) -> None:
        self.failures.append((target.port, reason))
        self.ends.append(self.now)

    async def use(self, target: Target, sock: socket.socket) -> Outcome:
        self.options.append(
            (
                sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            )
        )
        sock.close()
        self.used.append(target.port)
        lasts, outcome = self._uses.pop(0) if self._uses else (0.0, UNUSABLE)
        await asyncio.sleep(lasts)
        self.ends.append(self.now)
        return outcome


async def as_it_is(host: str) -> tuple[str, ...]:
    return (host,)


def no_jitter(low: float, high: float) -> float:
    return 0.0


def dial(
    loop: HurriedLoop, owner: Owner, ports: list[int], tries: int, t0: float = 30.0, **more: object
) -> Owner:
    """Lets the dialer run until it has begun so many tries."""
    targets = [Target(HOST, port) for port in ports]
    options = {"resolve": as_it_is, "jitter": no_jitter, **more}
    dialer = Dialer(SimpleNamespace(loop=loop), owner, targets, t0, **options)

    async def run() -> None:
        task = asyncio.create_task(dialer.run())
        await owner.has_tried(tries)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    loop.run_until_complete(run())
    return owner


def test_hosts_are_tried_in_the_order_given_and_then_again(loop):
    ports = free_ports(3)
    owner = dial(loop, Owner(loop), ports, 9)
    assert owner.ports == ports * 3
    assert {reason for _, reason in owner.failures} == {"Connection refused"}


def test_at_least_a_second_passes_between_two_tries(loop, server):
    """Whether the one before was refused, was lost unused, or was usable."""
    port = server.getsockname()[1]
    dead, also_dead = free_ports(2)
    owner = Owner(loop, [(0, UNUSABLE), (0, STARTED), (5, USABLE), (0, UNUSABLE), (0, USABLE)])
    dial(loop, owner, [dead, port, also_dead], 16, jitter=lambda low, high: low)
    assert len(owner.used) >= 5
    assert min(owner.pauses) >= 1.0 - 1e-6


def test_the_next_host_follows_a_second_after_one_that_failed(loop, server):
    dead, also_dead = free_ports(2)
    port = server.getsockname()[1]
    owner = dial(loop, Owner(loop, [(100, STARTED)]), [dead, also_dead, port], 4)
    assert owner.ports == [dead, also_dead, port, dead]
    assert owner.pauses[:2] == pytest.approx([1.0, 1.0], abs=0.1)
    assert owner.used == [port]


@pytest.mark.parametrize("outcome", [UNUSABLE, USABLE])
def test_a_host_whose_link_was_never_started_is_a_failed_try(loop, server, outcome):
    port = server.getsockname()[1]
    dead = free_port()
    owner = dial(loop, Owner(loop, [(2, outcome)]), [port, dead], 2)
    assert owner.ports == [port, dead]
    assert owner.pauses == pytest.approx([1.0], abs=0.1)


def test_after_a_started_link_the_first_host_is_tried_again_after_a_second(loop, server):
    port = server.getsockname()[1]
    dead, last = free_ports(2)
    owner = dial(loop, Owner(loop, [(50, STARTED)]), [dead, port, last], 3)
    assert owner.ports == [dead, port, dead]
    assert owner.pauses[-1] == pytest.approx(1.0, abs=0.1)


def test_the_pause_grows_from_one_second_to_thirty(loop):
    owner = dial(loop, Owner(loop), [free_port()], 9)
    assert owner.pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], abs=0.1)


def test_the_pause_grows_only_after_a_whole_round(loop):
    owner = dial(loop, Owner(loop), free_ports(2), 9)
    assert owner.pauses == pytest.approx([1, 1, 1, 2, 1, 4, 1, 8], abs=0.1)


@pytest.mark.parametrize("outcome", [USABLE, STARTED])
def test_the_pause_returns_to_one_second_once_a_link_was_usable(loop, server, outcome):
    port = server.getsockname()[1]
    dead = free_port()
    uses = [(0, UNUSABLE)] * 4 + [(10, outcome)]
    owner = dial(loop, Owner(loop, uses), [dead, port], 16)
    rounds = [pause for pause, (_, tried) in zip(owner.pauses, owner.tries[1:], strict=False)
              if tried == dead]  # fmt: skip
    assert rounds[:7] == pytest.approx([1, 2, 4, 8, 1, 1, 2], abs=0.1)


def test_jitter_is_a_quarter_of_the_pause_either_way_and_no_pause_exceeds_30_s(loop):
    asked = []

    def highest(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    owner = dial(loop, Owner(loop), [free_port()], 7, jitter=highest)
    assert asked[:6] == [(-pause / 4, pause / 4) for pause in (1, 2, 4, 8, 16, 30)]
    assert owner.pauses == pytest.approx([1.25, 2.5, 5, 10, 20, 30], abs=0.1)


def test_jitter_never_takes_the_pause_below_a_second(loop):
    owner = dial(loop, Owner(loop), [free_port()], 4, jitter=lambda low, high: low)
    assert owner.pauses == pytest.approx([1, 1.5, 3], abs=0.1)


def test_dialers_do_not_knock_in_step(loop):
    """With the jitter the program really uses."""
    target = [Target(HOST, free_port())]
    owners = [Owner(loop) for _ in range(5)]
    io = SimpleNamespace(loop=loop)

    async def run() -> None:
        tasks = [
            asyncio.create_task(Dialer(io, owner, target, 30, as_it_is).run()) for owner in owners
        ]
        for owner in owners:
            await owner.has_tried(8)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    loop.run_until_complete(run())
    eighth = sorted(owner.tries[7][0] for owner in owners)
    assert max(b - a for a, b in pairwise(eighth)) > 0.1


@pytest.mark.parametrize(("hosts", "t0", "limit"), [
    (1, 30, 30), (1, 2, 2), (2, 30, 3), (2, 3, 3), (2, 2, 2), (5, 255, 3),
])  # fmt: skip
def test_t0_limits_a_try_and_three_seconds_do_if_there_are_several_hosts(loop, hosts, t0, limit):
    ports = free_ports(hosts)
    loop.hanging.update(ports)
    owner = dial(loop, Owner(loop), ports, hosts + 1, t0=t0)
    lasted = [end - at for (at, _), end in zip(owner.tries, owner.ends, strict=False)]
    assert lasted == pytest.approx([limit] * hosts, abs=0.1)
    assert owner.failures[0][1] == f"no connection within {limit} s"


def test_looking_up_a_name_is_part_of_the_try(loop, server):
    port = server.getsockname()[1]

    async def hangs(host: str) -> tuple[str, ...]:
        return await loop.create_future()

    owner = dial(loop, Owner(loop), [port], 2, t0=7, resolve=hangs)
    assert owner.ends[0] == pytest.approx(7, abs=0.1)
    assert not owner.used


def test_a_name_that_does_not_resolve_is_said_in_words(loop):
    async def unknown(host: str) -> tuple[str, ...]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    owner = dial(loop, Owner(loop), [free_port()], 2, resolve=unknown)
    assert "Name or service not known" in owner.failures[0][1]


def test_a_name_without_an_address_is_said_in_words(loop):
    async def empty(host: str) -> tuple[str, ...]:
        return ()

    owner = dial(loop, Owner(loop), [free_port()], 2, resolve=empty)
    assert owner.failures[0][1] == f"{HOST} has no address"


def test_all_addresses_of_a_name_are_tried(loop, server):
    async def two(host: str) -> tuple[str, ...]:
        return ("::1", HOST)  # nobody listens on the first

    owner = dial(loop, Owner(loop, [(9, STARTED)]), [server.getsockname()[1]], 2, resolve=two)
    assert len(owner.used) == 1
    assert not owner.failures


def test_a_connection_that_met_itself_is_dropped(loop):
    port = free_port()
    loop.mirrors.add(port)
    owner = dial(loop, Owner(loop), [port], 2)
    assert owner.failures[0] == (port, "connected to itself")
    assert not owner.used


def test_the_socket_handed_over_has_no_delay_and_keepalive(loop, server):
    owner = dial(loop, Owner(loop, [(1, STARTED)]), [server.getsockname()[1]], 2)
    assert owner.options[0] == (1, 1)


@pytest.mark.parametrize("state", ["connecting", "pausing", "in use"])
def test_a_dialer_can_be_cancelled_at_any_time(loop, server, state):
    """Nothing stays open: the room's fixture looks."""
    port = server.getsockname()[1] if state == "in use" else free_port()
    if state == "connecting":
        loop.hanging.add(port)
    owner = Owner(loop, [(1000, STARTED)])
    dialer = Dialer(
        SimpleNamespace(loop=loop), owner, [Target(HOST, port)], 30, as_it_is, no_jitter
    )

    async def run() -> bool:
        task = asyncio.create_task(dialer.run())
        await asyncio.sleep(0.5)
        assert {"connecting": not owner.ends, "pausing": len(owner.failures) == 1,
                "in use": owner.used == [port]}[state]  # fmt: skip
        task.cancel()
        await asyncio.wait([task], timeout=1)
        return task.cancelled()

    assert loop.run_until_complete(run())

"""Hostile connections over real sockets: ``python -m tests.fuzz.garbage --connections 10000``.

The gateway runs as a program with four kinds of neighbours: ports under attack, a well-behaved
master of the same group, a well-behaved group, and groups whose RTU answers with garbage. When the
attack is over, memory, descriptors and threads must be what they were, and nobody well-behaved may
have noticed anything. Linux only (/proc, all of 127.0.0.0/8 local).
"""

import argparse
import contextlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from core.logs.folder import MAX_OPEN_FILES
from tests.support.gateway import Gateway, Row, group
from tests.support.ports import free_ports
from tests.support.wire import HOST, RawMaster, ScriptedRtu, Wire, assert_clean, bitstring_command

STARTDT = bytes.fromhex("680407000000")
STARTDT_CON = bytes.fromhex("68040b000000")
TESTFR_CON = bytes.fromhex("680483000000")
CLOSE_LIMIT = 20.0
"""Seconds a connection that must be closed may live; t1 is 3 s where the attack is."""
LATE = 10.0
"""Seconds an event of a neighbour may take; a busy machine is slow, an unserved group slower."""
PERIOD = 0.02
ATTACKERS = 16
SEATS = 60
HOSTILE_RTUS = 12
ALLOWED, REFUSED = "127.1", "127.2"


def i_frame(ns: int, nr: int, asdu: bytes) -> bytes:
    """An I frame with any ASDU."""
    return struct.pack("<BBHH", 0x68, 4 + len(asdu), ns << 1 & 0xFFFF, nr << 1 & 0xFFFF) + asdu


def odd_asdu(chance: random.Random) -> bytes:
    """An ASDU that is often nearly right."""
    type_id = chance.choice((45, 46, 50, 51, 58, 63, 100, 101, 102, 103, 105, 107, 112, 113, 122))
    if chance.random() < 0.3:
        type_id = chance.randrange(256)
    cause = chance.choice((6, 6, 6, 8, 5, 13, chance.randrange(256)))
    ca = chance.choice((101, 102, 32, 65535, 0))
    body = chance.randbytes(chance.choice((0, 3, 4, 4, 8, 11, 40)))
    return (
        bytes((type_id, chance.choice((1, 1, 1, 2, 0x81)), cause, 0))
        + ca.to_bytes(2, "little")
        + body
    )


Kind = Callable[[random.Random], tuple[bytes, bool]]
"""What is sent, and whether the gateway has to close the connection for it."""


def _random(chance: random.Random) -> tuple[bytes, bool]:
    return bytes([chance.choice((0, 1, 0x67, 0x69, 0xFF))]) + chance.randbytes(300), True


def _bad_start(chance: random.Random) -> tuple[bytes, bool]:
    return STARTDT + b"\x67" + STARTDT, True


def _half(chance: random.Random) -> tuple[bytes, bool]:
    return i_frame(0, 0, odd_asdu(chance))[: chance.randrange(1, 6)], chance.random() < 0.02


def _length(chance: random.Random) -> tuple[bytes, bool]:
    return bytes((0x68, chance.choice((0, 1, 3, 254, 255)))) + chance.randbytes(300), True


def _started_garbage(chance: random.Random) -> tuple[bytes, bool]:
    return STARTDT + b"\x00" + chance.randbytes(chance.randrange(3000)), True


def _wrong_send_number(chance: random.Random) -> tuple[bytes, bool]:
    return STARTDT + i_frame(chance.randrange(1, 32768), 0, odd_asdu(chance)), True


def _wrong_acknowledgement(chance: random.Random) -> tuple[bytes, bool]:
    return STARTDT + struct.pack("<BBHH", 0x68, 4, 1, 20_000 << 1), True


def _data_while_stopped(chance: random.Random) -> tuple[bytes, bool]:
    return i_frame(0, 0, odd_asdu(chance)), True


def _bad_function(chance: random.Random) -> tuple[bytes, bool]:
    return bytes((0x68, 4, chance.choice((0x0F, 0xFF, 0x03, 0x47)), 0, 0, 0)), True


def _no_header(chance: random.Random) -> tuple[bytes, bool]:
    return STARTDT + i_frame(0, 0, odd_asdu(chance)[: chance.randrange(6)]), True


def _other_protocol(chance: random.Random) -> tuple[bytes, bool]:
    return chance.choice(
        (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")
    ), True


def _asdus(chance: random.Random) -> tuple[bytes, bool]:
    frames = [i_frame(n, 0, odd_asdu(chance)) for n in range(chance.randrange(1, 20))]
    return STARTDT + b"".join(frames), False


def _start_stop(chance: random.Random) -> tuple[bytes, bool]:
    words = ("680407000000", "680413000000", "680443000000", "68040b000000", "680483000000")
    return b"".join(bytes.fromhex(chance.choice(words)) for _ in range(40)), False


def _silent(_: random.Random) -> tuple[bytes, bool]:
    return b"", False


KINDS: tuple[Kind, ...] = (
    _random, _bad_start, _half, _length, _started_garbage, _wrong_send_number,
    _wrong_acknowledgement, _data_while_stopped, _bad_function, _no_header, _other_protocol,
    _asdus, _start_stop, _silent,
)  # fmt: skip


def connect(port: int, number: int, source: str) -> socket.socket:
    """A connection from an address of its own."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(CLOSE_LIMIT)
    sock.bind((f"{source}.{number >> 8 & 255}.{number & 255}", 0))
    try:
        sock.connect((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock


def is_closed_by_the_other(sock: socket.socket) -> bool:
    """Reads until the gateway closes; False if it does not in time."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:  # reset
        return True
    return True


@dataclass
class Attack:
    """All hostile connections, and what the gateway did with them."""

    ports: list[int]
    seed: int
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def run(self, numbers: Iterable[int]) -> None:
        """So many connections, several at a time."""
        with ThreadPoolExecutor(ATTACKERS, thread_name_prefix="peer-attacker") as pool:
            for _ in pool.map(self._one, numbers):
                pass

    def _one(self, number: int) -> None:
        chance = random.Random(self.seed * 1_000_003 + number)
        port = chance.choice(self.ports)
        if chance.random() < 0.15:
            self._refused(port, number)
            return
        kind = chance.choice(KINDS)
        self.kinds[kind.__name__.strip("_")] += 1
        octets, must_close = kind(chance)
        try:
            with connect(port, number, ALLOWED) as sock:
                if octets:
                    sock.sendall(octets)
                if must_close and not is_closed_by_the_other(sock):
                    self.faults.append(f"connection {number} ({kind.__name__}) was not closed")
                    return
                if not must_close and octets and chance.random() < 0.7:
                    sock.settimeout(0.3)
                    with contextlib.suppress(TimeoutError):  # half a frame has no answer
                        sock.recv(65536)
                if chance.random() < 0.5:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (ConnectionResetError, BrokenPipeError):
            return  # closed while we were still sending
        except OSError as error:
            self.faults.append(f"connection {number} ({kind.__name__}): {error}")

    def _refused(self, port: int, number: int) -> None:
        """An address outside the filter learns nothing."""
        self.kinds["from a refused address"] += 1
        try:
            with connect(port, number, REFUSED) as sock:
                sock.sendall(STARTDT)
                if sock.recv(100):
                    self.faults.append(f"connection {number}: a refused address was answered")
        except OSError:
            return


class HostileRtus:
    """RTUs that answer with garbage; one thread, one port for each."""

    def __init__(self, ports: list[int], seed: int) -> None:
        self.connections = 0
        self._chance = random.Random(seed)
        self._ends = False
        self._servers = [socket.create_server((HOST, port)) for port in ports]
        self._threads = [
            threading.Thread(target=self._serve, args=(server,), name="peer-rtu", daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._ends = True
        for server in self._servers:
            server.close()
        for thread in self._threads:
            thread.join(5)

    def _serve(self, server: socket.socket) -> None:
        server.settimeout(0.2)
        while not self._ends:
            try:
                sock, _ = server.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            with sock:
                try:
                    self._answer(sock)
                except OSError:
                    continue

    def _answer(self, sock: socket.socket) -> None:
        chance = random.Random(self._chance.random())
        sock.settimeout(0.5)
        sock.recv(100)  # the first test
        octets, _ = chance.choice(KINDS)(chance)
        reply = {
            0: octets,
            1: TESTFR_CON + octets,
            2: TESTFR_CON + STARTDT_CON + octets,
            3: TESTFR_CON + i_frame(0, 0, odd_asdu(chance)),
            4: STARTDT_CON * 50 + TESTFR_CON * 50 + b"\x68",
            5: b"",
        }[chance.randrange(6)]
        sock.sendall(reply)
        if chance.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        while sock.recv(1000):
            if self._ends or chance.random() < 0.3:
                return


class Town:
    """The gateway with all its neighbours."""

    def __init__(self, wire: Wire, folder: Path, seed: int = 1) -> None:
        self.wire = wire
        ports = free_ports(6 + 2 * HOSTILE_RTUS)
        rtu_port, open_port, single_port, good_port, steady_port, steady_master, *more = ports
        hosts = f"127.0.0.1;{ALLOWED}.0.0/16"
        quick = ("t1=3", "t2=1")
        rows = group(1, rtu_port, [])
        rows += [
            Row(1, "open", open_port, 101, True, hosts, (f"conns={SEATS}", "mode=each", *quick)),
            Row(1, "single", single_port, 102, True, hosts, quick),
            Row(1, "good", good_port, 103, True, ""),
        ]
        rows += group(2, steady_port, [steady_master], ca=33, first_ca=201)
        hostile, masters = more[:HOSTILE_RTUS], more[HOSTILE_RTUS:]
        for n, (port, master_port) in enumerate(zip(hostile, masters, strict=True)):
            rows += group(10 + n, port, [master_port], options=quick)
        self.gateway = Gateway(folder, rows)
        self.rtus: list[ScriptedRtu] = [
            wire.rtu(rtu_port, 32), wire.rtu(steady_port, 33, name="steady rtu"),
        ]  # fmt: skip
        self._hostile_ports = hostile
        self.attack = Attack([open_port, open_port, open_port, single_port], seed)
        self._ports = good_port, steady_master
        self._seed = seed
        self._ticks = True
        self.masters: list[RawMaster] = []

    def __enter__(self) -> "Town":
        self.gateway.__enter__()
        good, steady = self._ports
        self.masters = [
            self.wire.master(good, 103, name="good master"),
            self.wire.master(steady, 201, name="steady master"),
        ]
        self.wait(lambda: all(m.initialized for m in self.masters), "the neighbours are started")
        # Nobody hostile is there yet; a dial that is just being refused comes and goes.
        self.sockets_before = min(self.sockets for _ in range(20))
        self.files_before = self.files
        self.threads_before = self.threads
        self.hostile = HostileRtus(self._hostile_ports, self._seed)
        self.wire.call(self._tick)
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._ticks = False
        self.hostile.close()
        self.gateway.__exit__(kind, *rest)

    def wait(self, condition: Callable[[], object], what: str, within: float = 30.0) -> None:
        self.wire.wait(condition, within, what)

    def _tick(self) -> None:
        if self._ticks:
            for rtu in self.rtus:
                rtu.events(1)
            self.wire.later(PERIOD, self._tick)

    # what is looked at

    @property
    def sockets(self) -> int:
        """Sockets the gateway has open."""
        return sum(link.startswith("socket:") for link in self._descriptors())

    @property
    def files(self) -> int:
        """Other descriptors: log files, pipes."""
        return sum(not link.startswith("socket:") for link in self._descriptors())

    def _descriptors(self) -> list[str]:
        folder = Path(f"/proc/{self.gateway._running().pid}/fd")
        found = []
        for path in folder.iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.append(str(path.readlink()))
        return found

    @property
    def threads(self) -> int:
        """Threads of the gateway."""
        return sum(1 for _ in Path(f"/proc/{self.gateway._running().pid}/task").iterdir())

    def ask(self, count: int, base: int) -> None:
        """The neighbours command, each points of its own."""
        for n, master in enumerate(self.masters):
            first = base + n * 1000
            master.ask(*[bitstring_command(30_000 + k, k) for k in range(first, first + count)])

    def neighbours_are_undisturbed(self) -> float:
        """Nothing was lost, late, or somebody else's; the longest an event took."""
        self._ticks = False
        worst = 0.0
        for rtu, master in zip(self.rtus, self.masters, strict=True):
            sent = rtu.next_number
            self.wait(lambda m=master, n=sent: len(m.events) >= n, f"{master.name}'s events")
            asked = 2 * len(master.questions)
            self.wait(lambda m=master, n=asked: len(m.answers) >= n, f"{master.name}'s answers")
            assert not master.losses, f"{master.name} was disconnected"
            assert not rtu.losses, f"{rtu.name} was disconnected"
            assert_clean(rtu, master)
            delays = (c - w for w, c in zip(rtu.sent_at, master.events_at, strict=True))
            worst = max(worst, *delays)
        assert worst < LATE, f"an event of a neighbour took {worst:.2f} s"
        return worst


@dataclass(frozen=True)
class Outcome:
    """Figures of a run."""

    connections: int
    hostile_rtu_connections: int
    rss_kib: tuple[int, int]
    """After the warm-up, and at the end."""
    sockets: tuple[int, int]
    """Before anybody hostile came, and at the end; likewise the others."""
    files: tuple[int, int]
    threads: tuple[int, int]
    worst_delay: float
    """The longest an event of a neighbour took, in seconds."""
    seconds: float
    kinds: Counter[str]

    def __str__(self) -> str:
        lines = [
            f"{self.connections} hostile connections, {self.hostile_rtu_connections} of RTUs, "
            f"in {self.seconds:.0f} s",
            f"memory {self.rss_kib[0]} -> {self.rss_kib[1]} KiB, sockets {self.sockets}, "
            f"files {self.files}, threads {self.threads}",
            f"longest delay of a neighbour's event {self.worst_delay * 1000:.0f} ms",
        ]
        return "\n".join([*lines, *(f"{n:7} {kind}" for kind, n in self.kinds.most_common())])


MOST_KIB = 8 * 1024
"""What memory may differ by: the allocator's, not kept by anybody."""


def attack(folder: Path, connections: int, warm_up: int, seed: int = 1) -> Outcome:
    """Attack, look, and judge; AssertionError says what was wrong."""
    begin = time.monotonic()
    with Wire() as wire, Town(wire, folder, seed) as town:
        for peer in (*town.rtus, *town.masters):
            peer.set(keeps_frames=False)
        town.attack.run(range(warm_up))
        town.ask(5, 0)
        before = town.gateway.rss_kib
        town.attack.run(range(warm_up, connections))
        town.ask(5, 100)
        faults = town.attack.faults
        assert not faults, f"{len(faults)} of {connections}: {faults[:5]}"
        worst = town.neighbours_are_undisturbed()
        town.hostile.close()
        town.wait(lambda: town.sockets == town.sockets_before, "the sockets are given back", 60)
        outcome = Outcome(
            connections,
            town.hostile.connections,
            (before, town.gateway.rss_kib),
            (town.sockets_before, town.sockets),
            (town.files_before, town.files),
            (town.threads_before, town.threads),
            worst,
            time.monotonic() - begin,
            town.attack.kinds,
        )
        town.gateway.check_alive()
        assert outcome.rss_kib[1] - before < MOST_KIB, outcome
        assert outcome.files[1] - outcome.files[0] <= MAX_OPEN_FILES, outcome
        assert outcome.threads[1] <= outcome.threads[0], outcome
    return outcome


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.garbage", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        warm_up = min(2500, args.connections // 4)
        outcome = attack(Path(folder), args.connections, warm_up, args.seed)
    sys.stdout.write(f"{outcome}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

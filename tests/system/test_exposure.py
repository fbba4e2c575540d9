"""What the gateway shows to the net and to those who read its logs: no more than it was told to."""

import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from core.connections.listener import has_ipv6
from tests.support.gateway import Gateway, group, is_refused
from tests.support.ports import free_ports
from tests.support.proc import datagram_sockets, listening

pytestmark = pytest.mark.posix

IS_LONG = bool(os.environ.get("IEC104MM2SS_LONG"))
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} : (.*)")
STARTDT = bytes.fromhex("680407000000")
EVERYWHERE = "::" if has_ipv6() else "0.0.0.0"


def test_exactly_the_configured_ports_listen_on_exactly_their_addresses(wire, tmp_path):
    rtu_port, dead_port, every, listed, one, two, waiting = free_ports(7)
    rows = group(1, rtu_port, [every, listed, one, two])
    rows[2] = replace(rows[2], hosts="127.0.0.0/8")
    rows[3] = replace(rows[3], options=("bind=127.0.0.2",))
    loopback = "::1" if has_ipv6() else "127.0.0.4"
    rows[4] = replace(rows[4], options=(f"bind=127.0.0.3;{loopback}",))
    rows += group(2, dead_port, [waiting], ca=33, first_ca=201)
    expected = {
        (EVERYWHERE, every),
        ("0.0.0.0", listed),
        ("127.0.0.2", one),
        ("127.0.0.3", two),
        (loopback, two),
    }
    with Gateway(tmp_path, rows) as gateway:
        pid = gateway.process.pid
        log = gateway.logs / "S-RTU2.txt"
        wire.wait(lambda: log.exists() and "no connection to" in log.read_text("utf-8"), 10, "runs")
        assert listening(pid) == set()
        for _ in range(2):
            rtu = wire.rtu(rtu_port, 32)
            wire.wait(lambda: len(listening(pid)) >= len(expected), 10, "the ports are open")
            assert listening(pid) == expected
            rtu.kill()
            wire.wait(lambda: not listening(pid), 1, "closed with the RTU")
        assert datagram_sockets(pid) == set()


class Stranger:
    """Connects from an address that is not in the list of hosts, and keeps what it is told."""

    def __init__(self, port):
        self.port = port
        self.heard = b""
        self.came = 0

    def knock(self, octets=b""):
        with socket.socket() as sock:
            sock.settimeout(3)
            sock.bind(("127.0.0.9", 0))
            # Only a reset or an orderly end is right: a port that hangs raises TimeoutError.
            with suppress(ConnectionResetError, BrokenPipeError):
                sock.connect(("127.0.0.1", self.port))
                if octets:
                    sock.sendall(octets)
                self.heard += sock.recv(1000)
        self.came += 1


def test_a_stranger_learns_nothing_and_costs_nothing(wire, tmp_path):
    rtu_port, port, steady_port, steady_master = free_ports(4)
    rows = group(1, rtu_port, [port])
    rows[1] = replace(rows[1], hosts="127.0.0.1")
    rows += group(2, steady_port, [steady_master], ca=33, first_ca=201)
    with Gateway(tmp_path, rows) as gateway:
        rtus = [wire.rtu(rtu_port, 32), wire.rtu(steady_port, 33)]
        masters = [wire.master(port, 101), wire.master(steady_master, 201)]
        wire.wait(lambda: all(m.is_started for m in masters), 10, "started")
        stranger = Stranger(port)
        for octets in (b"", STARTDT, STARTDT * 10, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02"):
            stranger.knock(octets)
        memory, cpu = gateway.rss_kib, gateway.cpu_seconds
        count = 50_000 if IS_LONG else 3_000
        for n in range(count):
            stranger.knock()
            if n % 300 == 0:
                for rtu in rtus:
                    rtu.events(5)
        spent = (gateway.cpu_seconds - cpu) / count
        assert stranger.heard == b""
        for master, rtu in zip(masters, rtus, strict=True):
            wire.wait(lambda m=master, r=rtu: len(m.events) == r.next_number, 5, "all events")
            assert not master.losses
            assert not rtu.losses
        assert gateway.rss_kib - memory < 2 * 1024
        assert spent < 0.002, f"{spent * 1e6:.0f} us each"
    for name in ("M-M1-1.txt", "security.txt"):
        said = [t for t in texts(gateway)[name] if "127.0.0.9" in t]
        # One for each reason; then a count a minute, and one at the end.
        assert len(said) <= 6, said
    counts = [int(n) for t in said for n in re.findall(r"(\d+) more in the last", t)]
    assert sum(counts) + 1 == stranger.came


def texts(gateway):
    """The lines of every log file; each of them whole and in the fixed form."""
    found = {}
    for path in gateway.logs.glob("*.txt"):
        content = path.read_bytes().decode("utf-8")
        assert content.endswith("\n")
        lines = content.removesuffix("\n").split("\n")
        for line in lines:
            assert line.isprintable(), f"{path.name}: {line!r}"
            assert LINE.fullmatch(line), f"{path.name}: {line!r}"
        found[path.name] = [LINE.fullmatch(line)[1] for line in lines]
    return found


NAMES = [
    "../../../x", "..\\..\\y", "/tmp/abs", "C:\\z", "..", "CON", "nul.txt", "a:b*?", "M.1",
    "\x1b[2J\x1b]0;t", "\u202egnp.exe", "x\n2026-01-01 : all is well", "\x00nul", "\u2028",
    "security", "iec104mm2ss", "é" * 400, "%n%s{0}", "~root", "$HOME", "`id`", "|id",
]  # fmt: skip
HOSTILE = [
    bytes(range(256)),
    b"\x1b[2J\r\n2026-01-01 00:00:00.000000 : all is well\n",
    b"\x00" * 40,
]


def test_names_of_the_file_neither_leave_its_folder_nor_forge_a_line(wire, tmp_path):
    rtu_port, *ports = free_ports(1 + len(NAMES))
    folder = tmp_path / "a" / "b" / "c"
    rows = group(1, rtu_port, ports)
    for i, name in enumerate(NAMES):
        rows[1 + i] = replace(rows[1 + i], name='"' + name + '"', hosts="")
    settings = [
        '"\x1b[31mcomment\u202e",1',
        'k,"\x1b[2J"',
        't1,"1\n5"',
        '"x\r\ny",2',
        "bind,\x1b[2J",
    ]
    with Gateway(folder, rows, settings) as gateway:
        rtu = wire.rtu(rtu_port, 32)
        wire.wait(lambda: rtu.is_connected, 10, "connected")
        wire.wait(lambda: not is_refused(ports[0]), 10, "open")
        for octets in HOSTILE:
            with socket.create_connection(("127.0.0.1", ports[0]), 5) as peer:
                peer.sendall(octets)
                with suppress(ConnectionResetError):
                    while peer.recv(1000):
                        pass
        security = gateway.logs / "security.txt"
        wire.wait(lambda: security.exists() and "protocol error" in security.read_text(), 5, "log")
    found = texts(gateway)
    assert "all is well" not in {text for lines in found.values() for text in lines}
    inside = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    outside = {name for name in inside if not name.startswith("a/b/c/log/")}
    assert outside == {"a/b/c/gateway.csv", "a/b/c/output.txt"}
    assert all(path.is_file() and not path.is_symlink() for path in gateway.logs.iterdir())
    # A log for each entry that was read, and the two of the program.
    loaded = sum("listening on port" in "".join(lines) for lines in found.values())
    assert len(found) == loaded + 3
    assert loaded >= len(NAMES) - 3
    for line in gateway.told().split("\n"):
        assert line.isprintable(), repr(line)


def test_check_shows_no_control_characters_either(tmp_path):
    import subprocess
    import sys

    from tests.support.gateway import PROGRAM

    ini = tmp_path / "x\x1b[2J\u202e.csv"
    rows = [f'{n},"{name}",{2400 + n},1,Y,"{name}","{name}={name}"' for n, name in enumerate(NAMES)]
    ini.write_text("\n".join(rows), "utf-8")
    command = [sys.executable] if PROGRAM.suffix == ".py" else []
    done = subprocess.run(
        [*command, str(PROGRAM), "--check", "-i", str(ini)], capture_output=True, timeout=30,
        check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 2
    for line in (done.stdout + done.stderr).decode("utf-8").split("\n"):
        assert line.isprintable(), repr(line)
    assert [path.name for path in tmp_path.iterdir()] == [ini.name]


def test_what_differs_in_bind_moves_the_ports_of_that_entry_alone(wire, run):
    rtu_port, port, other = free_ports(3)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port, other])
    gateway = run(rows)
    mine = {port, other}

    def ports():
        return {local for local in listening(os.getpid()) if local[1] in mine}

    wire.wait(lambda: len(ports()) == 2, what="open")
    assert ports() == {(EVERYWHERE, port), (EVERYWHERE, other)}
    rows[2] = replace(rows[2], options=("bind=127.0.0.5",))
    begin = time.monotonic()
    gateway.apply(rows)
    wire.wait(lambda: ports() == {(EVERYWHERE, port), ("127.0.0.5", other)}, what="moved")
    assert time.monotonic() - begin < 5
    gateway.apply(rows, settings=["bind,127.0.0.6"])
    wire.wait(lambda: ports() == {("127.0.0.6", port), ("127.0.0.5", other)}, what="moved")

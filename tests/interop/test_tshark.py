"""Wireshark's dissector reads what the gateway puts on the wire and finds nothing to flag."""

import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest

from tests.support.gateway import Gateway, group
from tests.support.ports import free_ports
from tests.support.wire import (
    asdu,
    assert_clean,
    bitstring_command,
    counter_interrogation,
    interrogation,
    read,
    single_command,
    test_command,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.posix,
    pytest.mark.skipif(sys.platform != "linux", reason="captures on the loopback of Linux"),
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
    pytest.mark.skipif(shutil.which("dumpcap") is None, reason="dumpcap is not installed"),
]

CAPTURE_START = 10.0


class Capture:
    """Packets of the loopback on a range of ports, into a file."""

    def __init__(self, path, ports):
        self.path, self.ports = path, ports
        self._process = None
        self._told = path.with_suffix(".txt")

    def __enter__(self):
        choice = f"tcp portrange {min(self.ports)}-{max(self.ports)}"
        command = ["dumpcap", "-i", "lo", "-q", "-B", "16", "-f", choice, "-w", str(self.path)]
        with self._told.open("wb") as told:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=told, stderr=told
            )
        deadline = time.monotonic() + CAPTURE_START
        while "File:" not in self.told():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                pytest.skip(f"capturing is not permitted: {self.told()[-300:]}")
            time.sleep(0.02)
        return self

    def told(self):
        return self._told.read_text(errors="replace")

    def settle(self):
        """Waits until everything captured so far is in the file."""
        size = -1
        while size != (size := self.path.stat().st_size):
            time.sleep(0.3)

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def read(self, show, *options):
        """What tshark says of the packets the display filter `show` chooses."""
        decode = [arg for port in self.ports for arg in ("-d", f"tcp.port=={port},iec60870_104")]
        command = ["tshark", "-r", str(self.path), "-n", *decode, "-Y", show, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_nothing_the_gateway_sends_is_flagged(wire, tmp_path):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32, slots=2)
    with Capture(tmp_path / "gateway.pcapng", [rtu_port, *ports]) as capture:
        with Gateway(tmp_path, group(1, rtu_port, ports)):
            masters = [wire.master(port, 101 + i, oa=i) for i, port in enumerate(ports)]
            wire.wait(lambda: all(m.is_started for m in masters), 10, "all started")
            play(wire, rtu, masters)
            assert_clean(rtu, *masters)
            wire.check()
        capture.settle()

    ours = f"(tcp.dstport=={rtu_port} || " + " || ".join(f"tcp.srcport=={p}" for p in ports) + ")"
    frames = Counter(
        kind
        for line in capture.read(
            f"{ours} && iec60870_104", "-T", "fields", "-e", "iec60870_104.type"
        ).splitlines()
        for kind in line.split(",")
    )
    assert sum(frames.values()) > 2000, f"too little was captured: {frames}"
    assert len(frames) == 3, f"I, S and U frames: {frames}"
    types = set(
        capture.read(f"{ours} && iec60870_asdu", "-T", "fields", "-e", "iec60870_asdu.typeid")
        .replace(",", "\n")
        .split()
    )
    assert types >= {"7", "1", "3", "13", "30", "45", "51", "70", "100", "101", "102", "107"}

    # a reset is TCP's way and no fault; everything else above a note is
    flagged = "_ws.malformed || iec104.short_asdu || iec104.apdu_min_len || iec104.apdu_invalid_len"
    worth = "(_ws.expert.severity >= 6291456 && !tcp.connection.rst)"
    report = capture.read(f"{ours} && ({flagged} || {worth})", "-V")
    assert not report, report[:6000]
    # octets behind an ASDU, or a frame it could not take for one, show as undissected data
    assert not capture.read(f"{ours} && data", "-V")


def play(wire, rtu, masters):
    first, second = masters
    rtu.events(2000)
    for i, master in enumerate(masters):
        master.ask(*[bitstring_command(100 * i + n, 100 * i + n) for n in range(20)])
        master.ask(single_command(500 + i, select=True), single_command(500 + i))
        master.ask(replace(single_command(600 + i, select=True), cause=8), read(400 + i))
        master.ask(interrogation(), counter_interrogation(), test_command(i))
        master.ask(asdu(103, 0, bytes.fromhex("1f900a15ab0c1a")))
        master.set(foreign=frozenset({9}))
        master.ask(replace(single_command(700 + i), ca=9), terminates=False)
    rtu.send(
        asdu(30, 3, b"\1" + bytes.fromhex("1f900a15ab0c1a"), 3),
        asdu(36, 4, bytes(5) + bytes.fromhex("1f900a15ab0c1a"), 11),
        asdu(21, 5, b"\0\x80", 2),
        asdu(70, 0, b"\0", 4),
    )
    rtu.events(100)
    wire.wait(lambda: all(len(m.events) == 2100 for m in masters), 10, "events")
    asked = 20 * 2 + 1 + 2 + 1 + 1 + 2 + 2 + 1 + 1 + 1
    wire.wait(lambda: all(len(m.answers) == asked for m in masters), 10, "answers")
    rtu.test_link()
    first.test_link()
    wire.wait(lambda: not any(link.asked for link in first.links), 5, "TESTFR con")
    # off and on again, by the book and by force
    first.stop_transfer()
    wire.wait(lambda: first.times("stopped"), 5, "STOPDT con")
    first.start_transfer()
    wire.wait(lambda: first.is_started, 5, "started again")
    second.close(reconnect=True)
    wire.wait(lambda: second.initialized == 2, 5, "connected and started again")
    for master in masters:
        master.stop_transfer()
    wire.wait(lambda: rtu.times("stopped"), 5, "the RTU stopped with the last master")
    for master in masters:
        master.start_transfer()
    wire.wait(lambda: all(m.is_started for m in masters), 5, "started once more")
    rtu.events(50)
    wire.wait(lambda: all(len(m.events) == 2150 for m in masters), 10, "events again")

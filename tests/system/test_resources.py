"""What runs out or is taken away: descriptors, ports, disk, folders, memory. The rest runs on.

Clock steps: tests/gateway/test_clock_steps.py. Files held by another program: tests/test_logs.py.
"""

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.support import no_clock_rights
from tests.support.gateway import Gateway, group
from tests.support.ports import free_ports
from tests.support.proc import descriptors
from tests.support.wire import assert_clean

if sys.platform != "win32":
    import resource

pytestmark = pytest.mark.posix

IS_LONG = bool(os.environ.get("IEC104MM2SS_LONG"))
long_only = pytest.mark.skipif(not IS_LONG, reason="runs with IEC104MM2SS_LONG=1")
PROGRAM_LOG = "iec104mm2ss.txt"


def said(gateway, name, text):
    """The lines of a log file that have this in them."""
    path = gateway.logs / name
    if not path.is_file():
        return []
    return [line for line in path.read_text("utf-8").splitlines() if text in line]


class Pair:
    """Group 1 is where something is missing; group 2 goes on, and is sent events all the time."""

    def __init__(self, wire, folder, masters=1):
        self.wire = wire
        self.rtu_port, steady_port, steady_master, *self.ports = free_ports(3 + masters)
        self.rows = group(1, self.rtu_port, self.ports)
        self.rows += group(2, steady_port, [steady_master], ca=33, first_ca=201)
        self.gateway = Gateway(folder, self.rows)
        self.rtu = wire.rtu(self.rtu_port, 32)
        self.steady_rtu = wire.rtu(steady_port, 33, name="steady rtu")
        self.steady_port = steady_master
        self._ticks = True

    def __enter__(self):
        self.gateway.__enter__()
        self.steady = self.wire.master(self.steady_port, 201, name="steady master")
        self.wire.wait(lambda: self.steady.is_started, 10, "the steady group started")
        self.wire.call(self._tick)
        return self

    def __exit__(self, kind, *rest):
        self._ticks = False
        try:
            if kind is None:
                self.check()
        except BaseException as error:
            kind = type(error)
            raise
        finally:
            self.gateway.__exit__(kind, *rest)

    def _tick(self):
        if self._ticks:
            self.steady_rtu.events(1)
            self.wire.later(0.05, self._tick)

    def check(self):
        """The steady group had everything."""
        sent = self.steady_rtu.next_number
        self.wire.wait(lambda: len(self.steady.events) >= sent, 10, "the steady group's events")
        assert not self.steady.losses
        assert not self.steady_rtu.losses
        assert_clean(self.steady_rtu, self.steady)
        self.gateway.check_alive()


@contextmanager
def no_more_descriptors(pid):
    """The process keeps what it has and gets no more."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = descriptors(pid)
    free = next(number for number in count() if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_what_is_connected_runs_on_and_the_rest_comes_later(wire, tmp_path):
    pair = Pair(wire, tmp_path, masters=2)
    third_rtu, third_master = free_ports(2)
    pair.gateway._rows += group(3, third_rtu, [third_master], ca=34, first_ca=301)
    with pair:
        gateway, (port, other) = pair.gateway, pair.ports
        first = wire.master(port, 101)
        wire.wait(lambda: first.is_started and pair.rtu.is_started, 10, "started")
        for name, text in (("M-M1-1.txt", "end of init"), ("S-RTU3.txt", "no connection to")):
            wire.wait(lambda n=name, t=text: said(gateway, n, t), 10, "logged")
        with no_more_descriptors(gateway.process.pid):
            late = wire.master(other, 102, starts=False)
            wire.wait(lambda: said(gateway, PROGRAM_LOG, "no further connections"), 5, "said")
            (line,) = said(gateway, PROGRAM_LOG, "no further connections")
            assert "Too many open files" in line
            cpu, begin = gateway.cpu_seconds, time.monotonic()
            # The condition is the time itself: what a listener that spins would burn in it.
            wire.wait(lambda: time.monotonic() - begin > 2, 5, "two seconds")
            share = (gateway.cpu_seconds - cpu) / (time.monotonic() - begin)
            assert share < 0.3, f"{share:.0%} of a core"
            pair.rtu.events(20)
            wire.wait(lambda: len(first.events) == 20, 5, "events of who was there before")
            dialled = f"no connection to 127.0.0.1:{third_rtu}: Too many open files"
            wire.wait(
                lambda: said(gateway, "S-RTU3.txt", dialled), 20, "said that it is not dialled"
            )
        third = wire.rtu(third_rtu, 34)
        again = "connections can be made and accepted again"
        wire.wait(lambda: said(gateway, PROGRAM_LOG, again), 10, "said that it is over")
        late.start_transfer()
        wire.wait(lambda: late.is_started, 5, "who waited before the door is in")
        wire.wait(lambda: third.is_connected, 20, "the RTU that could not be dialled")
        assert not first.losses
        assert len(said(gateway, PROGRAM_LOG, "no further connections")) == 1
        assert len(said(gateway, PROGRAM_LOG, again)) == 1
        assert len(said(gateway, "S-RTU3.txt", dialled)) == 1


def test_a_port_that_is_taken_is_said_once_and_opened_when_it_is_free(wire, tmp_path):
    with ExitStack() as held:
        pair = Pair(wire, tmp_path, masters=2)
        taken, port = pair.ports
        held.enter_context(socket.create_server(("127.0.0.1", taken)))
        with pair:
            other = wire.master(port, 102)
            wire.wait(lambda: other.is_started, 10, "the other master")
            why = f"port {taken} cannot be opened: Address already in use; retried every 3 s"
            wire.wait(lambda: said(pair.gateway, "M-M1-1.txt", why), 5, "said")
            held.close()
            master = wire.master(taken, 101)
            wire.wait(lambda: master.is_started, 10, "in, once the port is free")
            assert len(said(pair.gateway, "M-M1-1.txt", "cannot be opened")) == 1
            assert not other.losses


def provoke(wire, pair, master):
    """Makes the master's entry say something more; returns when it is started again."""
    master.close(reconnect=True)
    wire.wait(lambda: master.is_started, 10, "started again")


def test_a_full_disk_stops_the_logs_alone_with_one_message(wire, tmp_path):
    with Pair(wire, tmp_path) as pair:
        gateway, logs = pair.gateway, pair.gateway.logs
        master = wire.master(pair.ports[0], 101)
        wire.wait(lambda: master.is_started, 10, "started")
        wire.wait(lambda: said(gateway, "M-M1-1.txt", "end of initialization"), 5, "logged")
        wire.wait(lambda: said(gateway, "S-RTU1.txt", "startdt con"), 5, "logged")
        for name in ("M-M1-1.txt", "S-RTU1.txt"):
            (logs / name).unlink()
            (logs / name).symlink_to("/dev/full")
        for _ in range(3):
            provoke(wire, pair, master)
        why = "cannot be written: No space left on device. Lines are kept for a while"
        wire.wait(lambda: said(gateway, PROGRAM_LOG, why), 5, "said")
        wire.wait(lambda: why in gateway.told(), 5, "said on standard error")
        pair.check()
        for name in ("M-M1-1.txt", "S-RTU1.txt"):
            (logs / name).unlink()
        again = "can be written again"
        wire.wait(lambda: said(gateway, PROGRAM_LOG, again), 10, "said that it is over")
        assert len(said(gateway, PROGRAM_LOG, why)) == 1
        assert len(said(gateway, "M-M1-1.txt", "connected from")) == 3


def fill(path):
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


@long_only
def test_a_disk_that_fills_up_stops_the_logs_alone_and_they_go_on_when_there_is_room(
    wire, tmp_path
):
    pair = Pair(wire, tmp_path)
    disk = pair.gateway.logs
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pair:
            gateway = pair.gateway
            master = wire.master(pair.ports[0], 101)
            wire.wait(lambda: master.is_started, 10, "started")
            filler = disk / "filler"
            with pytest.raises(OSError, match="No space"):
                fill(filler)
            why = "cannot be written: No space left on device"
            lives = 0
            while why not in gateway.told():  # what is left of the last page of each file
                provoke(wire, pair, master)
                lives += 1
                assert lives < 200
            pair.check()
            filler.unlink()
            wire.wait(lambda: said(gateway, PROGRAM_LOG, "written again"), 15, "over")
            wire.wait(
                lambda: len(said(gateway, "M-M1-1.txt", "connected from")) == lives + 1,
                10,
                "every line, once",
            )
            assert gateway.told().count(why) == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def start_without_rights_of_root(gateway):
    """As a service runs: who may not write somewhere cannot."""

    def start():
        no_clock_rights.give_up(no_clock_rights.CAP_DAC_OVERRIDE)
        gateway.start()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()


def test_a_log_folder_that_is_removed_or_read_only_is_said_once_and_used_again(wire, tmp_path):
    pair = Pair(wire, tmp_path)
    gateway, logs = pair.gateway, pair.gateway.logs
    plain, gateway.start = gateway.start, lambda: start_without_rights_of_root(started)
    started = type("", (), {"start": staticmethod(plain)})
    with pair:
        master = wire.master(pair.ports[0], 101)
        wire.wait(lambda: master.is_started, 10, "started")
        wire.wait(lambda: said(gateway, "M-M1-1.txt", "end of initialization"), 5, "logged")
        shutil.rmtree(logs)
        provoke(wire, pair, master)
        gone = f"The log folder {logs} was gone; made again."
        wire.wait(lambda: said(gateway, PROGRAM_LOG, gone), 10, "said")
        wire.wait(lambda: said(gateway, "M-M1-1.txt", "connected from"), 5, "logged")
        for path in logs.iterdir():
            path.unlink()
        logs.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            for _ in range(3):
                provoke(wire, pair, master)
            why = "cannot be written: Permission denied. Lines are kept for a while"
            wire.wait(lambda: why in gateway.told(), 5, "said on standard error")
            pair.check()
        finally:
            logs.chmod(stat.S_IRWXU)
        wire.wait(lambda: said(gateway, PROGRAM_LOG, "can be written again"), 15, "over")
        assert gateway.told().count(why) == 1
        assert len(said(gateway, "M-M1-1.txt", "connected from")) == 3


@long_only
def test_a_log_folder_that_cannot_be_made_stops_nothing(wire, tmp_path):
    (tmp_path / "log").write_text("a file in its place", "utf-8")
    with Pair(wire, tmp_path) as pair:
        master = wire.master(pair.ports[0], 101)
        wire.wait(lambda: master.is_started, 10, "started")
        wire.wait(lambda: "cannot be written" in pair.gateway.told(), 5, "said")
        for _ in range(5):
            provoke(wire, pair, master)
        pair.check()
        assert pair.gateway.told().count("cannot be written") == 1
        (tmp_path / "log").unlink()
        lives = "connected from"
        wire.wait(lambda: len(said(pair.gateway, "M-M1-1.txt", lives)) == 6, 15, "all lines")


STALLED = 200
MEMORY_MIB = 200


def test_two_hundred_stalled_masters_in_a_flood_cost_memory_within_bounds(wire, tmp_path):
    pair = Pair(wire, tmp_path, masters=2)
    options = (f"conns={STALLED}", "mode=each", *(("t1=250", "idletime=600") if IS_LONG else ()))
    pair.gateway._rows[2] = replace(pair.rows[2], options=options)
    pair.rtu.set(keeps_frames=False)
    with pair:
        gateway = pair.gateway
        good_port, bad_port = pair.ports
        good = wire.master(good_port, 101, keeps_frames=False)
        bad = [
            wire.master(bad_port, 102, name=f"stalled {n}", keeps_frames=False, reconnects=False)
            for n in range(STALLED)
        ]
        wire.wait(lambda: all(m.is_started for m in (good, *bad)), 40, "all started")
        pair.rtu.set(slots=STALLED + 1)
        for master in bad:
            master.pause_reading()
        # An event alone in its read is what costs the most memory for what waits.
        singles = 45_000 if IS_LONG else 1_500

        def trickle():
            pair.rtu.events(1)
            if pair.rtu.next_number < singles:
                wire.later(0.0002, trickle)

        wire.call(trickle)
        wire.wait(lambda: len(good.events) >= singles, 10 + singles / 200, "single events")
        highest = gateway.rss_kib
        for _ in range(30):  # past every buffer
            sent = pair.rtu.next_number + 2_000
            pair.rtu.events(2_000)
            wire.wait(lambda n=sent: len(good.events) >= n - 1_000, 20, "the good one's")
            highest = max(highest, gateway.rss_kib)
        wire.wait(lambda: len(good.events) == sent, 20, "the other master's events")
        print(f"memory at most {highest / 1024:.0f} MiB")  # noqa: T201 (pytest -s shows it)
        assert not good.losses
        assert not pair.rtu.losses
        assert highest < MEMORY_MIB * 1024, f"{highest // 1024} MiB"
        log = "M-M1-2.txt"
        wire.wait(lambda: len(said(gateway, log, "disconnected:")) == STALLED, 30, "closed")
        assert_clean(pair.rtu, good)


def test_what_the_tests_of_the_disk_use_is_there():
    assert Path("/dev/full").is_char_device()

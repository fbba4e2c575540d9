"""Watching logs through the gateway, and the facts of an entry, from any thread."""

import threading
import time

import pytest

from core.feed import Feed, LogOf, LogTail
from core.gateway import PROGRAM_LOG, SECURITY_LOG, Gateway
from core.logs import Level, LogLine, LogWriter, local_now
from core.status import Facts
from tests.connections.support import wait_for
from tests.gateway.running import KeptLogs, config
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import bitstring_command, interrogation


class Pane:
    """An opened log, as a front end shows it."""

    def __init__(self, real, entry):
        self.real, self.entry = real, entry
        self.lines: list[str] = []
        self.tails: list[LogTail] = []

    def poll(self):
        for item in self.real.drain(self.entry):
            if isinstance(item, LogTail):
                self.tails.append(item)
                self.lines = list(item.lines)
            else:
                self.lines.append(str(item))
        return self.lines

    def texts(self):
        return [text.partition(" : ")[2] for text in self.poll()]


class Real:
    """A gateway whose logs are written by their thread."""

    def __init__(self, folder, rows):
        self.logs, self.feed = LogWriter(folder), Feed()
        self.logs.start()
        self.loaded = config(rows)
        self.gateway = Gateway(self.loaded, self.logs, self.feed)
        self.gateway.start()
        self.skipped = 0
        self._waiting = {}

    def drain(self, entry):
        drained = self.feed.drain(log_limit=10_000)
        self.skipped += drained.skipped_logs
        for item in drained.logs:
            self._waiting.setdefault(item.entry, []).append(item)
        return self._waiting.pop(entry, [])

    def key(self, label):
        return next(each.key for each in self.loaded.entries if each.label == label)

    def open(self, entry):
        pane = Pane(self, entry)
        self.gateway.watch(LogOf(entry), True)
        return pane

    def put(self, entry, text):
        self.logs.put(LogLine(entry, local_now(), Level.INFO, text))

    def apply(self, rows, restart=()):
        self.loaded = config(rows)
        self.gateway.apply(self.loaded, restart)

    def settle(self):
        """What was asked of the gateway is done, and the writer has had its round."""
        done = threading.Event()
        self.gateway._io.call(done.set)
        assert done.wait(5)
        pane = self.open(PROGRAM_LOG)
        wait_for(lambda: pane.poll() is not None and pane.tails, what="a round of the writer")
        self.gateway.watch(LogOf(PROGRAM_LOG), False)
        wait_for(lambda: PROGRAM_LOG not in self.logs._sinks, what="another round")


@pytest.fixture
def real(tmp_path):
    started = []

    def real(rows):
        started.append(Real(tmp_path / "log", rows))
        return started[-1]

    yield real
    for each in started:
        assert each.gateway.stop()
        assert each.logs.stop(2)


def rows_of(n=1, **options):
    rtu_port, *ports = free_ports(1 + n)
    return group(1, rtu_port, ports, **options)


def test_a_pane_opened_while_lines_flow_misses_none_and_has_none_twice(wire, real):
    gateway = real(rows_of())
    key = gateway.key("M/M1-1")
    count, ends = 4000, threading.Event()

    def flow():
        for number in range(count):
            gateway.put(key, f"line {number}")
            if number % 50 == 0:
                time.sleep(0.005)
        ends.set()

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        panes = []
        while not ends.is_set():  # opened, closed and opened again
            pane = gateway.open(key)
            panes.append(pane)
            wait_for(lambda pane=pane: pane.poll() is not None and pane.tails, what="the tail")
            time.sleep(0.05)
            pane.poll()
            seen = [text for text in pane.texts() if text.startswith("line ")]
            assert seen == [f"line {number}" for number in range(len(seen))]
            if not ends.is_set() and len(panes) % 2:
                gateway.gateway.watch(LogOf(key), False)
        last = gateway.open(key)
    finally:
        thread.join(10)
    end = [f"line {count - 1}"]
    wait_for(lambda: last.texts()[-1:] == end and last.tails, what="the last line")
    assert [t for t in last.texts() if t.startswith("line ")] == [f"line {n}" for n in range(count)]
    assert gateway.skipped == 0
    assert len(panes) > 1


def test_the_tail_names_its_file_and_lines_of_others_do_not_come(wire, real):
    gateway = real(rows_of())
    one, other = gateway.key("M/M1-1"), gateway.key("S/RTU1")
    gateway.put(one, "before")
    pane, wrong = gateway.open(one), Pane(gateway, other)
    gateway.put(other, "not wanted")
    wait_for(lambda: "before" in pane.texts(), what="the tail")
    gateway.put(one, "after")
    wait_for(lambda: "after" in pane.texts(), what="the line")
    (tail,) = pane.tails
    assert (tail.entry, tail.file_name) == (one, "M-M1-1.txt")
    assert tail.size_octets > 0
    assert not wrong.poll()


def test_program_and_security_log_can_be_watched(wire, real):
    gateway = real(rows_of())
    for entry in (PROGRAM_LOG, SECURITY_LOG):
        pane = gateway.open(entry)
        gateway.put(entry, "something")
        wait_for(lambda pane=pane: "something" in pane.texts(), what="the line")


def test_asked_for_again_the_tail_comes_anew_and_no_line_twice(wire, real):
    gateway = real(rows_of())
    key = gateway.key("M/M1-1")
    pane = gateway.open(key)
    gateway.put(key, "one")
    wait_for(lambda: "one" in pane.texts(), what="a line")
    gateway.gateway.watch(LogOf(key), True)
    gateway.put(key, "two")
    wait_for(lambda: "two" in pane.texts() and len(pane.tails) == 2, what="another tail")
    gateway.put(key, "three")
    wait_for(lambda: "three" in pane.texts(), what="a line")
    mine = [text for text in pane.texts() if text in ("one", "two", "three")]
    assert mine == ["one", "two", "three"]


def test_a_log_no_longer_watched_says_nothing(wire, real):
    gateway = real(rows_of())
    key = gateway.key("M/M1-1")
    pane = gateway.open(key)
    wait_for(lambda: pane.poll() is not None and pane.tails, what="the tail")
    gateway.gateway.watch(LogOf(key), False)
    gateway.gateway.watch(LogOf(key), False)
    gateway.settle()
    gateway.put(key, "unheard")
    gateway.settle()
    assert "unheard" not in pane.texts()
    assert not gateway.logs._sinks


def test_a_log_is_watched_through_restarts_and_ends_with_its_entry(wire, real):
    rows = rows_of(2)
    gateway = real(rows)
    keys = [gateway.key(label) for label in ("M/M1-1", "S/RTU1", "M/M1-2")]
    panes = [gateway.open(key) for key in keys]
    wait_for(lambda: all(p.poll() is not None and p.tails for p in panes), what="the tails")
    gateway.apply(rows, keys[1:2])

    def restarted(pane):
        return sum("settings t0" in text for text in pane.texts()) == 2

    for pane in panes:
        wait_for(lambda pane=pane: restarted(pane), what="the head of another life")
        assert len(pane.tails) == 1
    gateway.apply(rows[:2])
    wait_for(lambda: len(gateway.gateway.snapshot()) == 2, what="one master less")
    gateway.settle()
    assert set(gateway.logs._sinks) == set(keys[:2])
    assert set(gateway.gateway._watches._sinks) == set(keys[:2])


def test_an_entry_just_applied_can_be_watched_at_once(wire, real):
    gateway = real(rows_of())
    rtu_port, port = free_ports(2)
    gateway.apply([*rows_of(), *group(2, rtu_port, [port], first_ca=201)])
    pane = gateway.open(gateway.key("M/M2-1"))
    wait_for(lambda: any("M/M2-1" in text for text in pane.texts()), what="its first line")
    assert pane.tails[0].file_name == "M-M2-1.txt"


def test_what_is_not_configured_is_not_watched_and_stop_ends_all(wire, real, tmp_path):
    gateway = real(rows_of())
    key = gateway.key("S/RTU1")
    gateway.gateway.watch(LogOf("no such entry"), True)
    pane = gateway.open(key)
    wait_for(lambda: pane.poll() is not None and pane.tails, what="the tail")
    assert set(gateway.logs._sinks) == {key}
    gateway.gateway.stop()
    wait_for(lambda: "stopped" in pane.texts(), what="its last line")
    wait_for(lambda: not gateway.logs._sinks, what="nobody watches")
    assert not (tmp_path / "log" / "no such entry.txt").exists()
    gateway.gateway.watch(LogOf(key), True)  # ignored


def test_a_watch_may_be_asked_for_before_the_start(wire):
    logs, feed = KeptLogs(), Feed()
    loaded = config(rows_of())
    gateway = Gateway(loaded, logs, feed)
    key = next(loaded.entries).key
    gateway.watch(LogOf(key), True)
    gateway.start()
    wait_for(lambda: key in gateway._watches._sinks, what="watched")
    assert gateway.stop()


# -- facts ---------------------------------------------------------------------------------------


def test_facts_tell_the_numbers_of_the_link(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port], master_options=("k=20", "w=10", "buffer=500")))

    def facts(label):
        return gateway.gateway.facts(gateway.status(label).key)

    assert facts("M/M1-1") == Facts(buffer=500)
    one = wire.master(port, 101, w=None, t2=60.0, their_k=20)
    wire.wait(lambda: rtu.is_started and one.is_started and one.initialized, what="started")
    one.ask(interrogation(), bitstring_command(5000, 1))
    wire.wait(lambda: len(one.answers) == 4, what="answers")
    rtu.events(30)
    wire.wait(lambda: facts("M/M1-1").waiting > 0, what="a full window")
    wire.wait(lambda: gateway.counters("S/RTU1").asdus_in == 38, what="all events")
    seen = facts("M/M1-1")
    assert (seen.unacknowledged_out, seen.k) == (20, 20)
    # M_EI, 8 answers and data of the questions, 30 events
    assert (seen.ns + seen.waiting, seen.buffer) == (39, 500)
    assert (seen.nr, seen.link) == (2, "started")
    assert seen.peers == (gateway.status("M/M1-1").peer,)
    assert seen.connected_at == gateway.status("M/M1-1").connected_at
    assert seen.interrogated_by == "M/M1-1"
    station = facts("S/RTU1")
    assert (station.ns, station.nr, station.link) == (2, 38, "started")
    assert station.unacknowledged_in < 8
    assert station.interrogated_by == "M/M1-1"
    assert station.interrogated_at == seen.interrogated_at
    assert station.peers == (f"127.0.0.1:{rtu_port}",)
    assert gateway.gateway.facts("no such entry") is None
    one.close()
    gateway.becomes("M/M1-1", "LISTENING")
    gone = facts("M/M1-1")
    assert (gone.link, gone.peers, gone.waiting) == ("", (), 0)
    assert gone.interrogated_at == seen.interrogated_at


def test_facts_of_several_connections_are_those_of_the_one_with_the_data(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port], master_options=("conns=2",)))
    idle = wire.master(port, 101, starts=False)
    wire.wait(lambda: idle.is_connected, what="the first")
    wire.wait(lambda: len(gateway.gateway.facts(gateway.status("M/M1-1").key).peers) == 1)
    active = wire.master(port, 101)
    wire.wait(lambda: rtu.is_started and active.initialized, what="the second started")
    rtu.events(3)
    wire.wait(lambda: len(active.events) == 3, what="events")
    seen = gateway.gateway.facts(gateway.status("M/M1-1").key)
    assert (seen.link, seen.ns, len(seen.peers)) == ("started", 4, 2)


def test_facts_may_be_asked_from_any_thread_while_all_is_busy(wire, run):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, ports)
    gateway = run(rows)
    keys = [status.key for status, _ in gateway.gateway.snapshot()]
    ends = threading.Event()
    problems: list[object] = []

    def look():
        try:
            while not ends.is_set():
                for key in keys:
                    seen = gateway.gateway.facts(key)
                    if seen is not None and not (
                        0 <= seen.unacknowledged_out <= max(seen.k, 0)
                        and 0 <= seen.unacknowledged_in <= 12
                    ):
                        problems.append(seen)
        except Exception as problem:
            problems.append(problem)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        one, two = (wire.master(port, 101 + n) for n, port in enumerate(ports))
        wire.wait(lambda: rtu.is_started and one.is_started and two.is_started, 8, "started")
        for _ in range(5):
            n = len(two.events)
            rtu.events(200)
            wire.wait(lambda n=n: len(two.events) == n + 200, 10, "events")
            losses = one.losses
            gateway.apply(rows, restart=["M/M1-1"])
            wire.wait(lambda n=losses: one.losses > n and one.is_started, 10, "again")
    finally:
        ends.set()
        for looker in lookers:
            looker.join(5)
    assert not problems

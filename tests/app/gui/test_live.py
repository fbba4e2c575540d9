"""The window on a real gateway, between a scripted RTU and scripted masters on loopback."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.forms import Field
from core.feed import Feed
from core.gateway import Gateway
from core.logs import Level, LogLine, LogWriter, ProgramLogHandler
from tests.app.gui.fakecore import ini
from tests.app.gui.person import Person
from tests.connections.support import no_socket_left
from tests.support.ports import free_ports
from tests.support.wire import Wire, single_command

RTU, ONE, TWO = "1/S/RTU", "1/M/ONE", "1/M/TWO"


class Live:
    """A gateway with real logs, the window on it, and who is at the ends."""

    def __init__(self, wire: Wire, folder: Path, open_window: Callable[..., Person]) -> None:
        self.wire = wire
        self.rtu_port, self.one_port, self.two_port = free_ports(3)
        rows = [
            f"1,RTU,,32,N,127.0.0.1:{self.rtu_port}", f"1,ONE,{self.one_port},32,Y,127.0.0.0/8",
            f"1,TWO,{self.two_port},47,Y,127.0.0.0/8",
        ]  # fmt: skip
        self.file = ini(folder / "live.csv", "\n".join(rows) + "\n")
        self.feed = Feed()
        self.logs = LogWriter(folder / "log", problem=self.feed.message)
        self.handler = ProgramLogHandler(self.logs)
        root = logging.getLogger("iec104")
        root.setLevel(logging.INFO)
        root.addHandler(self.handler)
        self.logs.start()
        gateway = Gateway(self.file.config, self.logs, self.feed)
        self.person = open_window(gateway, self.feed, self.file)
        self.window = self.person.window

    def until(self, condition: Callable[[], object], what: str) -> None:
        self.person.until(condition, what, 10)

    def state(self, key: str) -> str:
        return self.person.cell(key, "state")

    def end(self) -> None:
        self.person.end()
        logging.getLogger("iec104").removeHandler(self.handler)
        self.logs.stop(2)


@pytest.fixture
def live(
    tmp_path: Path, open_window: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Live]:
    monkeypatch.setattr("core.connections.dialer._FIRST_PAUSE", 0.1)
    with no_socket_left(), Wire() as wire:
        made = Live(wire, tmp_path, open_window)
        yield made
        made.end()


def test_the_states_follow_rtu_and_masters(live):
    live.until(lambda: live.state(RTU) == "Connecting", "calling")
    assert live.state(ONE).startswith("Held")
    rtu = live.wire.rtu(live.rtu_port, 32)
    live.until(lambda: live.state(RTU) == "Waiting for master", "the RTU")
    live.until(lambda: live.state(ONE) == "Listening", "its port")
    assert live.window.strip.rtus.text == "1 of 1"
    master = live.wire.master(live.one_port, 32)
    live.until(lambda: live.state(ONE) == "Online", "the master")
    live.until(lambda: live.state(RTU) == "Online", "the RTU with it")
    assert live.person.cell(ONE, "remote").startswith("127.0.0.1:")
    assert live.person.cell("group 1", "state") == "1 of 2 masters"
    live.window.systems.table.select(ONE)
    live.person.wait(0.1)
    numbers = live.window.systems.side._labels["numbers"]
    live.until(lambda: "of k=12" in numbers.cget("text"), "its facts")
    rtu.events(50)
    live.until(lambda: float(live.person.cell(ONE, "out") or 0) > 0, "its rate")
    assert len(master.events) == 50
    rtu.kill()
    live.until(lambda: live.state(ONE).startswith("Held"), "held again")
    assert "RTU down" in live.window.strip.problems.text


def test_an_edit_takes_effect_with_restart(live):
    live.wire.rtu(live.rtu_port, 32)
    live.until(lambda: live.state(ONE) == "Listening", "its port")
    live.window.systems.table.select(ONE)
    live.person.wait(0.05)
    form = live.window.systems.side.form
    (other,) = free_ports(1)
    live.person.type(form.fields[Field.PORT], str(other))
    live.person.type(form.fields[Field.NAME], "MOVED")
    live.person.key(form.fields[Field.NAME], "<Control-Return>")
    moved = "1/M/MOVED"
    live.until(lambda: live.window.systems.table.tree.exists(moved), "the row")
    live.until(lambda: live.state(moved) == "Listening", "the other port")
    live.wire.master(other, 32)
    live.until(lambda: live.state(moved) == "Online", "a master there")


def test_a_log_opened_while_lines_flow_misses_none_and_repeats_none(live):
    live.wire.rtu(live.rtu_port, 32)
    live.until(lambda: live.state(ONE) == "Listening", "its port")
    count = 3000
    for n in range(count):
        live.logs.put(LogLine(ONE, live.logs.now(), Level.INFO, f"number {n}"))
        if n == count // 3:
            live.window.open_log(ONE, 0)
        if n % 200 == 0:
            live.person.wait(0.02)
    view = live.window.logs.panes[0].log

    def texts():
        return [line.text for line in view.lines.last(len(view.lines))]

    live.until(lambda: f"number {count - 1}" in texts()[-1:], "the last line")
    numbers = Counter(text for text in texts() if text.startswith("number "))
    assert set(numbers.values()) == {1}
    assert len(numbers) == count
    assert [t for t in texts() if t.startswith("number ")] == [f"number {n}" for n in range(count)]
    assert view.footer.startswith("log/M-ONE.txt")


def test_a_log_that_is_rotated_while_it_is_shown(live):
    live.until(lambda: live.state(RTU) == "Connecting", "calling")
    live.logs._folder._max_size_octets = 8_000
    live.window.open_log(ONE, 0)
    view = live.window.logs.panes[0].log
    live.until(lambda: view.file_name, "the log")
    count = 600
    for n in range(count):
        live.logs.put(LogLine(ONE, live.logs.now(), Level.INFO, f"number {n}"))
        if n % 60 == 0:
            live.person.wait(0.05)

    def numbers():
        lines = view.lines.last(len(view.lines))
        return [line.text for line in lines if line.text.startswith("number ")]

    live.until(lambda: len(numbers()) >= count, "all lines")
    assert numbers() == [f"number {n}" for n in range(count)]
    folder = live.window.session.log_folder
    assert (folder / "M-ONE.1.txt").exists()
    live.until(lambda: view.size_octets < 9_000, "the size of the file that is there now")


def test_an_rtu_that_comes_and_goes(live):
    live.window.open_log(RTU, 0)
    live.window.show_traffic(RTU)
    live.window.acts.tab_1()
    live.until(lambda: live.state(RTU) == "Connecting", "calling")
    live.wire.master(live.one_port, 32)  # it calls again whenever its port is open
    for _ in range(3):
        rtu = live.wire.rtu(live.rtu_port, 32)
        live.until(lambda: live.state(ONE) == "Online", "the master")
        live.until(lambda: live.state(RTU) == "Online", "the RTU")
        rtu.kill()
        live.until(lambda: live.state(ONE).startswith("Held"), "held")
    assert live.window.strip.masters.text == "0 of 2"
    live.window.session.watch_traffic(None)


def test_the_traffic_of_a_command_as_received_and_as_sent_on(live):
    rtu = live.wire.rtu(live.rtu_port, 32)
    live.until(lambda: live.state(TWO) == "Listening", "its port")
    master = live.wire.master(live.two_port, 47)
    live.until(lambda: live.state(TWO) == "Online", "the master")
    tab = live.window.traffic_tab
    live.window.systems.table.select(TWO)
    live.person.wait(0.05)
    live.window.acts.traffic()
    live.person.wait(0.1)
    master.ask(single_command(5001, True))
    live.person.type(tab.filter, "type:C_SC*")

    def rows():
        return [tab.tree.item(iid, "values") for iid in tab.tree.get_children("")]

    live.until(lambda: len(rows()) >= 3, "command, confirmation, termination")
    assert rows()[0][:2] == ("M/TWO", "S/RTU")
    assert rows()[0][5] == "47 → 32"
    assert rows()[1][:2] == ("S/RTU", "M/TWO")
    assert rows()[1][5] == "32 → 47"
    assert rows()[1][4].startswith("7 activation con")
    rtu.events(3)
    live.person.type(tab.filter, "system:rtu -type:C_SC*")
    live.until(lambda: any(row[1] == "M/TWO" for row in rows()), "events")
    live.window.session.watch_traffic(None)


def test_save_and_reload_with_a_running_gateway(live):
    rtu = live.wire.rtu(live.rtu_port, 32)
    one = live.wire.master(live.one_port, 32)
    live.until(lambda: live.state(ONE) == "Online", "the master")
    text = live.file.path.read_text("utf-8")
    live.file.path.write_text(text.replace(",TWO,", ",OTHER,"), "utf-8")
    live.window.acts.reload()
    live.window.question.yes.invoke()
    live.until(lambda: live.window.systems.table.tree.exists("1/M/OTHER"), "the row")
    live.until(lambda: live.state("1/M/OTHER") == "Listening", "its port")
    assert one.is_connected  # only what changed was restarted
    assert rtu.is_connected
    live.window.ask_close()
    assert live.window.question.is_open
    begin = time.monotonic()
    live.window.question.yes.invoke()
    assert live.window.in_order
    assert time.monotonic() - begin < 3

"""The logs of the program as it runs: the life of each connection, and not its traffic."""

import re
import socket
import time

from tests.support.gateway import Gateway, group
from tests.support.ports import free_ports
from tests.support.wire import assert_clean, single_command

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} : (.*)")


def texts(gateway, name):
    """The texts of a log; every line has the fixed form."""
    lines = (gateway.logs / name).read_text("utf-8").splitlines()
    return [LINE.fullmatch(line).group(1) for line in lines]


def test_ten_thousand_events_leave_a_small_log_that_tells_the_life(wire, tmp_path):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    with Gateway(tmp_path, group(1, rtu_port, [port])) as gateway:
        master = wire.master(port, 101)
        wire.wait(lambda: master.is_started and rtu.is_started, 10, "started")
        rtu.events(10_000)
        wire.wait(lambda: len(master.events) == 10_000, 15, "all events")
        master.ask(single_command(1))
        wire.wait(lambda: len(master.answers) == 2, 5, "the answers")
        assert_clean(rtu, master)
        master.stop_transfer()
        wire.wait(lambda: not rtu.is_started, 5, "stopped")
    peer = r"127\.0\.0\.1:\d+"
    settings = "settings t0 30, t1 15, t2 10, t3 20, k 12, w 8, idletime 60, buffer 50000"
    expected = {
        "S-RTU1.txt": [
            f"S/RTU1: group 1, RTU number 32, hosts 127.0.0.1:{rtu_port}, {settings}",
            f"trying 127.0.0.1:{rtu_port}",
            f"connected to 127.0.0.1:{rtu_port}",
            "startdt transmitted",
            "startdt con received",
            "stopdt transmitted",
            "stopdt con received",
            "disconnected: gateway stopped",
            "stopped",
        ],
        "M-M1-1.txt": [
            f"M/M1-1: group 1, port {port}, RTU number 101, hosts any, {settings}",
            f"listening on port {port}",
            f"connected from {peer}",
            "startdt act/con done",
            "end of initialization transmitted",
            "stopdt act received",
            "disconnected: gateway stopped",
            "stopped",
        ],
    }
    for name, lines in expected.items():
        found = texts(gateway, name)
        assert len(found) == len(lines), found
        for text, line in zip(found, lines, strict=True):
            assert re.fullmatch(line.replace("any,", r"any\b,"), text), (text, line)
    assert not (gateway.logs / "security.txt").exists()


def test_lines_are_written_within_a_second_and_refusals_are_named(wire, tmp_path):
    rtu_port, port = free_ports(2)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port])
    rows[1] = type(rows[1])(1, "Far", port, 101, True, "192.0.2.0/24")
    with Gateway(tmp_path, rows) as gateway:
        begin = time.monotonic()
        while True:
            with socket.socket() as peer:
                peer.settimeout(1)
                peer.bind(("127.0.0.1", 0))
                me = peer.getsockname()[1]
                try:
                    peer.connect(("127.0.0.1", port))
                    assert peer.recv(1) == b""
                except ConnectionResetError:
                    pass
                except ConnectionRefusedError:
                    assert time.monotonic() - begin < 10
                    time.sleep(0.02)
                    continue
                break
        said = f"refused 127.0.0.1:{me}: not in the list of hosts"
        begin = time.monotonic()
        log = gateway.logs / "M-Far.txt"
        while not (log.exists() and said in log.read_text("utf-8")):
            assert time.monotonic() - begin < 1.5
            time.sleep(0.02)
    (line,) = texts(gateway, "security.txt")
    assert line.startswith("refused peer, ")
    assert "M/Far" in line
    assert line.endswith("127.0.0.1: not in the list of hosts")

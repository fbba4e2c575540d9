"""The gateway as a process of its own that also takes orders, one JSON object a line:

{"apply": FILE, "restart": [LABELS]} runs what the file says now, {"watch": GROUP, "on": BOOL} looks
at the traffic of a group; the end of the input ends it.
"""

import json
import logging
import socket
import sys
import threading
from pathlib import Path

from core.config import Config, read
from core.feed import Feed, TrafficOf
from core.gateway import Gateway
from core.logs import LogWriter, ProgramLogHandler
from tests.support import hanging_names

LOG_OCTETS = 256 * 1024 * 1024
"""Nothing is rotated away: the referee reads all of it."""


def config(path: Path) -> Config:
    loaded, diagnostics = read(path.read_bytes(), path.name)
    errors = [str(each) for each in diagnostics if each.severity == "error"]
    if errors:
        raise SystemExit("\n".join(errors))
    return loaded


def main(folder: Path) -> int:
    socket.getaddrinfo = hanging_names.look_up  # type: ignore[assignment]
    path = folder / "gateway.csv"
    logs, feed = LogWriter(folder / "log", max_size_octets=LOG_OCTETS), Feed()
    root = logging.getLogger("iec104")
    root.setLevel(logging.INFO)
    root.addHandler(ProgramLogHandler(logs))
    logs.start()
    gateway = Gateway(config(path), logs, feed)
    gateway.start()
    ended = threading.Event()

    def poll() -> None:  # as a front end does
        while not ended.wait(0.5):
            feed.drain()

    thread = threading.Thread(target=poll, name="front end")
    thread.start()
    try:
        for line in sys.stdin:
            order = json.loads(line)
            if "watch" in order:
                gateway.watch(TrafficOf(order["watch"]), order["on"])
                continue
            loaded = config(Path(order["apply"]))
            keys = [entry.key for entry in loaded.entries if entry.label in order["restart"]]
            gateway.apply(loaded, keys)
    finally:
        in_order = gateway.stop()
        ended.set()
        thread.join()
        logs.stop(2.0)
    return 0 if in_order else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""Reads all points of a user's file with c104: `c104_file.py PORT CA FILE`.

The client is configured from the same file. Prints how many points had a value with each cause.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict

import c104


def main() -> None:
    port, ca, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123 (a program of its own)
        points = json.load(file)
    types = {"30": c104.Type.M_SP_TB_1, "36": c104.Type.M_ME_TF_1}
    came: dict[int, set[int]] = defaultdict(set)
    ended = threading.Event()

    def on_value(
        point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        came[message.cot.value].add(point.io_address)
        return c104.ResponseState.SUCCESS

    def on_raw(connection: c104.Connection, data: bytes) -> None:
        if len(data) >= 12 and data[6] == 100 and data[8] == 10:
            ended.set()

    client = c104.Client(tick_rate_ms=50, command_timeout_ms=2000)
    connection = client.add_connection(ip="127.0.0.1", port=port, init=c104.Init.NONE)
    connection.on_receive_raw(callable=on_raw)
    station = connection.add_station(common_address=ca)
    for member in points.values():
        kind = types[str(member["Type IEC"])]
        station.add_point(io_address=member["IOAddress"], type=kind).on_receive(callable=on_value)
    client.start()
    deadline = time.monotonic() + 15
    while connection.state != c104.ConnectionState.OPEN and time.monotonic() < deadline:
        if connection.state == c104.ConnectionState.OPEN_MUTED:
            connection.unmute()
        time.sleep(0.2)
    connection.interrogation(common_address=ca)
    ended.wait(10)
    while len(came[3]) < 441 and time.monotonic() < deadline:  # the reports every three seconds
        time.sleep(0.1)
    sys.stdout.write(json.dumps({str(cause): len(ioas) for cause, ioas in came.items()}) + "\n")
    sys.stdout.flush()
    client.stop()
    os._exit(0)


main()

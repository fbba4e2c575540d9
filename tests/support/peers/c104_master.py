"""A controlling station on the package c104: `c104_master.py PORT CA [OA]`.

Actions: `command(type, ioa, value)`, `interrogate()`, `counters()`, `read(ioa)`, `clock()`,
`test()`, `connected()`. Each gives whether the package says it was confirmed; under load it now and
then misses a confirmation that it has received, so the event `answer`, told for each ASDU of a
control direction type as it came, is what counts. Further events: `value` for each point that came,
`initialized` for the end of initialisation, `link` for each state of the connection.
"""

import sys
import threading
import time

import c104
import points
from c104_values import from_c104, information
from lines import leave, serve, tell


def on_value(
    point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
) -> c104.ResponseState:
    tell(
        "value",
        type=message.type.name,
        ioa=point.io_address,
        value=from_c104(point.value),
        cause=message.cot.value,
        oa=message.originator_address,
        ca=message.common_address,
        good=point.quality is None or point.quality.is_good(),
    )
    return c104.ResponseState.SUCCESS


def on_state(connection: c104.Connection, state: c104.ConnectionState) -> None:
    tell("link", state=state.name)


def on_raw(connection: c104.Connection, data: bytes) -> None:
    if len(data) >= 12 and not data[2] & 1 and data[6] >= 45:
        cause = data[8]
        tell(
            "initialized" if data[6] == 70 else "answer",
            type=data[6],
            cause=cause & 63,
            negative=bool(cause & 64),
            oa=data[9],
            ca=data[10] | data[11] << 8,
            objects=bytes(data[12:]).hex(),
        )


def on_unexpected(
    connection: c104.Connection, message: c104.IncomingMessage, cause: c104.Umc
) -> None:
    tell("unexpected", type=message.type.name, cause=message.cot.value, why=cause.name)


def main() -> None:
    port, ca = map(int, sys.argv[1:3])
    client = c104.Client(tick_rate_ms=50, command_timeout_ms=1000)
    if len(sys.argv) > 3:
        client.originator_address = int(sys.argv[3])
    connection = client.add_connection(ip="127.0.0.1", port=port, init=c104.Init.NONE)
    connection.on_state_change(callable=on_state)
    connection.on_receive_raw(callable=on_raw)
    connection.on_unexpected_message(callable=on_unexpected)
    station = connection.add_station(common_address=ca)
    for name, ioa in points.MONITOR.items():
        point = station.add_point(io_address=ioa, type=getattr(c104.Type, name))
        point.on_receive(callable=on_value)
    point = station.add_point(io_address=points.EVENTS, type=c104.Type.M_ME_NC_1)
    point.on_receive(callable=on_value)
    for name, ioa in points.COMMANDS.items():
        station.add_point(io_address=ioa, type=getattr(c104.Type, name))
    station.add_point(
        io_address=points.SELECT_FIRST,
        type=c104.Type.C_SC_NA_1,
        command_mode=c104.CommandMode.SELECT_AND_EXECUTE,
    )

    def command(type: str, ioa: int, value: float) -> bool:
        point = station.get_point(ioa)
        point.info = information(type, value)
        return bool(point.transmit(cause=c104.Cot.ACTIVATION))

    client.start()
    stop = threading.Event()

    def nudge() -> None:
        """Now and then the package connects and forgets to start, on any server."""
        since = time.monotonic()
        while not stop.wait(0.1):
            if connection.state != c104.ConnectionState.OPEN_MUTED:
                since = time.monotonic()
            elif time.monotonic() - since > 1.0:
                connection.unmute()
                since = time.monotonic()

    nudger = threading.Thread(target=nudge, daemon=True)
    nudger.start()
    serve(
        {
            "command": command,
            "interrogate": lambda: bool(connection.interrogation(common_address=ca)),
            "counters": lambda: bool(connection.counter_interrogation(common_address=ca)),
            "clock": lambda: bool(connection.clock_sync(common_address=ca)),
            "read": lambda ioa: bool(station.get_point(ioa).read()),
            "test": lambda: bool(connection.test(common_address=ca)),
            "connected": lambda: connection.is_connected,
        }
    )
    stop.set()
    nudger.join()
    client.stop()
    leave()


main()

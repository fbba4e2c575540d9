"""A controlled station on the package c104: `c104_rtu.py PORT CA`.

Actions: `transmit(type, ioa, value)`, `events(first, count)`, `clients()`. Events: `command` for
each command executed here, `clock` for a clock synchronisation.
"""

import datetime
import sys

import c104
import points
from c104_values import from_c104, information
from lines import leave, serve, tell


def on_command(
    point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
) -> c104.ResponseState:
    tell(
        "command",
        type=point.type.name,
        ioa=point.io_address,
        value=from_c104(point.value),
        cause=message.cot.value,
        oa=message.originator_address,
        ca=message.common_address,
        select=message.is_select_command,
    )
    return c104.ResponseState.SUCCESS


def on_clock(server: c104.Server, ip: str, date_time: datetime.datetime) -> c104.ResponseState:
    tell("clock", time=date_time.isoformat())
    return c104.ResponseState.SUCCESS


def main() -> None:
    port, ca = map(int, sys.argv[1:])
    server = c104.Server(ip="127.0.0.1", port=port, tick_rate_ms=50)
    server.on_clock_sync(callable=on_clock)
    station = server.add_station(common_address=ca)
    for name, ioa in {**points.MONITOR, **points.COMMANDS}.items():
        point = station.add_point(io_address=ioa, type=getattr(c104.Type, name))
        if name.startswith("C_"):
            point.on_receive(callable=on_command)
    station.add_point(io_address=points.EVENTS, type=c104.Type.M_ME_NC_1)
    station.add_point(
        io_address=points.SELECT_FIRST,
        type=c104.Type.C_SC_NA_1,
        command_mode=c104.CommandMode.SELECT_AND_EXECUTE,
    ).on_receive(callable=on_command)

    def assign(type: str, ioa: int, value: float) -> None:
        station.get_point(ioa).info = information(type, value)

    def transmit(type: str, ioa: int, value: float) -> bool:
        assign(type, ioa, value)
        return bool(station.get_point(ioa).transmit(cause=c104.Cot.SPONTANEOUS))

    def events(first: int, count: int) -> int:
        return sum(
            transmit("M_ME_NC_1", points.EVENTS, float(n)) for n in range(first, first + count)
        )

    server.start()
    tell("listening")
    serve(
        {
            "assign": assign,
            "transmit": transmit,
            "events": events,
            "clients": lambda: server.active_connection_count,
        }
    )
    server.stop()
    leave()


main()

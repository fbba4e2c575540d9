"""A controlled station on the package hat-drivers: `hat_rtu.py PORT CA`.

Answers every command and interrogation; to commands at an address from 9000 on it says no, to a
qualifier of interrogation it does not know as well. Actions: `events(first, count)`, `drop(on)`: on
the next command the connection is closed instead of an answer. Events: `command`, `link`.
"""

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support" / "peers"))

from hat import aio
from hat.drivers import iec104, tcp
from lines import leave, reply, tell

REFUSED_FROM = 9000
GOOD = iec104.MeasurementQuality(False, False, False, False, False)
FINE = iec104.IndicationQuality(False, False, False, False)
COUNTED = iec104.CounterQuality(False, False, False, 1)
CON = iec104.CommandResCause.ACTIVATION_CONFIRMATION
TERM = iec104.CommandResCause.ACTIVATION_TERMINATION
DATA = {
    100: iec104.SingleData(iec104.SingleValue.ON, FINE),
    101: iec104.DoubleData(iec104.DoubleValue.ON, FINE),
    102: iec104.StepPositionData(iec104.StepPositionValue(-5, False), GOOD),
    103: iec104.NormalizedData(iec104.NormalizedValue(0.5), GOOD),
    104: iec104.ScaledData(iec104.ScaledValue(-1234), GOOD),
    105: iec104.FloatingData(iec104.FloatingValue(50.25), GOOD),
    106: iec104.BitstringData(iec104.BitstringValue(bytes((1, 2, 3, 4))), GOOD),
}
COUNTER = iec104.BinaryCounterData(iec104.BinaryCounterValue(123456), COUNTED)


class Station:
    def __init__(self, ca: int) -> None:
        self.ca = ca
        self.drops = False
        self.connections: list[iec104.Connection] = []

    async def serve(self, connection: iec104.Connection) -> None:
        self.connections.append(connection)
        tell("link", state="OPEN")
        try:
            while True:
                for msg in await connection.receive():
                    if self.drops:
                        self.drops = False
                        await connection.async_close()
                        return
                    await connection.send(self.answers(msg))
        except ConnectionError:
            tell("link", state="CLOSED")
        finally:
            self.connections.remove(connection)
            connection.close()

    def answers(self, msg: iec104.Msg) -> list[iec104.Msg]:
        if msg.asdu_address != self.ca:
            cause = iec104.CommandResCause.UNKNOWN_ASDU_ADDRESS
            return [msg._replace(is_negative_confirm=True, cause=cause)]
        match msg:
            case iec104.CommandMsg():
                return self.command(msg)
            case iec104.InterrogationMsg(request=20):
                data = [
                    self.data(ioa, iec104.DataResCause.INTERROGATED_STATION, msg.originator_address)
                    for ioa in DATA
                ]
                return [msg._replace(cause=CON), *data, msg._replace(cause=TERM)]
            case iec104.InterrogationMsg():
                return [msg._replace(is_negative_confirm=True, cause=CON)]
            case iec104.CounterInterrogationMsg():
                cause = iec104.DataResCause.INTERROGATED_COUNTER
                data = [iec104.DataMsg(False, 0, self.ca, 107, COUNTER, None, cause)]
                return [msg._replace(cause=CON), *data, msg._replace(cause=TERM)]
            case iec104.ReadMsg(io_address=ioa) if ioa in DATA:
                return [self.data(ioa, iec104.DataResCause.REQUEST, msg.originator_address)]
            case iec104.ReadMsg():
                return [msg._replace(cause=iec104.ReadResCause.UNKNOWN_IO_ADDRESS)]
            case iec104.ClockSyncMsg():
                return [msg._replace(cause=iec104.ClockSyncResCause.ACTIVATION_CONFIRMATION)]
            case _:
                return [msg._replace(cause=iec104.ActivationResCause.ACTIVATION_CONFIRMATION)]

    def command(self, msg: iec104.CommandMsg) -> list[iec104.Msg]:
        select = getattr(msg.command, "select", False)
        if msg.io_address >= REFUSED_FROM:
            return [msg._replace(is_negative_confirm=True, cause=CON)]
        if msg.cause is iec104.CommandReqCause.DEACTIVATION:
            return [msg._replace(cause=iec104.CommandResCause.DEACTIVATION_CONFIRMATION)]
        value = getattr(msg.command.value, "value", msg.command.value)
        tell(
            "command",
            type=type(msg.command).__name__,
            ioa=msg.io_address,
            value=int.from_bytes(value, "little")
            if isinstance(value, bytes | bytearray | memoryview)
            else value,
            select=select,
            timed=msg.time is not None,
        )
        con = msg._replace(cause=CON)
        return [con] if select else [con, msg._replace(cause=TERM)]

    def data(self, ioa: int, cause: iec104.DataResCause, oa: int) -> iec104.DataMsg:
        return iec104.DataMsg(False, oa, self.ca, ioa, DATA[ioa], None, cause)

    async def events(self, first: int, count: int) -> int:
        for number in range(first, first + count):
            data = iec104.FloatingData(iec104.FloatingValue(float(number)), GOOD)
            cause = iec104.DataResCause.SPONTANEOUS
            msg = iec104.DataMsg(False, 0, self.ca, 2000, data, None, cause)
            for connection in self.connections:
                await connection.send([msg])
        return count

    async def drop(self) -> None:
        self.drops = True


async def main() -> None:
    port, ca = map(int, sys.argv[1:])
    station = Station(ca)
    server = await iec104.listen(station.serve, tcp.Address("127.0.0.1", port))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tell("listening")
    while line := await reader.readline():
        request = json.loads(line)
        number, action = request.pop("id"), request.pop("do")
        try:
            reply({"id": number, "result": await getattr(station, action)(**request)})
        except Exception as error:
            reply({"id": number, "error": f"{type(error).__name__}: {error}"})
    server.close()
    leave()


aio.init_asyncio()
asyncio.run(main())

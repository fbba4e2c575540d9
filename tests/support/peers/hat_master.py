"""A controlling station on the package hat-drivers: `hat_master.py PORT CA [OA]`.

Actions: `command(type, ioa, value, select)`, `interrogate(qualifier)`, `counters()`, `read(ioa)`;
each only sends. Events: `value` for each object that came, `answer` for each ASDU of a control
direction type, `initialized` for the end of initialisation, `link` for the connection's state.
"""

import asyncio
import json
import sys
from typing import Any

from hat import aio
from hat.drivers import tcp
from hat.drivers.iec60870 import apci
from hat.drivers.iec60870.encodings import iec104
from lines import leave, reply, tell

ENCODER = iec104.encoder.Encoder()


class Master:
    def __init__(self, port: int, ca: int, oa: int) -> None:
        self.port, self.ca, self.oa = port, ca, oa
        self.connection: apci.Connection | None = None

    async def live(self) -> None:
        """Connects for ever, and tells what it receives."""
        while True:
            try:
                self.connection = await apci.connect(tcp.Address("127.0.0.1", self.port))
            except (ConnectionError, OSError, TimeoutError):
                await asyncio.sleep(0.1)
                continue
            tell("link", state="OPEN")
            try:
                while True:
                    self.received(bytes(await self.connection.receive()))
            except ConnectionError:
                tell("link", state="CLOSED")
            finally:
                connection, self.connection = self.connection, None
                await connection.async_close()

    def received(self, data: bytes) -> None:
        asdu, rest = ENCODER.decode_asdu(data)
        assert not bytes(rest), f"octets left over: {bytes(rest).hex()}"
        members = {
            "type": asdu.type.name + "_1",
            "cause": getattr(asdu.cause.type, "value", asdu.cause.type),
            "oa": asdu.cause.originator_address,
            "ca": asdu.address,
            "negative": asdu.cause.is_negative_confirm,
        }
        if asdu.type is iec104.AsduType.M_EI_NA:
            tell("initialized", **members)
            return
        for io in asdu.ios:
            for step, element in enumerate(io.elements):
                value = plain(getattr(element, "value", None))
                kind = "value" if asdu.type.value < 45 else "answer"
                tell(kind, ioa=io.address + step, value=value, timed=io.time is not None, **members)

    async def send(self, kind: iec104.AsduType, cause: int, ioa: int, element: Any) -> None:
        if self.connection is None:
            raise ConnectionError("not connected")
        timed = kind.name.endswith(("_TA", "_TB", "_TC")) and kind.value >= 45
        asdu = iec104.ASDU(
            type=kind,
            cause=iec104.Cause(
                type=iec104.CauseType(cause),
                is_negative_confirm=False,
                is_test=False,
                originator_address=self.oa,
            ),
            address=self.ca,
            ios=[iec104.IO(ioa, [element], stamp() if timed else None)],
        )
        await self.connection.send(ENCODER.encode_asdu(asdu), wait_ack=True)

    async def command(self, type: str, ioa: int, value: float, select: bool = False) -> None:
        name = type.removesuffix("_1")
        make = getattr(iec104, f"IoElement_{name}")
        fields: dict[str, Any] = {"value": fancy(name, value), "select": select, "qualifier": 0}
        element = make(**{key: fields[key] for key in make._fields})
        await self.send(iec104.AsduType[name], 6, ioa, element)

    async def interrogate(self, qualifier: int = 20) -> None:
        element = iec104.IoElement_C_IC_NA(qualifier=qualifier)
        await self.send(iec104.AsduType.C_IC_NA, 6, 0, element)

    async def counters(self, request: int = 5) -> None:
        element = iec104.IoElement_C_CI_NA(request=request, freeze=iec104.FreezeCode.READ)
        await self.send(iec104.AsduType.C_CI_NA, 6, 0, element)

    async def read(self, ioa: int) -> None:
        await self.send(iec104.AsduType.C_RD_NA, 5, ioa, iec104.IoElement_C_RD_NA())

    async def test(self, counter: int) -> None:
        element = iec104.IoElement_C_TS_TA(counter=counter)
        await self.send(iec104.AsduType.C_TS_TA, 6, 0, element)

    async def connected(self) -> bool:
        return self.connection is not None


def stamp() -> Any:
    return iec104.Time(
        size=iec104.TimeSize.SEVEN, milliseconds=36895, invalid=False, substituted=False,
        minutes=10, summer_time=False, hours=21, day_of_week=5, day_of_month=11,
        months=12, years=26,
    )  # fmt: skip


def plain(value: Any) -> Any:
    """A value of the package as JSON has it."""
    inner = getattr(value, "value", value)
    if isinstance(inner, (bytes, bytearray, memoryview)):
        return int.from_bytes(bytes(inner), "little")
    return inner if isinstance(inner, (int, float, bool, type(None))) else str(inner)


def fancy(name: str, value: float) -> Any:
    """A JSON value as the package wants it for that type."""
    kind = name.removeprefix("C_")
    if kind.startswith("SC"):
        return iec104.SingleValue(int(value))
    if kind.startswith("DC"):
        return iec104.DoubleValue(int(value))
    if kind.startswith("RC"):
        return iec104.RegulatingValue(int(value))
    if kind.startswith("BO"):
        return iec104.BitstringValue(int(value).to_bytes(4, "little"))
    if kind in ("SE_NA", "SE_TA"):
        return iec104.NormalizedValue(value)
    if kind in ("SE_NB", "SE_TB"):
        return iec104.ScaledValue(int(value))
    return iec104.FloatingValue(value)


async def main() -> None:
    port, ca, *rest = map(int, sys.argv[1:])
    master = Master(port, ca, rest[0] if rest else 0)
    life = asyncio.create_task(master.live())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        if life.done():
            life.result()
        request = json.loads(line)
        number, action = request.pop("id"), request.pop("do")
        try:
            result = await asyncio.wait_for(getattr(master, action)(**request), 5)
            reply({"id": number, "result": result})
        except Exception as error:
            reply({"id": number, "error": f"{type(error).__name__}: {error}"})
    leave()


aio.init_asyncio()
asyncio.run(main())

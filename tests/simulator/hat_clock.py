"""Sets a station's clock with hat-drivers: `hat_clock.py PORT CA`; prints the answer as JSON."""

import asyncio
import json
import sys

from hat import aio
from hat.drivers import tcp
from hat.drivers.iec60870 import apci
from hat.drivers.iec60870.encodings import iec104

ENCODER = iec104.encoder.Encoder()
TIME = iec104.Time(
    size=iec104.TimeSize.SEVEN, milliseconds=36895, invalid=False, substituted=False,
    minutes=10, summer_time=False, hours=21, day_of_week=5, day_of_month=11,
    months=12, years=30,
)  # fmt: skip


async def main() -> None:
    port, ca = map(int, sys.argv[1:])
    connection = await apci.connect(tcp.Address("127.0.0.1", port))
    asdu = iec104.ASDU(
        type=iec104.AsduType.C_CS_NA,
        cause=iec104.Cause(iec104.CauseType.ACTIVATION, False, False, 9),
        address=ca,
        ios=[iec104.IO(0, [iec104.IoElement_C_CS_NA(time=TIME)], None)],
    )
    await connection.send(ENCODER.encode_asdu(asdu))
    while True:
        answer, _ = ENCODER.decode_asdu(await connection.receive())
        if answer.type is iec104.AsduType.C_CS_NA:
            break
    element = answer.ios[0].elements[0]
    members = {
        "cause": answer.cause.type.value,
        "negative": answer.cause.is_negative_confirm,
        "oa": answer.cause.originator_address,
        "year": element.time.years,
    }
    sys.stdout.write(json.dumps(members) + "\n")
    await connection.async_close()


aio.init_asyncio()
asyncio.run(main())

#!/usr/bin/env python3
"""Compare the object codec with that of hat-drivers: decode and encode the same frames, alternately.

    /path/to/venv/bin/python tests/bench/codec.py [--rounds 7] [--seconds 0.1]

Needs hat-drivers in the environment. Each side goes from the octets of an APDU to its values and back, with
everything on the way (APCI, header, every object, its quality and time tag). Prints, for each kind of frame, the
best time per object of both sides over all rounds and the ratio (above 1: ours is faster). Exit code 1 if any
ratio is below 1.
"""
import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hat.drivers.iec60870 import apci  # noqa: E402
from hat.drivers.iec60870.encodings import iec104  # noqa: E402

from core.protocol import codec  # noqa: E402
from core.protocol.codes import TypeId  # noqa: E402
from core.protocol.elements import Quality  # noqa: E402
from core.protocol.objects import (  # noqa: E402
    DoublePoint, IntegratedTotal, NormalizedValue, ScaledValue, ShortFloat, SingleCommand, SinglePoint,
)
from core.protocol.times import Cp56Time2a  # noqa: E402

TAG = Cp56Time2a.of(ms=36895, minute=10, hour=21, day=11, weekday=5, month=12, year=26, summer_time=True)
SOME = (Quality(0), Quality.INVALID, Quality.BLOCKED | Quality.NOT_TOPICAL)


def frames():
    """Name of a kind of frame and its octets."""
    makers = {
        TypeId.M_SP_NA_1: lambda i: SinglePoint(1000 + i, bool(i % 2), SOME[i % 3]),
        TypeId.M_DP_NA_1: lambda i: DoublePoint(1000 + i, i % 4, SOME[i % 3]),
        TypeId.M_ME_NA_1: lambda i: NormalizedValue(1000 + i, i / 128, SOME[i % 3]),
        TypeId.M_ME_NB_1: lambda i: ScaledValue(1000 + i, i * 100, SOME[i % 3]),
        TypeId.M_ME_NC_1: lambda i: ShortFloat(1000 + i, i * 1.5, SOME[i % 3]),
        TypeId.M_IT_NA_1: lambda i: IntegratedTotal(1000 + i, i * 70000, i % 32),
        TypeId.M_SP_TB_1: lambda i: SinglePoint(1000 + i, bool(i % 2), SOME[i % 3], TAG),
        TypeId.M_ME_TF_1: lambda i: ShortFloat(1000 + i, i * 1.5, SOME[i % 3], TAG),
        TypeId.M_IT_TB_1: lambda i: IntegratedTotal(1000 + i, i * 70000, i % 32, time=TAG),
        TypeId.C_SC_NA_1: lambda i: SingleCommand(1000 + i, True, 1, True),
    }
    for type_id, make in makers.items():
        sizes = [(1, False)]
        if type_id != TypeId.C_SC_NA_1:
            sizes.append((codec.most_objects(type_id), False))
        if type_id in (TypeId.M_SP_NA_1, TypeId.M_ME_NC_1):
            sizes.append((codec.most_objects(type_id, sq=True), True))
        for count, sq in sizes:
            unit = codec.DataUnit(type_id, 3, 1, tuple(make(i) for i in range(count)), sq)
            name = f"{type_id.name} {count}{' SQ=1' if sq else ''}"
            yield name, count, codec.encode_apdu(codec.IFrame(5, 7, unit))


HAT = iec104.Encoder()


def hat_decode(octets):
    frame = apci.encoder.decode(octets)
    asdu, _ = HAT.decode_asdu(frame.data)
    return frame, asdu


def hat_encode(value):
    frame, asdu = value
    return apci.encoder.encode(frame._replace(data=HAT.encode_asdu(asdu)))


def timed(action, argument, seconds):
    """Seconds per call."""
    calls, begun = 0, time.perf_counter()
    while (now := time.perf_counter()) - begun < seconds:
        for _ in range(20):
            action(argument)
        calls += 20
    return (now - begun) / calls


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each measurement")
    options = parser.parse_args()
    print(f"{'frame':22} {'decode: ours':>13} {'hat':>8} {'ratio':>7}   {'encode: ours':>13} {'hat':>8} {'ratio':>7}"
          "   (us per object)")
    slow = False
    for name, count, octets in frames():
        ours, hat = codec.decode_apdu(octets), hat_decode(octets)
        assert codec.encode_apdu(ours) == octets == hat_encode(hat), name
        sides = [
            (codec.decode_apdu, octets), (hat_decode, octets), (codec.encode_apdu, ours), (hat_encode, hat),
        ]
        best = [float("inf")] * 4
        for _ in range(options.rounds):
            for i, (action, argument) in enumerate(sides):
                best[i] = min(best[i], timed(action, argument, options.seconds))
        us = [1e6 * seconds / count for seconds in best]
        decode, encode = us[1] / us[0], us[3] / us[2]
        slow = slow or min(decode, encode) < 1
        print(f"{name:22} {us[0]:13.2f} {us[1]:8.2f} {decode:7.2f}   {us[2]:13.2f} {us[3]:8.2f} {encode:7.2f}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())

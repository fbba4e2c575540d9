"""Values into types, counters, and points into as few messages as it takes."""

import math

from hypothesis import given
from hypothesis import strategies as st

from core.protocol import objects as o
from core.protocol.codec import decode_asdu
from core.protocol.codes import TypeId
from core.protocol.elements import CounterQuality
from core.simulator.image import Counter, fitted, packed

FITTED = [
    (o.SinglePoint, 0.6, (1, False)),
    (o.DoublePoint, 7, (3, True)),
    (o.StepPosition, -65, (-64, True)),
    (o.ScaledValue, 1.5, (2, False)),
    (o.ScaledValue, 40000, (32767, True)),
    (o.NormalizedValue, 1.5, (1 - 2**-15, True)),
    (o.Bitstring32, 2**32 + 5, (5, False)),
    (o.PackedPoints, 65537, (1, False)),
    (o.ShortFloat, 1e39, (3.4e38, True)),
    (o.ScaledValue, math.nan, (0, True)),
]


def test_a_value_is_fitted_to_its_type():
    assert [fitted(kind, raw) for kind, raw, _ in FITTED] == [found for *_, found in FITTED]


def test_a_counter_carries_past_its_end_and_begins_anew():
    counter = Counter()
    assert counter.running(2**31 - 1) == 2**31 - 1
    assert counter.running(2**31 + 4) == 4
    counter.freeze(2**31 + 4)
    assert counter.frozen == (4, CounterQuality.CARRY)
    counter.freeze(2**31 + 9)
    assert counter.frozen == (9, CounterQuality(0))
    counter.set(100.0, 7)
    assert counter.running(101.0) == 8
    for n in range(40):
        counter.freeze(200.0 + n)
    assert counter.sequence == 10  # 42 modulo 32


addresses = st.lists(st.integers(1, 400), unique=True, max_size=200)


@given(addresses, st.integers(1, 127), st.booleans(), st.sampled_from([1, 13, 36]))
def test_what_is_packed_is_what_comes_out(ioas, most, sq, number):
    type_id = TypeId(number)
    made = {
        1: lambda ioa: o.SinglePoint(ioa, True),
        13: lambda ioa: o.ShortFloat(ioa, float(ioa)),
        36: lambda ioa: o.ShortFloat(ioa, float(ioa), time=tag),
    }[number]
    tag = o.Cp56Time2a(0)
    objects = [made(ioa) for ioa in ioas]
    units = [
        decode_asdu(asdu.octets)
        for asdu in packed([(type_id, obj) for obj in objects], 20, 1, oa=3, most=most, sq=sq)
    ]
    found = [obj for unit in units for obj in unit.objects]
    assert sorted(found, key=lambda obj: obj.ioa) == sorted(objects, key=lambda obj: obj.ioa)
    assert all(1 <= len(unit.objects) <= most and not unit.remarks for unit in units)
    assert sq or [obj.ioa for obj in found] == ioas
    assert not any(unit.sq for unit in units) or (sq and number != 36)

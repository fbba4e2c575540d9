"""Generated objects of every type, made from the parts of their elements."""

from hypothesis import strategies as st

from core.protocol import elements as e
from core.protocol.codec import DataUnit, most_objects
from core.protocol.layouts import object_types
from core.protocol.times import Cp24Time2a

IOA = st.integers(0, 0xFFFFFF)


def octets(size):
    return st.binary(min_size=size, max_size=size)


def values(part):
    """Every value a part can have."""
    match part:
        case e.Flag():
            return st.booleans()
        case e.Number(limits=(least, greatest)):
            return st.integers(least, greatest)
        case e.Flags(kind=kind):
            return st.sets(st.sampled_from(part.members)).map(lambda flags: kind(sum(flags)))
        case e.Bitstring():
            return st.integers(0, 0xFFFFFFFF)
        case e.Normalized():
            return st.integers(-32768, 32767).map(lambda raw: raw / 32768) | st.floats(-1, 1)
        case e.Float():
            return octets(4).map(e.float_from_octets) | st.floats(-1e38, 1e38)
        case e.Time(kind=kind):
            return octets(3 if kind is Cp24Time2a else 7).map(kind.from_octets)
        case e.Segment():
            return st.binary(max_size=60)
    raise AssertionError(part)


def objects(layout, ioa=IOA):
    parts = [part for element in layout.elements for part in element.parts]
    named = {part.name: values(part) for part in parts}
    return st.builds(layout.object_class, ioa=ioa, **named)


@st.composite
def units(draw, kind=None):
    """An ASDU of a type, or of any."""
    kind = kind or draw(st.sampled_from(object_types()))
    layout = kind.layout
    sq = draw(st.booleans())
    most = 3 if layout.has_segment else min(most_objects(kind.type_id, sq=sq), 6)
    many = draw(st.integers(1 if sq else 0, most))
    first = draw(st.integers(0, 0xFFFFFF - many))
    made = tuple(
        draw(objects(layout, st.just(first + index) if sq else IOA)) for index in range(many)
    )
    return DataUnit(
        kind.type_id, draw(st.integers(0, 63)), draw(st.integers(0, 65535)), made, sq,
        draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 255)),
    )  # fmt: skip

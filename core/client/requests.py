"""The requests a controlling station may make, as ASDUs from plain values.

Everything that cannot be sent is refused here, with ValueError, before anything is.
"""

import time as clock
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

from core.client.questions import plain_type
from core.protocol import objects as o
from core.protocol.asdu import Asdu
from core.protocol.codec import DataUnit, encode_asdu
from core.protocol.codes import Cause, CommonAddress, Ioa, TypeId, TypeNumber
from core.protocol.layouts import object_type
from core.protocol.objects import InformationObject
from core.protocol.times import Cp56Time2a

CommandType: TypeAlias = TypeId | int | str
"""A type identification as TypeId, number or name (``C_SC_NA_1``)."""

_COMMANDS: Final[dict[TypeNumber, type[InformationObject]]] = {
    TypeId.C_SC_NA_1: o.SingleCommand,
    TypeId.C_DC_NA_1: o.DoubleCommand,
    TypeId.C_RC_NA_1: o.StepCommand,
    TypeId.C_SE_NA_1: o.NormalizedSetPoint,
    TypeId.C_SE_NB_1: o.ScaledSetPoint,
    TypeId.C_SE_NC_1: o.FloatSetPoint,
    TypeId.C_BO_NA_1: o.BitstringCommand,
}
_TWO_VALUES: Final = {TypeId.C_DC_NA_1: "1 (off) or 2 (on)", TypeId.C_RC_NA_1: "1 (lower) or 2"}


def local_time() -> Cp56Time2a:
    """Now, as this computer's wall clock shows it, with SU in summer."""
    is_summer = clock.localtime().tm_isdst > 0
    return Cp56Time2a.from_datetime(datetime.now().astimezone(), summer_time=is_summer)


def time_tag(moment: datetime | Cp56Time2a | None) -> Cp56Time2a:
    """A moment as a tag, in the zone it is given in; None is now."""
    if moment is None:
        return local_time()
    if isinstance(moment, Cp56Time2a):
        return moment
    return Cp56Time2a.from_datetime(moment)


def command_type(given: CommandType, *, tagged: bool) -> TypeNumber:
    """The number of a command type; with a time tag its twin that has one. ValueError if none."""
    try:
        type_id = TypeId[given] if isinstance(given, str) else TypeId(given)
    except (KeyError, ValueError):
        raise ValueError(f"{given!r} is no type identification, such as C_SC_NA_1 or 45") from None
    plain = plain_type(type_id)
    if plain not in _COMMANDS:
        raise ValueError(f"{type_id.name} is no command type (45..51, 58..64)")
    return plain + 13 if tagged else type_id


def command(
    type_id: TypeNumber,
    ioa: Ioa,
    value: float,
    *,
    qualifier: int = 0,
    select: bool = False,
    time: Cp56Time2a | None = None,
) -> InformationObject:
    """The object of a command; ValueError if value, qualifier or S/E are not for its type."""
    plain = plain_type(type_id)
    tag = time if type_id != plain else None
    if plain == TypeId.C_BO_NA_1:
        if select or qualifier:
            raise ValueError("a bitstring command has no qualifier and cannot be selected")
        return o.BitstringCommand(ioa, _whole(value), tag)
    made: InformationObject
    if plain == TypeId.C_SC_NA_1:
        if value not in (0, 1):
            raise ValueError(f"value {value!r} of a single command is not true or false")
        made = o.SingleCommand(ioa, bool(value), qualifier, select, tag)
    elif plain in _TWO_VALUES:
        made = _two_valued(plain, ioa, value, qualifier, select, tag)
    elif plain == TypeId.C_SE_NA_1:
        made = o.NormalizedSetPoint(ioa, float(value), qualifier, select, tag)
    elif plain == TypeId.C_SE_NB_1:
        made = o.ScaledSetPoint(ioa, _whole(value), qualifier, select, tag)
    else:
        made = o.FloatSetPoint(ioa, float(value), qualifier, select, tag)
    return made


def _two_valued(
    plain: TypeNumber, ioa: Ioa, value: float, qualifier: int, select: bool, tag: Cp56Time2a | None
) -> InformationObject:
    is_double = plain == TypeId.C_DC_NA_1
    if isinstance(value, bool) and is_double:
        value = 2 if value else 1  # as a number True would be 1, which is off
    if isinstance(value, bool) or value not in (1, 2):
        raise ValueError(f"value {value!r} is not {_TWO_VALUES[TypeId(plain)]}")
    kind = o.DoubleCommand if is_double else o.StepCommand
    return kind(ioa, int(value), qualifier, select, tag)


def _whole(value: float) -> int:
    if int(value) != value:
        raise ValueError(f"value {value!r} is not a whole number")
    return int(value)


def asdu_of(
    type_id: TypeNumber,
    cause: Cause,
    ca: CommonAddress,
    oa: int,
    make: Callable[[], InformationObject],
) -> Callable[[], Asdu]:
    """Makes the ASDU of one object when it is sent; ValueError from there if it cannot be."""

    def built() -> Asdu:
        unit = DataUnit(type_id, cause, ca, (make(),), oa=oa)
        return Asdu(encode_asdu(unit, strict=True))

    return built


def type_name(type_id: TypeNumber) -> str:
    """``C_SC_NA_1``."""
    known = object_type(type_id)
    return known.name if known else f"type {type_id}"

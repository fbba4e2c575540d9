"""What the types of a station's points have in common and where they differ, from the one table.

A *kind* is the class of a type's objects: M_SP_NA_1, M_SP_TA_1 and M_SP_TB_1 are one kind and
differ in their time tag.
"""

from dataclasses import dataclass
from typing import Final

from core.protocol import objects as o
from core.protocol.codes import Cause, CauseNumber, TypeId, TypeNumber
from core.protocol.elements import Time
from core.protocol.layouts import object_type, object_types
from core.protocol.objects import InformationObject
from core.protocol.times import Cp24Time2a, Cp56Time2a


@dataclass(frozen=True, slots=True)
class Monitored:
    """A type of monitored points."""

    type_id: TypeId
    kind: type[InformationObject]
    tag: type[Cp24Time2a] | type[Cp56Time2a] | None
    plain: TypeId
    """The type of this kind without time tag; the type itself where there is none."""
    permits_sq: bool

    @property
    def is_measured(self) -> bool:
        """Whether such points are measured values: the ones that are sent periodically."""
        return self.kind in MEASURED

    @property
    def is_interrogated(self) -> bool:
        """Whether such points belong into the answer to an interrogation (60870-5-101, 7.4.5)."""
        return self.kind is not o.IntegratedTotal and self.kind not in PROTECTION

    @property
    def report_cause(self) -> CauseNumber:
        """The cause of a report that nothing but time has caused.

        Types with a time tag know neither *periodic* nor *background scan*.
        """
        if self.tag is not None or self.kind is o.IntegratedTotal:
            return Cause.SPONTANEOUS
        return Cause.PERIODIC if self.is_measured else Cause.BACKGROUND

    @property
    def return_cause(self) -> CauseNumber:
        """The cause of what follows a command; measured values know no return information."""
        return Cause.RETURN_REMOTE if self.type_id in _RETURNS else Cause.SPONTANEOUS


MEASURED: Final = (o.NormalizedValue, o.NormalizedOnly, o.ScaledValue, o.ShortFloat)
PROTECTION: Final = (o.ProtectionEvent, o.ProtectionStart, o.ProtectionOutput)
_RETURNS: Final = frozenset((*range(1, 8), TypeId.M_PS_NA_1, *range(30, 33)))


def _monitored() -> dict[TypeNumber, Monitored]:
    known = [known for known in object_types() if 1 <= known.type_id <= 40]
    tags: dict[TypeNumber, type[Cp24Time2a] | type[Cp56Time2a] | None] = {}
    plain: dict[type[InformationObject], TypeNumber] = {}
    for one in known:
        last = one.layout.elements[-1].parts[0]
        tags[one.type_id] = last.kind if isinstance(last, Time) else None
        if tags[one.type_id] is None:
            plain[one.layout.object_class] = one.type_id
    return {
        one.type_id: Monitored(
            TypeId(one.type_id),
            one.layout.object_class,
            tags[one.type_id],
            TypeId(plain.get(one.layout.object_class, one.type_id)),
            one.layout.is_sequence_permitted,
        )
        for one in known
    }


MONITORED: Final = _monitored()
"""All types a point may have: 1..21 and 30..40."""

COMMAND_KINDS: Final = (
    o.SingleCommand,
    o.DoubleCommand,
    o.StepCommand,
    o.NormalizedSetPoint,
    o.ScaledSetPoint,
    o.FloatSetPoint,
    o.BitstringCommand,
)
_COMMAND_TYPES: Final = (*range(45, 52), *range(58, 65))


def _commands() -> dict[TypeNumber, type[InformationObject]]:
    kinds = {}
    for type_id in _COMMAND_TYPES:
        known = object_type(type_id)
        if known is not None:
            kinds[type_id] = known.layout.object_class
    return kinds


COMMANDS: Final = _commands()
"""Types of commands, with their kind: 45 and 58 are one kind and differ in the time tag."""

PARAMETERS: Final = {
    TypeId.P_ME_NA_1: (o.NormalizedValue, o.NormalizedOnly),
    TypeId.P_ME_NB_1: (o.ScaledValue,),
    TypeId.P_ME_NC_1: (o.ShortFloat,),
}
"""Types of parameters, with the kinds of measured values they are for."""

"""Whose interrogation the RTU is given: they wait for their turns inside the group, and what the
group gives at last is made anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.protocol.asdu import CAUSE_MASK
from core.protocol.codes import Cause, TypeId
from core.protocol.run import APCI_OCTETS, Address, Run
from core.routing.policy import Seat

INTERROGATIONS: Final = frozenset({int(TypeId.C_IC_NA_1), int(TypeId.C_CI_NA_1)})
_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """An interrogation of a master, or its deactivation, that the RTU was not seen to get."""

    seat: Seat
    asdu: bytes
    """As the master sent it, under his own addresses."""
    run: Run
    """The one frame it came in."""


class Interrogations:
    """Those the masters of a group have asked. ``slot_tells``: the RTU sees who asks by the OA."""

    def __init__(self, slot_tells: bool) -> None:
        self._slot_tells = slot_tells
        self._asked: list[Asked] = []
        self._is_complete = True

    def ask(self, seat: Seat, run: Run, *, has_unsent: bool) -> bool:
        """Note the interrogations in a run of a master; whether a general one is asked for.

        ``has_unsent``: the group holds ASDUs the RTU's window has not taken.
        """
        found: list[Asked] = []
        at = 0
        for index, size in enumerate(run.sizes):
            if run.octets[at + APCI_OCTETS] in INTERROGATIONS:
                asdu = run.octets[at + APCI_OCTETS : at + size]
                found.append(Asked(seat, asdu, run.part(index, index + 1)))
            at += size
        if not found:
            return False
        if not has_unsent:
            # What the same master asked before in the same words is replaced by this, or is done.
            self._is_complete = True
            again = {asked.asdu for asked in found}
            self._asked = [a for a in self._asked if a.seat != seat or a.asdu not in again]
        self._asked += found
        if len(self._asked) > _LIMIT:
            self._asked.clear()
            self._is_complete = False
        return any(is_general(asked.asdu) for asked in found)

    def given(self, run: Run, address: Address) -> Sequence[Asked]:
        """Whose it is what goes to the RTU now, and what that was when it came.

        Several: one of them is the asker, which one cannot be told. None: it is not known.
        """
        asdu = run.octets[APCI_OCTETS:]
        slot = address & 0xFF if self._slot_tells else 0
        found = [a for a in self._asked if a.asdu == asdu and slot in (0, a.seat)]
        if found:
            self._asked = [asked for asked in self._asked if asked not in found]
        return found if self._is_complete else ()

    def clear(self) -> None:
        """The RTU link is over: nothing waits any more."""
        self._asked.clear()
        self._is_complete = True


def is_general(asdu: bytes) -> bool:
    """Whether it asks for a general interrogation, or one of a group."""
    return asdu[0] == TypeId.C_IC_NA_1 and asdu[2] & CAUSE_MASK == Cause.ACTIVATION

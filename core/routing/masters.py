"""The masters of a group by seat: who is started, and which common address is whose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.protocol.codes import BROADCAST, CommonAddress
from core.protocol.run import Address, address_of
from core.routing.policy import MasterPolicy, Seat


@dataclass(slots=True)
class Master:
    """What the group knows of one master."""

    policy: MasterPolicy
    is_started: bool = False
    unsent: int = 0
    """Control ASDUs that wait for the RTU's window."""


class Masters:
    """All masters of a group. ``translates`` is False where common addresses stay as they are."""

    def __init__(
        self, rtu_numbers: Sequence[int], policies: Sequence[MasterPolicy], translates: bool
    ) -> None:
        self._rtu_numbers = rtu_numbers
        self._translates = translates
        self._masters: dict[Seat, Master] = {}
        self._to_rtu: dict[tuple[Seat, CommonAddress], CommonAddress] = {}
        self._from_rtu: dict[tuple[Seat, CommonAddress], CommonAddress] = {}
        self._everyone: dict[CommonAddress, tuple[tuple[Seat, Address], ...]] = {}
        for seat, policy in enumerate(policies, 1):
            self.put(seat, policy)

    def __getitem__(self, seat: Seat) -> Master:
        return self._masters[seat]

    def __iter__(self) -> Iterator[Master]:
        return iter(self._masters.values())

    def put(self, seat: Seat, policy: MasterPolicy) -> None:
        """A master, not started, on a seat of its own or on one that was left."""
        for table in (self._to_rtu, self._from_rtu):
            for key in [key for key in table if key[0] == seat]:
                del table[key]
        self._masters[seat] = Master(policy)
        self._everyone = {}
        if not self._translates:
            return
        for its, the_rtus in zip(policy.numbers, self._rtu_numbers, strict=True):
            self._to_rtu[seat, its] = the_rtus
            self._from_rtu[seat, the_rtus] = its

    def set_started(self, seat: Seat, is_started: bool) -> None:
        """Whether data goes to this master."""
        self._masters[seat].is_started = is_started
        self._everyone = {}

    @property
    def is_anyone_started(self) -> bool:
        """Whether data goes to anybody."""
        return any(master.is_started for master in self)

    def to_rtu(self, seat: Seat, ca: CommonAddress) -> CommonAddress | None:
        """The RTU's address for one a master uses; None if it is not one of the master's."""
        if not self._translates:
            return None if ca == BROADCAST else ca
        return self._to_rtu.get((seat, ca))

    def from_rtu(self, seat: Seat, ca: CommonAddress) -> CommonAddress:
        """The master's address for one of the RTU; what is not listed stays as it is."""
        return self._from_rtu.get((seat, ca), ca)

    def everyone(self, ca: CommonAddress) -> tuple[tuple[Seat, Address], ...]:
        """Every started master, and the address under which it gets data of this RTU address."""
        found = self._everyone.get(ca)
        if found is None:
            found = tuple(
                (seat, address_of(0, self.from_rtu(seat, ca)))
                for seat, master in self._masters.items()
                if master.is_started
            )
            if ca in self._rtu_numbers:  # the others may be any of 65,535
                self._everyone[ca] = found
        return found

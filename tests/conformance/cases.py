"""The register of cases: which test holds which of them, and what does not apply and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

GROUPS: Final = {
    "TC": "TCP connection",
    "FR": "APDU frame layout, formats I, S and U",
    "SQ": "Transmission procedure: sequence numbers, k and w",
    "ST": "Transmission control by start and stop",
    "TO": "Time-outs t0 to t3",
    "RG": "Redundant connections",
    "DU": "Data unit identifier: type, qualifier, cause, originator and common address",
    "IO": "Information objects and elements",
    "IN": "Station initialization",
    "RD": "Data acquisition through polling (read procedure)",
    "CY": "Cyclic data transmission and background scan",
    "EV": "Acquisition of events",
    "GI": "General interrogation",
    "CS": "Clock synchronization",
    "CT": "Command transmission",
    "IT": "Transmission of integrated totals",
    "PL": "Parameter loading",
    "TP": "Test procedure",
    "FT": "File transfer",
}
"""Test groups as 60870-5-604 has them, under short names of ours."""

LINK: Final = "link"
"""Our link, in the role or roles the case says."""
RTU: Final = "simulator"
"""The controlled station of the simulator, on our link."""
CLIENT: Final = "client"
"""The controlling station of the client library, on our link."""
GATEWAY: Final = "gateway"
"""The gateway between scripted peers: a controlling station to the RTU, controlled to masters."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what is tested, on what, and by which test."""

    id: str
    station: str
    """controlled, controlling or both: the role the case is about."""
    on: str
    checks: str
    test: Callable[..., Any]


CASES: Final[dict[str, Case]] = {}


def case(id_: str, station: str, on: str, checks: str) -> Callable[[F], F]:
    """Register a test as that case."""

    def register(test: F) -> F:
        if id_ in CASES or id_.partition("-")[0] not in GROUPS:
            raise ValueError(f"{id_} is taken, or of no group")
        CASES[id_] = Case(id_, station, on, checks, test)
        return test

    return register


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """What 60870-5-604 may ask for and is not tested here."""

    group: str
    what: str
    why: str


NOT_APPLICABLE: Final = (
    NotApplicable("TC", "headers, addresses, checksums and sequencing of IP and TCP frames",
                  "done by the operating system"),
    NotApplicable("TC", "TLS of IEC 62351-3 between gateway and peers",
                  "the gateway speaks plain TCP; the client library has tests of its own"),
    NotApplicable("RG", "several redundancy groups told apart by the master's address",
                  "each master entry has a port of its own, which is its redundancy group"),
    NotApplicable("RG", "a second connection of the gateway to one RTU",
                  "it dials the RTU's addresses one after the other, one connection at a time"),
    NotApplicable("DU", "cause of one octet, common address of one, object address of one or two",
                  "60870-5-104 fixes two, two and three octets"),
    NotApplicable("IO", "time tags CP24Time2a (types 2 to 19 in part)",
                  "not in the selection of -104; decoded, encoded and passed on all the same"),
    NotApplicable("IN", "local initialization of a gateway as a station of its own",
                  "it has no process data; M_EI is given to each master that starts (IN-04)"),
    NotApplicable("CS", "delay acquisition, C_CD_NA_1", "-101 only"),
    NotApplicable("IT", "counters of the gateway", "it has none; it passes the RTU's on"),
    NotApplicable("PL", "reverse direction", "no station here is controlled by its RTU"),
    NotApplicable("FT", "file transfer of simulator and client library",
                  "neither has files: the simulator answers file types with cause 44 (FT-03)"),
    NotApplicable("DU", "authentication of IEC 60870-5-7",
                  "not implemented; refused as unknown types (DU-01)"),
)  # fmt: skip

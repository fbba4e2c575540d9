"""A controlling station for Python programs, on the same loop and link as the gateway.

with IEC104Client("192.168.1.1", common_address=47) as client:
    client.wait_until_started(10)
    for update in client.interrogate().updates:
        print(update.ioa, update.value, update.quality)
    client.command("C_SC_NA_1", 5000, True)
"""

from core.client.client import (
    DEFAULT_COMMON_ADDRESS,
    DEFAULT_PORT,
    IEC104_Client,
    IEC104Client,
)
from core.client.errors import (
    ConnectionLostError,
    ExecutionFailedError,
    FrameError,
    IEC104Error,
    NotConnectedError,
    OverflowedError,
    RefusedError,
    RequestTimeoutError,
    UnknownCauseError,
    UnknownCommonAddressError,
    UnknownObjectAddressError,
    UnknownTypeError,
)
from core.client.processor import IEC104DataProcessor
from core.client.results import (
    ClientState,
    Confirmation,
    Counters,
    Interrogated,
    StateChange,
    Update,
)

__all__ = [
    "DEFAULT_COMMON_ADDRESS",
    "DEFAULT_PORT",
    "ClientState",
    "Confirmation",
    "ConnectionLostError",
    "Counters",
    "ExecutionFailedError",
    "FrameError",
    "IEC104Client",
    "IEC104DataProcessor",
    "IEC104Error",
    "IEC104_Client",
    "Interrogated",
    "NotConnectedError",
    "OverflowedError",
    "RefusedError",
    "RequestTimeoutError",
    "StateChange",
    "UnknownCauseError",
    "UnknownCommonAddressError",
    "UnknownObjectAddressError",
    "UnknownTypeError",
    "Update",
]

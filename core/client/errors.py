"""What can go wrong with a request or a frame, as exceptions to tell apart.

``except IEC104Error`` catches them all. A refusal by the station is a :class:`RefusedError`; its
subclasses name the reasons for which the standard has causes of their own.
"""

from typing import ClassVar, Final

from core.protocol.asdu import Asdu
from core.protocol.codes import Cause, CauseNumber


class IEC104Error(Exception):
    """The root of all errors of the client."""


class FrameError(IEC104Error, ValueError):
    """Octets that are no I-format APDU, or one whose objects cannot be read."""


class NotConnectedError(IEC104Error, ConnectionError):
    """There is no started link, so nothing was sent."""


class ConnectionLostError(IEC104Error, ConnectionError):
    """The link ended before the answer came; whether the station acted on it is not known."""


class OverflowedError(IEC104Error):
    """More waits to be sent, or came in answer, than the client keeps."""


class RequestTimeoutError(IEC104Error, TimeoutError):
    """The answer, or the rest of it, did not come in time; ``was_sent`` says if the request went.

    What was not sent by then is never sent later.
    """

    def __init__(self, text: str, *, was_sent: bool) -> None:
        super().__init__(text)
        self.was_sent: Final = was_sent


class RefusedError(IEC104Error):
    """The station said no; ``cause`` is the number it gave, ``asdu`` its whole answer.

    This class itself: a negative confirmation (cause 7 or 9 with P/N = 1).
    """

    meaning: ClassVar[str] = "negative confirmation"

    def __init__(self, request: str, asdu: Asdu) -> None:
        super().__init__(f"{request}: {self.meaning} (cause {asdu.cause})")
        self.asdu: Final = asdu
        self.cause: Final[CauseNumber] = asdu.cause


class ExecutionFailedError(RefusedError):
    """Confirmed first, and then ended with P/N = 1: the execution failed."""

    meaning = "accepted, but the execution failed"


class UnknownTypeError(RefusedError):
    """Cause 44."""

    meaning = "the station does not know the type"


class UnknownCauseError(RefusedError):
    """Cause 45."""

    meaning = "the station does not know the cause of transmission"


class UnknownCommonAddressError(RefusedError):
    """Cause 46."""

    meaning = "the station does not know the common address"


class UnknownObjectAddressError(RefusedError):
    """Cause 47."""

    meaning = "the station does not know the information object address"


UNKNOWN: Final[dict[CauseNumber, type[RefusedError]]] = {
    Cause.UNKNOWN_TYPE: UnknownTypeError,
    Cause.UNKNOWN_CAUSE: UnknownCauseError,
    Cause.UNKNOWN_COMMON_ADDRESS: UnknownCommonAddressError,
    Cause.UNKNOWN_IOA: UnknownObjectAddressError,
}
"""Causes that refuse whatever P/N says (some stations send them without it)."""

"""The system has no more descriptors, or memory for sockets: said when that begins and ends."""

import asyncio
import errno
import logging
import socket
from contextlib import ExitStack
from typing import Final

from core.connections.words import error_words

_log = logging.getLogger("iec104.connections")

_REASONS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOOK_EVERY: Final = 1.0
_ENOUGH: Final = 4
"""Descriptors that must be there again: with a single one it would only begin anew."""


def is_shortage(error: OSError) -> bool:
    """Whether the system has run out of something, for everybody and not for this one call."""
    return error.errno in _REASONS


class Shortage:
    """What everybody who met it reports to; of one event loop, used on its thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_on = False
        self._was_met = False

    def met(self, error: OSError) -> None:
        """A call failed for this reason; whoever made it tries again later."""
        if not is_shortage(error):
            return
        self._was_met = True
        if self._is_on:
            return
        self._is_on = True
        _log.warning(
            "no further connections can be made or accepted: %s; those there are run on, and it is "
            "tried again (the limit of open files may be too low)",
            error_words(error),
        )
        self._loop.call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """It is over when nobody has met it for a while, and there is something to be had."""
        was_met, self._was_met = self._was_met, False
        if was_met:
            self._loop.call_later(_LOOK_EVERY, self._look)
            return
        try:
            with ExitStack() as opened:
                for _ in range(_ENOUGH):
                    opened.enter_context(socket.socket())
        except OSError:
            self._loop.call_later(_LOOK_EVERY, self._look)
        else:
            self._is_on = False
            _log.info("connections can be made and accepted again")

"""Names to addresses without ever blocking the I/O thread.

A numeric address never touches the resolver. A name is looked up in a daemon thread of its own, one
per name in flight: a resolver that hangs holds up nobody else, neither another name nor the exit.
"""

import asyncio
import ipaddress
import socket
import threading


def is_numeric(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address rather than a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class Resolver:
    """Look-ups of one event loop; use it on the loop's own thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._in_flight: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, in the resolver's order.

        Raises OSError (socket.gaierror) if there is none. Waits as long as the system's resolver
        does: callers set their own limit.
        """
        if is_numeric(host):
            return (host,)
        future = self._in_flight.get(host)
        if future is None:
            future = self._in_flight[host] = self._loop.create_future()
            thread = threading.Thread(
                target=self._look_up, args=(host,), name=f"resolve {host}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:  # the system has no more threads for us: asked again
                self._finish(host, OSError(f"cannot be looked up: {error}"))
        return await asyncio.shield(future)

    def _look_up(self, host: str) -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            result: tuple[str, ...] | OSError = tuple(
                dict.fromkeys(str(address[0]) for *_, address in found)
            )
        except OSError as error:
            result = error
        except UnicodeError as error:  # a name no resolver would take, e.g. an empty label
            result = OSError(f"not a host name: {error}")
        try:
            self._loop.call_soon_threadsafe(self._finish, host, result)
        except RuntimeError:
            # The loop was closed while the resolver hung: nobody waits for the answer any more.
            return

    def _finish(self, host: str, result: tuple[str, ...] | OSError) -> None:
        future = self._in_flight.pop(host)
        if future.done():
            return
        if isinstance(result, OSError):
            future.set_exception(result)
            future.exception()  # everyone who waited may have given up: that is no error of ours
        else:
            future.set_result(result)

"""What a front end may ask about one entry at any time, read from another thread without a lock."""

from collections.abc import Sequence
from typing import Final

from core.connections.stream import Stream
from core.gateway.journal import Journal
from core.protocol.link import Link, State
from core.protocol.outbox import Outbox
from core.protocol.run import MODULO
from core.status import Facts

_TRIES: Final = 5


def facts_of(journal: Journal, streams: Sequence[Stream], idle: Sequence[Outbox]) -> Facts:
    """The facts of an entry with these connections; ``idle`` are its outboxes, connected or not."""
    at, by = journal.interrogated
    buffer = journal.entry.options.buffer
    peers = tuple(stream.peer for stream in streams)
    connected_at = journal.status.connected_at
    started = [stream for stream in streams if stream.link.state is State.STARTED]
    stream = next(iter(started or streams), None)
    if stream is None:
        waiting = sum(outbox.waiting for outbox in idle)
        return Facts("", 0, 0, 0, 0, 0, waiting, buffer, at, by, connected_at, peers)
    link = stream.link
    ns, nr, out, received = _numbers(link)
    return Facts(
        str(link.state), ns, nr, out, link.timing.k, received, link.outbox.waiting, buffer, at, by,
        connected_at, peers,
    )  # fmt: skip


def _numbers(link: Link) -> tuple[int, int, int, int]:
    """N(S), N(R), and what is unacknowledged out and in.

    The link goes on meanwhile: numbers of different moments give a difference that is far out.
    """
    k = link.timing.k
    for _ in range(_TRIES):
        ns, nr, out, received = link.vs, link.vr, link.outstanding, link.unacknowledged
        if out <= k and received < MODULO // 2:
            return ns, nr, out, received
    return link.vs, link.vr, 0, 0

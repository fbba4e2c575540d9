"""Time servers: what is right with an answer, what follows from it, and the thread that asks.

`rules` decides, `words` tells it to people, `exchange` asks one server once, and `keeper` is the
thread that does it all. What is kept out: everything the operating system must be asked or told,
which is `core.clock`.
"""

from core.ntp.keeper import TimeKeeper
from core.ntp.words import Report

__all__ = ["Report", "TimeKeeper"]

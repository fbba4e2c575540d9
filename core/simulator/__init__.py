"""RTU simulator: controlled stations with points, values and habits, good and bad ones.

Pure but for ``tampering``, ``server``, ``simulator`` and ``program``: they have the sockets, the
clock, the files and the terminal.
"""

from core.simulator.behaviour import Behaviour
from core.simulator.points import Point, read_points
from core.simulator.scenario import read_scenario
from core.simulator.simulator import Rtu, Simulator

__all__ = ["Behaviour", "Point", "Rtu", "Simulator", "read_points", "read_scenario"]
